//! `qyran run`: runs a node that reads the declared sources.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use actors::{Context, Node, Pass, Totals};
use config::format_duration;
use model::{DisabledProtections, Protection, Timestamp, rfc3339};
use serde_json::{Value, json};
use service::PlanTerms;
use store::Store;
use tokio::time::Instant;

use crate::backend::{Backend, Location};
use crate::commands::apply::apply;
use crate::commands::check::checked_objects;
use crate::commands::source::plan_terms;
use crate::data_folder::DataFolder;
use crate::global::Global;
use crate::node_api::{serve_monitoring, serve_websub};
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::message::print_status;
use crate::terminal::output::{Format, object, time};
use crate::terminal::stop::Stop;
use crate::wiring;

/// The interval at which the status line is updated.
const REFRESH_INTERVAL: Duration = Duration::from_millis(250);

/// Run a node that reads the declared sources, until interrupted or once
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran run                              run until SIGTERM or Ctrl-C; a second signal exits at once
  qyran run -f sources/ --once           declare the objects of a folder, read the due sources, exit
  qyran run --once --now -o json         read all sources now, print a JSON object

Exit codes of --once: 0 all due sources were read, 6 some sources could not be read, 130 interrupted.")]
pub(crate) struct Args {
    /// File or folder of objects to declare first; repeatable
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Read each due source once, then exit
    #[arg(long)]
    once: bool,
    /// Make all sources due now; the delays of hosts still apply
    #[arg(long)]
    now: bool,
    /// Maximum number of article pages per source and turn; the rest stays queued [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pages: Option<u32>,
    /// Name of the node in a cluster [default: host name and process id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Address that serves metrics and probes, such as 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Disable a protection; only in builds with fault injection
    #[arg(long, value_name = "PROTECTION", hide = true)]
    without: Vec<Protection>,
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let mut global = global.clone();
    global.settings.node.name = args.name.unwrap_or(global.settings.node.name);
    global.settings.node.listen = args.listen.unwrap_or(global.settings.node.listen);
    global.settings = global.settings.validated()?;
    let global = &global;
    if global.settings.websub.is_half() && !args.once {
        let hint = "set both: hubs call websub.url, and the node serves their calls at websub.listen";
        return Err(Failure::usage("only one of websub.url and websub.listen is set").hint(hint).into());
    }
    let objects = checked_objects(&args.file, false, global).await?;
    wiring::warn_without_contact(&global.settings);
    let mut stop = Stop::listen()?;
    let disabled = DisabledProtections::new(&args.without).map_err(Failure::usage)?;
    let data = Backend::open_for_node(global, &disabled).await?;
    let _lock = match &data.location {
        Location::Folder(path) => Some(DataFolder::lock(path)?),
        Location::Cluster { .. } => None,
    };
    let drains = !disabled.contains(Protection::Drain);
    if !objects.is_empty() {
        apply(&*data.store, objects, false, global).await?;
    }
    let mut settings = global.settings.clone();
    settings.run.pages =
        args.pages.map_or(settings.run.pages, |pages| usize::try_from(pages).unwrap_or(usize::MAX));
    if args.once || args.now {
        // Plan before the pass starts, so that new sources are due at its start.
        let terms = PlanTerms { all_now: args.now, ..plan_terms(global) };
        service::plan_sources(&*data.store, &*data.schedule, terms).await?;
    }
    let pass = args.once.then(|| Pass::starting(global.clock.now()));
    let mut context = wiring::context(&settings, &data, global.clock.clone(), pass.clone())?;
    // A single pass ends before hubs verify its subscriptions.
    context.config.websub_url = if pass.is_some() { None } else { settings.websub.base() };
    context.config.disabled = disabled;
    if !args.without.is_empty() {
        print_status(
            "warning: a protection is disabled; use this node only to test the effect of the protection",
        );
    }
    match pass {
        None => run_until_stopped(context, &data.location, global, &mut stop, drains).await,
        Some(pass) => run_pass(context, &data, &pass, global, &mut stop).await,
    }
}

