//! A child process that does not outlive its owner.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// No server needs longer to answer, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// A server's process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command that writes what it has to say to `log`.
    pub(crate) fn start(mut command: Command, log: &Path, package: &str) -> io::Result<Self> {
        let output = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| missing(&command, &error, package))?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Sends a signal by its name: `STOP`, `CONT`, `QUIT`.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill -{name}: {status}"))) }
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) {
        let _ = self.child.wait();
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        // One that is gone already is as good.
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
    io::Error::new(error.kind(), format!("{program}: {error}; Debian's package {package} has it"))
}

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until a question is answered with yes.
pub(crate) async fn until(what: &str, log: &Path, mut is_so: impl AsyncFnMut() -> bool) -> io::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !is_so().await {
        if Instant::now() > give_up {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what}: no answer\n{log}")));
        }
        sleep(LOOK).await;
    }
    Ok(())
}
