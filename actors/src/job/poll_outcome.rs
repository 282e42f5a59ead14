//! What a poll tells of its source: the state, the reason, and when it is asked next.

use std::time::Duration;

use crawler::read::Alarm;
use model::{
    Entry, Failure, FailureWeight, Incident, Pace, PollOutcome, Precision, Rhythm, SourceState, Standing,
    Timestamp,
};
use scheduler::due;
use scheduler::due::{Backoff, Seen};
use store::SourceRecord;

use crate::job::job_run::JobRun;

/// What a poll that went well told.
pub(crate) struct Told<'p> {
    pub(crate) seen: Seen,
    /// The publications a day that the entries' dates tell of.
    pub(crate) a_day: Option<f64>,
    /// For how long nothing changes, as the server or the document says.
    pub(crate) fresh_for: Option<Duration>,
    /// At which hours it publishes, with what this poll brought.
    pub(crate) rhythm: Option<&'p Rhythm>,
}

/// A poll that went well.
pub(crate) fn good(run: &JobRun, record: &SourceRecord, told: Told<'_>) -> PollOutcome {
    let Told { seen, a_day, fresh_for, rhythm } = told;
    let every = run.source.every;
    let interval = match record.interval.filter(|_| record.last_ok.is_some()) {
        // What one search brings says little about the next: each is made as often as the source allows.
        _ if run.is_search() => every.min,
        Some(interval) => due::learn(interval, every, Seen { waited: waited(record), ..seen }),
        None => due::first(every, a_day),
    };
    let round = run.now().as_second().unsigned_abs();
    // Each search has an answer of its own, and each topic its own hours.
    let rhythm = rhythm.filter(|_| !run.is_search());
    let paced = due::paced(interval, every, rhythm, run.now());
    let wait = due::wait(paced, every, fresh_for.filter(|_| !run.is_search()));
    let wait = match Pace::of(run.source.kind, SourceState::Live) {
        Pace::After(wait) => wait,
        _ => wait,
    };
    PollOutcome {
        state: SourceState::Live,
        reason: String::new(),
        failures: 0.0,
        ok: true,
        deferred: false,
        interval,
        next_poll: run.after(due::drift(wait, run.source.name.as_str(), round)),
        moved_to: None,
        validators: None,
    }
}

/// The same, where something makes one think that it is not read as it should be: its document, or its article pages.
pub(crate) fn suspected(
    run: &JobRun,
    record: &SourceRecord,
    document: Option<String>,
    outcome: PollOutcome,
) -> PollOutcome {
    let of_pages = || record.article_pages.as_ref()?.suspicion(run.now());
    let document = document.map(|reason| (SourceState::BrokenLayout, reason));
    // What its document tells is read all the same: it is not broken, but has gaps.
    match document.or_else(|| of_pages().map(|reason| (SourceState::Degraded, reason))) {
        Some((state, reason)) => PollOutcome { state, reason, ..outcome },
        None => outcome,
    }
}

/// Whether what one suspects of its document is why it is in its state.
pub(crate) fn is_suspected(record: &SourceRecord) -> bool {
    record.state == SourceState::BrokenLayout && record.failures == 0.0
}

/// How long was waited for what a poll on time brought: another time than the interval by the rhythm of the source, where its
/// server said that nothing changes, and by the spread.
fn waited(record: &SourceRecord) -> Option<Duration> {
    // What came in several polls that failed comes with the first that does not.
    let since = if record.failed_polls > 0 { record.last_ok } else { record.last_poll };
    Duration::try_from(record.next_poll?.duration_since(since?)).ok()
}

/// A poll that failed.
pub(crate) fn bad(run: &JobRun, record: &SourceRecord, failure: &Failure) -> PollOutcome {
    let standing = Standing {
        state: record.state,
        failures: record.failures,
        silent_since: record.last_ok.unwrap_or(record.since),
        was_read: record.last_ok.is_some(),
    };
    if let Some(incident) = frozen(run) {
        return counting_nothing(run, record, failure, incident);
    }
    let (state, failures) = standing.after(failure, run.now());
    let is_open = failure.weight == FailureWeight::Deferred;
    let wait = wait_after(run, record, state, failure);
    let interval = record.interval.unwrap_or(run.source.every.min);
    PollOutcome {
        state,
        reason: if is_open && is_suspected(record) { record.reason.clone() } else { failure.reason.clone() },
        failures,
        ok: false,
        deferred: is_open,
        interval,
        next_poll: run.after(due::spread(wait, run.source.name.as_str(), u64::from(record.failed_polls))),
        moved_to: None,
        validators: None,
    }
}

