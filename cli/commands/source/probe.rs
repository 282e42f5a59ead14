//! `qyran source probe`: checks that declared sources, or sources of the catalogue, can be read.

use std::process::ExitCode;
use std::time::Duration;

use crawler::read::{Page, accept, address_of, delay_of, detect_wall, read, token_of};
use crawler::robots::NoRobotsStore;
use crawler::{Door, FetchParams};
use model::{Source, Timestamp};
use serde_json::{Value, json};

use super::by_hand::ByHand;
use super::catalogue;
use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::message::print_message;
use crate::terminal::output::{Format, column, rows, time, wide};
use crate::wiring::{door, warn_without_contact};

/// The minimum number of dated entries of a good source.
const MIN_ENTRIES: usize = 3;
/// The maximum age of the newest entry of a good source.
const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);

/// Fetch sources once and check that they can be read
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source probe tengrinews zakon
  qyran source probe --catalogue --country kz
  qyran source probe --catalogue -o yaml > sources.yaml && qyran apply -f sources.yaml

A source is good if it has at least three entries with dates, and the newest is at most a week old. With -o yaml, the good sources are printed as objects for apply. The robots.txt and the delay of each host apply. The exit code is 6 if any source fails.")]
pub(super) struct Args {
    /// Names of the sources [default: all]
    names: Vec<String>,
    /// Probe the sources of the built-in catalogue instead of the declared sources
    #[arg(long)]
    catalogue: bool,
    /// Probe only sources of this country
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    warn_without_contact(&global.settings);
    let sources = select_sources(args, global).await?;
    let door = door(&global.settings, std::sync::Arc::new(NoRobotsStore), global.clock.clone())?;
    let mut line = StatusLine::new(global.output == Format::Table);
    let columns = [
        column("name"),
        column("verdict"),
        column("entries"),
        column("newest"),
        column("reason"),
        wide("url"),
    ];
    let mut rows = rows(global.output, &columns, "name");
    let (mut good, mut failed) = (Vec::new(), 0);
    for (number, source) in sources.iter().enumerate() {
        line.show(&format!("{} of {}: {}", number + 1, sources.len(), source.name));
        let delay = delay_of(source, global.settings.fetch.delay);
        let mut run = ByHand::new(global, delay).await?;
        let result = probe(&door, source, &mut run, global.clock.now()).await;
        run.end().await;
        match &result.fault {
            None => good.push(source.clone()),
            Some(_) => failed += 1,
        }
        if global.output != Format::Yaml {
            rows.row(result.to_json(source))?;
        }
    }
    drop(line);
    if global.output == Format::Yaml {
        let objects: Vec<config::Object> = good.into_iter().map(config::Object::Source).collect();
        std::io::Write::write_all(
            &mut std::io::stdout().lock(),
            config::objects::print(&objects).as_bytes(),
        )?;
    } else {
        rows.finish("no sources to probe")?;
    }
    if failed > 0 {
        print_message(&format!("{failed} of {} sources failed", sources.len()));
    }
    Ok(ExitCode::from(if failed > 0 { 6 } else { 0 }))
}

async fn select_sources(args: &Args, global: &Global) -> anyhow::Result<Vec<Source>> {
    let all: Vec<Source> = if args.catalogue {
        catalogue::load()?
    } else {
        let data = Backend::open_read_only(global).await?;
        data.store.sources().await?.into_iter().map(|record| record.source).collect()
    };
    if let Some(unknown) =
        args.names.iter().find(|name| all.iter().all(|source| source.name.as_str() != name.as_str()))
    {
        let near = config::nearest(unknown, all.iter().map(|source| source.name.as_str()));
        let hint = near.map_or("qyran source list shows all sources".to_owned(), |near| {
            format!("did you mean {near:?}?")
        });
        return Err(Failure::not_found(format!("no source {unknown:?}")).hint(hint).into());
    }
    let is_selected = |source: &Source| {
        (args.names.is_empty() || args.names.iter().any(|name| name == source.name.as_str()))
            && (args.country.is_none() || args.country == source.country)
    };
    if let Some(searched) = all
        .iter()
        .find(|source| source.is_searched() && args.names.iter().any(|name| name == source.name.as_str()))
    {
        return Err(Failure::usage(format!(
            "{} is searched, so it cannot be probed without a search text",
            searched.name
        ))
        .hint(format!("qyran source test {} --query TEXT", searched.name))
        .into());
    }
    let is_selected =
        |source: &Source| is_selected(source) && !source.is_searched() && source.watch() == model::Watch::On;
    Ok(all.into_iter().filter(is_selected).collect())
}

