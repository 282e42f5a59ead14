//! How a host is doing, beyond what each of its sources tells: where nothing of it comes through, that is one incident of
//! the host, not the fault of each of its sources.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FetchRecord, FetchStatus, Host, Name, Timestamp};

/// What is remembered of a host between polls. Pure: times are arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHealth {
    /// Sources that were well until now and failed alike, since anything of the host last came through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failing: Vec<Name>,
    /// What they have in common.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    alike: String,
    /// When the first of them failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// The incident, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
}

/// A host of which nothing comes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When the first of its sources failed.
    pub since: Timestamp,
    /// How it fails, in words.
    pub reason: String,
    /// What its failures have in common: others, of sources that were broken before, say nothing of it.
    #[serde(default)]
    pub alike: String,
    /// Canaries in a row that came through: half open from one on.
    pub passed: u32,
}

/// An incident as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIncident {
    /// Which host.
    pub host: Host,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; `None`: it lasts.
    pub to: Option<Timestamp>,
    /// How the host failed, in words.
    pub reason: String,
}

impl HostHealth {
    /// So many sources make an incident: the fewest that cannot be a coincidence (Media Cloud's rule has the same number).
    pub const SOURCES: usize = 5;
    /// They are to fail within this.
    pub const WITHIN: Duration = Duration::from_secs(15 * 60);
    /// Canaries in a row that end an incident.
    pub const RECOVERED: u32 = 3;
    /// For so long the failures of an incident count for no source; then the host may be gone, and they do.
    pub const FROZEN: Duration = Duration::from_secs(86_400);
    /// One canary in so long, at first.
    const CANARY: Duration = Duration::from_secs(60);
    /// And at last, however long the incident lasts.
    const SLOWEST: Duration = Duration::from_secs(3600);

    /// A source of the host failed. `was_well`: its poll before did not; what was broken already says nothing of the host.
    pub fn failed(
        &mut self,
        source: &Name,
        was_well: bool,
        line: &FetchRecord,
        reason: &str,
        now: Timestamp,
    ) {
        let Some(alike) = in_common(line) else { return };
        if let Some(incident) = &mut self.incident {
            if was_well || incident.alike == alike {
                incident.passed = 0;
            }
            return;
        }
        if !was_well {
            return;
        }
        let is_old = self.since.is_none_or(|since| elapsed(since, now) > Self::WITHIN);
        if is_old || self.alike != alike {
            (self.failing, self.alike, self.since) = (Vec::new(), alike, Some(now));
        }
        if !self.failing.contains(source) {
            self.failing.push(source.clone());
        }
        if self.failing.len() >= Self::SOURCES {
            let since = self.since.unwrap_or(now);
            let alike = std::mem::take(&mut self.alike);
            *self = Incident { since, reason: reason.to_owned(), alike, passed: 0 }.into();
        }
    }

    /// Something of the host came through.
    pub fn came_through(&mut self) {
        let passed = self.incident.as_ref().map_or(0, |incident| incident.passed) + 1;
        let incident = self.incident.take().filter(|_| passed < Self::RECOVERED);
        *self =
            Self { incident: incident.map(|incident| Incident { passed, ..incident }), ..Self::default() };
    }

    /// How long the host is left alone between canaries; `None` where there is no incident. One a minute at first, then a
    /// sixtieth of the time that it lasts, an hour at most; half open, half of it after each that came through.
    pub fn rest(&self, now: Timestamp) -> Option<Duration> {
        let incident = self.incident.as_ref()?;
        let rest = (elapsed(incident.since, now) / 60).clamp(Self::CANARY, Self::SLOWEST);
        Some(if incident.passed > 0 { Self::CANARY / 2u32.pow(incident.passed.min(4)) } else { rest })
    }

    /// Whether failures count for no source.
    pub fn is_frozen(&self, now: Timestamp) -> bool {
        self.incident.as_ref().is_some_and(|incident| elapsed(incident.since, now) < Self::FROZEN)
    }
}

