//! Coverage of a topic: the times at which its sources were not read, and why.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{HostIncident, Name, SourceKind, SourceState, Timestamp, Topic, Watch, elapsed};
use store::{SourceRecord, StateInterval, Store, StoreError};

use crate::source_set::hosts_of;

/// The margin after the longest interval of a source before it counts as not polled in time.
const POLL_MARGIN: Duration = Duration::from_secs(3600);

/// The coverage of a topic over a period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The number of sources that the topic admits.
    pub sources: usize,
    /// The gaps of each source that has any.
    pub gaps: BTreeMap<Name, Vec<Gap>>,
    /// True if the ledger of states has no entry for the period, so nothing is known.
    pub is_unknown: bool,
}

/// A time at which a source was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The start.
    pub from: Timestamp,
    /// The end; `None` if the gap is open.
    pub to: Option<Timestamp>,
    /// The part of the gap within the period.
    pub within: Duration,
    /// The state of the source.
    pub state: SourceState,
    /// The reason of the state; may be empty.
    pub reason: String,
}

/// Returns the coverage of a topic between `since` and `until`.
pub async fn coverage(
    store: &dyn Store,
    topic: &Topic,
    (since, until): (Timestamp, Timestamp),
) -> Result<Coverage, StoreError> {
    let records = store.sources().await?;
    let admitted: Vec<&SourceRecord> =
        records.iter().filter(|record| topic.admits_source(&record.source)).collect();
    let intervals = store.availability(None, since, until).await?;
    let mut gaps = unread_intervals(&intervals, (since, until));
    for record in admitted.iter().filter(|record| record.state.is_read()) {
        if let Some(gap) = overdue_gap(record, (since, until)) {
            gaps.entry(record.source.name.clone()).or_default().push(gap);
        }
    }
    let incidents = store.incidents(since, until).await?;
    let hosts = hosts_of(&records);
    for record in admitted.iter().filter(|record| record.source.watch() == Watch::On) {
        let host = hosts.get(&record.source.name);
        for incident in incidents.iter().filter(|incident| Some(&incident.host) == host) {
            let gap = incident_gap(incident, record.state, (since, until));
            gaps.entry(record.source.name.clone()).or_default().push(gap);
        }
    }
    gaps.retain(|name, _| admitted.iter().any(|record| record.source.name == *name));
    let is_unknown = intervals.is_empty() && !admitted.is_empty();
    Ok(Coverage { sources: admitted.len(), gaps, is_unknown })
}

/// Returns the gap of a source whose host had an incident.
fn incident_gap(incident: &HostIncident, state: SourceState, (since, until): (Timestamp, Timestamp)) -> Gap {
    let (from, to) = (incident.from.max(since), incident.to.unwrap_or(until).min(until));
    Gap {
        from: incident.from,
        to: incident.to,
        within: elapsed(from, to),
        state,
        reason: format!("all requests to {} failed: {}", incident.host, incident.reason),
    }
}

/// Returns the gap of a healthy source that was not polled for longer than its interval allows: no node ran, or its
/// robots.txt cannot be fetched.
fn overdue_gap(record: &SourceRecord, (since, until): (Timestamp, Timestamp)) -> Option<Gap> {
    let last = record.last_ok.filter(|_| record.source.kind != SourceKind::Import)?;
    if elapsed(last, until) <= record.source.every.max.mul_f64(1.2) + POLL_MARGIN {
        return None;
    }
    let within = elapsed(last.max(since), until);
    let reason = "not polled in time; is a node running?".to_owned();
    Some(Gap { from: last, to: None, within, state: record.state, reason })
}

/// Returns the intervals of each source in which it could not be read. A retired or new source has no gaps.
fn unread_intervals(
    intervals: &[StateInterval],
    (since, until): (Timestamp, Timestamp),
) -> BTreeMap<Name, Vec<Gap>> {
    let is_gap = |interval: &&StateInterval| {
        !interval.state.is_read() && !matches!(interval.state, SourceState::Retired | SourceState::Candidate)
    };
    let mut gaps: BTreeMap<Name, Vec<Gap>> = BTreeMap::new();
    for interval in intervals.iter().filter(is_gap) {
        let (from, to) = (interval.from.max(since), interval.to.unwrap_or(until).min(until));
        gaps.entry(interval.source.clone()).or_default().push(Gap {
            from: interval.from,
            to: interval.to,
            within: elapsed(from, to),
            state: interval.state,
            reason: interval.reason.clone(),
        });
    }
    gaps
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
        let gaps = unread_intervals(&intervals, (at(0), at(10)));
        let hours: Vec<u64> =
            gaps[&Name::new("a").unwrap()].iter().map(|gap| gap.within.as_secs() / 3600).collect();
        assert_eq!((hours, gaps.len()), (vec![2, 4], 1));
        let incident = HostIncident {
            host: model::Host::from_stored("a.kz".into()),
            from: at(-1),
            to: Some(at(3)),
            reason: "HTTP status 503".into(),
        };
        let gap = incident_gap(&incident, Live, (at(0), at(10)));
        assert_eq!((gap.from, gap.to, gap.within), (at(-1), Some(at(3)), Duration::from_secs(3 * 3600)));
    }
}
