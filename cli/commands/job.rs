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
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{object, time};

/// Show, retry or cancel single jobs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran job get akorda                         show the poll of a source
  qyran job retry akorda                       make it due now and reset its crash count
  qyran job cancel akorda pages cdn.example.kz
  qyran job retry forum search --query 'су тасқыны'

A job is identified by its source, kind (poll, pages or search) and host. The default kind is poll, the default host is that of the source's address. A canceled job returns when its source is planned again; use `qyran source pause` to stop a source.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The arguments that identify a job.
#[derive(clap::Args)]
struct JobSelector {
    /// Source of the job
    source: String,
    /// Kind of the job: poll, pages or search
    #[arg(value_parser = ["poll", "pages", "search"], default_value = "poll", hide_possible_values = true)]
    kind: String,
    /// Search text of a search job
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    query: String,
    /// Host of the job [default: host of the source's address]
    host: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Show one job
    Get {
        #[command(flatten)]
        job: JobSelector,
    },
    /// Make a job due now and reset its crash count
    Retry {
        #[command(flatten)]
        job: JobSelector,
        #[command(flatten)]
        reason: Reason,
    },
    /// Remove a job from the schedule
    Cancel {
        #[command(flatten)]
        job: JobSelector,
        #[command(flatten)]
        reason: Reason,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Get { job } => {
            let data = Backend::open_read_only(global).await?;
            let (job, host) = find(&data, &job).await?;
            let now = global.clock.now();
            let details = json!({
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
            object(&mut std::io::stdout().lock(), global.output, &details, "source")?;
        }
        Command::Retry { job, reason } => {
            let data = Backend::open(global).await?;
            let (job, host) = find(&data, &job).await?;
            let tenant = service::tenant_of(&*data.store, &job.id).await?;
            let planned = Planned {
                id: job.id.clone(),
                due: global.clock.now(),
                delay: host.delay,
                robots_delay: std::time::Duration::ZERO,
                tenant,
            };
            // Removing the job and planning it again resets its crash count.
            data.schedule.remove(std::slice::from_ref(&job.id)).await?;
            data.schedule.plan(&[planned]).await?;
            reason.note(&data, "job retry", &target(&job.id), global).await?;
            print_message(&format!("{} is due now", target(&job.id)));
        }
        Command::Cancel { job, reason } => {
            let data = Backend::open(global).await?;
            let (job, _) = find(&data, &job).await?;
            data.schedule.remove(std::slice::from_ref(&job.id)).await?;
            reason.note(&data, "job cancel", &target(&job.id), global).await?;
            print_message(&format!("{} is removed from the schedule", target(&job.id)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the name of a job in the audit trail and in messages.
fn target(id: &JobId) -> String {
    let query = if id.query.is_empty() { String::new() } else { format!("?{}", id.query) };
    format!("job/{}/{}/{}{query}", id.source, id.kind.as_str(), id.host)
}

/// Returns a job and its host. Fails if the schedule has no such job.
async fn find(data: &Backend, selector: &JobSelector) -> anyhow::Result<(Job, HostView)> {
    let source = known_source(&*data.store, &selector.source).await?.source;
    let host = match &selector.host {
        Some(host) => Some(Host::from_stored(host.to_lowercase())),
        None => source.host_for(&crawler::read::address_of(&source, "")),
    };
    let kind = if selector.query.is_empty() { JobKind::parse(&selector.kind) } else { JobKind::Search };
    let missing = || {
        let hint = if source.is_searched() {
            "the source is searched: select a search with --query TEXT; qyran queue list shows the searches"
        } else {
            "qyran queue list shows the jobs; `qyran schedule rebuild` plans missing ones"
        };
        Failure::not_found(format!("source {} has no {} job on this host", selector.source, kind.as_str()))
            .hint(hint)
    };
    let host = host.ok_or_else(missing)?;
    let view = data.schedule.host(&host).await?.ok_or_else(missing)?;
    let id = JobId { source: source.name.clone(), kind, host, query: selector.query.clone() };
    let job = view.jobs.iter().find(|job| job.id == id).cloned();
    Ok((job.ok_or_else(missing)?, view))
}
