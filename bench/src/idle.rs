//! `bench idle`: the memory of a node with many sources of which none is due.

use std::time::Duration;

use config::parse_duration;
use model::{Harvest, Host, PollOutcome, SourceState, Token};
use origin::{Kind, Origin, World};
use serde_json::json;
use tokio::time::{Instant, interval};

use crate::laboratory::{self, Laboratory, background, spread};

/// The time until the sources are due: longer than a benchmark.
const POLL_INTERVAL: Duration = Duration::from_secs(86_400);

/// Measure the memory of a node with many sources of which none is due
#[derive(clap::Args)]
pub(super) struct Args {
    /// Number of sources
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sources: usize,
    /// Duration of the measurement
    #[arg(long = "for", value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    length: Duration,
}

pub(super) async fn run(args: &Args, clock: &std::sync::Arc<dyn model::Clock>) -> anyhow::Result<()> {
    let origin = Origin::start(World::uniform(5, 1, Kind::Listing, 1, 1), clock.now()).await?;
    let laboratory = Laboratory::open(&origin, "")?;
    prepare(&laboratory, args.sources, clock).await?;
    let mut command = laboratory.command("data")?;
    command.arg("run");
    let mut node = background(command)?;
    let pid = node.id().ok_or_else(|| anyhow::anyhow!("the measured node ended early"))?;
    let end = Instant::now() + args.length;
    let mut memory = Vec::new();
    let mut sampling = interval(Duration::from_millis(200));
    while Instant::now() < end {
        sampling.tick().await;
        memory.extend(actors::process_stats::memory_of(pid).map(|bytes| bytes as f64));
    }
    let is_running = node.try_wait()?.is_none();
    node.kill().await?;
    let figures = json!({
        "sources": args.sources,
        "is_running": is_running,
        "requests": origin.log().len(),
        "memory_bytes": spread(memory),
    });
    crate::report::print(&figures)
}

/// Prepares a data folder in which every source was polled just now and is due in a day.
async fn prepare(
    laboratory: &Laboratory,
    sources: usize,
    clock: &std::sync::Arc<dyn model::Clock>,
) -> anyhow::Result<()> {
    let folder = laboratory.path("data");
    std::fs::create_dir_all(&folder)?;
    let store = store::Sqlite::open(&folder.join("store.db"), 50)?;
    let sources = (0..sources).map(idle_source).collect::<anyhow::Result<Vec<_>>>()?;
    let topics = laboratory::topics()?;
    let objects = sources.into_iter().map(config::Object::Source).chain(topics).collect();
    service::declare(&store, objects, false, clock.now()).await?;
    mark_polled(&store, clock.now()).await
}

/// Returns a source whose host name cannot be resolved. No benchmark polls it.
pub(crate) fn idle_source(number: usize) -> anyhow::Result<model::Source> {
    let url = format!("http://host-{number}.sim/list").parse()?;
    let name = model::Name::new(format!("source-{number:05}").as_str())?;
    Ok(model::Source {
        every: model::Every { min: POLL_INTERVAL, max: POLL_INTERVAL * 2 },
        ..model::Source::new(name, model::SourceKind::Listing, url)
    })
}

/// Records a successful poll of every source, so that none is due for a day.
pub(crate) async fn mark_polled(store: &dyn store::Store, now: model::Timestamp) -> anyhow::Result<()> {
    let next_poll = now.saturating_add(POLL_INTERVAL)?;
    let polled = |record: store::SourceRecord| {
        let host = Host::from_url(&record.source.url)?;
        Some(Harvest {
            outcome: Some(PollOutcome {
                state: SourceState::Live,
                reason: String::new(),
                failures: 0.0,
                ok: true,
                deferred: false,
                interval: POLL_INTERVAL,
                next_poll,
                moved_to: None,
                validators: None,
            }),
            ..Harvest::new(record.source.name, host, Token(1), now)
        })
    };
    let harvests: Vec<Harvest> = store.sources().await?.into_iter().filter_map(polled).collect();
    let version = store.objects_version().await?;
    for batch in harvests.chunks(1000) {
        store.save(&batch.to_vec().into(), version).await?;
    }
    Ok(())
}
