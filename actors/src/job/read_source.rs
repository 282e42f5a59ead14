//! One attempt to read a source: fetch its document, parse it, and conclude the attempt.

use std::time::Duration;

use crawler::read::{Alarm, detect_wall};
use crawler::{FetchError, FetchParams, Fetched, read};
use model::{
    Entry, Failure, FailureWeight, FetchRecord, FetchStatus, Harvest, PollOutcome, Precision, Timestamp,
    Validators, after,
};
use scheduler::due::PollEvidence;
use store::{EntryStatus, SourceRecord};
use url::Url;

use crate::job::attempt::{Attempt, Offer};
use crate::job::deletions::{update_page_window, update_unchanged_window};
use crate::job::entries::{page_jobs, sort_entries};
use crate::job::gather::{detail_of, fetch_params, gather, read_on_pool};
use crate::job::job_run::{JobError, JobRun};
use crate::job::poll_outcome;
use crate::job::poll_outcome::{SuccessfulPoll, is_on_time};
use crate::job::subscribe::HUB_DELIVERY_PERIOD;

/// The pause of a host that reports rate limiting with a success status.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(60);

/// Reads the source once, in the way that `run.source` describes.
pub(crate) async fn read_once(run: &mut JobRun, record: &SourceRecord) -> Result<Attempt, JobError> {
    let cursor = record.validators.as_ref().and_then(|validators| validators.cursor.as_deref());
    let url = run.address();
    let url = cursor
        .filter(|_| read::is_stream(run.source.kind))
        .map_or(url.clone(), |cursor| read::with_cursor(&url, cursor));
    // Each search, and each way to read the source, has its own response. The stored validators are of one response
    // only.
    let is_same_url = |validators: &Validators| validators.url.as_ref() == Some(&url) || !run.has_fallbacks();
    let stored = record.validators.clone().filter(|validators| !run.is_search() && is_same_url(validators));
    let usable = stored.clone().filter(|validators| validators.are_usable(run.now()));
    let params = FetchParams { validators: usable, ..fetch_params(run) };
    match run.fetch(&url, &params).await {
        Err(error) => Ok(conclude_failed(run, record, &url, &error)),
        Ok(fetched) if fetched.is_not_modified() => Ok(conclude_unchanged(run, record, &url, &fetched, None)),
        Ok(fetched) => {
            // A login or consent page is not read, even if it resembles the expected document.
            if let Some(wall) = detect_wall(&url, &fetched.url) {
                return Ok(conclude_unreadable(run, record, &fetched, &Alarm::Restricted(wall)));
            }
            let hash = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&fetched.body));
            let is_same_body =
                stored.as_ref().is_some_and(|validators| validators.body_hash.as_ref() == Some(&hash));
            let validators = Validators { body_hash: Some(hash), ..fetched.validators.clone() };
            let validators = stored.unwrap_or_default().updated_with(validators, run.now());
            if is_same_body {
                Ok(conclude_unchanged(run, record, &url, &fetched, Some(validators)))
            } else {
                read_document(run, record, fetched, validators).await
            }
        }
    }
}

/// Concludes an attempt whose document has not changed since the last poll.
fn conclude_unchanged(
    run: &mut JobRun,
    record: &SourceRecord,
    url: &Url,
    fetched: &Fetched,
    validators: Option<Validators>,
) -> Attempt {
    let mut harvest = run.harvest();
    harvest.fetches.push(run.record(url, Ok(fetched), 0, String::new()));
    update_unchanged_window(run, record, &mut harvest);
    let on_time = is_on_time(record, harvest.at) && !run.relies_on_hub();
    let evidence = PollEvidence { known_entries: 1, new_entries: 0, is_on_time: on_time, actual_wait: None };
    let previous = record.validators.as_ref().and_then(|validators| validators.fresh_for);
    let fresh_for = fetched.fresh_for.or(previous);
    // The same document supports the same suspicion of a broken layout.
    let suspicion = Some(&record.reason).filter(|_| poll_outcome::is_suspected(record)).cloned();
    let poll = SuccessfulPoll { evidence, per_day: None, fresh_for, rhythm: record.rhythm.as_ref() };
    let outcome = PollOutcome {
        validators: validators.map(|validators| Validators { fresh_for, ..validators }),
        moved_to: moved_to(run, fetched),
        ..poll_outcome::with_suspicion(run, record, suspicion, poll_outcome::success(run, record, poll))
    };
    let offer = fetched.hub.clone().map_or(Offer::Unknown, Offer::Hub);
    Attempt { offer, ..Attempt::without_jobs(harvest, outcome) }
}

