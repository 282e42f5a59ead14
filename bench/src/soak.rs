//! `bench soak`: the memory of a working node over time.

use std::time::Duration;

use config::parse_duration;
use origin::{Behaviour, Kind, Origin, World};
use serde_json::json;
use tokio::time::{Instant, interval};

use crate::laboratory::{Laboratory, TOPICS, background, source_yaml};

/// The number of sites that publish continuously.
const SITES: usize = 40;

/// Measure the memory of a node over time while it crawls sites that publish
#[derive(clap::Args)]
pub(super) struct Args {
    /// Duration of the measurement
    #[arg(long = "for", value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    length: Duration,
}

pub(super) async fn run(args: &Args, clock: &std::sync::Arc<dyn model::Clock>) -> anyhow::Result<()> {
    let mut world = World::empty(5);
    for index in 0..SITES {
        let kind = [Kind::Feed, Kind::Listing, Kind::FullFeed, Kind::Sitemap][index % 4];
        world.add(kind, Behaviour::Healthy, 10, Duration::from_millis(400)).clutter = 128;
    }
    let origin = Origin::start(world, clock.now()).await?;
    let laboratory = Laboratory::open(&origin, "")?;
    let mut text = TOPICS.to_owned();
    for site in &origin.world().sites {
        let kind = site.source_kind();
        let yaml = source_yaml(&site.name, &origin.front(site), "auto", "{min: 1s, max: 2s}");
        text.push_str(&yaml.replace("kind: listing", &format!("kind: {kind}")));
    }
    let mut command = laboratory.command("data")?;
    command.arg("run").arg("-f").arg(laboratory.write("objects.yaml", &text)?);
    let mut node = background(command)?;
    let pid = node.id().ok_or_else(|| anyhow::anyhow!("the measured node ended early"))?;
    let start = Instant::now();
    let end = start + args.length;
    let mut samples: Vec<u64> = Vec::new();
    let mut sampling = interval((args.length / 200).max(Duration::from_millis(50)));
    while Instant::now() < end {
        sampling.tick().await;
        samples.extend(actors::process_stats::memory_of(pid));
        crate::report::progress(&format!("{} s, {} requests", start.elapsed().as_secs(), origin.log().len()));
    }
    crate::report::clear_progress();
    node.kill().await?;
    // The mean of each tenth of the time. Single samples vary with the pages in flight.
    let tenths: Vec<u64> = (0..10)
        .filter_map(|tenth| samples.get(samples.len() * tenth / 10..samples.len() * (tenth + 1) / 10))
        .filter(|tenth| !tenth.is_empty())
        .map(|tenth| tenth.iter().sum::<u64>() / tenth.len() as u64)
        .collect();
    let figures = json!({
        "seconds": args.length.as_secs(),
        "requests": origin.log().len(),
        "memory_bytes_by_tenth": tenths,
        "peak_memory_bytes": samples.iter().max(),
    });
    crate::report::print(&figures)
}
