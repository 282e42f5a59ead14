//! `qyran host`: the state of single hosts, and blocks of hosts.

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
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{Format, column, object, rows, time, wide};

/// Show the state of a host, or block it for all nodes
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
    /// Show one host: its node, the time and reason of its next request, its robots rules and its jobs
    Get {
        /// Host name, or group:NAME
        host: String,
    },
    /// List periods in which all sources of a host failed, although several of them worked before
    Incidents {
        /// Length of the period to search, until now
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = config::parse_duration)]
        since: Duration,
    },
    /// Block a host for all nodes for a limited time; a node that holds it ends its turn first
    Block {
        /// Host name, or group:NAME
        host: String,
        /// Duration of the block
        #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = config::parse_duration)]
        length: Duration,
        #[command(flatten)]
        reason: Reason,
    },
    /// Remove the block of a host, whether set by an operator or a node; its delay still applies
    Unblock {
        /// Host name, or group:NAME
        host: String,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Get { host } => get(&Backend::open_read_only(global).await?, &host, global).await?,
        Command::Incidents { since } => {
            incidents(&Backend::open_read_only(global).await?, since, global).await?
        }
        Command::Block { host, length, reason } => {
            let data = Backend::open(global).await?;
            let (host, _) = find_host(&data, &host).await?;
            let until = global.clock.now().saturating_add(length)?;
            let why = match reason.reason.as_str() {
                "" => "blocked by the operator",
                reason => reason,
            };
            data.schedule.block(&host, until, why).await?;
            reason.note(&data, "host block", &format!("host/{host}"), global).await?;
            print_message(&format!(
                "{host} is blocked until {}; a node that holds it ends its turn first",
                model::rfc3339(until)
            ));
        }
        Command::Unblock { host, reason } => {
            let data = Backend::open(global).await?;
            let (host, _) = find_host(&data, &host).await?;
            data.schedule.block(&host, Timestamp::UNIX_EPOCH, "").await?;
            reason.note(&data, "host unblock", &format!("host/{host}"), global).await?;
            print_message(&format!("{host} is unblocked; its delay still applies"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn incidents(data: &Backend, since: Duration, global: &Global) -> anyhow::Result<()> {
    let now = global.clock.now();
    let incidents = data.store.incidents(now.checked_sub(since).unwrap_or(Timestamp::MIN), now).await?;
    let columns = [column("host"), column("from"), column("to"), column("lasted"), wide("reason")];
    let mut rows = rows(global.output, &columns, "host");
    for incident in &incidents {
        let seconds = incident.to.unwrap_or(now).duration_since(incident.from).as_secs().max(0);
        rows.row(json!({
            "host": incident.host.as_str(),
            "from": time(Some(incident.from)),
            "to": time(incident.to),
            "lasted": format_duration(Duration::from_secs(seconds.unsigned_abs())),
            "reason": incident.reason,
        }))?;
    }
    rows.finish(&format!("no incidents in the last {}", format_duration(since)))?;
    Ok(())
}

/// Returns a host of the schedule. Fails if the schedule has no such host.
async fn find_host(data: &Backend, name: &str) -> anyhow::Result<(Host, HostView)> {
    let host = Host::from_stored(name.to_lowercase());
    match data.schedule.host(&host).await? {
        Some(view) => Ok((host, view)),
        None => Err(Failure::not_found(format!("the schedule has no host {name:?}"))
            .hint("qyran queue list shows the hosts with jobs")
            .into()),
    }
}

async fn get(data: &Backend, name: &str, global: &Global) -> anyhow::Result<()> {
    let (host, view) = find_host(data, name).await?;
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
    let mut details = json!({
        "host": host.as_str(),
        "why": waiting_reason(&view, now),
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
        flatten(&mut details);
    }
    Ok(object(&mut std::io::stdout().lock(), global.output, &details, "host")?)
}

/// Returns the clients that share the host, if clients have jobs there.
fn stakes(view: &HostView) -> Vec<Value> {
    let stake = |stake: &Stake| {
        let client = Some(stake.tenant.client.as_str()).filter(|client| !client.is_empty());
        json!({"client": client.unwrap_or("(all)"), "weight": stake.tenant.weight, "jobs": stake.jobs})
    };
    view.stakes.iter().map(stake).collect()
}

/// Returns the reason why the host waits, as a sentence.
fn waiting_reason(view: &HostView, now: Timestamp) -> String {
    let wait = |at: Timestamp| {
        let seconds = at.duration_since(now).as_secs().max(0).unsigned_abs();
        format_duration(Duration::from_secs(seconds))
    };
    if let Some((owner, until)) = view.owner.as_ref().filter(|(_, until)| *until > now) {
        return format!("held by node {owner} (its lease ends in {})", wait(*until));
    }
    if let Some((until, reason)) = view.blocked.as_ref().filter(|(until, _)| *until > now) {
        return format!("blocked for another {} ({reason})", wait(*until));
    }
    match view.jobs.first() {
        None => "no jobs".to_owned(),
        Some(job) if job.due > now => format!("the first job is due in {}", wait(job.due)),
        Some(_) if view.next_allowed_at > now => {
            format!("a job is due; the delay of the host ends in {}", wait(view.next_allowed_at))
        }
        Some(_) => "a job is due; the next node with room takes it".to_owned(),
    }
}

/// Returns the cached robots.txt verdicts of the host, by origin.
async fn robots(data: &Backend, host: &Host) -> anyhow::Result<Value> {
    let mut verdicts = serde_json::Map::new();
    for record in data.store.sources().await? {
        let url = &crawler::read::address_of(&record.source, "");
        if record.source.host_for(url).as_ref() != Some(host) {
            continue;
        }
        let Some(origin) = origin(url).filter(|origin| !verdicts.contains_key(origin)) else { continue };
        let cached = data.schedule.recall_robots(&origin).await?;
        let record = cached.and_then(|text| serde_json::from_str::<RobotsRecord>(&text).ok());
        if let Some(record) = record {
            verdicts.insert(origin, json!(verdict(&record)));
        }
    }
    Ok(Value::Object(verdicts))
}

/// Returns the key of cached robots rules: `scheme://host:port`.
fn origin(url: &Url) -> Option<String> {
    Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
}

/// Describes a cached robots.txt in one line.
fn verdict(record: &RobotsRecord) -> String {
    let fetched_at = record.read_at.map_or_else(|| "never".to_owned(), model::rfc3339);
    let rules = match &record.rules {
        _ if record.failures > 0 => format!("cannot be fetched ({})", record.reason),
        None => "no robots.txt, everything is allowed".to_owned(),
        Some(rules) => format!("{} lines of rules", rules.lines().count()),
    };
    format!("{rules}; last fetched {fetched_at}, next fetch after {}", model::rfc3339(record.expires_at))
}

/// Returns the last fetches of the host's sources, newest first.
async fn fetches(data: &Backend, view: &HostView) -> anyhow::Result<Vec<Value>> {
    let mut lines = Vec::new();
    for job in view.jobs.iter().take(20) {
        let history = data.store.history(&job.id.source, 5).await?;
        lines.extend(history.into_iter().map(|fetch| (job.id.source.clone(), fetch)));
    }
    lines.sort_by_key(|(_, fetch)| std::cmp::Reverse(fetch.at));
    lines.dedup();
    let fetches = lines.into_iter().take(10).map(|(source, fetch)| {
        let mut line = json!(FetchView::from(&fetch));
        if let Some(line) = line.as_object_mut() {
            line.insert("source".to_owned(), json!(source.as_str()));
        }
        line
    });
    Ok(fetches.collect())
}

/// Converts nested values to lines of text, for tables.
fn flatten(details: &mut Value) {
    let Some(object) = details.as_object_mut() else { return };
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
