//! A private Redis.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Certificate;
use crate::process::{Process, free_port, until};

/// Where `./check` puts Valkey.
const VALKEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/valkey/valkey-server");

/// A Redis of one's own.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
}

impl RedisServer {
    /// Starts one with these settings, written as on redis-server's command line: `["--appendonly", "yes"]`.
    /// Without any it keeps nothing on disk.
    pub async fn start(settings: &[&str]) -> io::Result<Self> {
        Self::start_below(u16::MAX, settings).await
    }

    /// The same with Valkey; `None` where `./check` has not put it into `target/tools`.
    pub async fn start_valkey(settings: &[&str]) -> Option<io::Result<Self>> {
        let program = PathBuf::from(VALKEY);
        if !program.exists() {
            return None;
        }
        Some(Self::start_program(program, u16::MAX, settings).await)
    }

    /// One that is also reached over TLS, at the second address.
    pub async fn start_tls(certificate: &Certificate) -> io::Result<(Self, String)> {
        let port = free_port()?.to_string();
        let (cert, key) = (certificate.certificate(), certificate.key());
        let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
        let mut settings = vec!["--tls-port", port.as_str(), "--tls-auth-clients", "no"];
        settings.extend(["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &cert]);
        Ok((Self::start(&settings).await?, format!("rediss://127.0.0.1:{port}")))
    }

    /// The same, on a port that is not above this one.
    pub(crate) async fn start_below(most: u16, settings: &[&str]) -> io::Result<Self> {
        Self::start_program(PathBuf::from("redis-server"), most, settings).await
    }

    async fn start_program(program: PathBuf, most: u16, settings: &[&str]) -> io::Result<Self> {
        let settings = settings.iter().map(|&text| text.to_owned()).collect();
        let mut port = free_port()?;
        for _ in 0..100 {
            if port <= most {
                break;
            }
            port = free_port()?;
        }
        let mut server = Self { program, process: None, folder: TempDir::new()?, port, settings };
        server.restart().await?;
        Ok(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Lets it stand still (`STOP`) or go on (`CONT`).
    pub fn signal(&self, name: &str) -> io::Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(name))
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it (again) on the same port and files.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        command.args(["--enable-debug-command", "yes", "--port", &self.port.to_string()]);
        command.arg("--dir").arg(self.folder.path()).args(&self.settings);
        let log = self.log();
        self.process = Some(Process::start(command, &log, "redis-server")?);
        let port = self.port;
        until("redis-server", &log, async || answers(port).await).await
    }

    /// Sends one command of plain words and returns the answer as it was written, up to 64 KiB.
    pub async fn tell(&self, command: &str) -> io::Result<String> {
        tell(self.port, command).await
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

async fn answers(port: u16) -> bool {
    tell(port, "PING").await.is_ok_and(|answer| answer.starts_with("+PONG"))
}

pub(crate) async fn tell(port: u16, command: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    // The end of what we say is what makes it hang up: a Sentinel knows no QUIT.
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.take(65_536).read_to_string(&mut answer).await?;
    Ok(answer)
}
