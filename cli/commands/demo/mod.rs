//! `qyran demo`: runs a node on a simulated internet, on loopback only.

mod scene;
mod screen;

use std::process::ExitCode;
use std::time::Duration;

use actors::Node;
use config::{Settings, parse_duration};
use origin::{Judgement, Origin, Rules, World, judge};
use screen::Screen;
use store::Objects;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::data_folder::DataFolder;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::stop::Stop;
use crate::wiring;

/// The delay between the end of a request to a simulated host and the start of the next.
const DELAY: Duration = Duration::from_millis(250);
/// The tolerance for late timestamps in the simulator's log on a busy machine.
const TOLERANCE: Duration = Duration::from_millis(25);
/// The interval at which the screen is updated.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// Run a demo on several dozen simulated sites, on loopback only
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran demo              30 seconds, with a live view on a terminal
  qyran demo --for 5m     longer; stop it with Ctrl-C
  qyran demo | cat        plain lines")]
pub(crate) struct Args {
    /// Duration of the demo
    #[arg(long = "for", value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    length: Duration,
    /// Seed of the simulated internet
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let origin = Origin::start(World::demo(args.seed), global.clock.now()).await.map_err(|error| {
        Failure::failed(format!("cannot start the simulated internet on loopback: {error}"))
    })?;
    let settings = settings(global, &origin);
    let data = DataFolder::create(&settings)?;
    let _lock = DataFolder::lock(&data.path)?;
    let scene = scene::declared_objects(&origin)?;
    check_folder(&data, &scene).await?;
    // Declare only the sites of this run: the ports of an earlier run are closed.
    data.store.declare(&scene, true, global.clock.now()).await?;
    let backend = Backend::from(DataFolder::create(&settings)?);
    let before = data.store.totals().await?.materials;
    let context = wiring::context(&settings, &backend, global.clock.clone(), None)?;
    let mut screen = Screen::open(&origin, args.length, &context.tally)?;
    let mut node = Node::start(context).await?;
    wait_for_end(&mut node, &mut screen, &mut stop, args.length).await?;
    node.drain();
    screen.show_closing()?;
    let ended = stop.or_second_signal(node.ended()).await;
    screen.close()?;
    let Some(ended) = ended else { return Ok(ExitCode::from(130)) };
    ended?;
    let verdict = judge(origin.world(), &origin.log(), Rules { delay: DELAY, tolerance: TOLERANCE });
    let stored = data.store.totals().await?.materials.saturating_sub(before);
    print_summary(&data, &verdict, stored)?;
    Ok(ExitCode::SUCCESS)
}

/// Fails if the data folder has declared objects of others: the demo would replace them.
async fn check_folder(data: &DataFolder, scene: &Objects) -> anyhow::Result<()> {
    let declared = service::declared_objects(&*data.store).await?;
    let is_ours = |object: &config::Object| match object {
        config::Object::Source(source) => scene.sources.iter().any(|ours| ours.name == source.name),
        config::Object::Topic(topic) => scene.topics.iter().any(|ours| ours.name == topic.name),
        config::Object::Client(_) | config::Object::List(_) => false,
    };
    if declared.iter().all(is_ours) {
        return Ok(());
    }
    let message = format!("{} holds declared objects that are not the demo's", data.path.display());
    Err(Failure::usage(message).hint("name an empty folder with --data, or omit --data").into())
}

/// Returns the settings for a simulated internet. Its host names resolve to loopback, which the address guard allows.
fn settings(global: &Global, origin: &Origin) -> Settings {
    let mut settings = global.settings.clone();
    if !global.data_is_named {
        settings.store.data = std::env::temp_dir().join(format!("qyran-demo-{}", std::process::id()));
    }
    settings.fetch.resolve =
        origin.world().sites.iter().map(|site| (site.name.clone(), site.address.into())).collect();
    settings.fetch.allow_addresses = vec![scene::loopback()];
    settings.fetch.contact = "qyran demo".to_owned();
    settings.fetch.proxy = String::new();
    settings.fetch.delay = DELAY;
    settings.fetch.connect_timeout = Duration::from_secs(2);
    settings.fetch.first_byte_timeout = Duration::from_secs(4);
    settings.fetch.total_timeout = Duration::from_secs(4);
    settings.fetch.max_decoded_bytes = config::Bytes(8 << 20);
    settings.poll.backoff = Duration::from_secs(3);
    settings.run.drain = Duration::from_secs(6);
    settings
}

/// Updates the screen until the node ends, a signal arrives or the duration has passed.
async fn wait_for_end(
    node: &mut Node,
    screen: &mut Screen,
    stop: &mut Stop,
    length: Duration,
) -> anyhow::Result<()> {
    let end = Instant::now() + length;
    let mut refresh = tokio::time::interval(REFRESH_INTERVAL);
    loop {
        tokio::select! {
            ended = node.ended() => return Ok(ended?),
            () = stop.received() => return Ok(()),
            () = tokio::time::sleep_until(end) => return Ok(()),
            _ = refresh.tick() => screen.refresh()?,
        }
    }
}

fn print_summary(data: &DataFolder, verdict: &Judgement, stored: u64) -> anyhow::Result<()> {
    let shortest = verdict.smallest_gap.values().min().copied().unwrap_or_default();
    let violations = verdict.violations();
    let lines = [
        format!(
            "the sites received {} requests, {:.1} per article",
            verdict.requests, verdict.requests_per_article
        ),
        format!(
            "shortest delay on one host: {} ms of the required {} ms, {} violations of politeness",
            shortest.as_millis(),
            DELAY.as_millis(),
            violations.len()
        ),
        format!("the data is in {}; inspect it with:", data.path.display()),
        format!("  qyran --data {} source list", data.path.display()),
        format!("  qyran --data {} material list --topic national-bank", data.path.display()),
        format!("  qyran --data {} material list --search 'ипотека' -o jsonl", data.path.display()),
    ];
    for line in lines.iter().chain(&violations) {
        println(line)?;
    }
    println(&format!("{stored} materials stored"))
}

/// Prints a line to stdout. If the reader has closed it, the error ends the command without a message.
pub(crate) fn println(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