/// Runs the node until a signal arrives.
async fn run_until_stopped(
    context: Context,
    place: &Location,
    global: &Global,
    stop: &mut Stop,
    drains: bool,
) -> anyhow::Result<ExitCode> {
    let sources = context.store.sources().await?.len();
    print_status(&format!("polling {sources} sources; data in {place}"));
    if sources == 0 {
        print_status("no sources are declared yet; declare some with `qyran apply -f FILE` while this runs");
    }
    let mut node = Node::start(context).await?;
    let _probes = match global.settings.node.listen.as_str() {
        "" => None,
        listen => {
            let probes = serve_monitoring(listen, node.context().clone()).await?;
            print_status(&format!("metrics and probes on http://{}", probes.address));
            Some(probes)
        }
    };
    let websub = &global.settings.websub;
    let _hubs = match (websub.listen.as_str(), &websub.url) {
        ("", _) => None,
        (listen, url) => {
            let max_bytes = global.settings.fetch.max_wire_bytes.0;
            let hubs = serve_websub(listen, max_bytes, node.context().clone()).await?;
            print_status(&format!("WebSub callbacks of {url} on http://{}", hubs.address));
            Some(hubs)
        }
    };
    let is_signaled = wait_for_end(&mut node, global, stop).await?;
    if is_signaled && drains {
        print_status("stopping: waiting for current work; a second signal exits at once");
        node.drain();
        let Some(ended) = stop.or_second_signal(node.ended()).await else { return Ok(ExitCode::from(130)) };
        ended?;
    }
    let Totals { fetches, items, materials, errors, .. } = node.context().tally.totals();
    print_status(&format!(
        "stopped: {fetches} fetches, {errors} of them failed, {items} items, {materials} materials stored"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Waits until the node ends or a signal arrives, and shows a status line. Returns true for a signal.
async fn wait_for_end(node: &mut Node, global: &Global, stop: &mut Stop) -> anyhow::Result<bool> {
    let tally = node.context().tally.clone();
    let mut line = StatusLine::new(global.output == Format::Table);
    let mut refresh = tokio::time::interval(REFRESH_INTERVAL);
    loop {
        tokio::select! {
            ended = node.ended() => {
                ended?;
                return Ok(false);
            }
            () = stop.received() => return Ok(true),
            _ = refresh.tick() => {
                let Totals { fetches, items, materials, errors, .. } = tally.totals();
                line.show(&format!("{fetches} fetches, {errors} failed · {items} items · {materials} materials"));
            }
        }
    }
}

/// Runs the node for one pass, and prints a report.
async fn run_pass(
    context: Context,
    data: &Backend,
    pass: &Pass,
    global: &Global,
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    if data.schedule.next_due(pass.due_by, Timestamp::MAX).await?.is_none() {
        print_nothing_due(data, global).await?;
    }
    let mut node = Node::start(context).await?;
    let interrupted = wait_for_end(&mut node, global, stop).await?;
    if interrupted {
        print_status("stopping: waiting for current work; a second signal exits at once");
        node.drain();
        let Some(ended) = stop.or_second_signal(node.ended()).await else { return Ok(ExitCode::from(130)) };
        ended?;
    }
    if !interrupted {
        actors::link_all(node.context()).await.map_err(anyhow::Error::msg)?;
    }
    let totals = node.context().tally.totals();
    let left = data.schedule.next_due(pass.due_by, Timestamp::MAX).await?;
    let pages_waiting = data.store.totals().await?.pages;
    let report = report(&totals, pages_waiting, next_poll(&*data.store).await?, began.elapsed());
    object(&mut std::io::stdout().lock(), global.output, &report, "materials")?;
    if pages_waiting > 0 {
        print_status(&format!("{pages_waiting} article pages stay queued for the next run"));
    }
    if interrupted && left.is_some() {
        print_status("interrupted: sources that were not read stay due");
    }
    if let Some(until) = left.filter(|_| !interrupted) {
        print_status(&format!(
            "some sources are still due; their hosts must not be requested before {}",
            rfc3339(until)
        ));
    }
    if totals.sources_failed > 0 {
        print_status(&format!(
            "{} sources could not be read; `qyran source list` shows the reasons",
            totals.sources_failed
        ));
    }
    if totals.interrupted > 0 {
        print_status(&format!(
            "{} jobs were interrupted and are due again; the log shows the reasons",
            totals.interrupted
        ));
    }
    let all_read = totals.sources_failed == 0 && totals.interrupted == 0 && left.is_none();
    Ok(ExitCode::from(if interrupted {
        130
    } else if all_read {
        0
    } else {
        6
    }))
}

fn report(totals: &Totals, pages_waiting: u64, next: Option<Timestamp>, took: Duration) -> Value {
    json!({
        "sources": totals.sources_read + totals.sources_failed,
        "fetches": totals.fetches,
        "items": totals.items,
        "materials": totals.materials,
        "errors": totals.errors,
        "duration_seconds": (took.as_secs_f64() * 1000.0).round() / 1000.0,
        "sources_read": totals.sources_read,
        "sources_failed": totals.sources_failed,
        "edited": totals.edited,
        "pages_waiting": pages_waiting,
        "interrupted": totals.interrupted,
        "next_poll": time(next),
        "cpu_seconds": actors::process_stats::cpu_seconds(),
        "peak_memory_bytes": actors::process_stats::peak_memory(),
    })
}

async fn next_poll(store: &dyn Store) -> anyhow::Result<Option<Timestamp>> {
    let records = store.sources().await?;
    let is_polled = |record: &&store::SourceRecord| !record.state.is_stopped();
    Ok(records.iter().filter(is_polled).filter_map(|record| record.next_poll).min())
}

/// Prints that no source is due, and the time of the next poll.
async fn print_nothing_due(data: &Backend, global: &Global) -> anyhow::Result<()> {
    match next_poll(&*data.store).await? {
        None => {
            print_status("nothing is due: no sources are declared, or all are paused, retired or quarantined")
        }
        Some(next) => {
            let seconds = next.duration_since(global.clock.now()).as_secs().max(0).unsigned_abs();
            let wait = format_duration(Duration::from_secs(seconds));
            print_status(&format!(
                "nothing is due; the next poll is due in {wait}, at {}; --now makes all sources due",
                rfc3339(next)
            ));
        }
    }
    Ok(())
}
