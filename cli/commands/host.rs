//! `qyran host`: what is owed to a host, and who has it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use config::format_duration;
use crawler::robots::RobotsRecord;
use model::{Host, Timestamp};
use scheduler::{HostView, Stake};
use serde_json::{Value, json};
use service::views::FetchView;
use url::Url;

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::commands::queue::JobState;
use crate::global::Global;
use crate::terminal::failure::{Failure, say};
use crate::terminal::output::{Format, column, object, rows, time, wide};

/// Show what is owed to a host, and keep every node from it
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran host get news.example.kz
  qyran host incidents --since 30d
  qyran host block news.example.kz --for 2h --reason 'they asked us to'
  qyran host unblock news.example.kz")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show one host: who has it, when it may be asked next and why, its robots rules, its jobs
    Get {
        /// A host name, or group:NAME
        host: String,
    },
    /// Show when nothing of a host came through, though several of its sources were well before
    Incidents {
        /// How far back
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = config::parse_duration)]
        since: Duration,
    },
    /// Hand a host to no node for a while; a node that has it ends its turn first
    Block {
        /// A host name, or group:NAME
        host: String,
        /// For how long
        #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = config::parse_duration)]
        length: Duration,
        #[command(flatten)]
        reason: Reason,
    },
    /// Take a block back, whoever set it; delays are kept all the same
    Unblock {
        /// A host name, or group:NAME
        host: String,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Get { host } => get(&Backend::to_read(global).await?, &host, global).await?,
        Command::Incidents { since } => incidents(&Backend::to_read(global).await?, since, global).await?,
        Command::Block { host, length, reason } => {
            let data = Backend::open(global).await?;
            let (host, _) = known(&data, &host).await?;
            let until = global.clock.now().saturating_add(length)?;
            let why = match reason.reason.as_str() {
                "" => "blocked by the operator",
                reason => reason,
            };
            data.schedule.block(&host, until, why).await?;
            reason.note(&data, "host block", &format!("host/{host}"), global).await?;
            say(&format!(
                "{host} is handed to nobody until {}; a node that has it ends its turn first",
                model::rfc3339(until)
            ));
        }
        Command::Unblock { host, reason } => {
            let data = Backend::open(global).await?;
            let (host, _) = known(&data, &host).await?;
            data.schedule.block(&host, Timestamp::UNIX_EPOCH, "").await?;
            reason.note(&data, "host unblock", &format!("host/{host}"), global).await?;
            say(&format!("{host} may be asked again, as its delay allows"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn incidents(data: &Backend, since: Duration, global: &Global) -> anyhow::Result<()> {
    let now = global.clock.now();
    let found = data.store.incidents(now.checked_sub(since).unwrap_or(Timestamp::MIN), now).await?;
    let columns = [column("host"), column("from"), column("to"), column("lasted"), wide("reason")];
    let mut rows = rows(global.output, &columns, "host");
    for incident in &found {
        let lasted = incident.to.unwrap_or(now).duration_since(incident.from).as_secs().max(0);
        rows.row(json!({
            "host": incident.host.as_str(),
            "from": time(Some(incident.from)),
            "to": time(incident.to),
            "lasted": format_duration(Duration::from_secs(lasted.unsigned_abs())),
            "reason": incident.reason,
        }))?;
    }
    rows.finish(&format!("no host failed for all its sources in the last {}", format_duration(since)))?;
    Ok(())
}

async fn known(data: &Backend, name: &str) -> anyhow::Result<(Host, HostView)> {
    let host = Host::from_stored(name.to_lowercase());
    match data.schedule.host(&host).await? {
        Some(view) => Ok((host, view)),
        None => Err(Failure::not_found(format!("nothing is known of a host {name:?}"))
            .hint("qyran queue list shows hosts with jobs")
            .into()),
    }
}

async fn get(data: &Backend, name: &str, global: &Global) -> anyhow::Result<()> {
    let (host, view) = known(data, name).await?;
    let now = global.clock.now();
    let blocked = view.blocked.as_ref().filter(|(until, _)| *until > now);
    let owner = view.owner.as_ref().filter(|(_, until)| *until > now);
    let health = data.store.host_health(&host).await?;
    let incident = health.incident.as_ref();
    let jobs: Vec<Value> = view
        .jobs
        .iter()
        .map(|job| {
            json!({
                "source": job.id.source.as_str(),
                "kind": job.id.kind.as_str(),
                "query": job.id.query,
                "due": time(Some(job.due)),
                "state": JobState::of(job, &view, now).as_str(),
                "crashes": job.crashes,
            })
        })
        .collect();
    let mut shown = json!({
        "host": host.as_str(),
        "why": why(&view, now),
        "owner": owner.map(|(owner, _)| owner),
        "lease_until": time(owner.map(|(_, until)| *until)),
        "token": view.token.0,
        "next_allowed_at": time(Some(view.next_allowed_at)),
        "delay": format_duration(view.delay),
        "blocked_until": time(blocked.map(|(until, _)| *until)),
        "block_reason": blocked.map(|(_, reason)| reason),
        "incident_since": time(incident.map(|incident| incident.since)),
        "incident": incident.map(|incident| &incident.reason),
        "robots": robots(data, &host).await?,
        "jobs": jobs,
        "clients": stakes(&view),
        "fetches": fetches(data, &view).await?,
    });
    if matches!(global.output, Format::Table | Format::Wide) {
        flatten(&mut shown);
    }
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "host")?)
}

/// Who shares the host, where clients have jobs of their own there.
fn stakes(view: &HostView) -> Vec<Value> {
    let stake = |stake: &Stake| {
        let client = Some(stake.tenant.client.as_str()).filter(|client| !client.is_empty());
        json!({"client": client.unwrap_or("(all)"), "weight": stake.tenant.weight, "jobs": stake.jobs})
    };
    view.stakes.iter().map(stake).collect()
}

/// What the host waits for.
fn why(view: &HostView, now: Timestamp) -> String {
    let wait = |at: Timestamp| {
        let seconds = at.duration_since(now).as_secs().max(0).unsigned_abs();
        format_duration(Duration::from_secs(seconds))
    };
    if let Some((owner, until)) = view.owner.as_ref().filter(|(_, until)| *until > now) {
        return format!("node {owner} has it (lease for {} more)", wait(*until));
    }
    if let Some((until, reason)) = view.blocked.as_ref().filter(|(until, _)| *until > now) {
        return format!("it is left alone for {} more ({reason})", wait(*until));
    }
    match view.jobs.first() {
        None => "it has no jobs".to_owned(),
        Some(job) if job.due > now => format!("its first job is due in {}", wait(job.due)),
        Some(_) if view.next_allowed_at > now => {
            format!("a job is due; its delay lasts {} more", wait(view.next_allowed_at))
        }
        Some(_) => "a job is due, and the next node with room takes it".to_owned(),
    }
}

/// What is remembered of its robots.txt, by origin.
async fn robots(data: &Backend, host: &Host) -> anyhow::Result<Value> {
    let mut known = serde_json::Map::new();
    for record in data.store.sources().await? {
        let url = &crawler::read::address_of(&record.source, "");
        if record.source.host_for(url).as_ref() != Some(host) {
            continue;
        }
        let Some(origin) = origin(url).filter(|origin| !known.contains_key(origin)) else { continue };
        let remembered = data.schedule.recall_robots(&origin).await?;
        let record = remembered.and_then(|text| serde_json::from_str::<RobotsRecord>(&text).ok());
        if let Some(record) = record {
            known.insert(origin, json!(verdict(&record)));
        }
    }
    Ok(Value::Object(known))
}

/// As robots rules are remembered: `scheme://host:port`.
fn origin(url: &Url) -> Option<String> {
    Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
}

fn verdict(record: &RobotsRecord) -> String {
    let read_at = record.read_at.map_or_else(|| "never".to_owned(), model::rfc3339);
    let rules = match &record.rules {
        _ if record.failures > 0 => format!("cannot be had ({}), nothing is asked", record.reason),
        None => "the server has none: everything is allowed".to_owned(),
        Some(rules) => format!("{} lines of rules", rules.lines().count()),
    };
    format!("{rules}; read {read_at}, again after {}", model::rfc3339(record.expires_at))
}

/// The last fetches of its sources, the newest first.
async fn fetches(data: &Backend, view: &HostView) -> anyhow::Result<Vec<Value>> {
    let mut lines = Vec::new();
    for job in view.jobs.iter().take(20) {
        let history = data.store.history(&job.id.source, 5).await?;
        lines.extend(history.into_iter().map(|fetch| (job.id.source.clone(), fetch)));
    }
    lines.sort_by_key(|(_, fetch)| std::cmp::Reverse(fetch.at));
    lines.dedup();
    let shown = lines.into_iter().take(10).map(|(source, fetch)| {
        let mut line = json!(FetchView::from(&fetch));
        if let Some(line) = line.as_object_mut() {
            line.insert("source".to_owned(), json!(source.as_str()));
        }
        line
    });
    Ok(shown.collect())
}

/// Inner objects as lines, so that people can read them.
fn flatten(shown: &mut Value) {
    let Some(object) = shown.as_object_mut() else { return };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (key, value) in object.iter_mut() {
        match value {
            Value::Array(list) => {
                let keys: &[&str] = match key.as_str() {
                    "jobs" => &["source", "kind", "query", "state", "due"],
                    "clients" => &["client", "weight", "jobs"],
                    _ => &["at", "source", "status", "url", "detail"],
                };
                let line =
                    |entry: &Value| keys.iter().map(|key| text(&entry[*key])).collect::<Vec<_>>().join("  ");
                *value = Value::String(list.iter().map(line).map(|line| line + "\n").collect());
            }
            Value::Object(inner) => {
                let line = |(key, value): (&String, &Value)| format!("{key}: {}\n", text(value));
                *value = Value::String(inner.iter().map(line).collect());
            }
            _ => (),
        }
    }
}
