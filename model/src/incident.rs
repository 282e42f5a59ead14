//! Host incidents. If all requests to a host fail, this is one incident of the host, not a failure of each of its
//! sources.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FetchRecord, FetchStatus, Host, Name, Timestamp};

/// The health of a host, kept between polls. The current time is always an argument.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHealth {
    /// Sources that worked before and have failed with the same signature since the host's last successful request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failing: Vec<Name>,
    /// The failure signature that they have in common.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    alike: String,
    /// The time of the first of these failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// The current incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
}

/// An ongoing incident: all requests to the host fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The time of the first failure.
    pub since: Timestamp,
    /// The reason of the failures.
    pub reason: String,
    /// The common signature of the failures. Failures with another signature, of sources that were broken before, do
    /// not concern the incident.
    #[serde(default)]
    pub alike: String,
    /// The number of consecutive successful canaries. The incident is half-open from the first one on.
    pub passed: u32,
}

/// An incident in the history of host incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIncident {
    /// The host.
    pub host: Host,
    /// The start.
    pub from: Timestamp,
    /// The end; `None` while the incident lasts.
    pub to: Option<Timestamp>,
    /// The reason of the failures.
    pub reason: String,
}

impl HostHealth {
    /// The number of failing sources that opens an incident: the fewest that cannot be a coincidence. Media Cloud uses
    /// the same number.
    pub const MIN_FAILING_SOURCES: usize = 5;
    /// The period within which the sources must fail.
    pub const FAILURE_WINDOW: Duration = Duration::from_secs(15 * 60);
    /// The number of consecutive successful canaries that ends an incident.
    pub const CANARIES_TO_RECOVER: u32 = 3;
    /// The period after the start of an incident in which failures do not count against sources. After that, the host
    /// may be gone for good, so they count.
    pub const FREEZE_PERIOD: Duration = Duration::from_secs(86_400);
    /// Minimum interval between canaries of an open incident.
    const MIN_CANARY_INTERVAL: Duration = Duration::from_secs(60);
    /// Maximum interval between canaries.
    const MAX_CANARY_INTERVAL: Duration = Duration::from_secs(3600);

    /// Records a failed request for a source of the host. `was_well` is true if the source's previous poll succeeded: a
    /// source that was broken before says nothing about the host.
    pub fn record_failure(
        &mut self,
        source: &Name,
        was_well: bool,
        record: &FetchRecord,
        reason: &str,
        now: Timestamp,
    ) {
        let Some(alike) = failure_signature(record) else { return };
        if let Some(incident) = &mut self.incident {
            if was_well || incident.alike == alike {
                incident.passed = 0;
            }
            return;
        }
        if !was_well {
            return;
        }
        let is_expired = self.since.is_none_or(|since| elapsed(since, now) > Self::FAILURE_WINDOW);
        if is_expired || self.alike != alike {
            (self.failing, self.alike, self.since) = (Vec::new(), alike, Some(now));
        }
        if !self.failing.contains(source) {
            self.failing.push(source.clone());
        }
        if self.failing.len() >= Self::MIN_FAILING_SOURCES {
            let since = self.since.unwrap_or(now);
            let alike = std::mem::take(&mut self.alike);
            *self = Incident { since, reason: reason.to_owned(), alike, passed: 0 }.into();
        }
    }

    /// Records a successful request to the host.
    pub fn record_success(&mut self) {
        let passed = self.incident.as_ref().map_or(0, |incident| incident.passed) + 1;
        let incident = self.incident.take().filter(|_| passed < Self::CANARIES_TO_RECOVER);
        *self =
            Self { incident: incident.map(|incident| Incident { passed, ..incident }), ..Self::default() };
    }

    /// Returns the interval between canaries; `None` without an incident.
    ///
    /// The interval of an open incident is a sixtieth of its duration, between one minute and one hour. The interval of
    /// a half-open incident starts at half a minute and halves with each further successful canary.
    pub fn rest(&self, now: Timestamp) -> Option<Duration> {
        let incident = self.incident.as_ref()?;
        let open_interval =
            (elapsed(incident.since, now) / 60).clamp(Self::MIN_CANARY_INTERVAL, Self::MAX_CANARY_INTERVAL);
        let half_open_interval = Self::MIN_CANARY_INTERVAL / 2u32.pow(incident.passed.min(4));
        Some(if incident.passed > 0 { half_open_interval } else { open_interval })
    }

    /// Returns true if failures do not count against sources.
    pub fn is_frozen(&self, now: Timestamp) -> bool {
        self.incident.as_ref().is_some_and(|incident| elapsed(incident.since, now) < Self::FREEZE_PERIOD)
    }
}

impl From<Incident> for HostHealth {
    fn from(incident: Incident) -> Self {
        Self { incident: Some(incident), ..Self::default() }
    }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    crate::elapsed(since, now)
}

