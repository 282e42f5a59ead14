//! The bare loop of `bench crawl`: it makes the same requests and extracts the same fields, and does nothing else.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use crawler::extract::extract;
use crawler::read::{Page, read};
use model::{Clock, Selectors, SourceKind, SystemClock};
use origin::Origin;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use crate::baseline::fetch_all;

/// The kind of pages that a benchmark reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Read {
    /// Listing pages: their links
    Links,
    /// Article pages: title, text, author, time, language
    Article,
}

/// The number of concurrent requests: the number of hosts that the measured crawl visits at the same time.
const CONCURRENT_REQUESTS: usize = 40;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Plan of the pages to fetch, as JSON
    plan: PathBuf,
}

/// The pages that the loop fetches, and the addresses of their hosts.
#[derive(Serialize, Deserialize)]
pub(super) struct Plan {
    hosts: Vec<(String, IpAddr)>,
    listings: Vec<Url>,
    articles: Vec<Url>,
}

impl Plan {
    /// Returns the plan with the pages that the measured crawl fetches.
    pub(super) fn new(origin: &Origin, kind: Read, pages: u32) -> Self {
        let sites = &origin.world().sites;
        let url = |text: String| Url::parse(&text).ok();
        let listings = sites.iter().flat_map(|site| match kind {
            Read::Article => vec![origin.front(site)],
            Read::Links => (0..pages).map(|page| format!("{}?page={page}", origin.front(site))).collect(),
        });
        let articles = sites.iter().flat_map(|site| match kind {
            Read::Article => (0..origin.published(site)).map(|number| origin.article(site, number)).collect(),
            Read::Links => Vec::new(),
        });
        Self {
            hosts: sites.iter().map(|site| (site.name.clone(), site.address.into())).collect(),
            listings: listings.filter_map(url).collect(),
            articles: articles.filter_map(url).collect(),
        }
    }
}

pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(&args.plan)?)?;
    let now = SystemClock.now();
    let read_listing = move |url: &Url, body: &[u8]| {
        std::hint::black_box(read(
            SourceKind::Listing,
            &Page::new(url, body, &Selectors::default(), None, now),
        ));
    };
    let read_article = move |url: &Url, body: &[u8]| {
        std::hint::black_box(extract(&Page::new(url, body, &Selectors::default(), None, now)));
    };
    let listings = fetch_all(plan.listings, &plan.hosts, CONCURRENT_REQUESTS, read_listing)
        .await
        .map_err(anyhow::Error::msg)?;
    let articles = fetch_all(plan.articles, &plan.hosts, CONCURRENT_REQUESTS, read_article)
        .await
        .map_err(anyhow::Error::msg)?;
    let figures = json!({
        "pages": listings + articles,
        "cpu_seconds": actors::process_stats::cpu_seconds(),
        "peak_memory_bytes": actors::process_stats::peak_memory(),
    });
    crate::report::print(&figures)
}
