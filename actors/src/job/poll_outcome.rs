//! The outcome of a poll: the state of the source, the reason, and the time of the next poll.

use std::time::Duration;

use crawler::read::Alarm;
use model::{
    Entry, Failure, FailureWeight, Incident, Pace, PollOutcome, Precision, Rhythm, SourceState, Standing,
    Timestamp,
};
use scheduler::due;
use scheduler::due::{Backoff, PollEvidence};
use store::SourceRecord;

use crate::job::job_run::JobRun;

/// The data of a successful poll that determines its outcome.
pub(crate) struct SuccessfulPoll<'p> {
    pub(crate) evidence: PollEvidence,
    /// Publications per day, estimated from the dates of the entries.
    pub(crate) per_day: Option<f64>,
    /// The freshness lifetime that the server or the document declares.
    pub(crate) fresh_for: Option<Duration>,
    /// The distribution of publications over the hours of the day, including this poll.
    pub(crate) rhythm: Option<&'p Rhythm>,
}

/// Returns the outcome of a successful poll.
pub(crate) fn success(run: &JobRun, record: &SourceRecord, poll: SuccessfulPoll<'_>) -> PollOutcome {
    let SuccessfulPoll { evidence, per_day, fresh_for, rhythm } = poll;
    let every = run.source.every;
    let interval = match record.interval.filter(|_| record.last_ok.is_some()) {
        // One search says little about the next: each runs as often as the source allows.
        _ if run.is_search() => every.min,
        Some(interval) => {
            due::learn(interval, every, PollEvidence { actual_wait: actual_wait(record), ..evidence })
        }
        None => due::first(every, per_day),
    };
    let round = run.now().as_second().unsigned_abs();
    // The rhythm of the source does not apply to a search: each search has its own response, each topic its own
    // hours.
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

/// Returns the outcome with a broken-layout state if its document is suspicious, or with a degraded state if its
/// article pages are.
pub(crate) fn with_suspicion(
    run: &JobRun,
    record: &SourceRecord,
    document: Option<String>,
    outcome: PollOutcome,
) -> PollOutcome {
    let of_pages = || record.article_pages.as_ref()?.suspicion(run.now());
    let document = document.map(|reason| (SourceState::BrokenLayout, reason));
    // Suspicious article pages leave the entries of the document readable: the source is incomplete, not broken.
    match document.or_else(|| of_pages().map(|reason| (SourceState::Degraded, reason))) {
        Some((state, reason)) => PollOutcome { state, reason, ..outcome },
        None => outcome,
    }
}

/// Returns true if the source's state results from a suspicious document, not from failed polls.
pub(crate) fn is_suspected(record: &SourceRecord) -> bool {
    record.state == SourceState::BrokenLayout && record.failures == 0.0
}

/// Returns the time between the previous poll and a punctual one. It differs from the interval because of the rhythm of the source, the
/// declared freshness lifetime and the jitter.
fn actual_wait(record: &SourceRecord) -> Option<Duration> {
    // The first successful poll after failed ones returns the publications since the last success.
    let since = if record.failed_polls > 0 { record.last_ok } else { record.last_poll };
    Duration::try_from(record.next_poll?.duration_since(since?)).ok()
}

/// Returns the outcome of a failed poll.
pub(crate) fn failure(run: &JobRun, record: &SourceRecord, failure: &Failure) -> PollOutcome {
    let standing = Standing {
        state: record.state,
        failures: record.failures,
        silent_since: record.last_ok.unwrap_or(record.since),
        was_read: record.last_ok.is_some(),
    };
    if let Some(incident) = frozen_incident(run) {
        return uncounted_failure(run, record, failure, incident);
    }
    let (state, failures) = standing.after(failure, run.now());
    let is_deferred = failure.weight == FailureWeight::Deferred;
    let wait = wait_after(run, record, state, failure);
    let interval = record.interval.unwrap_or(run.source.every.min);
    PollOutcome {
        state,
        reason: match is_deferred && is_suspected(record) {
            true => record.reason.clone(),
            false => failure.reason.clone(),
        },
        failures,
        ok: false,
        deferred: is_deferred,
        interval,
        next_poll: run.after(due::spread(wait, run.source.name.as_str(), u64::from(record.failed_polls))),
        moved_to: None,
        validators: None,
    }
}

/// Returns the wait before the next poll of a source that failed and is in `state`.
fn wait_after(run: &JobRun, record: &SourceRecord, state: SourceState, failure: &Failure) -> Duration {
    let config = &run.context.config;
    // Failures of other searches do not extend the wait of this one.
    let failed_polls = if run.is_search() { 0 } else { record.failed_polls };
    let every = run.source.every;
    let usual = due::paced(record.interval.unwrap_or(every.min), every, None, run.now());
    let node = Backoff { step: config.backoff, longest: config.max_backoff };
    // A deferred poll has no verdict on the state.
    let is_deferred = failure.weight == FailureWeight::Deferred;
    let state = if is_deferred { SourceState::Live } else { state };
    due::after_failure(Pace::of(run.source.kind, state), failed_polls + 1, node, usual)
}

/// Returns the incident of the source's host during which failures do not count against the source.
fn frozen_incident(run: &JobRun) -> Option<&Incident> {
    let health = run.host_health.as_ref().filter(|health| health.is_frozen(run.now()))?;
    health.incident.as_ref()
}

/// Returns the outcome of a failure that does not count against the source: its state stays. The incident paces the
/// requests to its host.
fn uncounted_failure(
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
            false => format!("all sources of its host have failed since {since}: {}", failure.reason),
        },
        failures: record.failures,
        ok: false,
        deferred: true,
        interval,
        // A source that was broken before keeps the pace of its state.
        next_poll: run.after(due::spread(
            wait_after(run, record, record.state, failure),
            run.source.name.as_str(),
            round,
        )),
        moved_to: None,
        validators: None,
    }
}

