//! A private PostgreSQL.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Certificate;
use crate::process::{Process, free_port, until};

/// A PostgreSQL of one's own, with the superuser `postgres` and no password. It trades durability over a
/// power cut for speed; a crash of its processes loses nothing.
#[derive(Debug)]
pub struct PostgresServer {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    programs: PathBuf,
    is_tls: bool,
}

impl PostgresServer {
    /// Makes a cluster of databases and serves it.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(None).await
    }

    /// The same, reached over TLS too.
    pub async fn start_tls(certificate: &Certificate) -> io::Result<Self> {
        Self::start_with(Some(certificate)).await
    }

    async fn start_with(certificate: Option<&Certificate>) -> io::Result<Self> {
        let programs = programs()?;
        let folder = TempDir::new()?;
        let user = user(folder.path())?;
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let is_tls = certificate.is_some();
        let mut server = Self { process: None, folder, port: free_port()?, programs, is_tls };
        let mut make = server.command("initdb")?;
        make.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        make.args(["--locale=C.UTF-8", "--pgdata"]).arg(server.data()).stdin(Stdio::null());
        let made = make.output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
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

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Its main process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it (again) on the same port and files.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let log = self.folder.path().join("log");
        let give_up = 5;
        for attempt in 1..=give_up {
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
            let ready = until("postgres", &log, async || process.has_ended() || self.is_ready()).await;
            if ready.is_ok() && !process.has_ended() {
                self.process = Some(process);
                return Ok(());
            }
            if attempt == give_up {
                ready?;
            }
        }
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        Err(io::Error::other(format!("postgres ends at once\n{log}")))
    }

    /// Makes an empty database.
    pub fn create_database(&self, name: &str) -> io::Result<()> {
        let made = self.client("createdb").arg(name).output()?;
        if made.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()))
    }

    /// Takes no more writes, as a standby does that was not promoted yet, or takes them again.
    pub fn set_read_only(&self, is_read_only: bool) -> io::Result<()> {
        let mode = if is_read_only { "on" } else { "off" };
        let mut client = self.client("psql");
        // Our own session is let write, or it could not take it back.
        client.env("PGOPTIONS", "-c default_transaction_read_only=off");
        client.args([
            "-d",
            "postgres",
            "-c",
            &format!("ALTER SYSTEM SET default_transaction_read_only = {mode}"),
        ]);
        let done = client.args(["-c", "SELECT pg_reload_conf()"]).output()?;
        if done.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned()))
    }

    fn is_ready(&self) -> bool {
        self.client("pg_isready").output().is_ok_and(|answer| answer.status.success())
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

    /// A server program, as the folder's owner: PostgreSQL refuses to serve as root.
    fn command(&self, program: &str) -> io::Result<Command> {
        let mut command = Command::new(self.programs.join(program));
        let owner = std::fs::metadata(self.folder.path())?;
        command.uid(owner.uid()).gid(owner.gid()).current_dir(self.folder.path());
        Ok(command)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // At once, but by its own hand: it gives its shared memory back.
        if let Some(mut process) = self.process.take()
            && process.signal("QUIT").is_ok()
        {
            process.wait();
        }
    }
}

/// Where the newest server's programs are.
fn programs() -> io::Result<PathBuf> {
    let missing =
        || io::Error::new(io::ErrorKind::NotFound, "no PostgreSQL; Debian's package postgresql has it");
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| missing())?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs).ok_or_else(missing)
}

/// Who is to serve where we are root; otherwise we do.
fn user(folder: &Path) -> io::Result<Option<(u32, u32)>> {
    if std::fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Ok(Some(found.ok_or_else(|| {
        io::Error::other("PostgreSQL does not serve as root, and there is no user postgres")
    })?))
}