/// Concludes an attempt whose request failed.
fn conclude_failed(run: &mut JobRun, record: &SourceRecord, url: &Url, error: &FetchError) -> Attempt {
    let mut harvest = run.harvest();
    let line = run.record(url, Err(error), 0, String::new());
    let failure = error.failure();
    record_host_failure(run, &mut harvest, record, &line, &failure);
    harvest.fetches.push(line);
    let mut outcome = poll_outcome::failure(run, record, &failure);
    match error {
        FetchError::LeaseExpired => outcome.next_poll = run.due_now(),
        error => {
            let retry_at = error.retry_after().map(|wait| run.after(wait));
            outcome.next_poll = outcome.next_poll.max(retry_at.unwrap_or(outcome.next_poll));
            if let Some(until) = error.deferred_until() {
                outcome.next_poll = until.max(run.after(Duration::from_secs(1)));
            }
        }
    }
    let is_interrupted = matches!(error, FetchError::LeaseExpired);
    Attempt { is_interrupted, ..Attempt::without_jobs(harvest, outcome) }
}

/// Concludes an attempt whose response arrived but cannot be read as the source's document.
fn conclude_unreadable(run: &mut JobRun, record: &SourceRecord, fetched: &Fetched, alarm: &Alarm) -> Attempt {
    if matches!(alarm, Alarm::RateLimited(_)) {
        run.permits.rest(RATE_LIMIT_PAUSE); // other sources of this host would get the same response
    }
    let mut harvest = run.harvest();
    let line = run.record(&fetched.url, Ok(fetched), 0, alarm.to_string());
    let line = FetchRecord { status: FetchStatus::Unreadable, ..line };
    let failure = poll_outcome::failure_of(alarm);
    // A maintenance or login page is a failure of the host; an empty list is a failure of the source.
    if matches!(alarm, Alarm::WrongFormat(_) | Alarm::Restricted(_)) {
        record_host_failure(run, &mut harvest, record, &line, &failure);
    }
    harvest.fetches.push(line);
    let outcome = poll_outcome::failure(run, record, &failure);
    Attempt::without_jobs(harvest, outcome)
}

/// Records a failure in the health of the host. If several sources of a host fail in the same way, the host itself
/// fails.
fn record_host_failure(
    run: &mut JobRun,
    harvest: &mut Harvest,
    record: &SourceRecord,
    line: &FetchRecord,
    failure: &Failure,
) {
    if matches!(failure.weight, FailureWeight::Deferred | FailureWeight::Disallowed) {
        return;
    }
    let was_ok = record.last_ok.is_some() && record.failures == 0.0 && record.state.is_read();
    run.update_host_health(harvest, |health| {
        health.record_failure(&record.source.name, was_ok, line, &failure.reason, line.at);
    });
}

