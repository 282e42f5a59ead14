//! A private Redis server.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Certificate;
use crate::process::{Process, free_port, wait_until};

/// The path at which `./check` installs Valkey.
const VALKEY_PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/valkey/valkey-server");

/// A private Redis server.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
}

impl RedisServer {
    /// Starts a server with settings as on the command line of redis-server: `["--appendonly", "yes"]`. By default it
    /// stores nothing on disk.
    pub async fn start(settings: &[&str]) -> io::Result<Self> {
        Self::start_below(u16::MAX, settings).await
    }

    /// Starts a Valkey server; `None` if `./check` has not installed it in `target/tools`.
    pub async fn start_valkey(settings: &[&str]) -> Option<io::Result<Self>> {
        let program = PathBuf::from(VALKEY_PROGRAM);
        if !program.exists() {
            return None;
        }
        Some(Self::start_program(program, u16::MAX, settings).await)
    }

    /// Starts a server that also accepts TLS connections, at the returned address.
    pub async fn start_tls(certificate: &Certificate) -> io::Result<(Self, String)> {
        let port = free_port()?.to_string();
        let (cert, key) = (certificate.certificate(), certificate.key());
        let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
        let mut settings = vec!["--tls-port", port.as_str(), "--tls-auth-clients", "no"];
        settings.extend(["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &cert]);
        Ok((Self::start(&settings).await?, format!("rediss://127.0.0.1:{port}")))
    }

    /// Starts a server on a port of at max_port `max_port`.
    pub(crate) async fn start_below(max_port: u16, settings: &[&str]) -> io::Result<Self> {
        Self::start_program(PathBuf::from("redis-server"), max_port, settings).await
    }

    async fn start_program(program: PathBuf, max_port: u16, settings: &[&str]) -> io::Result<Self> {
        let settings = settings.iter().map(|&text| text.to_owned()).collect();
        let mut port = free_port()?;
        for _ in 0..100 {
            if port <= max_port {
                break;
            }
            port = free_port()?;
        }
        let mut server = Self { program, process: None, folder: TempDir::new()?, port, settings };
        server.restart().await?;
        Ok(server)
    }

    /// Returns the address of the server.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the pid of the server while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Sends a signal by name: `STOP` suspends the server, `CONT` resumes it.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(name))
    }

    /// Kills the server, as in a crash.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts or restarts the server on the same port and data.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        command.args(["--enable-debug-command", "yes", "--port", &self.port.to_string()]);
        command.arg("--dir").arg(self.folder.path()).args(&self.settings);
        let log = self.log();
        self.process = Some(Process::start(command, &log, "redis-server")?);
        let port = self.port;
        wait_until("redis-server", &log, async || is_ready(port).await).await
    }

    /// Sends an inline command and returns the raw reply, up to 64 KiB.
    pub async fn tell(&self, command: &str) -> io::Result<String> {
        send_command(self.port, command).await
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

async fn is_ready(port: u16) -> bool {
    send_command(port, "PING").await.is_ok_and(|reply| reply.starts_with("+PONG"))
}

/// Sends an inline command to the server on a port and returns the raw reply, up to 64 KiB.
pub(crate) async fn send_command(port: u16, command: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    // The server closes the connection after the end of the input; a Sentinel does not support QUIT.
    stream.shutdown().await?;
    let mut reply = String::new();
    stream.take(65_536).read_to_string(&mut reply).await?;
    Ok(reply)
}
