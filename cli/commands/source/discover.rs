//! `qyran source discover`: finds the feeds, sitemaps and listings of a site, and ranks them.

use std::process::ExitCode;

use crawler::read::{COMMON_FEED_PATHS, Page, delay_of, kind_of, linked_feeds};
use crawler::robots::NoRobotsStore;
use crawler::{Door, FetchParams};
use model::{Selectors, SourceKind};
use serde_json::json;
use url::Url;

use super::by_hand::ByHand;
use super::dry_run::undeclared_source;
use super::probe::{ProbeResult, probe};
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::message::{clean, print_message};
use crate::terminal::output::{Format, column, rows, time, wide};
use crate::wiring::{door, warn_without_contact};

/// The maximum number of candidates that are fetched.
const MAX_CANDIDATES: usize = 10;

/// Find the feeds, sitemaps and listings of a site, try each and rank them
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source discover https://site.kz/
  qyran source discover https://site.kz/ -o json

Candidates are the feeds that the page links to, the sitemaps in robots.txt, common feed paths, and the page as a listing. At most ten are fetched, at the delay of the host. Those that pass the checks of `qyran source probe` come first, then those with dates, full texts and more entries.")]
pub(super) struct Args {
    /// Address of the site or of one of its pages
    #[arg(value_name = "URL")]
    url: String,
}

/// A candidate, and the result of its probe.
struct Candidate {
    url: Url,
    kind: SourceKind,
    /// The origin of the candidate, for the output.
    origin: &'static str,
    result: ProbeResult,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let url = Url::parse(&args.url).map_err(|error| {
        Failure::usage(format!("{:?} is not an address: {error}", args.url))
            .hint("use a full http:// or https:// address")
    })?;
    warn_without_contact(&global.settings);
    let door = door(&global.settings, std::sync::Arc::new(NoRobotsStore), global.clock.clone())?;
    let mut line = StatusLine::new(global.output == Format::Table);
    let as_platform = undeclared_source(url.clone(), kind_of(&url).unwrap_or(SourceKind::Feed))?;
    let mut run = ByHand::new(global, delay_of(&as_platform, global.settings.fetch.delay)).await?;
    let (addresses, failure) = find_addresses(&door, &url, &mut run, &mut line, global).await;
    let mut candidates: Vec<Candidate> = Vec::new();
    for (url, kind, origin) in addresses.into_iter().take(MAX_CANDIDATES) {
        line.show(&format!("trying {}", clean(url.as_str())));
        let source = undeclared_source(url.clone(), kind)?;
        let result = probe(&door, &source, &mut run, global.clock.now()).await;
        candidates.push(Candidate { url, kind, origin, result });
    }
    run.end().await;
    drop(line);
    candidates.retain(|candidate| candidate.result.entries > 0);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(rank(candidate)));
    let columns = [
        column("url"),
        column("kind"),
        column("verdict"),
        column("entries"),
        column("whole_texts"),
        column("newest"),
        column("found"),
        wide("reason"),
    ];
    let mut rows = rows(global.output, &columns, "url");
    for candidate in &candidates {
        rows.row(json!({
            "url": candidate.url,
            "kind": candidate.kind.as_str(),
            "verdict": if candidate.result.fault.is_none() { "good" } else { "bad" },
            "entries": candidate.result.entries,
            "whole_texts": candidate.result.whole,
            "newest": time(candidate.result.newest),
            "found": candidate.origin,
            "reason": candidate.result.fault,
        }))?;
    }
    rows.finish("no feeds, sitemaps or listings with entries were found")?;
    if let Some(failure) = failure.filter(|_| candidates.is_empty()) {
        print_message(&format!("error: {failure}"));
    }
    Ok(ExitCode::from(u8::from(candidates.iter().all(|candidate| candidate.result.fault.is_some()))))
}

/// Returns the sort key of a candidate. Candidates without faults rank highest, then those with dates, more full texts
/// and more entries. Among equals, feeds precede sitemaps, and sitemaps precede listings.
fn rank(candidate: &Candidate) -> (bool, bool, usize, usize, u8) {
    let ProbeResult { entries, dated, whole, fault, .. } = &candidate.result;
    let order = match candidate.kind {
        SourceKind::Sitemap => 1,
        SourceKind::Listing => 0,
        _ => 2,
    };
    (fault.is_none(), *dated > 0, *whole, *entries, order)
}

/// Returns the addresses to try, the most promising first, each with its kind and origin. If the page itself cannot be
/// fetched, also returns the reason.
async fn find_addresses(
    door: &Door,
    url: &Url,
    run: &mut ByHand,
    line: &mut StatusLine,
    global: &Global,
) -> (Vec<(Url, SourceKind, &'static str)>, Option<String>) {
    if let Some(kind) = kind_of(url) {
        return (vec![(url.clone(), kind, "a known platform")], None);
    }
    let mut addresses: Vec<(Url, SourceKind, &'static str)> = Vec::new();
    line.show(&format!("fetching {}", clean(url.as_str())));
    let (mut is_page, mut failure) = (false, None);
    match door.fetch(url, &FetchParams::default(), run.permits()).await {
        Ok(fetched) => {
            let selectors = Selectors::default();
            let page = Page::new(&fetched.url, &fetched.body, &selectors, None, global.clock.now());
            match crawler::read::sniff(&page) {
                Some(SourceKind::Listing) | None => {
                    is_page = true;
                    let links = linked_feeds(&page).into_iter();
                    addresses.extend(links.map(|url| (url, SourceKind::Feed, "linked from the page")));
                }
                Some(kind) => addresses.push((url.clone(), kind, "the given address")),
            }
        }
        Err(error) => failure = Some(error.to_string()),
    }
    if let Ok(sitemaps) = door.sitemaps(url, run.permits()).await {
        let is_news = |url: &Url| url.path().contains("news");
        let (news, others): (Vec<Url>, Vec<Url>) = sitemaps.into_iter().partition(is_news);
        let listed = news.into_iter().chain(others).take(3);
        addresses.extend(listed.map(|url| (url, SourceKind::Sitemap, "listed in robots.txt")));
    }
    if is_page {
        let index = addresses.len().min(MAX_CANDIDATES - 1);
        addresses.insert(index, (url.clone(), SourceKind::Listing, "the given page"));
    }
    let common = COMMON_FEED_PATHS.iter().filter_map(|path| url.join(path).ok());
    addresses.extend(common.map(|url| (url, SourceKind::Feed, "a common feed path")));
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|(url, kind, _)| seen.insert((url.clone(), *kind)));
    (addresses, failure)
}
