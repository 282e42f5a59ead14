//! `qyran run`: the main job, for ever or once.

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

use crate::backend::{Backend, Place};
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

/// How often the status line is written anew.
const REFRESH: Duration = Duration::from_millis(250);

/// Read the declared sources: for ever, or once
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran run                              until SIGTERM or Ctrl-C; a second one ends at once
  qyran run -f sources/ --once           declare what the folder holds, read what is due, end
  qyran run --once --now -o json         everything now, as one JSON object: for cron and trials

Exit codes of --once: 0 all read (or nothing due), 6 some sources could not be read, 130 interrupted.")]
pub(crate) struct Args {
    /// Declare the objects of this file or folder first; repeatable
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// One bounded turn for each source that is due, then end
    #[arg(long)]
    once: bool,
    /// Take every source for due, never against a host's delay
    #[arg(long)]
    now: bool,
    /// Article pages of one source in one turn; the rest stays queued [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pages: Option<u32>,
    /// This node's name in a cluster [default: the machine's name and the process's number]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Serves metrics and probes there, as 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Switches a protection off; only in builds with fault injection
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
        let wrong =
            "websub.url and websub.listen go together: hubs are given the one, and heard at the other";
        return Err(Failure::usage(wrong).hint("each node has both").into());
    }
    let objects = checked_objects(&args.file, false, global).await?;
    wiring::warn_without_contact(&global.settings);
    let mut stop = Stop::listen()?;
    let disabled = DisabledProtections::new(&args.without).map_err(Failure::usage)?;
    let data = Backend::to_run(global, &disabled).await?;
    let _lock = match &data.place {
        Place::Folder(path) => Some(DataFolder::lock(path)?),
        Place::Cluster { .. } => None,
    };
    let drains = !disabled.contains(Protection::Drain);
    if !objects.is_empty() {
        apply(&*data.store, objects, false, global).await?;
    }
    let mut settings = global.settings.clone();
    settings.run.pages =
        args.pages.map_or(settings.run.pages, |pages| usize::try_from(pages).unwrap_or(usize::MAX));
    if args.once || args.now {
        // Before the pass begins, so that new sources are due by its beginning.
        let terms = PlanTerms { all_now: args.now, ..plan_terms(global) };
        service::plan_sources(&*data.store, &*data.schedule, terms).await?;
    }
    let pass = args.once.then(|| Pass::starting(global.clock.now()));
    let mut context = wiring::context(&settings, &data, global.clock.clone(), pass.clone())?;
    // A single pass is not there when hubs ask back.
    context.config.websub_url = if pass.is_some() { None } else { settings.websub.base() };
    context.config.disabled = disabled;
    if !args.without.is_empty() {
        print_status(
            "warning: a protection is switched off: this node is for tests that show what it is good for",
        );
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
    print_status(&format!("watching {sources} sources; data in {place}"));
    if sources == 0 {
        print_status("there is nothing to watch yet: `qyran apply -f FILE` works while this runs");
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
            let most = global.settings.fetch.max_wire_bytes.0;
            let hubs = serve_websub(listen, most, node.context().clone()).await?;
            print_status(&format!("hubs that call {url} are heard on http://{}", hubs.address));
            Some(hubs)
        }
    };
    let is_asked = until_ended(&mut node, global, stop).await?;
    if is_asked && drains {
        print_status("stopping: what is under way is finished first; once more ends at once");
        node.drain();
        let Some(ended) = stop.or_at_once(node.ended()).await else { return Ok(ExitCode::from(130)) };
        ended?;
    }
    let Totals { fetches, items, materials, errors, .. } = node.context().tally.totals();
    print_status(&format!(
        "ended: {fetches} fetches, {errors} of them failed, {items} items, {materials} materials stored"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Waits, with a line of status, for the node's end or for a signal. True: a signal came.
pub(crate) async fn until_ended(node: &mut Node, global: &Global, stop: &mut Stop) -> anyhow::Result<bool> {
    let tally = node.context().tally.clone();
    let mut line = StatusLine::new(global.output == Format::Table);
    let mut refresh = tokio::time::interval(REFRESH);
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
        print_status("stopping: what is under way is finished first; once more ends at once");
        node.drain();
        let Some(ended) = stop.or_at_once(node.ended()).await else { return Ok(ExitCode::from(130)) };
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
        print_status("interrupted: sources that were not reached stay due");
    }
    if let Some(until) = left.filter(|_| !interrupted) {
        print_status(&format!(
            "some sources are due and their hosts ask to be left alone until {}",
            rfc3339(until)
        ));
    }
    if totals.sources_failed > 0 {
        print_status(&format!(
            "{} sources could not be read; `qyran source list` says why",
            totals.sources_failed
        ));
    }
    if totals.interrupted > 0 {
        print_status(&format!(
            "{} jobs were interrupted and are due again; the log says why",
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

async fn tell_nothing_due(data: &Backend, global: &Global) -> anyhow::Result<()> {
    match next_poll(&*data.store).await? {
        None => print_status("nothing is due: no sources are declared, or all are paused or in quarantine"),
        Some(next) => {
            let seconds = next.duration_since(global.clock.now()).as_secs().max(0).unsigned_abs();
            let wait = format_duration(Duration::from_secs(seconds));
            print_status(&format!(
                "nothing is due; the next poll is due in {wait}, at {}; --now takes all",
                rfc3339(next)
            ));
        }
    }
    Ok(())
}
