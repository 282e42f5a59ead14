//! A child process that is killed when its owner is dropped.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Timeout of a readiness check; it suffices even on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The process of a server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command; its output goes to the file `log`. The error for a missing program names `package`.
    pub(crate) fn start(mut command: Command, log: &Path, package: &str) -> io::Result<Self> {
        let output = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| missing(&command, &error, package))?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns true if the process has exited.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Sends a signal by name: `STOP`, `CONT`, `QUIT`.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill -{name}: {status}"))) }
    }

    /// Waits until the process has exited.
    pub(crate) fn wait(&mut self) {
        let _ = self.child.wait();
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        // Fails only if the process has already exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn missing(command: &Command, error: &io::Error, package: &str) -> io::Error {
    let program = command.get_program().to_string_lossy();
    io::Error::new(
        error.kind(),
        format!("cannot run {program}: {error}; install the Debian package {package}"),
    )
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until a check returns true. After [`READY_TIMEOUT`] the error contains the log.
pub(crate) async fn wait_until(
    server: &str,
    log: &Path,
    mut check: impl AsyncFnMut() -> bool,
) -> io::Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while !check().await {
        if Instant::now() > deadline {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{server} did not become ready\n{log}"),
            ));
        }
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
