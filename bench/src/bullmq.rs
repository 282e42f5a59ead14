//! BullMQ, the peer of `bench schedule`: a job queue of Node.js on the same Redis, measured in the same rounds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use scheduler::Redis;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

/// The script that adds jobs to a queue of BullMQ and processes them.
const SCRIPT: &str = include_str!("../bullmq.js");
/// The number of jobs of one measurement.
const JOBS_PER_MEASUREMENT: usize = 20_000;
/// Upper bound on the wait for a line of the script.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Returns the number of jobs that BullMQ processes per CPU-second of the Redis server on a port. `folder` is the
/// folder in which `npm install bullmq ioredis` was run.
pub(super) async fn jobs_per_cpu_second(
    folder: &Path,
    redis: &Redis,
    port: u16,
    prefix: &str,
) -> anyhow::Result<f64> {
    let mut child = Command::new("node")
        .args(["-e", SCRIPT, "--", &port.to_string(), prefix, &JOBS_PER_MEASUREMENT.to_string()])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| anyhow::anyhow!("cannot start node: {error}"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (mut stdin, stdout) = stdin.zip(stdout).ok_or_else(|| anyhow::anyhow!("node has no pipes"))?;
    let mut lines = BufReader::new(stdout).lines();
    expect_line(&mut lines, "added").await?;
    let before = redis.usage().await?.cpu_seconds;
    stdin.write_all(b"go\n").await?;
    expect_line(&mut lines, "done").await?;
    let cpu_seconds = redis.usage().await?.cpu_seconds - before;
    Ok(JOBS_PER_MEASUREMENT as f64 / cpu_seconds)
}

/// Waits for the next line of the script. Fails if it is another one.
async fn expect_line(lines: &mut Lines<BufReader<ChildStdout>>, expected: &str) -> anyhow::Result<()> {
    let line = timeout(MAX_WAIT, lines.next_line()).await.map_err(anyhow::Error::from)??;
    if line.as_deref() == Some(expected) {
        return Ok(());
    }
    Err(anyhow::anyhow!("BullMQ ended early; run `npm install bullmq ioredis` in the folder of --bullmq"))
}
