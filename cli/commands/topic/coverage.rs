//! `qyran topic coverage`: the periods in which a topic's sources were not read.

use std::time::Duration;

use config::{format_duration, parse_duration};
use model::Timestamp;
use serde_json::json;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{column, rows, time, wide};

/// List the periods in which a topic's sources were not read, with the reasons
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic coverage banks
  qyran topic coverage banks --since 30d -o json

Materials of a topic may be missing for these periods.")]
pub(super) struct Args {
    /// Name of the topic
    name: String,
    /// Length of the period to check, until now
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    since: Duration,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let data = Backend::open_read_only(global).await?;
    let topic = super::find_topic(&*data.store, &args.name).await?.topic;
    let now = global.clock.now();
    let since = now.checked_sub(args.since).unwrap_or(Timestamp::MIN);
    let coverage = service::coverage(&*data.store, &topic, (since, now)).await?;
    if coverage.is_unknown {
        return Err(Failure::failed("no states of sources are recorded")
            .hint("run qyran migrate up, then start a node")
            .into());
    }
    let columns =
        [column("source"), column("state"), column("unread"), column("from"), column("to"), wide("reason")];
    let mut rows = rows(global.output, &columns, "source");
    for (name, gap) in coverage.gaps.iter().flat_map(|(name, gaps)| gaps.iter().map(move |gap| (name, gap))) {
        rows.row(json!({
            "source": name,
            "state": gap.state.as_str(),
            "unread": format_duration(Duration::from_secs(gap.within.as_secs())),
            "from": time(Some(gap.from)),
            "to": time(gap.to),
            "reason": (!gap.reason.is_empty()).then_some(&gap.reason),
        }))?;
    }
    let period = format_duration(args.since);
    let (sources, with_gaps) = (coverage.sources, coverage.gaps.len());
    rows.finish(&format!("all {sources} sources were read throughout the last {period}"))?;
    if with_gaps > 0 {
        print_message(&format!(
            "in the last {period}, {with_gaps} of {sources} sources were not read for some time"
        ));
    }
    Ok(())
}
