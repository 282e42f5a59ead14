//! `qyran queue`: the jobs of the schedule.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use futures_util::{StreamExt, stream};
use model::{Job, Timestamp};
use scheduler::HostView;
use serde_json::json;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::{column, rows, time, wide};

/// Upper bound on the hosts that one list covers.
const MAX_HOSTS: usize = 10_000;

/// Number of concurrent requests for hosts to the schedule.
const CONCURRENT_REQUESTS: usize = 32;

/// Show the jobs of the schedule
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran queue list --state ready          due jobs that the next node with room takes
  qyran queue list --state waiting        due jobs whose host is delayed or blocked")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List jobs, those of the earliest available hosts first
    List {
        /// State of the jobs: due (ready, waiting and leased), ready, waiting or leased [default: all jobs]
        #[arg(long, value_name = "STATE", value_enum, hide_possible_values = true)]
        state: Option<JobState>,
        /// Maximum number of jobs
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
}

/// The state of a job in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JobState {
    /// Due: ready, waiting or leased.
    Due,
    /// Due, and a node can claim the host.
    Ready,
    /// Due, but the host is delayed or blocked.
    Waiting,
    /// Due, and a node holds the host.
    Leased,
    /// Not due yet.
    #[value(skip)]
    Later,
}

impl JobState {
    /// Returns the state of a job of a host.
    pub(crate) fn of(job: &Job, host: &HostView, now: Timestamp) -> Self {
        let is_held = host.owner.as_ref().is_some_and(|(_, until)| *until > now);
        let must_wait =
            host.next_allowed_at > now || host.blocked.as_ref().is_some_and(|(until, _)| *until > now);
        match () {
            () if job.due > now => Self::Later,
            () if is_held => Self::Leased,
            () if must_wait => Self::Waiting,
            () => Self::Ready,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Later => "later",
        }
    }

    /// Returns true if the filter of `--state` includes this state.
    fn is_in(self, filter: Option<Self>) -> bool {
        match filter {
            None => true,
            Some(Self::Due) => self != Self::Later,
            Some(state) => self == state,
        }
    }
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let Command::List { state: filter, limit } = args.command;
    let data = Backend::open_read_only(global).await?;
    let now = global.clock.now();
    let columns = [
        column("source"),
        column("kind"),
        column("query"),
        column("host"),
        column("state"),
        column("due"),
        column("owner"),
        wide("crashes"),
        wide("next_allowed_at"),
    ];
    let mut rows = rows(global.output, &columns, "source");
    let mut count = 0;
    let hosts = stream::iter(data.schedule.hosts(MAX_HOSTS).await?);
    let schedule = &data.schedule;
    let mut views = hosts.map(async |host| (schedule.host(&host).await, host)).buffered(CONCURRENT_REQUESTS);
    while let Some((view, host)) = views.next().await {
        let Some(view) = view? else { continue };
        for job in &view.jobs {
            let state = JobState::of(job, &view, now);
            if count < limit && state.is_in(filter) {
                count += 1;
                rows.row(json!({
                    "source": job.id.source.as_str(),
                    "kind": job.id.kind.as_str(),
                    "query": job.id.query,
                    "host": host.as_str(),
                    "state": state.as_str(),
                    "due": time(Some(job.due)),
                    "owner": view.owner.as_ref().filter(|(_, until)| *until > now).map(|(owner, _)| owner),
                    "crashes": job.crashes,
                    "next_allowed_at": time(Some(view.next_allowed_at)),
                }))?;
            }
        }
        if count >= limit {
            break;
        }
    }
    rows.finish("no jobs match these filters")?;
    Ok(ExitCode::SUCCESS)
}