/// How long a source that failed, and is in a state now, is left alone.
fn wait_after(run: &JobRun, record: &SourceRecord, state: SourceState, failure: &Failure) -> Duration {
    let config = &run.context.config;
    // Of a source that is searched, other searches' failures say nothing of how long this one should wait.
    let failed = if run.is_search() { 0 } else { record.failed_polls };
    let every = run.source.every;
    let usual = due::paced(record.interval.unwrap_or(every.min), every, None, run.now());
    let node = Backoff { step: config.backoff, longest: config.max_backoff };
    // There was no verdict: nothing is known of its state.
    let is_open = failure.weight == FailureWeight::Deferred;
    let state = if is_open { SourceState::Live } else { state };
    due::after_failure(Pace::of(run.source.kind, state), failed + 1, node, usual)
}

/// The incident of its host for which the source is not to blame.
fn frozen(run: &JobRun) -> Option<&Incident> {
    let health = run.host_health.as_ref().filter(|health| health.is_frozen(run.now()))?;
    health.incident.as_ref()
}

/// The source stays as it was, and is asked again when its turn comes: its host is left alone meanwhile.
fn counting_nothing(
    run: &JobRun,
    record: &SourceRecord,
    failure: &Failure,
    incident: &Incident,
) -> PollOutcome {
    let interval = record.interval.unwrap_or(run.source.every.min);
    let since = model::rfc3339(incident.since);
    let round = run.now().as_second().unsigned_abs();
    PollOutcome {
        state: if record.state == SourceState::Candidate { SourceState::Probing } else { record.state },
        reason: match is_suspected(record) {
            true => record.reason.clone(),
            false => format!("its host fails for all its sources since {since}: {}", failure.reason),
        },
        failures: record.failures,
        ok: false,
        deferred: true,
        interval,
        // What was broken before keeps the pace of its state.
        next_poll: run.after(due::spread(
            wait_after(run, record, record.state, failure),
            run.source.name.as_str(),
            round,
        )),
        moved_to: None,
        validators: None,
    }
}

/// What it counts that a body came and is no success.
pub(crate) fn failure_of(alarm: &Alarm) -> Failure {
    let (weight, shows) = match alarm {
        Alarm::WrongFormat(_) | Alarm::Empty(_) => (FailureWeight::Soft, Some(SourceState::BrokenLayout)),
        Alarm::Restricted(_) => (FailureWeight::Soft, Some(SourceState::Restricted)),
        Alarm::Gone(_) => (FailureWeight::Hard, Some(SourceState::Gone)),
        Alarm::RateLimited(_) => (FailureWeight::Temporary, None),
    };
    Failure { weight, shows, reason: alarm.to_string() }
}

/// The publications a day that the newer half of these dates tells of: of a handful nobody can tell, and among the older ones may
/// be what is kept there for years.
pub(crate) fn pace(dates: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<f64> {
    const LEAST: usize = 4;
    let mut dates: Vec<Timestamp> = dates.collect();
    dates.sort_unstable_by(|one, other| other.cmp(one));
    let newer = dates.len() / 2;
    let days = now.duration_since(*dates.get(newer)?).as_secs_f64() / 86_400.0;
    (dates.len() >= LEAST && days > 0.0).then(|| newer as f64 / days)
}

/// At which hours the source publishes, with these new entries of it.
pub(crate) fn rhythm<'e>(
    record: &SourceRecord,
    new: impl Iterator<Item = &'e Entry>,
    now: Timestamp,
) -> Option<Rhythm> {
    let exact = |entry: &Entry| {
        let published = entry.published.as_ref().filter(|published| !published.clamped);
        published.filter(|published| published.precision == Precision::Second).map(|published| published.at)
    };
    let told: Vec<Option<Timestamp>> = new.map(exact).collect();
    let moments = match record.last_poll.filter(|_| record.last_ok.is_some()) {
        Some(before) => told.iter().filter_map(|told| when_it_came_out(*told, before, now)).collect(),
        // What lies ahead is told by a clock, or a time zone, that is wrong.
        None => unless_all_at_once(told.into_iter().flatten().filter(|at| *at <= now).collect()),
    };
    let known = record.rhythm.clone();
    if moments.is_empty() { known } else { Some(known.unwrap_or(Rhythm::unknown(now)).with(moments, now)) }
}

