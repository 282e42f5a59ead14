//! `qyran topic coverage`: what of a topic's sources was read, and when it was not, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::hosts_of;
use config::{format_duration, parse_duration};
use model::{HostIncident, Name, SourceKind, SourceState, Timestamp, Watch};
use serde_json::json;
use store::{SourceRecord, StateInterval};

use crate::backend::Backend;
use crate::failure::{Failure, say};
use crate::global::Global;
use crate::output::{column, rows, wide};
use crate::view::time;

/// Show which of a topic's sources were not read, for how long, and why
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic coverage banks
  qyran topic coverage banks --since 30d -o json

What a source published while it was not read may be missing among the topic's materials.")]
pub(super) struct Args {
    /// Which topic
    name: String,
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    since: Duration,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let data = Backend::to_read(global).await?;
    let topic = super::known(&*data.store, &args.name).await?.topic;
    let now = global.clock.now();
    let since = now.checked_sub(args.since).unwrap_or(Timestamp::MIN);
    let sources = data.store.sources().await?;
    let watched: Vec<&Name> = sources
        .iter()
        .map(|record| &record.source)
        .filter(|source| topic.admits_source(source))
        .map(|source| &source.name)
        .collect();
    let intervals = data.store.availability(None, since, now).await?;
    if intervals.is_empty() && !watched.is_empty() {
        return Err(Failure::failed("nothing is noted of any source")
            .hint("qyran migrate up, and let a node run")
            .into());
    }
    let mut gaps = gaps(&intervals, (since, now));
    for record in sources.iter().filter(|record| record.state.is_read()) {
        if let Some(gap) = unasked(record, (since, now)) {
            gaps.entry(record.source.name.clone()).or_default().push(gap);
        }
    }
    let incidents = data.store.incidents(since, now).await?;
    let hosts = hosts_of(&sources);
    for record in sources.iter().filter(|record| record.source.watch() == Watch::On) {
        let host = hosts.get(&record.source.name);
        for incident in incidents.iter().filter(|incident| Some(&incident.host) == host) {
            let gap = outage(incident, record.state, (since, now));
            gaps.entry(record.source.name.clone()).or_default().push(gap);
        }
    }
    let columns =
        [column("source"), column("state"), column("unread"), column("from"), column("to"), wide("reason")];
    let mut rows = rows(global.output, &columns, "source");
    let mut holed = 0;
    for (name, gaps) in gaps.iter().filter(|(name, _)| watched.contains(name)) {
        holed += 1;
        for gap in gaps {
            rows.row(json!({
                "source": name,
                "state": gap.state.as_str(),
                "unread": format_duration(Duration::from_secs(gap.length().as_secs())),
                "from": time(Some(gap.from)),
                "to": time(gap.to),
                "reason": (!gap.reason.is_empty()).then_some(&gap.reason),
            }))?;
        }
    }
    let period = format_duration(args.since);
    rows.finish(&format!("all {} sources were read throughout the last {period}", watched.len()))?;
    if holed > 0 {
        say(&format!(
            "in the last {period}, {holed} of {} sources were not read for some time",
            watched.len()
        ));
    }
    Ok(())
}

/// A time in which a source was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gap {
    from: Timestamp,
    /// `None`: it still is not.
    to: Option<Timestamp>,
    /// How long within the period that is looked at.
    within: Duration,
    state: SourceState,
    reason: String,
}

impl Gap {
    fn length(&self) -> Duration {
        self.within
    }
}

/// When a source was not read, since nothing of its host came through.
fn outage(incident: &HostIncident, state: SourceState, (since, until): (Timestamp, Timestamp)) -> Gap {
    let (from, to) = (incident.from.max(since), incident.to.unwrap_or(until).min(until));
    Gap {
        from: incident.from,
        to: incident.to,
        within: model::elapsed(from, to),
        state,
        reason: format!("nothing of {} came through: {}", incident.host, incident.reason),
    }
}

/// Since when a source that was well has not been asked, where that is longer than it should be: no node ran, or its rules are
/// not to be had.
fn unasked(record: &SourceRecord, (since, until): (Timestamp, Timestamp)) -> Option<Gap> {
    const PATIENCE: Duration = Duration::from_secs(3600);
    let last = record.last_ok.filter(|_| record.source.kind != SourceKind::Import)?;
    let silent = model::elapsed(last, until);
    if silent <= record.source.every.max.mul_f64(1.2) + PATIENCE {
        return None;
    }
    let within = model::elapsed(last.max(since), until);
    let reason = "it was not asked in time: did a node run?".to_owned();
    Some(Gap { from: last, to: None, within, state: record.state, reason })
}

/// When each source was not read within a period. What was taken out has no gaps, nor has what was just declared.
fn gaps(intervals: &[StateInterval], (since, until): (Timestamp, Timestamp)) -> BTreeMap<Name, Vec<Gap>> {
    let is_gap = |interval: &&StateInterval| {
        !interval.state.is_read() && !matches!(interval.state, SourceState::Retired | SourceState::Candidate)
    };
    let mut found: BTreeMap<Name, Vec<Gap>> = BTreeMap::new();
    for interval in intervals.iter().filter(is_gap) {
        let (from, to) = (interval.from.max(since), interval.to.unwrap_or(until).min(until));
        let within = model::elapsed(from, to);
        found.entry(interval.source.clone()).or_default().push(Gap {
            from: interval.from,
            to: interval.to,
            within,
            state: interval.state,
            reason: interval.reason.clone(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + hour * 3600).unwrap()
    }

    fn interval(source: &str, from: i64, to: Option<i64>, state: SourceState) -> StateInterval {
        StateInterval {
            source: Name::new(source).unwrap(),
            from: at(from),
            to: to.map(at),
            state,
            reason: String::new(),
        }
    }

    #[test]
    fn gaps_are_cut_to_the_period() {
        use SourceState::{Candidate, Degraded, Live, Retired, Unreachable};
        let intervals = [
            interval("a", -50, Some(2), Unreachable),
            interval("a", 2, Some(5), Live),
            interval("a", 5, Some(6), Degraded),
            interval("a", 6, None, Unreachable),
            interval("b", 0, Some(1), Candidate),
            interval("b", 1, None, Live),
            interval("c", 3, None, Retired),
        ];
        let gaps = gaps(&intervals, (at(0), at(10)));
        let hours: Vec<u64> =
            gaps[&Name::new("a").unwrap()].iter().map(|gap| gap.length().as_secs() / 3600).collect();
        assert_eq!((hours, gaps.len()), (vec![2, 4], 1));
        let incident = HostIncident {
            host: model::Host::from_stored("a.kz".into()),
            from: at(-1),
            to: Some(at(3)),
            reason: "HTTP status 503".into(),
        };
        let gap = outage(&incident, Live, (at(0), at(10)));
        assert_eq!((gap.from, gap.to, gap.within), (at(-1), Some(at(3)), Duration::from_secs(3 * 3600)));
    }
}
