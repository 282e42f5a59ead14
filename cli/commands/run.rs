//! `qyran run`: runs a node, continuously or for one pass.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use actors::{Context, Node, Pass, Totals};
use config::format_duration;
use model::{Timestamp, rfc3339};
use serde_json::{Value, json};
use service::PlanTerms;
use store::Store;
use tokio::time::Instant;

use crate::backend::{Backend, Place, Protection};
use crate::commands::apply::apply;
use crate::commands::check::checked_objects;
use crate::commands::source::plan_terms;
use crate::data_folder::DataFolder;
use crate::global::Global;
use crate::hubs::serve_hubs;
use crate::probes::serve_probes;
use crate::terminal::failure::{Failure, tell};
use crate::terminal::live::StatusLine;
use crate::terminal::output::{Format, object, time};
use crate::terminal::stop::Stop;
use crate::{process_stats, wiring};

/// Refresh interval of the status line.
const STATUS_REFRESH_INTERVAL: Duration = Duration::from_millis(250);

/// The message at the first signal.
const STOPPING: &str = "stopping: finishing the work in progress; a second signal stops immediately";

/// Read the declared sources, continuously or once
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran run                              run until SIGTERM or Ctrl-C; a second one stops immediately
  qyran run -f sources/ --once           declare the objects of a folder, read due sources, exit
  qyran run --once --now -o json         read all sources now, report as JSON: for cron and trials

Exit codes of --once: 0 all sources read or nothing due, 6 some sources could not be read, 130 interrupted.")]
pub(crate) struct Args {
    /// File or folder of objects to declare first; repeatable
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Give each due source one bounded turn, then exit
    #[arg(long)]
    once: bool,
    /// Treat every source as due; delays of hosts still apply
    #[arg(long)]
    now: bool,
    /// Maximum number of article pages per source and turn; the rest stays queued [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pages: Option<u32>,
    /// Name of this node in a cluster [default: host name and process number]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Serve metrics and probes on this address, for example 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Breaks a protection, for tests that show what it is good for
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
        let message = "websub.url and websub.listen must be set together: hubs call the one, the node listens on the other";
        return Err(Failure::usage(message).hint("set both on each node").into());
    }
    let objects = checked_objects(&args.file, false, global).await?;
    wiring::warn_without_contact(&global.settings);
    let mut stop = Stop::listen()?;
    let data = Backend::to_run(global, &args.without).await?;
    let _lock = match &data.place {
        Place::Folder(path) => Some(DataFolder::lock(path)?),
        Place::Cluster { .. } => None,
    };
    let drains = !args.without.contains(&Protection::Drain);
    if !objects.is_empty() {
        apply(&*data.store, objects, false, global).await?;
    }
    let mut settings = global.settings.clone();
    settings.run.pages =
        args.pages.map_or(settings.run.pages, |pages| usize::try_from(pages).unwrap_or(usize::MAX));
    if args.once || args.now {
        // Plan before the pass begins, so that new sources are due at its start.
        let terms = PlanTerms { all_now: args.now, ..plan_terms(global) };
        service::plan_sources(&*data.store, &*data.schedule, terms).await?;
    }
    let pass = args.once.then(|| Pass::starting(global.clock.now()));
    let mut context = wiring::context(&settings, &data, global.clock.clone(), pass.clone())?;
    // A single pass has ended when hubs call back.
    context.config.websub_url = if pass.is_some() { None } else { settings.websub.base() };
    context.config.ignores_deadlines = args.without.contains(&Protection::Deadline);
    context.config.stores_in_parts = args.without.contains(&Protection::Transaction);
    context.config.forgets_unstored = args.without.contains(&Protection::Retry);
    if !args.without.is_empty() {
        tell("warning: a protection is switched off: this node is for tests that show what it is good for");
    }
    match pass {
        None => endless(context, &data.place, global, &mut stop, drains).await,
        Some(pass) => once(context, &data, &pass, global, &mut stop).await,
    }
}

