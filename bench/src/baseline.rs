//! The baseline of the benchmarks: a bare loop of HTTP requests.
//!
//! It ignores robots.txt, delays and redirects, so it connects to loopback addresses only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

/// Fetches every URL with at most `concurrency` requests at a time, and passes each body to `read` on a blocking
/// thread. Returns the number of bodies that were read.
///
/// `hosts` pins host names to addresses. Fails if one of these addresses is not loopback, or if a URL is on
/// another host.
pub(crate) async fn fetch_all(
    urls: Vec<Url>,
    hosts: &[(String, IpAddr)],
    concurrency: usize,
    read: impl Fn(&Url, &[u8]) + Send + Sync + 'static,
) -> Result<usize, String> {
    if let Some((name, _)) = hosts.iter().find(|(_, address)| !address.is_loopback()) {
        return Err(format!("{name} is not on loopback; the benchmark connects to loopback addresses only"));
    }
    if let Some(url) = urls.iter().find(|url| !hosts.iter().any(|(name, _)| url.host_str() == Some(name))) {
        return Err(format!("{url} is not on one of the pinned hosts"));
    }
    let mut builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    for (name, address) in hosts {
        builder = builder.resolve(name, SocketAddr::new(*address, 0));
    }
    let client = builder.build().map_err(|error| error.to_string())?;
    let (slots, read) = (Arc::new(Semaphore::new(concurrency)), Arc::new(read));
    let mut tasks = JoinSet::new();
    for url in urls {
        let Ok(permit) = slots.clone().acquire_owned().await else { break };
        let (client, read) = (client.clone(), read.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let mut response = client.get(url.clone()).send().await.ok()?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.ok()? {
                body.extend_from_slice(&chunk);
            }
            tokio::task::spawn_blocking(move || read(&url, &body)).await.ok()
        });
    }
    let mut count = 0;
    while let Some(result) = tasks.join_next().await {
        count += usize::from(matches!(result, Ok(Some(()))));
    }
    Ok(count)
}