impl From<Incident> for HostHealth {
    fn from(incident: Incident) -> Self {
        Self { incident: Some(incident), ..Self::default() }
    }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// What failures of a host's sources have in common where the host is to blame. An overloaded one answers now with 502, now
/// with 504, and now not at all.
fn in_common(line: &FetchRecord) -> Option<String> {
    let text = match line.status {
        FetchStatus::Timeout | FetchStatus::Connect | FetchStatus::Http5xx => "down".to_owned(),
        FetchStatus::Http4xx => format!("http {}", line.http_status?),
        FetchStatus::Dns | FetchStatus::Redirect | FetchStatus::Unreadable => line.status.as_str().to_owned(),
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn line(status: FetchStatus, http_status: Option<u16>) -> FetchRecord {
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

    fn down() -> FetchRecord {
        line(FetchStatus::Http5xx, Some(503))
    }

    fn source(n: usize) -> Name {
        Name::new(format!("s{n}").as_str()).unwrap()
    }

    /// Each: source, was well, what came (`None`: it came through), seconds. Whether it makes an incident.
    #[test]
    fn five_that_fail_alike_make_an_incident() {
        use FetchStatus::{Connect, Http4xx, Http5xx, Timeout};
        type Poll = (usize, bool, Option<(FetchStatus, Option<u16>)>, i64);
        let fail = |n, status, code, at| -> Poll { (n, true, Some((status, code)), at) };
        let five =
            |status, code: Option<u16>| (0..5).map(|n| fail(n, status, code, n as i64)).collect::<Vec<_>>();
        let with = |mut polls: Vec<Poll>, at: usize, poll: Poll| {
            polls[at] = poll;
            polls
        };
        let all = five(Http5xx, Some(503));
        for (what, polls, expected) in [
            ("five", all.clone(), true),
            ("four", all[..4].to_vec(), false),
            ("five of 404", five(Http4xx, Some(404)), true),
            (
                "now so, now so, all of a host that is down",
                with(with(all.clone(), 2, fail(2, Timeout, None, 2)), 3, fail(3, Connect, None, 3)),
                true,
            ),
            ("one of another kind", with(all.clone(), 2, fail(2, Http4xx, Some(404), 2)), false),
            ("one came through", with(all.clone(), 3, (3, true, None, 3)), false),
            ("one was broken before", with(all.clone(), 3, (3, false, Some((Http5xx, Some(503))), 3)), false),
            ("one of them twice", with(all.clone(), 3, fail(1, Http5xx, Some(500), 3)), false),
            ("slowly", (0..5).map(|n| fail(n, Http5xx, Some(503), n as i64 * 300)).collect(), false),
            ("robots rules are no failure of the host", five(FetchStatus::RobotsDenied, None), false),
        ] {
            let mut health = HostHealth::default();
            for (n, was_well, came, seconds) in polls {
                match came {
                    None => health.came_through(),
                    Some((status, code)) => {
                        health.failed(&source(n), was_well, &line(status, code), "x", at(seconds))
                    }
                }
            }
            assert_eq!(health.incident.is_some(), expected, "{what}: {health:?}");
        }
    }

    /// Seconds, by hand: a minute for the first hour, a sixtieth after it, an hour at most; 30 and 15 half open.
    #[test]
    fn canaries_are_few_and_three_end_it() {
        let mut health = HostHealth::default();
        for n in 0..5 {
            health.failed(&source(n), true, &down(), "HTTP status 503", at(0));
        }
        let rest = |health: &HostHealth, seconds| health.rest(at(seconds)).map(|rest| rest.as_secs());
        for (seconds, expected) in [(0, 60), (3600, 60), (7200, 120), (86_400, 1440), (10 * 86_400, 3600)] {
            assert_eq!(rest(&health, seconds), Some(expected), "after {seconds} s");
        }
        assert!(health.is_frozen(at(86_399)) && !health.is_frozen(at(86_400)));
        health.came_through();
        assert_eq!(rest(&health, 7200), Some(30));
        health.failed(&source(9), false, &line(FetchStatus::Http4xx, Some(404)), "x", at(7200));
        assert_eq!(rest(&health, 7200), Some(30), "what was broken before says nothing");
        health.failed(&source(9), false, &down(), "x", at(7201));
        assert_eq!(rest(&health, 7201), Some(120), "it begins anew");
        for expected in [Some(30), Some(15), None] {
            health.came_through();
            assert_eq!(rest(&health, 7300), expected);
        }
        assert_eq!(health, HostHealth::default());
    }

    proptest! {
            /// Whatever happens: bounded, an incident only ends by three in a row, and only begins by failures.
            #[test]
            fn it_is_bounded_and_opens_and_closes_by_evidence(polls in prop::collection::vec((0usize..8, any::<bool>(), 0u8..4, 0i64..400), 0..200)) {
                let (mut health, mut now, mut in_a_row) = (HostHealth::default(), 0, 0);
                for (n, was_well, what, step) in polls {
                    now += step;
                    let before = health.clone();
                    match what {
                        0 => health.came_through(),
                        1 => health.failed(&source(n), was_well, &line(FetchStatus::Http4xx, Some(404)), "x", at(now)),
                        _ => health.failed(&source(n), was_well, &down(), "x", at(now)),
                    }
    let kind = if what == 1 { "http 404" } else { "down" };
                    let is_of_it = before.incident.as_ref().is_none_or(|incident| incident.alike == kind);
                    in_a_row = match what {
                        0 => in_a_row + 1,
                        _ if is_of_it || was_well => 0,
                        _ => in_a_row,
                    };
                    prop_assert!(health.failing.len() < HostHealth::SOURCES);
                    match (before.incident.is_some(), health.incident.is_some()) {
                        (false, true) => prop_assert!(what != 0 && was_well),
                        (true, false) => prop_assert!(in_a_row >= HostHealth::RECOVERED),
                        _ => (),
                    }
                    let rest = health.rest(at(now));
                    prop_assert!(rest.is_none_or(|rest| rest >= Duration::from_secs(15) && rest <= HostHealth::SLOWEST));
                    prop_assert_eq!(rest.is_some(), health.incident.is_some());
                }
            }
        }
}