async fn endless(
    context: Context,
    place: &Place,
    global: &Global,
    stop: &mut Stop,
    drains: bool,
) -> anyhow::Result<ExitCode> {
    let sources = context.store.sources().await?.len();
    tell(&format!("watching {sources} sources; data in {place}"));
    if sources == 0 {
        tell("no sources are declared yet; `qyran apply -f FILE` works while the node runs");
    }
    let mut node = Node::start(context).await?;
    let _probes = match global.settings.node.listen.as_str() {
        "" => None,
        listen => {
            let probes = serve_probes(listen, node.context().clone()).await?;
            tell(&format!("metrics and probes on http://{}", probes.address));
            Some(probes)
        }
    };
    let websub = &global.settings.websub;
    let _hubs = match (websub.listen.as_str(), &websub.url) {
        ("", _) => None,
        (listen, url) => {
            let max_bytes = global.settings.fetch.max_wire_bytes.0;
            let hubs = serve_hubs(listen, max_bytes, node.context().clone()).await?;
            tell(&format!("listening on http://{} for hubs that call {url}", hubs.address));
            Some(hubs)
        }
    };
    let is_asked = until_ended(&mut node, global, stop).await?;
    if is_asked && drains {
        tell(STOPPING);
        node.drain();
        let Some(ended) = stop.or_at_once(node.ended()).await else { return Ok(ExitCode::from(130)) };
        ended?;
    }
    let Totals { fetches, items, materials, errors, .. } = node.context().tally.totals();
    tell(&format!(
        "stopped: {fetches} fetches, {errors} failed, {items} items, {materials} materials stored"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Shows the status line until the node ends or a signal arrives. Returns true if a signal arrived.
async fn until_ended(node: &mut Node, global: &Global, stop: &mut Stop) -> anyhow::Result<bool> {
    let tally = node.context().tally.clone();
    let mut line = StatusLine::new(global.output == Format::Table);
    let mut refresh = tokio::time::interval(STATUS_REFRESH_INTERVAL);
    loop {
        tokio::select! {
            ended = node.ended() => {
                ended?;
                return Ok(false);
            }
            () = stop.asked() => return Ok(true),
            _ = refresh.tick() => {
                let Totals { fetches, items, materials, errors, .. } = tally.totals();
                line.show(&format!("{fetches} fetches, {errors} failed · {items} items · {materials} materials"));
            }
        }
    }
}

async fn once(
    context: Context,
    data: &Backend,
    pass: &Pass,
    global: &Global,
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    if data.schedule.next_due(pass.due_by, Timestamp::MAX).await?.is_none() {
        tell_nothing_due(data, global).await?;
    }
    let mut node = Node::start(context).await?;
    let interrupted = until_ended(&mut node, global, stop).await?;
    if interrupted {
        tell(STOPPING);
        node.drain();
        let Some(ended) = stop.or_at_once(node.ended()).await else { return Ok(ExitCode::from(130)) };
        ended?;
    }
    if !interrupted {
        actors::link_all(node.context()).await.map_err(anyhow::Error::msg)?;
    }
    let totals = node.context().tally.totals();
    let next_due = data.schedule.next_due(pass.due_by, Timestamp::MAX).await?;
    let pages_waiting = data.store.totals().await?.pages;
    let report = report(&totals, pages_waiting, next_poll(&*data.store).await?, began.elapsed());
    object(&mut std::io::stdout().lock(), global.output, &report, "materials")?;
    if pages_waiting > 0 {
        tell(&format!("{pages_waiting} article pages stay queued for the next run"));
    }
    if interrupted && next_due.is_some() {
        tell("interrupted: the remaining sources stay due");
    }
    if let Some(until) = next_due.filter(|_| !interrupted) {
        tell(&format!(
            "some sources are due, but their hosts are delayed or blocked until {}",
            rfc3339(until)
        ));
    }
    if totals.sources_failed > 0 {
        tell(&format!(
            "{} sources could not be read; `qyran source list` shows the reasons",
            totals.sources_failed
        ));
    }
    if totals.interrupted > 0 {
        tell(&format!(
            "{} jobs were interrupted and are due again; the log contains the reasons",
            totals.interrupted
        ));
    }
    let all_read = totals.sources_failed == 0 && totals.interrupted == 0 && next_due.is_none();
    Ok(ExitCode::from(if interrupted {
        130
    } else if all_read {
        0
    } else {
        6
    }))
}

fn report(totals: &Totals, pages_waiting: u64, next_poll: Option<Timestamp>, duration: Duration) -> Value {
    json!({
        "sources": totals.sources_read + totals.sources_failed,
        "fetches": totals.fetches,
        "items": totals.items,
        "materials": totals.materials,
        "errors": totals.errors,
        "duration_seconds": (duration.as_secs_f64() * 1000.0).round() / 1000.0,
        "sources_read": totals.sources_read,
        "sources_failed": totals.sources_failed,
        "edited": totals.edited,
        "pages_waiting": pages_waiting,
        "interrupted": totals.interrupted,
        "next_poll": time(next_poll),
        "cpu_seconds": process_stats::cpu_seconds(),
        "peak_memory_bytes": process_stats::peak_memory(),
    })
}

/// Returns the time of the next poll of all sources that are not stopped.
async fn next_poll(store: &dyn Store) -> anyhow::Result<Option<Timestamp>> {
    let records = store.sources().await?;
    let is_polled = |record: &&store::SourceRecord| !record.state.is_stopped();
    Ok(records.iter().filter(is_polled).filter_map(|record| record.next_poll).min())
}

async fn tell_nothing_due(data: &Backend, global: &Global) -> anyhow::Result<()> {
    match next_poll(&*data.store).await? {
        None => tell("nothing is due: no sources are declared, or all are paused or in quarantine"),
        Some(next) => {
            let seconds = next.duration_since(global.clock.now()).as_secs().max(0).unsigned_abs();
            let wait = format_duration(Duration::from_secs(seconds));
            tell(&format!(
                "nothing is due; the next poll is due in {wait}, at {}; use --now to read all sources",
                rfc3339(next)
            ));
        }
    }
    Ok(())
}