/// A date is believed that lies after the poll before; otherwise (midnight of the day, a time zone that is not said) it came
/// out shortly before now, where that poll was not long ago.
fn when_it_came_out(told: Option<Timestamp>, before: Timestamp, now: Timestamp) -> Option<Timestamp> {
    const LATE: Duration = Duration::from_secs(1800);
    const NOT_LONG: Duration = Duration::from_secs(2 * 3600);
    let earliest = before.saturating_sub(LATE).unwrap_or(before);
    let since = model::elapsed(before, now);
    told.filter(|told| (earliest..=now).contains(told)).or_else(|| (since <= NOT_LONG).then_some(now))
}

/// Where all came out at one time of the day, that is no time but a date.
fn unless_all_at_once(moments: Vec<Timestamp>) -> Vec<Timestamp> {
    let second_of_day = |at: &Timestamp| at.as_second().rem_euclid(86_400);
    let first = moments.first().map(second_of_day);
    if moments.iter().all(|at| Some(second_of_day(at)) == first) { Vec::new() } else { moments }
}

/// Polls that come late say little about the source: the lateness is ours.
pub(crate) fn is_on_time(record: &SourceRecord, now: Timestamp) -> bool {
    let (Some(planned), Some(waited)) = (record.next_poll, waited(record)) else { return false };
    now.duration_since(planned).unsigned_abs() <= waited / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().unwrap()
    }

    /// Times are believed that fit the polls; midnight, and what lies ahead, is not.
    #[test]
    fn dates_tell_of_hours_where_they_fit_the_polls() {
        let now = at("12:00:00");
        for (told, before, expected) in [
            (Some("11:40:00"), "11:30:00", Some("11:40:00")),
            (Some("11:10:00"), "11:30:00", Some("11:10:00")), // half an hour late is not unusual
            (Some("00:00:00"), "11:30:00", Some("12:00:00")),
            (Some("16:40:00"), "11:30:00", Some("12:00:00")),
            (None, "11:30:00", Some("12:00:00")),
            (None, "09:30:00", None),
            (Some("00:00:00"), "09:30:00", None),
        ] {
            let found = when_it_came_out(told.map(at), at(before), now);
            assert_eq!(found, expected.map(at), "{told:?} after {before}");
        }
    }

    /// By hand: of five dates, two are younger than the one in the middle, four hours ago; what is kept on top for years does
    /// not count.
    #[test]
    fn a_pace_is_that_of_the_newer_half() {
        let now = at("12:00:00");
        let old = now - Duration::from_secs(3000 * 86_400);
        let pace = |dates: Vec<Timestamp>| pace(dates.into_iter(), now);
        let dates = ["11:00:00", "10:00:00", "08:00:00", "02:00:00"].map(at);
        assert_eq!(pace([&[old], &dates[..]].concat()), Some(12.0));
        assert_eq!(pace([&dates[..], &[at("01:00:00")]].concat()), Some(12.0));
        assert_eq!(pace(dates[..3].to_vec()), None);
        assert_eq!(pace(vec![now; 9]), None);
    }

    #[test]
    fn one_time_of_the_day_is_a_date() {
        let days = |times: &[&str]| times.iter().map(|text| at(text)).collect::<Vec<_>>();
        let next_day = at("00:00:00") + Duration::from_secs(86_400);
        assert_eq!(unless_all_at_once(vec![at("00:00:00"), next_day]), []);
        assert_eq!(unless_all_at_once(days(&["09:00:00"])), []);
        let two = days(&["09:00:00", "10:30:00"]);
        assert_eq!(unless_all_at_once(two.clone()), two);
    }
}
