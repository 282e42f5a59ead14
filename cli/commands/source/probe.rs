//! `qyran source probe`: whether sources that are declared, or in the catalogue, can be read today.

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

/// A source proves itself by so many entries…
const LEAST: usize = 3;
/// …the newest of which is no older than this.
const FRESH: Duration = Duration::from_secs(7 * 86_400);

/// Try sources out, each once, and say which can be read
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source probe tengrinews zakon
  qyran source probe --catalogue --country kz
  qyran source probe --catalogue -o yaml > sources.yaml && qyran apply -f sources.yaml

Good is what has three entries or more with dates, the newest of them no older than a week. With -o yaml those are
printed as objects. Each host's rules and delays are kept. Exit code 6 where some are not good.")]
pub(super) struct Args {
    /// Which sources [default: all]
    names: Vec<String>,
    /// Those of the catalogue, not those that are declared here
    #[arg(long)]
    catalogue: bool,
    /// Only of this country
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    warn_without_contact(&global.settings);
    let sources = chosen(args, global).await?;
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
    let (mut good, mut bad) = (Vec::new(), 0);
    for (number, source) in sources.iter().enumerate() {
        line.show(&format!("{} of {}: {}", number + 1, sources.len(), source.name));
        let delay = delay_of(source, global.settings.fetch.delay);
        let mut run = ByHand::new(global, delay).await?;
        let probed = probe(&door, source, &mut run, global.clock.now()).await;
        run.end().await;
        match &probed.fault {
            None => good.push(source.clone()),
            Some(_) => bad += 1,
        }
        if global.output != Format::Yaml {
            rows.row(probed.shown(source))?;
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
        rows.finish("there are no such sources")?;
    }
    if bad > 0 {
        print_message(&format!("{bad} of {} are not good", sources.len()));
    }
    Ok(ExitCode::from(if bad > 0 { 6 } else { 0 }))
}

async fn chosen(args: &Args, global: &Global) -> anyhow::Result<Vec<Source>> {
    let all: Vec<Source> = if args.catalogue {
        catalogue::load()?
    } else {
        let data = Backend::to_read(global).await?;
        data.store.sources().await?.into_iter().map(|record| record.source).collect()
    };
    if let Some(unknown) =
        args.names.iter().find(|name| all.iter().all(|source| source.name.as_str() != name.as_str()))
    {
        let near = config::nearest(unknown, all.iter().map(|source| source.name.as_str()));
        let hint =
            near.map_or("qyran source list shows them".to_owned(), |near| format!("did you mean {near:?}?"));
        return Err(Failure::not_found(format!("there is no source {unknown:?}")).hint(hint).into());
    }
    let is_chosen = |source: &Source| {
        (args.names.is_empty() || args.names.iter().any(|name| name == source.name.as_str()))
            && (args.country.is_none() || args.country == source.country)
    };
    if let Some(searched) = all
        .iter()
        .find(|source| source.is_searched() && args.names.iter().any(|name| name == source.name.as_str()))
    {
        return Err(Failure::usage(format!(
            "{} is searched: there is nothing to read without a query",
            searched.name
        ))
        .hint(format!("qyran source test {} --query TEXT", searched.name))
        .into());
    }
    let is_chosen =
        |source: &Source| is_chosen(source) && !source.is_searched() && source.watch() == model::Watch::On;
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// What a look at a source showed.
#[derive(Debug, Default)]
pub(super) struct Probed {
    pub(super) entries: usize,
    pub(super) dated: usize,
    pub(super) whole: usize,
    pub(super) newest: Option<Timestamp>,
    /// Why it is not good.
    pub(super) fault: Option<String>,
}

impl Probed {
    fn shown(&self, source: &Source) -> Value {
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

/// Looks at a source once.
pub(super) async fn probe(door: &Door, source: &Source, run: &mut ByHand, now: Timestamp) -> Probed {
    let want = FetchParams { accept: accept(source.kind), token: token_of(source), ..FetchParams::default() };
    let mut url = address_of(source, "");
    // What it leads to is read in its place, once: an account's statuses, the newest sitemap of an index.
    for _ in 0..2 {
        let fetched = match door.fetch(&url, &want, run.permits()).await {
            Ok(fetched) => fetched,
            Err(error) => return Probed { fault: Some(error.to_string()), ..Probed::default() },
        };
        let page = Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now)
            .with_pointers(&source.pointers)
            .of_type(fetched.content_type.as_deref());
        let reading = read(source.kind, &page);
        if let Some(wall) = detect_wall(&url, &fetched.url) {
            return Probed { fault: Some(wall), ..Probed::default() };
        }
        if let Some(alarm) = reading.alarm {
            return Probed { fault: Some(alarm.to_string()), ..Probed::default() };
        }
        if let Some(child) = reading.children.first().filter(|_| reading.entries.is_empty()) {
            url = child.clone();
            continue;
        }
        let dates = reading.entries.iter().filter_map(|entry| entry.published.as_ref()).map(|it| it.at);
        let dates: Vec<Timestamp> = dates.filter(|at| *at <= now).collect();
        let probed = Probed {
            entries: reading.entries.len(),
            dated: dates.len(),
            whole: reading.entries.iter().filter(|entry| entry.text.is_some()).count(),
            newest: dates.into_iter().max(),
            fault: None,
        };
        return Probed { fault: fault(&probed, now), ..probed };
    }
    Probed { fault: Some("it leads on and on to other documents".to_owned()), ..Probed::default() }
}

/// Why what was read is not enough.
fn fault(probed: &Probed, now: Timestamp) -> Option<String> {
    let Probed { entries, dated, newest, .. } = probed;
    match newest {
        _ if *entries < LEAST => Some(format!("it has {entries} entries; {LEAST} are needed")),
        _ if *dated < LEAST => Some(format!("{dated} of its entries have dates; {LEAST} are needed")),
        None => None,
        Some(newest) if now.duration_since(*newest).unsigned_abs() > FRESH => {
            Some("nothing came out in a week".to_owned())
        }
        Some(_) => None,
    }
}
