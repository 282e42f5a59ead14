//! A private Prometheus.

use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::process::{Process, free_port, until};

/// How long a value is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Prometheus that scrapes some addresses every second.
#[derive(Debug)]
pub struct PrometheusServer {
    _process: Process,
    _folder: TempDir,
    port: u16,
}

impl PrometheusServer {
    /// Starts one.
    pub async fn start(targets: &[String]) -> io::Result<Self> {
        let (folder, port) = (TempDir::new()?, free_port()?);
        let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let settings = folder.path().join("prometheus.yml");
        std::fs::write(
            &settings,
            format!(
                "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: qyran\n  static_configs:\n  - targets: [{}]\n",
                targets.join(", ")
            ),
        )?;
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", settings.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let log = folder.path().join("log");
        let process = Process::start(command, &log, "prometheus")?;
        let is_ready = async || get(port, "/-/ready").await.is_ok_and(|answer| answer.contains(" 200 "));
        until("prometheus", &log, is_ready).await?;
        Ok(Self { _process: process, _folder: folder, port })
    }

    /// The value of a query with one answer, as soon as it is as wished, or what it is in the end; NaN where
    /// there is none.
    pub async fn until(&self, query: &str, is_wished: impl Fn(f64) -> bool) -> f64 {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let value = self.query(query).await.unwrap_or(f64::NAN);
            if is_wished(value) || Instant::now() > give_up {
                return value;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    async fn query(&self, query: &str) -> io::Result<f64> {
        let escaped: String = query
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        let answer = get(self.port, &format!("/api/v1/query?query={escaped}")).await?;
        // {"value":[1700000000.1,"3"]}
        let value = answer.rsplit_once("\"value\":[").and_then(|(_, rest)| rest.split('"').nth(1));
        value.and_then(|value| value.parse().ok()).ok_or_else(|| io::Error::other(answer.clone()))
    }
}

async fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What Prometheus' linter says of metrics in its text format; nothing where all is well.
pub async fn promtool_complaints(metrics: &str) -> io::Result<String> {
    let mut promtool = tokio::process::Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(metrics.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
}