/// Returns the failure of a response that arrived but cannot be read.
pub(crate) fn failure_of(alarm: &Alarm) -> Failure {
    let (weight, implied_state) = match alarm {
        Alarm::WrongFormat(_) | Alarm::Empty(_) => (FailureWeight::Soft, Some(SourceState::BrokenLayout)),
        Alarm::Restricted(_) => (FailureWeight::Soft, Some(SourceState::Restricted)),
        Alarm::Gone(_) => (FailureWeight::Hard, Some(SourceState::Gone)),
        Alarm::RateLimited(_) => (FailureWeight::Temporary, None),
    };
    Failure { weight, implied_state, reason: alarm.to_string() }
}

/// Returns the publications per day, estimated from the newer half of the dates; `None` for fewer than four dates.
/// The older half may contain entries that stay in the document for years.
pub(crate) fn publications_per_day(dates: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<f64> {
    const MIN_DATES: usize = 4;
    let mut dates: Vec<Timestamp> = dates.collect();
    dates.sort_unstable_by(|left, right| right.cmp(left));
    let newer = dates.len() / 2;
    let days = now.duration_since(*dates.get(newer)?).as_secs_f64() / 86_400.0;
    (dates.len() >= MIN_DATES && days > 0.0).then(|| newer as f64 / days)
}

/// Returns the rhythm of the source, updated with the publication times of new entries.
pub(crate) fn updated_rhythm<'e>(
    record: &SourceRecord,
    new: impl Iterator<Item = &'e Entry>,
    now: Timestamp,
) -> Option<Rhythm> {
    let exact = |entry: &Entry| {
        let published = entry.published.as_ref().filter(|published| !published.clamped);
        published.filter(|published| published.precision == Precision::Second).map(|published| published.at)
    };
    let dates: Vec<Option<Timestamp>> = new.map(exact).collect();
    let moments = match record.last_poll.filter(|_| record.last_ok.is_some()) {
        Some(previous) => {
            dates.iter().filter_map(|date| estimate_publication(*date, previous, now)).collect()
        }
        // A date in the future comes from a wrong clock or time zone.
        None => discard_uniform_times(dates.into_iter().flatten().filter(|at| *at <= now).collect()),
    };
    let rhythm = record.rhythm.clone();
    if moments.is_empty() { rhythm } else { Some(rhythm.unwrap_or(Rhythm::unknown(now)).with(moments, now)) }
}