/// The result of one fetch of a source.
#[derive(Debug, Default)]
pub(super) struct ProbeResult {
    pub(super) entries: usize,
    /// The number of entries with a date in the past.
    pub(super) dated: usize,
    /// The number of entries with their full text.
    pub(super) whole: usize,
    /// The date of the newest entry.
    pub(super) newest: Option<Timestamp>,
    /// The reason why the source fails.
    pub(super) fault: Option<String>,
}

impl ProbeResult {
    fn to_json(&self, source: &Source) -> Value {
        json!({
            "name": source.name,
            "verdict": if self.fault.is_none() { "good" } else { "bad" },
            "entries": self.entries,
            "newest": time(self.newest),
            "reason": self.fault,
            "url": address_of(source, ""),
        })
    }
}

/// Fetches a source once and checks its entries.
pub(super) async fn probe(door: &Door, source: &Source, run: &mut ByHand, now: Timestamp) -> ProbeResult {
    let params =
        FetchParams { accept: accept(source.kind), token: token_of(source), ..FetchParams::default() };
    let mut url = address_of(source, "");
    // A document without entries may refer to another one, such as the statuses of an account or the newest sitemap of
    // an index. It is read instead, once.
    for _ in 0..2 {
        let fetched = match door.fetch(&url, &params, run.permits()).await {
            Ok(fetched) => fetched,
            Err(error) => return ProbeResult { fault: Some(error.to_string()), ..ProbeResult::default() },
        };
        let page = Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now)
            .with_pointers(&source.pointers)
            .of_type(fetched.content_type.as_deref());
        let reading = read(source.kind, &page);
        if let Some(wall) = detect_wall(&url, &fetched.url) {
            return ProbeResult { fault: Some(wall), ..ProbeResult::default() };
        }
        if let Some(alarm) = reading.alarm {
            return ProbeResult { fault: Some(alarm.to_string()), ..ProbeResult::default() };
        }
        if let Some(child) = reading.children.first().filter(|_| reading.entries.is_empty()) {
            url = child.clone();
            continue;
        }
        let dates = reading.entries.iter().filter_map(|entry| entry.published.as_ref()).map(|it| it.at);
        let dates: Vec<Timestamp> = dates.filter(|at| *at <= now).collect();
        let result = ProbeResult {
            entries: reading.entries.len(),
            dated: dates.len(),
            whole: reading.entries.iter().filter(|entry| entry.text.is_some()).count(),
            newest: dates.into_iter().max(),
            fault: None,
        };
        return ProbeResult { fault: find_fault(&result, now), ..result };
    }
    let fault = "neither the document nor the document it refers to has entries".to_owned();
    ProbeResult { fault: Some(fault), ..ProbeResult::default() }
}

/// Returns the reason why the entries of a source are too few or too old.
fn find_fault(result: &ProbeResult, now: Timestamp) -> Option<String> {
    let ProbeResult { entries, dated, newest, .. } = result;
    match newest {
        _ if *entries < MIN_ENTRIES => {
            Some(format!("{entries} entries; at least {MIN_ENTRIES} are required"))
        }
        _ if *dated < MIN_ENTRIES => {
            Some(format!("{dated} entries with dates; at least {MIN_ENTRIES} are required"))
        }
        None => None,
        Some(newest) if now.duration_since(*newest).unsigned_abs() > MAX_AGE => {
            Some("the newest entry is older than a week".to_owned())
        }
        Some(_) => None,
    }
}
