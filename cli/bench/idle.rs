//! `qyran bench idle`: what a node needs that has many sources and nothing to do.

use std::time::Duration;

use config::parse_duration;
use model::{Harvest, Host, PollOutcome, SourceState, Token};
use origin::{Kind, Origin, World};
use serde_json::json;
use tokio::time::{Instant, interval};

use super::crawl::format;
use super::laboratory::{Laboratory, TOPICS, background, source, spread};
use crate::global::Global;
use crate::process_stats;
use crate::terminal::failure::Failure;
use crate::terminal::output::object;

/// When they are due: not while anybody looks.
const LATER: Duration = Duration::from_secs(86_400);

/// Memory of a node with many sources of which none is due
#[derive(clap::Args)]
pub(super) struct Args {
    /// How many sources
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sources: usize,
    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    length: Duration,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let origin = Origin::start(World::uniform(5, 1, Kind::Listing, 1, 1), global.clock.now()).await?;
    let laboratory = Laboratory::open(&origin, "")?;
    prepare(&laboratory, args.sources, global).await?;
    let mut command = laboratory.command("data")?;
    command.arg("run");
    let mut node = background(command)?;
    let pid = node.id().ok_or_else(|| Failure::failed("the measured node ended at once"))?;
    let end = Instant::now() + args.length;
    let mut memory = Vec::new();
    let mut look = interval(Duration::from_millis(200));
    while Instant::now() < end {
        look.tick().await;
        memory.extend(process_stats::memory_of(pid).map(|bytes| bytes as f64));
    }
    let is_running = node.try_wait()?.is_none();
    node.kill().await?;
    let page_window = json!({
        "sources": args.sources,
        "is_running": is_running,
        "requests": origin.log().len(),
        "memory_bytes": spread(memory),
    });
    Ok(object(&mut std::io::stdout().lock(), format(global), &page_window, "sources")?)
}

/// A data folder in which every source was polled just now, and is not due for a day.
async fn prepare(laboratory: &Laboratory, sources: usize, global: &Global) -> anyhow::Result<()> {
    let mut text = TOPICS.to_owned();
    for number in 0..sources {
        let url = format!("http://host-{number}.sim/list");
        text.push_str(&source(&format!("source-{number:05}"), &url, "auto", "{min: 1d, max: 2d}"));
    }
    let file = laboratory.write("objects.yaml", &text)?;
    let declared = config::objects::load(&[file], config::objects::SpecChecks::LENIENT).objects;
    let mut settings = global.settings.clone();
    settings.store.data = laboratory.path("data");
    let data = crate::data_folder::DataFolder::create(&settings)?;
    let objects = declared.into_iter().map(|one| one.object).collect();
    crate::commands::apply::apply(&*data.store, objects, false, global).await?;
    let now = global.clock.now();
    let next_poll = now.saturating_add(LATER)?;
    let polled = |record: store::SourceRecord| {
        let host = Host::from_url(&record.source.url)?;
        Some(Harvest {
            outcome: Some(PollOutcome {
                state: SourceState::Live,
                reason: String::new(),
                failures: 0.0,
                ok: true,
                deferred: false,
                interval: LATER,
                next_poll,
                moved_to: None,
                validators: None,
            }),
            ..Harvest::new(record.source.name, host, Token(1), now)
        })
    };
    let harvests: Vec<Harvest> = data.store.sources().await?.into_iter().filter_map(polled).collect();
    let version = data.store.objects_version().await?;
    data.store.save(&harvests.into(), version).await?;
    Ok(())
}
