//! `qyran queue`: what waits to be done.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use futures_util::{StreamExt, stream};
use model::{Job, Timestamp};
use scheduler::HostView;
use serde_json::json;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::{column, rows, time, wide};

/// Hosts that are looked at for one list, at most.
const MOST_HOSTS: usize = 10_000;

/// Hosts that are asked for at the same time.
const AT_ONCE: usize = 32;

/// Show what waits to be done
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran queue list --state ready          what a node with room would do next
  qyran queue list --state waiting        what is due, and its host must rest or asked to be left alone")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List jobs, those first whose hosts come up first
    List {
        /// due (ready, waiting and leased), ready, waiting or leased [default: all jobs]
        #[arg(long, value_name = "STATE", value_enum, hide_possible_values = true)]
        state: Option<JobState>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
}

/// What a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JobState {
    /// Its time has come.
    Due,
    /// And its host can be handed out.
    Ready,
    /// And its host must rest, or asked to be left alone.
    Waiting,
    /// And its host is held by a node.
    Leased,
    /// Its time has not come.
    #[value(skip)]
    Later,
}

impl JobState {
    pub(crate) fn of(job: &Job, host: &HostView, now: Timestamp) -> Self {
        let is_held = host.owner.as_ref().is_some_and(|(_, until)| *until > now);
        let rests =
            host.next_allowed_at > now || host.blocked.as_ref().is_some_and(|(until, _)| *until > now);
        match () {
            () if job.due > now => Self::Later,
            () if is_held => Self::Leased,
            () if rests => Self::Waiting,
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

    fn is_in(self, wanted: Option<Self>) -> bool {
        match wanted {
            None => true,
            Some(Self::Due) => self != Self::Later,
            Some(wanted) => self == wanted,
        }
    }
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let Command::List { state: wanted, limit } = args.command;
    let data = Backend::to_read(global).await?;
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
    let mut shown = 0;
    let hosts = stream::iter(data.schedule.hosts(MOST_HOSTS).await?);
    let schedule = &data.schedule;
    let mut views = hosts.map(async |host| (schedule.host(&host).await, host)).buffered(AT_ONCE);
    while let Some((view, host)) = views.next().await {
        let Some(view) = view? else { continue };
        for job in &view.jobs {
            let state = JobState::of(job, &view, now);
            if shown < limit && state.is_in(wanted) {
                shown += 1;
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
        if shown >= limit {
            break;
        }
    }
    rows.finish("nothing is like that")?;
    Ok(ExitCode::SUCCESS)
}