/// Returns the signature of a failure; `None` if the failure says nothing about the host. Timeouts, connection errors
/// and all 5xx statuses share one signature, since an overloaded host alternates between them.
fn failure_signature(record: &FetchRecord) -> Option<String> {
    let signature = match record.status {
        FetchStatus::Timeout | FetchStatus::Connect | FetchStatus::Http5xx => "down".to_owned(),
        FetchStatus::Http4xx => format!("http {}", record.http_status?),
        FetchStatus::Dns | FetchStatus::Redirect | FetchStatus::Unreadable => {
            record.status.as_str().to_owned()
        }
        _ => return None,
    };
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn record(status: FetchStatus, http_status: Option<u16>) -> FetchRecord {
        FetchRecord {
            at: at(0),
            url: String::new(),
            status,
            http_status,
            bytes: 0,
            duration: Duration::ZERO,
            items: 0,
            detail: String::new(),
        }
    }

    fn unavailable() -> FetchRecord {
        record(FetchStatus::Http5xx, Some(503))
    }

    fn source(n: usize) -> Name {
        Name::new(format!("s{n}").as_str()).unwrap()
    }

    /// A poll is: source, previous poll succeeded, failure (`None` for success), seconds.
    #[test]
    fn five_sources_with_the_same_failure_open_an_incident() {
        use FetchStatus::{Connect, Http4xx, Http5xx, Timeout};
        type Poll = (usize, bool, Option<(FetchStatus, Option<u16>)>, i64);
        let fail = |n, status, code, at| -> Poll { (n, true, Some((status, code)), at) };
        let five =
            |status, code: Option<u16>| (0..5).map(|n| fail(n, status, code, n as i64)).collect::<Vec<_>>();
        let replace = |mut polls: Vec<Poll>, at: usize, poll: Poll| {
            polls[at] = poll;
            polls
        };
        let all = five(Http5xx, Some(503));
        for (case, polls, expected) in [
            ("five sources", all.clone(), true),
            ("four sources", all[..4].to_vec(), false),
            ("five sources with 404", five(Http4xx, Some(404)), true),
            (
                "different failures of an overloaded host",
                replace(replace(all.clone(), 2, fail(2, Timeout, None, 2)), 3, fail(3, Connect, None, 3)),
                true,
            ),
            ("one failure of another kind", replace(all.clone(), 2, fail(2, Http4xx, Some(404), 2)), false),
            ("one success", replace(all.clone(), 3, (3, true, None, 3)), false),
            (
                "one source broken before",
                replace(all.clone(), 3, (3, false, Some((Http5xx, Some(503))), 3)),
                false,
            ),
            ("one source failing twice", replace(all.clone(), 3, fail(1, Http5xx, Some(500), 3)), false),
            (
                "failures over a long period",
                (0..5).map(|n| fail(n, Http5xx, Some(503), n as i64 * 300)).collect(),
                false,
            ),
            ("disallowed by robots.txt", five(FetchStatus::RobotsDenied, None), false),
        ] {
            let mut health = HostHealth::default();
            for (n, was_well, failure, seconds) in polls {
                match failure {
                    None => health.record_success(),
                    Some((status, code)) => {
                        health.record_failure(&source(n), was_well, &record(status, code), "x", at(seconds))
                    }
                }
            }
            assert_eq!(health.incident.is_some(), expected, "{case}: {health:?}");
        }
    }

    /// Expected seconds by hand: one minute in the first hour, then a sixtieth of the duration, at most one hour; 30
    /// and 15 when half-open.
    #[test]
    fn canary_interval_grows_and_three_successes_end_the_incident() {
        let mut health = HostHealth::default();
        for n in 0..5 {
            health.record_failure(&source(n), true, &unavailable(), "HTTP status 503", at(0));
        }
        let interval =
            |health: &HostHealth, seconds| health.rest(at(seconds)).map(|interval| interval.as_secs());
        for (seconds, expected) in [(0, 60), (3600, 60), (7200, 120), (86_400, 1440), (10 * 86_400, 3600)] {
            assert_eq!(interval(&health, seconds), Some(expected), "after {seconds} s");
        }
        assert!(health.is_frozen(at(86_399)) && !health.is_frozen(at(86_400)));
        health.record_success();
        assert_eq!(interval(&health, 7200), Some(30));
        health.record_failure(&source(9), false, &record(FetchStatus::Http4xx, Some(404)), "x", at(7200));
        assert_eq!(interval(&health, 7200), Some(30), "a source broken before does not count");
        health.record_failure(&source(9), false, &unavailable(), "x", at(7201));
        assert_eq!(interval(&health, 7201), Some(120), "the incident is open again");
        for expected in [Some(30), Some(15), None] {
            health.record_success();
            assert_eq!(interval(&health, 7300), expected);
        }
        assert_eq!(health, HostHealth::default());
    }

    proptest! {
        /// The health is bounded. Only failures open an incident, and only three consecutive successes end it.
        #[test]
        fn incidents_open_by_failures_and_end_by_three_successes(
            polls in prop::collection::vec((0usize..8, any::<bool>(), 0u8..4, 0i64..400), 0..200)
        ) {
            let (mut health, mut now, mut successes) = (HostHealth::default(), 0, 0);
            for (n, was_well, result, step) in polls {
                now += step;
                let previous = health.clone();
                match result {
                    0 => health.record_success(),
                    1 => health.record_failure(&source(n), was_well, &record(FetchStatus::Http4xx, Some(404)), "x", at(now)),
                    _ => health.record_failure(&source(n), was_well, &unavailable(), "x", at(now)),
                }
                let signature = if result == 1 { "http 404" } else { "down" };
                let is_same = previous.incident.as_ref().is_none_or(|incident| incident.alike == signature);
                successes = match result {
                    0 => successes + 1,
                    _ if is_same || was_well => 0,
                    _ => successes,
                };
                prop_assert!(health.failing.len() < HostHealth::MIN_FAILING_SOURCES);
                match (previous.incident.is_some(), health.incident.is_some()) {
                    (false, true) => prop_assert!(result != 0 && was_well),
                    (true, false) => prop_assert!(successes >= HostHealth::CANARIES_TO_RECOVER),
                    _ => (),
                }
                let interval = health.rest(at(now));
                let bounds = Duration::from_secs(15)..=HostHealth::MAX_CANARY_INTERVAL;
                prop_assert!(interval.is_none_or(|interval| bounds.contains(&interval)));
                prop_assert_eq!(interval.is_some(), health.incident.is_some());
            }
        }
    }
}
