//! `qyran source`: lists, tests and controls sources.

mod backfill;
mod by_hand;
mod catalogue;
mod discover;
mod dry_run;
mod follow;
mod probe;
mod tables;

use std::process::ExitCode;

use clap::Subcommand;
use config::format_duration;
use model::{JobKind, Name, SourceKind, SourceState, Subscription, Timestamp, Watch};
use scheduler::HostView;
use scheduler::due::{LATE, a_day, is_rare, paced};
use serde_json::{Value, json};
use service::views::{FetchView, SourceView};
use service::{PlanTerms, jobs_of};
use store::{SourceRecord, Store};

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{Format, column, object, rows, show, time, wide};

/// List, show, test, pause and resume sources
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List sources with their states
    #[command(after_help = "\
Examples:
  qyran source list --state degraded,unreachable
  qyran source list -o json")]
    List {
        /// Show only sources in these states (comma-separated)
        #[arg(long, value_name = "STATES", value_delimiter = ',')]
        state: Vec<String>,
        /// Maximum number of sources [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Refresh until interrupted
        #[arg(short, long)]
        watch: bool,
    },
    /// Show a source: its state with the reason, its host and its last fetches
    Get {
        /// Name of the source
        name: String,
        /// Refresh until interrupted
        #[arg(short, long)]
        watch: bool,
    },
    Test(dry_run::Args),
    Discover(discover::Args),
    Probe(probe::Args),
    Follow(follow::Args),
    Backfill(backfill::Args),
    Import(tables::ImportArgs),
    Export(tables::ExportArgs),
    /// Show the last fetches of a source, newest first
    History {
        /// Name of the source
        name: String,
        /// Maximum number of fetches
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show the state history of a source with reasons, newest first
    Availability {
        /// Name of the source
        name: String,
        /// Maximum number of states
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Stop polling a source until it is resumed or applied again without `paused`
    Pause {
        /// Name of the source
        name: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Retire a source: no longer poll it or count it as a coverage gap
    Retire {
        /// Name of the source
        name: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Resume polling a paused, retired or quarantined source
    Resume {
        /// Name of the source
        name: String,
        #[command(flatten)]
        reason: Reason,
    },
    /// Make a source due now; the delay of its host still applies
    Poll {
        /// Name of the source
        name: String,
        /// Poll now (the default)
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Test(args) => return dry_run::run(args, global).await,
        Command::Discover(args) => return discover::run(args, global).await,
        Command::Probe(args) => return probe::run(args, global).await,
        Command::Follow(args) => return follow::run(args, global).await,
        Command::Backfill(args) => return backfill::run(args, global).await,
        Command::Import(args) => return tables::import(args, global),
        Command::Export(args) => return tables::export(args, global).await,
        _ => (),
    }
    let is_write = matches!(
        args.command,
        Command::Pause { .. } | Command::Retire { .. } | Command::Resume { .. } | Command::Poll { .. }
    );
    let data = if is_write { Backend::open(global).await? } else { Backend::open_read_only(global).await? };
    match args.command {
        Command::List { state, limit, watch } => {
            list(&data, &parse_states(&state)?, limit, watch, global).await?
        }
        Command::Get { name, watch } => get(&data, &name, watch, global).await?,
        Command::History { name, limit } => history(&data, &name, limit, global).await?,
        Command::Availability { name, limit } => availability(&data, &name, limit, global).await?,
        Command::Pause { name, reason } => set_watch(&data, &name, Watch::Paused, &reason, global).await?,
        Command::Retire { name, reason } => set_watch(&data, &name, Watch::Retired, &reason, global).await?,
        Command::Resume { name, reason } => set_watch(&data, &name, Watch::On, &reason, global).await?,
        Command::Poll { name, reason, .. } => poll(&data, &name, &reason, global).await?,
        _ => (), // handled above
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_states(words: &[String]) -> anyhow::Result<Vec<SourceState>> {
    let parse = |word: &String| {
        let word = word.trim();
        SourceState::parse(word).ok_or_else(|| {
            let names = SourceState::ALL.map(SourceState::as_str);
            let hint = match config::nearest(word, names) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("valid states: {}", names.join(", ")),
            };
            Failure::usage(format!("unknown state {word:?}")).hint(hint).into()
        })
    };
    words.iter().map(parse).collect()
}

async fn list(
    data: &Backend,
    states: &[SourceState],
    limit: Option<usize>,
    watch: bool,
    global: &Global,
) -> anyhow::Result<()> {
    let columns = [
        column("name"),
        column("kind"),
        column("state"),
        column("next_poll"),
        column("reason"),
        wide("last_ok"),
        wide("every"),
        wide("url"),
        wide("pages_waiting"),
    ];
    show(watch, async |out, width| {
        let records = data.store.sources().await?;
        let selected = records.iter().filter(|record| states.is_empty() || states.contains(&record.state));
        let mut rows = crate::terminal::output::Rows::new(global.output, &columns, "name", out, width);
        for record in selected.take(limit.unwrap_or(usize::MAX)) {
            rows.row(SourceView::from(record))?;
        }
        Ok(rows.finish("no sources; declare some with `qyran apply -f FILE`")?)
    })
    .await
}

async fn get(data: &Backend, name: &str, watch: bool, global: &Global) -> anyhow::Result<()> {
    show(watch, async |out, _| {
        let record = find_source(&*data.store, name).await?;
        let history = data.store.history(&record.source.name, 5).await?;
        let subscription = data.store.subscription(&record.source.name).await?;
        let host = match record.source.host_for(&crawler::read::address_of(&record.source, "")) {
            Some(host) => data.schedule.host(&host).await?.map(|view| (host, view)),
            None => None,
        };
        let now = global.clock.now();
        let mut output = serde_json::to_value(SourceView::from(&record))?;
        if let Some(fields) = output.as_object_mut() {
            let spec = config::Object::Source(record.source.clone()).spec();
            fields.insert(
                "why".to_owned(),
                json!(explain_schedule(&record, host.as_ref().map(|(_, view)| view), now)),
            );
            fields.insert(
                "host".to_owned(),
                host.map_or(Value::Null, |(host, view)| host_json(host.as_str(), &view, now)),
            );
            fields.insert("cadence".to_owned(), cadence_json(&record, now));
            fields.insert(
                "websub".to_owned(),
                subscription.map_or(Value::Null, |subscription| websub_json(&subscription, now)),
            );
            fields.insert("spec".to_owned(), spec);
            fields.insert(
                "fetches".to_owned(),
                serde_json::to_value(history.iter().map(FetchView::from).collect::<Vec<_>>())?,
            );
        }
        if matches!(global.output, Format::Table | Format::Wide) {
            flatten(&mut output);
        }
        Ok(object(out, global.output, &output, "name")?)
    })
    .await
}

/// Describes the next poll of a source and what the poll waits for.
fn explain_schedule(record: &SourceRecord, host: Option<&HostView>, now: Timestamp) -> String {
    let wait = |at: Timestamp| {
        let seconds = at.duration_since(now).as_secs().max(0).unsigned_abs();
        format_duration(std::time::Duration::from_secs(seconds))
    };
    match record.state {
        SourceState::Paused => return "paused; not polled until `qyran source resume`".to_owned(),
        SourceState::Retired => {
            return "retired; not polled until `qyran source resume`".to_owned();
        }
        SourceState::Quarantined => {
            return "quarantined; not polled until `qyran source resume`".to_owned();
        }
        _ => (),
    }
    if record.source.kind == SourceKind::Import {
        return "not polled; its items come from `qyran import`".to_owned();
    }
    let Some(host) = host else { return "not planned by any node yet".to_owned() };
    let job =
        host.jobs.iter().find(|job| job.id.source == record.source.name && job.id.kind != JobKind::Pages);
    let Some(job) = job else {
        return if record.source.is_searched() {
            "no topic needs a search of it, or no node has planned one yet".to_owned()
        } else {
            "not planned by any node yet".to_owned()
        };
    };
    if let Some((until, reason)) = host.blocked.as_ref().filter(|(until, _)| *until > now) {
        return format!("its host is blocked for {} more ({reason})", wait(*until));
    }
    if let Some((owner, until)) = host.owner.as_ref().filter(|(_, until)| *until > now) {
        return format!("its host is leased by node {owner} (lease ends in {})", wait(*until));
    }
    if job.due > now {
        return format!("due in {}", wait(job.due));
    }
    if host.next_allowed_at > now {
        return format!("due; its host may be requested again in {}", wait(host.next_allowed_at));
    }
    "due; a running node will poll it".to_owned()
}

/// Returns the inputs of the polling interval of a source.
fn cadence_json(record: &SourceRecord, now: Timestamp) -> Value {
    let source = &record.source;
    let whole_seconds = |length: std::time::Duration| {
        format_duration(std::time::Duration::from_secs(length.as_secs().max(1)))
    };
    let pace = record.rhythm.as_ref().map_or(1.0, |rhythm| rhythm.pace(now));
    let fresh_for = record.validators.as_ref().and_then(|validators| validators.fresh_for);
    json!({
        "at_least_every": whole_seconds(source.every.max),
        "at_most_every": whole_seconds(source.every.min),
        "learnt": record.interval.map(whole_seconds),
        // An interval at its lower bound only gives a lower bound on the rate, so the rate is omitted.
        "publications_a_day": record
            .interval
            .filter(|interval| source.every.min < *interval)
            .map(|interval| (a_day(interval) * 100.0).round() / 100.0),
        "at_this_hour": record.rhythm.as_ref().map(|rhythm| format!("{:.1} times the mean", rhythm.pace(now))),
        "late_after": record.interval.filter(|interval| !is_rare(*interval, pace)).map(|_| whole_seconds(LATE)),
        "by_the_hour": record
            .interval
            .map(|interval| whole_seconds(paced(interval, source.every, record.rhythm.as_ref(), now))),
        "server_says_unchanged_for": fresh_for.map(whole_seconds),
        "failed_polls": record.failed_polls,
        "failure_points": record.failures,
        "state": record.state.as_str(),
    })
}

/// Returns the state of the WebSub subscription of a source.
fn websub_json(subscription: &Subscription, now: Timestamp) -> Value {
    json!({
        "state": match (subscription.is_active(now), subscription.credit > 0, &subscription.refused) {
            (true, true, _) => "reliable",
            (true, false, _) => "unreliable",
            (false, _, Some(_)) => "refused",
            (false, _, None) if subscription.lease_until.is_some() => "expired",
            (false, _, None) => "requested",
        },
        "hub": subscription.offer.hub,
        "topic_url": subscription.offer.topic_url,
        "requested_at": time(Some(subscription.asked_at)),
        "renewed_at": time(Some(subscription.renew_at)),
        "lease_until": time(subscription.lease_until),
        "refused": subscription.refused,
        "documents": subscription.pushes,
        "new_entries": subscription.entries,
        "missed_entries": subscription.missed,
        "waiting": subscription.waiting,
        "polls_saved": (subscription.polls_saved * 10.0).round() / 10.0,
    })
}

fn host_json(name: &str, host: &HostView, now: Timestamp) -> Value {
    let blocked = host.blocked.as_ref().filter(|(until, _)| *until > now);
    json!({
        "name": name,
        "delay": format_duration(host.delay),
        "next_allowed_at": time(Some(host.next_allowed_at)),
        "blocked_until": time(blocked.map(|(until, _)| *until)),
        "block_reason": blocked.map(|(_, reason)| reason),
        "owner": host.owner.as_ref().map(|(owner, _)| owner),
        "token": host.token.0,
        "jobs": host.jobs.len(),
    })
}

/// Replaces nested objects by text, for tables.
fn flatten(output: &mut Value) {
    let Some(object) = output.as_object_mut() else { return };
    for (key, value) in object.iter_mut() {
        match value {
            Value::Object(inner) => {
                let lines: Vec<String> = inner
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| format!("{key}: {}", plain(value)))
                    .collect();
                *value = Value::String(format!("{}\n", lines.join("\n")));
            }
            Value::Array(list) if key == "fetches" => {
                let lines: Vec<String> = list
                    .iter()
                    .map(|fetch| {
                        let detail = fetch["detail"].as_str().unwrap_or("");
                        format!(
                            "{}  {}  {} items  {} {detail}",
                            plain(&fetch["at"]),
                            plain(&fetch["status"]),
                            fetch["items"],
                            plain(&fetch["url"])
                        )
                    })
                    .collect();
                *value = Value::String(format!("{}\n", lines.join("\n")));
            }
            _ => (),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn history(data: &Backend, name: &str, limit: usize, global: &Global) -> anyhow::Result<()> {
    let record = find_source(&*data.store, name).await?;
    let columns = [
        column("at"),
        column("status"),
        column("items"),
        column("url"),
        column("detail"),
        wide("http_status"),
        wide("bytes"),
        wide("duration_seconds"),
    ];
    let mut rows = rows(global.output, &columns, "at");
    for fetch in data.store.history(&record.source.name, limit).await? {
        rows.row(FetchView::from(&fetch))?;
    }
    Ok(rows.finish("no fetches yet")?)
}

async fn availability(data: &Backend, name: &str, limit: usize, global: &Global) -> anyhow::Result<()> {
    let record = find_source(&*data.store, name).await?;
    let (since, until) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let intervals = data.store.availability(Some(&record.source.name), since, until).await?;
    let columns = [column("from"), column("to"), column("state"), column("reason")];
    let mut rows = rows(global.output, &columns, "from");
    for interval in intervals.iter().rev().take(limit) {
        rows.row(json!({
            "from": time(Some(interval.from)),
            "to": time(interval.to),
            "state": interval.state.as_str(),
            "reason": (!interval.reason.is_empty()).then_some(&interval.reason),
        }))?;
    }
    Ok(rows.finish("no states recorded yet")?)
}

async fn set_watch(
    data: &Backend,
    name: &str,
    watch: Watch,
    reason: &Reason,
    global: &Global,
) -> anyhow::Result<()> {
    let record = find_source(&*data.store, name).await?;
    data.store.watch(&record.source.name, watch, global.clock.now()).await?;
    let (action, outcome) = match watch {
        Watch::On => ("source resume", "due now"),
        Watch::Paused => ("source pause", "paused"),
        Watch::Retired => ("source retire", "retired"),
    };
    reason.note(data, action, &format!("source/{name}"), global).await?;
    if watch != Watch::On {
        data.schedule
            .remove(&jobs_of(&*data.store, std::slice::from_ref(&record.source.name)).await?)
            .await?;
        print_message(&format!("{name} is {outcome}; running nodes stop polling it within a second"));
    } else {
        plan_now(data, &record, global).await?;
        print_message(&format!("{name} is {outcome}"));
    }
    print_source(data, name, global).await
}

async fn poll(data: &Backend, name: &str, reason: &Reason, global: &Global) -> anyhow::Result<()> {
    let record = find_source(&*data.store, name).await?;
    if record.state.is_stopped() {
        return Err(Failure::failed(format!("cannot poll {name}: it is {}", record.state.as_str()))
            .hint(format!("qyran source resume {name} also makes it due"))
            .into());
    }
    plan_now(data, &record, global).await?;
    reason.note(data, "source poll", &format!("source/{name}"), global).await?;
    print_message(&format!(
        "{name} is due now; a running node will poll it once the delay of its host has passed"
    ));
    print_source(data, name, global).await
}

/// Prints the changed source in machine-readable formats. Table formats have already printed a status line.
async fn print_source(data: &Backend, name: &str, global: &Global) -> anyhow::Result<()> {
    if matches!(global.output, Format::Table | Format::Wide) {
        return Ok(());
    }
    let record = find_source(&*data.store, name).await?;
    Ok(object(&mut std::io::stdout().lock(), global.output, &SourceView::from(&record), "name")?)
}

/// Returns the parameters of planning from the settings.
pub(crate) fn plan_terms(global: &Global) -> PlanTerms {
    PlanTerms { delay: global.settings.fetch.delay, now: global.clock.now(), all_now: false }
}

pub(crate) async fn plan_now(data: &Backend, record: &SourceRecord, global: &Global) -> anyhow::Result<()> {
    let terms = plan_terms(global);
    let result = service::plan_now(&*data.store, &*data.schedule, &record.source.name, terms).await;
    result.map_err(|error| Failure::failed(error.to_string()).into())
}

/// Returns the source with this name. Fails with a hint at the nearest name if there is none.
pub(crate) async fn find_source(store: &dyn Store, name: &str) -> anyhow::Result<SourceRecord> {
    let record = match Name::new(name) {
        Ok(name) => store.source(&name).await?,
        Err(_) => None,
    };
    if let Some(record) = record {
        return Ok(record);
    }
    let records = store.sources().await?;
    let hint = match config::nearest(name, records.iter().map(|record| record.source.name.as_str())) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "qyran source list shows all sources".to_owned(),
    };
    Err(Failure::not_found(format!("no source {name:?}")).hint(hint).into())
}
