//! The bare loop that `bench crawl` is held against: the same client, the same reading, nothing else.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::baseline::fetch_all;
use clap::ValueEnum;
use crawler::extract::extract;
use crawler::read::{Page, read};
use model::{Clock, Selectors, SourceKind, SystemClock};
use origin::Origin;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

/// The kind of pages that a benchmark reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Read {
    /// Listing pages: their links
    Links,
    /// Article pages: title, text, author, time, language
    Article,
}

/// Requests at the same time: as many as the measured crawl visits hosts.
const AT_ONCE: usize = 40;

#[derive(clap::Args)]
pub(super) struct Args {
    /// What is to be fetched, as JSON
    plan: PathBuf,
}

/// What the loop fetches: listings, and articles.
#[derive(Serialize, Deserialize)]
pub(super) struct Plan {
    hosts: Vec<(String, IpAddr)>,
    listings: Vec<Url>,
    articles: Vec<Url>,
}

impl Plan {
    /// The same pages that the measured crawl fetches.
    pub(super) fn of(origin: &Origin, wanted: Read, pages: u32) -> Self {
        let sites = &origin.world().sites;
        let address = |text: String| Url::parse(&text).ok();
        let fronts = sites.iter().flat_map(|site| match wanted {
            Read::Article => vec![origin.front(site)],
            Read::Links => (0..pages).map(|page| format!("{}?page={page}", origin.front(site))).collect(),
        });
        let articles = sites.iter().flat_map(|site| match wanted {
            Read::Article => (0..origin.published(site)).map(|number| origin.article(site, number)).collect(),
            Read::Links => Vec::new(),
        });
        Self {
            hosts: sites.iter().map(|site| (site.name.clone(), site.address.into())).collect(),
            listings: fronts.filter_map(address).collect(),
            articles: articles.filter_map(address).collect(),
        }
    }
}

pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(&args.plan)?)?;
    let now = SystemClock.now();
    let listing = move |url: &Url, body: &[u8]| {
        std::hint::black_box(read(
            SourceKind::Listing,
            &Page::new(url, body, &Selectors::default(), None, now),
        ));
    };
    let article = move |url: &Url, body: &[u8]| {
        std::hint::black_box(extract(&Page::new(url, body, &Selectors::default(), None, now)));
    };
    let listings =
        fetch_all(plan.listings, &plan.hosts, AT_ONCE, listing).await.map_err(anyhow::Error::msg)?;
    let articles =
        fetch_all(plan.articles, &plan.hosts, AT_ONCE, article).await.map_err(anyhow::Error::msg)?;
    let done = json!({
        "pages": listings + articles,
        "cpu_seconds": actors::process_stats::cpu_seconds(),
        "peak_memory_bytes": actors::process_stats::peak_memory(),
    });
    crate::report::print(&done)
}
