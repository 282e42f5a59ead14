//! `qyran source discover`: where a site can be read, each place tried, the best first.

use std::process::ExitCode;

use crawler::read::{COMMON_FEED_PATHS, Page, delay_of, kind_of, linked_feeds};
use crawler::robots::NoRobotsStore;
use crawler::{Door, FetchParams};
use model::{Selectors, SourceKind};
use serde_json::json;
use url::Url;

use super::by_hand::ByHand;
use super::dry_run::undeclared;
use super::probe::{Probed, probe};
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::message::{clean, print_message};
use crate::terminal::output::{Format, column, rows, time, wide};
use crate::wiring::{door, warn_without_contact};

/// Places that are tried at most: a guest does not go through all doors.
const MOST: usize = 10;

/// Find where a site can be read: feeds, sitemaps, listings; tries each and ranks them
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source discover https://site.kz/
  qyran source discover https://site.kz/ -o json

Looked at are what the page names, the sitemaps of robots.txt, the usual places of feeds, and the page as a listing: ten
places at most, at the host's pace. Whole texts, dates and new entries rank higher.")]
pub(super) struct Args {
    /// The site, or one of its pages
    #[arg(value_name = "URL")]
    url: String,
}

/// A place, and what was seen there.
struct Place {
    url: Url,
    kind: SourceKind,
    /// How it came to be tried.
    found: &'static str,
    probed: Probed,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let url = Url::parse(&args.url).map_err(|error| {
        Failure::usage(format!("{:?} is not an address ({error})", args.url)).hint("write https://site.kz/")
    })?;
    warn_without_contact(&global.settings);
    let door = door(&global.settings, std::sync::Arc::new(NoRobotsStore), global.clock.clone())?;
    let mut line = StatusLine::new(global.output == Format::Table);
    let as_platform = undeclared(url.clone(), kind_of(&url).unwrap_or(SourceKind::Feed))?;
    let mut run = ByHand::new(global, delay_of(&as_platform, global.settings.fetch.delay)).await?;
    let (wanted, trouble) = wanted(&door, &url, &mut run, &mut line, global).await;
    let mut places: Vec<Place> = Vec::new();
    for (url, kind, found) in wanted.into_iter().take(MOST) {
        line.show(&format!("trying {}", clean(url.as_str())));
        let source = undeclared(url.clone(), kind)?;
        let probed = probe(&door, &source, &mut run, global.clock.now()).await;
        places.push(Place { url, kind, found, probed });
    }
    run.end().await;
    drop(line);
    places.retain(|place| place.probed.entries > 0);
    places.sort_by_key(|place| std::cmp::Reverse(rank(place)));
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
    for place in &places {
        rows.row(json!({
            "url": place.url,
            "kind": place.kind.as_str(),
            "verdict": if place.probed.fault.is_none() { "good" } else { "bad" },
            "entries": place.probed.entries,
            "whole_texts": place.probed.whole,
            "newest": time(place.probed.newest),
            "found": place.found,
            "reason": place.probed.fault,
        }))?;
    }
    rows.finish("nothing that can be read was found")?;
    if let Some(trouble) = trouble.filter(|_| places.is_empty()) {
        print_message(&format!("error: {trouble}"));
    }
    Ok(ExitCode::from(u8::from(places.iter().all(|place| place.probed.fault.is_some()))))
}

/// Good ones first; then those with more whole texts, dates and entries; of equals, feeds before sitemaps before listings.
fn rank(place: &Place) -> (bool, bool, usize, usize, u8) {
    let Probed { entries, dated, whole, fault, .. } = &place.probed;
    let order = match place.kind {
        SourceKind::Sitemap => 1,
        SourceKind::Listing => 0,
        _ => 2,
    };
    (fault.is_none(), *dated > 0, *whole, *entries, order)
}

/// Where to look, in the order of hope; and why the page itself could not be had, where it could not.
async fn wanted(
    door: &Door,
    url: &Url,
    run: &mut ByHand,
    line: &mut StatusLine,
    global: &Global,
) -> (Vec<(Url, SourceKind, &'static str)>, Option<String>) {
    if let Some(kind) = kind_of(url) {
        return (vec![(url.clone(), kind, "a platform")], None);
    }
    let mut wanted: Vec<(Url, SourceKind, &'static str)> = Vec::new();
    line.show(&format!("reading {}", clean(url.as_str())));
    let (mut is_page, mut trouble) = (false, None);
    match door.fetch(url, &FetchParams::default(), run.permits()).await {
        Ok(fetched) => {
            let selectors = Selectors::default();
            let page = Page::new(&fetched.url, &fetched.body, &selectors, None, global.clock.now());
            match crawler::read::sniff(&page) {
                Some(SourceKind::Listing) | None => {
                    is_page = true;
                    let named = linked_feeds(&page).into_iter();
                    wanted.extend(named.map(|url| (url, SourceKind::Feed, "the page names it")));
                }
                Some(kind) => wanted.push((url.clone(), kind, "it is one itself")),
            }
        }
        Err(error) => trouble = Some(error.to_string()),
    }
    if let Ok(sitemaps) = door.sitemaps(url, run.permits()).await {
        let is_news = |url: &Url| url.path().contains("news");
        let (news, others): (Vec<Url>, Vec<Url>) = sitemaps.into_iter().partition(is_news);
        let named = news.into_iter().chain(others).take(3);
        wanted.extend(named.map(|url| (url, SourceKind::Sitemap, "robots.txt names it")));
    }
    if is_page {
        wanted.insert(wanted.len().min(MOST - 1), (url.clone(), SourceKind::Listing, "the page itself"));
    }
    let usual = COMMON_FEED_PATHS.iter().filter_map(|path| url.join(path).ok());
    wanted.extend(usual.map(|url| (url, SourceKind::Feed, "a usual place")));
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|(url, kind, _)| seen.insert((url.clone(), *kind)));
    (wanted, trouble)
}
