//! `qyran job`: single jobs of the schedule.

use std::process::ExitCode;

use clap::Subcommand;
use model::{Host, Job, JobId, JobKind, Planned};
use scheduler::HostView;
use serde_json::json;

use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::commands::queue::JobState;
use crate::commands::source::find_source as known_source;
use crate::global::Global;
use crate::terminal::failure::{Failure, say};
use crate::terminal::output::{object, time};

/// Show, repeat or take back single jobs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran job get akorda                         the poll of a source
  qyran job retry akorda                       now, with its crashes forgotten
  qyran job cancel akorda pages cdn.example.kz
  qyran job retry forum search --query 'су тасқыны'

A job is named by its source; its kind (poll, pages or search) and host follow where they are not said. A job that
is taken back comes again when its source is planned anew: `qyran source pause` lets it rest.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// Which job.
#[derive(clap::Args)]
struct Named {
    /// Of which source
    source: String,
    /// poll, pages or search
    #[arg(value_parser = ["poll", "pages", "search"], default_value = "poll", hide_possible_values = true)]
    kind: String,
    /// Of a search: what is searched for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    query: String,
    /// On which host [default: that of the source's address]
    host: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Show one job
    Get {
        #[command(flatten)]
        job: Named,
    },
    /// Make a job due now, with its crashes forgotten
    Retry {
        #[command(flatten)]
        job: Named,
        #[command(flatten)]
        reason: Reason,
    },
    /// Take a job out of the schedule
    Cancel {
        #[command(flatten)]
        job: Named,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Get { job } => {
            let data = Backend::to_read(global).await?;
            let (job, host) = find(&data, &job).await?;
            let now = global.clock.now();
            let shown = json!({
                "source": job.id.source.as_str(),
                "kind": job.id.kind.as_str(),
                "query": job.id.query,
                "host": job.id.host.as_str(),
                "state": JobState::of(&job, &host, now).as_str(),
                "due": time(Some(job.due)),
                "crashes": job.crashes,
                "owner": host.owner.as_ref().filter(|(_, until)| *until > now).map(|(owner, _)| owner),
                "next_allowed_at": time(Some(host.next_allowed_at)),
            });
            object(&mut std::io::stdout().lock(), global.output, &shown, "source")?;
        }
        Command::Retry { job, reason } => {
            let data = Backend::open(global).await?;
            let (job, host) = find(&data, &job).await?;
            let tenant = service::tenant_of(&*data.store, &job.id).await?;
            let again = Planned {
                id: job.id.clone(),
                due: global.clock.now(),
                delay: host.delay,
                robots_delay: std::time::Duration::ZERO,
                tenant,
            };
            // Taken out and planned anew, it has crashed never.
            data.schedule.remove(std::slice::from_ref(&job.id)).await?;
            data.schedule.plan(&[again]).await?;
            reason.note(&data, "job retry", &target(&job.id), global).await?;
            say(&format!("{} is due now", target(&job.id)));
        }
        Command::Cancel { job, reason } => {
            let data = Backend::open(global).await?;
            let (job, _) = find(&data, &job).await?;
            data.schedule.remove(std::slice::from_ref(&job.id)).await?;
            reason.note(&data, "job cancel", &target(&job.id), global).await?;
            say(&format!("{} is taken out of the schedule", target(&job.id)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn target(id: &JobId) -> String {
    let query = if id.query.is_empty() { String::new() } else { format!("?{}", id.query) };
    format!("job/{}/{}/{}{query}", id.source, id.kind.as_str(), id.host)
}

async fn find(data: &Backend, named: &Named) -> anyhow::Result<(Job, HostView)> {
    let source = known_source(&*data.store, &named.source).await?.source;
    let host = match &named.host {
        Some(host) => Some(Host::from_stored(host.to_lowercase())),
        None => source.host_for(&crawler::read::address_of(&source, "")),
    };
    let kind = if named.query.is_empty() { JobKind::parse(&named.kind) } else { JobKind::Search };
    let missing = || {
        let hint = if source.is_searched() {
            "the source is searched: name a search with --query TEXT; qyran queue list shows them"
        } else {
            "qyran queue list shows jobs; `qyran schedule rebuild` plans what is missing"
        };
        Failure::not_found(format!("{} has no {} job there", named.source, kind.as_str())).hint(hint)
    };
    let host = host.ok_or_else(missing)?;
    let view = data.schedule.host(&host).await?.ok_or_else(missing)?;
    let id = JobId { source: source.name.clone(), kind, host, query: named.query.clone() };
    let job = view.jobs.iter().find(|job| job.id == id).cloned();
    Ok((job.ok_or_else(missing)?, view))
}