async fn read_document(
    run: &mut JobRun,
    record: &SourceRecord,
    fetched: Fetched,
    validators: Validators,
) -> Result<Attempt, JobError> {
    let moved_to = moved_to(run, &fetched);
    let (mut reading, fetched) = read_on_pool(run, fetched).await;
    let mut harvest = run.harvest();
    let detail = detail_of(&reading);
    let line = run.record(&fetched.url, Ok(&fetched), reading.entries.len(), detail);
    // A search for a rare term has no results; this is no failure.
    let is_empty_search = |alarm: &Alarm| run.is_search() && matches!(alarm, Alarm::Empty(_));
    if let Some(alarm) = reading.alarm.take().filter(|alarm| !is_empty_search(alarm)) {
        return Ok(conclude_unreadable(run, record, &fetched, &alarm));
    }
    harvest.fetches.push(line);
    let first = fetched.url.clone();
    let fresh_for = fetched.fresh_for.max(reading.fresh_for);
    let offer = fetched.hub.clone().or_else(|| reading.hub.take()).map_or(Offer::None, Offer::Hub);
    // A fallback does not lose the cursor of a stream.
    let previous = record.validators.as_ref().and_then(|validators| validators.cursor.clone());
    let cursor = reading.cursor.take().or(validators.cursor).or(previous);
    let validators = Validators { fresh_for, cursor, ..validators };
    drop(fetched);
    let document = validators.body_hash.clone().unwrap_or_default();
    let has_children = !reading.children.is_empty();
    let was_read = record.last_ok.is_some();
    // Search results that share a title reflect the query, not a broken layout.
    let suspicion = reading.suspicion.take().filter(|_| !run.is_search());
    let gathered = gather(run, first, reading, was_read, &mut harvest.fetches).await?;
    // An index of which no child could be read is a failure.
    if let Some(failure) = gathered.failure.as_ref().filter(|_| has_children && gathered.entries.is_empty()) {
        let outcome = poll_outcome::failure(run, record, failure);
        return Ok(Attempt::without_jobs(harvest, outcome));
    }
    if gathered.has_gap
        && let Some(last) = harvest.fetches.last_mut()
    {
        let gap = "no known entry on the pages read: publications since the last poll may have been missed";
        last.detail = [last.detail.as_str(), gap]
            .iter()
            .filter(|text| !text.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("; ");
    }
    let on_time = is_on_time(record, harvest.at) && !run.relies_on_hub();
    let dates = gathered.entries.iter().filter_map(|classified| classified.entry.published.as_ref());
    let per_day = poll_outcome::publications_per_day(dates.map(|published| published.at), harvest.at);
    let new = gathered.entries.iter().filter(|classified| classified.status == EntryStatus::New);
    let late = count_late(new.clone().map(|classified| &classified.entry), harvest.at);
    let rhythm = poll_outcome::updated_rhythm(record, new.map(|classified| &classified.entry), harvest.at);
    if let Some(window_document) = gathered.window_document {
        update_page_window(run, record, window_document.of_document(document), &mut harvest);
    }
    let evidence = sort_entries(run, gathered.entries, &mut harvest, on_time).await;
    let jobs = page_jobs(run, &harvest);
    // Validators cover everything that was read. They are not kept if a part is missing, nor for an index: its
    // children change while the index itself does not.
    let validators = (gathered.is_complete && !has_children && !run.is_search()).then_some(validators);
    let success = poll_outcome::success(
        run,
        record,
        SuccessfulPoll { evidence, per_day, fresh_for, rhythm: rhythm.as_ref() },
    );
    harvest.updates.rhythm = rhythm.filter(|_| evidence.new_entries > 0 && !run.is_search());
    let outcome =
        PollOutcome { validators, moved_to, ..poll_outcome::with_suspicion(run, record, suspicion, success) };
    Ok(Attempt { harvest, outcome, jobs, offer, late, is_interrupted: false })
}

/// Returns the number of entries that were published before the delivery period of hubs, or at an unknown time.
fn count_late<'e>(new: impl Iterator<Item = &'e Entry>, now: Timestamp) -> u64 {
    let is_late = |entry: &&Entry| {
        let published = entry.published.clone().map(|published| published.clamp(now));
        let exact = published.filter(|time| !time.clamped && time.precision == Precision::Second);
        exact.is_none_or(|published| after(published.at, HUB_DELIVERY_PERIOD) < now)
    };
    new.filter(is_late).count() as u64
}

/// Returns the target of a permanent redirect of the source's address.
fn moved_to(run: &JobRun, fetched: &Fetched) -> Option<Url> {
    let has_moved = fetched.moved_permanently && fetched.url != run.address();
    has_moved.then(|| fetched.url.clone()).filter(|_| !run.is_search())
}