/// Estimates the publication time of a new entry. A date between the previous poll (less a tolerance) and now is
/// accepted. Any other date (midnight of the day, an unknown time zone) is replaced by now if the previous poll is
/// recent.
fn estimate_publication(
    date: Option<Timestamp>,
    previous_poll: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    const DELAY_TOLERANCE: Duration = Duration::from_secs(1800);
    const MAX_POLL_AGE: Duration = Duration::from_secs(2 * 3600);
    let earliest = previous_poll.saturating_sub(DELAY_TOLERANCE).unwrap_or(previous_poll);
    let poll_age = model::elapsed(previous_poll, now);
    date.filter(|date| (earliest..=now).contains(date)).or_else(|| (poll_age <= MAX_POLL_AGE).then_some(now))
}

/// Returns no times if all have the same time of day: they are then dates without a time.
fn discard_uniform_times(moments: Vec<Timestamp>) -> Vec<Timestamp> {
    let second_of_day = |at: &Timestamp| at.as_second().rem_euclid(86_400);
    let first = moments.first().map(second_of_day);
    if moments.iter().all(|at| Some(second_of_day(at)) == first) { Vec::new() } else { moments }
}

/// Returns true if the poll is not much later than planned. A late poll says little about the source: the node caused
/// the delay.
pub(crate) fn is_on_time(record: &SourceRecord, now: Timestamp) -> bool {
    let (Some(planned), Some(wait)) = (record.next_poll, actual_wait(record)) else { return false };
    now.duration_since(planned).unsigned_abs() <= wait / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-23T{text}Z").parse().unwrap()
    }

    /// Dates that fit the polls are accepted; midnight and future dates are not.
    #[test]
    fn dates_between_polls_are_publication_times() {
        let now = at("12:00:00");
        for (date, previous_poll, expected) in [
            (Some("11:40:00"), "11:30:00", Some("11:40:00")),
            (Some("11:10:00"), "11:30:00", Some("11:10:00")), // a delay of half an hour is not unusual
            (Some("00:00:00"), "11:30:00", Some("12:00:00")),
            (Some("16:40:00"), "11:30:00", Some("12:00:00")),
            (None, "11:30:00", Some("12:00:00")),
            (None, "09:30:00", None),
            (Some("00:00:00"), "09:30:00", None),
        ] {
            let estimate = estimate_publication(date.map(at), at(previous_poll), now);
            assert_eq!(estimate, expected.map(at), "{date:?} after {previous_poll}");
        }
    }

    /// Computed by hand: two of five dates are newer than the median, which is four hours ago. A pinned entry years
    /// old does not count.
    #[test]
    fn the_newer_half_determines_publications_per_day() {
        let now = at("12:00:00");
        let old = now - Duration::from_secs(3000 * 86_400);
        let per_day = |dates: Vec<Timestamp>| publications_per_day(dates.into_iter(), now);
        let dates = ["11:00:00", "10:00:00", "08:00:00", "02:00:00"].map(at);
        assert_eq!(per_day([&[old], &dates[..]].concat()), Some(12.0));
        assert_eq!(per_day([&dates[..], &[at("01:00:00")]].concat()), Some(12.0));
        assert_eq!(per_day(dates[..3].to_vec()), None);
        assert_eq!(per_day(vec![now; 9]), None);
    }

    #[test]
    fn uniform_times_of_day_are_discarded() {
        let times_of = |texts: &[&str]| texts.iter().map(|text| at(text)).collect::<Vec<_>>();
        let next_day = at("00:00:00") + Duration::from_secs(86_400);
        assert_eq!(discard_uniform_times(vec![at("00:00:00"), next_day]), []);
        assert_eq!(discard_uniform_times(times_of(&["09:00:00"])), []);
        let two = times_of(&["09:00:00", "10:30:00"]);
        assert_eq!(discard_uniform_times(two.clone()), two);
    }
}
