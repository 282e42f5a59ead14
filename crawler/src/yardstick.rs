//! The yardstick that benchmarks are held against: a bare loop of requests, with nothing around it.
//!
//! No robots, no delay, no redirects: therefore it talks to loopback only, by construction.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

/// Fetches every address, `at_once` at a time, and hands each body to `read` on a blocking thread.
/// `hosts` pins the names; an address that is not loopback is refused. How many were read.
pub async fn fetch_all(
    addresses: Vec<Url>,
    hosts: &[(String, IpAddr)],
    at_once: usize,
    read: impl Fn(&Url, &[u8]) + Send + Sync + 'static,
) -> Result<usize, String> {
    if let Some((name, _)) = hosts.iter().find(|(_, address)| !address.is_loopback()) {
        return Err(format!("{name} is not on loopback: the yardstick goes nowhere else"));
    }
    if let Some(stranger) =
        addresses.iter().find(|url| !hosts.iter().any(|(name, _)| url.host_str() == Some(name)))
    {
        return Err(format!("{stranger} is not on one of the pinned hosts"));
    }
    let mut builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    for (name, address) in hosts {
        builder = builder.resolve(name, SocketAddr::new(*address, 0));
    }
    let client = builder.build().map_err(|error| error.to_string())?;
    let (gate, read) = (Arc::new(Semaphore::new(at_once)), Arc::new(read));
    let mut running = JoinSet::new();
    for url in addresses {
        let Ok(permit) = gate.clone().acquire_owned().await else { break };
        let (client, read) = (client.clone(), read.clone());
        running.spawn(async move {
            let _permit = permit;
            let mut response = client.get(url.clone()).send().await.ok()?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.ok()? {
                body.extend_from_slice(&chunk);
            }
            tokio::task::spawn_blocking(move || read(&url, &body)).await.ok()
        });
    }
    let mut done = 0;
    while let Some(ended) = running.join_next().await {
        done += usize::from(matches!(ended, Ok(Some(()))));
    }
    Ok(done)
}
