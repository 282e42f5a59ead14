//! A private Prometheus server.

use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::process::{Process, free_port, wait_until};

/// Upper bound on the wait for a value.
const VALUE_TIMEOUT: Duration = Duration::from_secs(60);

/// A Prometheus server that scrapes its targets every second.
#[derive(Debug)]
pub struct PrometheusServer {
    _process: Process,
    _folder: TempDir,
    port: u16,
}

impl PrometheusServer {
    /// Starts a server that scrapes these addresses.
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
        let is_ready = async || get(port, "/-/ready").await.is_ok_and(|response| response.contains(" 200 "));
        wait_until("prometheus", &log, is_ready).await?;
        Ok(Self { _process: process, _folder: folder, port })
    }

    /// Waits until the value of a query satisfies a condition, and returns it. After a minute it returns the current
    /// value. The value is NaN if the query has no result.
    pub async fn until(&self, query: &str, is_expected: impl Fn(f64) -> bool) -> f64 {
        let deadline = Instant::now() + VALUE_TIMEOUT;
        loop {
            let value = self.query(query).await.unwrap_or(f64::NAN);
            if is_expected(value) || Instant::now() > deadline {
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
        let response = get(self.port, &format!("/api/v1/query?query={escaped}")).await?;
        // {"value":[1700000000.1,"3"]}
        let value = response.rsplit_once("\"value\":[").and_then(|(_, rest)| rest.split('"').nth(1));
        value.and_then(|value| value.parse().ok()).ok_or_else(|| io::Error::other(response.clone()))
    }
}

async fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut response = String::new();
    stream.take(1 << 20).read_to_string(&mut response).await?;
    Ok(response)
}

/// Returns the complaints of `promtool check metrics` about metrics in the text format; empty if there are none.
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
