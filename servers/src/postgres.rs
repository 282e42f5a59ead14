//! A private PostgreSQL server.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Certificate;
use crate::process::{Process, free_port, wait_until};

/// Upper bound on the attempts to start the server: another process may take its port.
const MAX_START_ATTEMPTS: u32 = 5;

/// A private PostgreSQL server with the superuser `postgres` and no password. For speed it gives up durability across a
/// power failure; a crash of its processes loses no data.
#[derive(Debug)]
pub struct PostgresServer {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    programs: PathBuf,
    is_tls: bool,
}

impl PostgresServer {
    /// Creates an empty database cluster and starts the server.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(None).await
    }

    /// Does the same as [`start`](Self::start), and also accepts TLS connections.
    pub async fn start_tls(certificate: &Certificate) -> io::Result<Self> {
        Self::start_with(Some(certificate)).await
    }

    async fn start_with(certificate: Option<&Certificate>) -> io::Result<Self> {
        let programs = programs()?;
        let folder = TempDir::new()?;
        let user = server_user(folder.path())?;
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let is_tls = certificate.is_some();
        let mut server = Self { process: None, folder, port: free_port()?, programs, is_tls };
        let mut initdb = server.command("initdb")?;
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        initdb.args(["--locale=C.UTF-8", "--pgdata"]).arg(server.data()).stdin(Stdio::null());
        let output = initdb.output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        if let Some(certificate) = certificate {
            for (from, name) in [(certificate.certificate(), "server.crt"), (certificate.key(), "server.key")]
            {
                let to = server.data().join(name);
                std::fs::copy(from, &to)?;
                std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600))?;
                if let Some((uid, gid)) = user {
                    chown(&to, Some(uid), Some(gid))?;
                }
            }
        }
        server.restart().await?;
        Ok(server)
    }

    /// Returns the connection URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the pid of the main process while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Kills the server, as in a crash.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts or restarts the server on the same port and data.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let log = self.folder.path().join("log");
        for attempt in 1..=MAX_START_ATTEMPTS {
            let mut command = self.command("postgres")?;
            command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
            for setting in [
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "fsync=off",
                "max_connections=200",
                "shared_buffers=64MB",
            ] {
                command.args(["-c", setting]);
            }
            command.args(["-c", if self.is_tls { "ssl=on" } else { "ssl=off" }]);
            let mut process = Process::start(command, &log, "postgresql")?;
            let ready = wait_until("postgres", &log, async || process.has_ended() || self.is_ready()).await;
            if ready.is_ok() && !process.has_ended() {
                self.process = Some(process);
                return Ok(());
            }
            if attempt == MAX_START_ATTEMPTS {
                ready?;
            }
        }
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        Err(io::Error::other(format!("postgres exited during startup\n{log}")))
    }

    /// Creates an empty database.
    pub fn create_database(&self, name: &str) -> io::Result<()> {
        let output = self.client("createdb").arg(name).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Rejects writes, like a standby that is not promoted yet, or accepts them again.
    pub fn set_read_only(&self, is_read_only: bool) -> io::Result<()> {
        let mode = if is_read_only { "on" } else { "off" };
        let mut client = self.client("psql");
        // This session stays writable, so that it can reset the setting.
        client.env("PGOPTIONS", "-c default_transaction_read_only=off");
        client.args([
            "-d",
            "postgres",
            "-c",
            &format!("ALTER SYSTEM SET default_transaction_read_only = {mode}"),
        ]);
        let output = client.args(["-c", "SELECT pg_reload_conf()"]).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn is_ready(&self) -> bool {
        self.client("pg_isready").output().is_ok_and(|output| output.status.success())
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .stdin(Stdio::null());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the command of a server program, run as the owner of the folder: PostgreSQL refuses to run as root.
    fn command(&self, program: &str) -> io::Result<Command> {
        let mut command = Command::new(self.programs.join(program));
        let owner = std::fs::metadata(self.folder.path())?;
        command.uid(owner.uid()).gid(owner.gid()).current_dir(self.folder.path());
        Ok(command)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Immediate shutdown by signal: the server releases its shared memory, which it cannot after a kill.
        if let Some(mut process) = self.process.take()
            && process.signal("QUIT").is_ok()
        {
            process.wait();
        }
    }
}

/// Returns the folder with the programs of the newest installed PostgreSQL.
fn programs() -> io::Result<PathBuf> {
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            "PostgreSQL is not installed; install the Debian package postgresql",
        )
    };
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| missing())?;
    let mut installations: Vec<(u32, PathBuf)> = versions
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("postgres").exists())
        .collect();
    installations.sort();
    installations.pop().map(|(_, programs)| programs).ok_or_else(missing)
}

/// Returns uid and gid of the user `postgres` if this process runs as root, since the server cannot run as root.
fn server_user(folder: &Path) -> io::Result<Option<(u32, u32)>> {
    if std::fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let ids = accounts.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Ok(Some(ids.ok_or_else(|| {
        io::Error::other("PostgreSQL cannot run as root, and the user postgres does not exist")
    })?))
}
