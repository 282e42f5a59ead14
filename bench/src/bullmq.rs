//! BullMQ, a peer: a job queue of Node.js on the same Redis, measured in the same rounds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use scheduler::Redis;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

/// What it does is beside this file.
const SCRIPT: &str = include_str!("../bullmq.js");
/// Jobs of one measurement.
const JOBS: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(300);

/// Jobs that BullMQ works off per CPU-second of the Redis on this port; `folder` is where `npm install bullmq ioredis`
/// was run.
pub(super) async fn jobs_per_cpu_second(
    folder: &Path,
    redis: &Redis,
    port: u16,
    prefix: &str,
) -> anyhow::Result<f64> {
    let mut child = Command::new("node")
        .args(["-e", SCRIPT, "--", &port.to_string(), prefix, &JOBS.to_string()])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| anyhow::anyhow!("node: {error}"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (mut stdin, stdout) = stdin.zip(stdout).ok_or_else(|| anyhow::anyhow!("node cannot be talked to"))?;
    let mut words = BufReader::new(stdout).lines();
    hears(&mut words, "added").await?;
    let before = redis.usage().await?.cpu_seconds;
    stdin.write_all(b"go\n").await?;
    hears(&mut words, "done").await?;
    let spent = redis.usage().await?.cpu_seconds - before;
    Ok(JOBS as f64 / spent)
}

async fn hears(words: &mut Lines<BufReader<ChildStdout>>, word: &str) -> anyhow::Result<()> {
    let said = timeout(PATIENCE, words.next_line()).await.map_err(anyhow::Error::from)??;
    if said.as_deref() == Some(word) {
        return Ok(());
    }
    Err(anyhow::anyhow!("BullMQ ended early; name the folder where `npm install bullmq ioredis` was run"))
}
