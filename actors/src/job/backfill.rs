//! The backfill job: it reads what a source published before it was declared, one document per turn, after more
//! recent work.

use std::time::Duration;

use crawler::FetchError;
use crawler::read::{self, Alarm, Reading, detect_wall};
use model::{Backfill, Entry, FailureWeight, FetchStatus, Harvest, SourceKind, Timestamp};
use url::Url;

use crate::job::entries::{page_jobs, sort_entries};
use crate::job::gather::{Gathered, detail_of, fetch_params, read_on_pool};
use crate::job::job_run::{JobError, JobRun};
use service::{PlanTerms, backfill_job};

/// Maximum attempts to fetch a document; then it is skipped.
const MAX_TRIES: u32 = 4;
/// Number of consecutive documents with neither a new nor an older entry after which no links are followed.
const MAX_BARREN_DOCUMENTS: u32 = 20;
/// The wait between two documents as a multiple of the host's delay. Other jobs of the host run meanwhile.
const PAUSE_DELAYS: u32 = 10;
/// Lower bound on the wait between two documents.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The pause of a host that reports rate limiting with a success status.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(60);
/// The period before the backfill's start that is left to regular polls if the backfill reads the source in another
/// way: that way uses other entry identifiers.
const POLLED_PERIOD: Duration = Duration::from_secs(86_400);

/// Reads the next document of a backfill. The result is stored and settled, success or failure.
pub(crate) async fn backfill(run: &mut JobRun) -> Result<(), JobError> {
    let stored = run.context.store.backfill(&run.source.name).await?;
    let Some(mut backfill) = stored.filter(Backfill::is_in_progress) else {
        return run.save(run.harvest(), Some(run.settlement(None, Vec::new()))).await.map(drop);
    };
    if let Some(way) = &backfill.way {
        run.with_fallback(way);
        run.matches_by_address = true;
    }
    let mut harvest = run.harvest();
    // The next document may be on another host: the job of that host reads it.
    let is_here =
        backfill.ahead.first().is_none_or(|url| run.snapshot.host_of(url).as_ref() == Some(&run.job.host));
    let wait = match backfill.ahead.first().cloned().filter(|_| is_here) {
        // Only polls serve as canaries during an incident of the host.
        _ if run.is_canary() => Duration::from_secs(60),
        None => MIN_PAUSE,
        Some(url) => read_next(run, &url, &mut backfill, &mut harvest).await?,
    };
    if backfill.documents >= Backfill::MAX_DOCUMENTS && !backfill.ahead.is_empty() {
        backfill.trouble = Some(format!("stopped at the limit of {} documents", backfill.documents));
        backfill.ahead.clear();
    }
    backfill.ended = backfill.ahead.is_empty().then_some(harvest.at);
    backfill.due = backfill.is_in_progress().then(|| run.after(wait));
    let terms = PlanTerms { delay: run.context.config.delay, now: harvest.at, all_now: false };
    let next = backfill_job(&run.snapshot, &run.source, &backfill, terms);
    let mut jobs = page_jobs(run, &harvest);
    let next_due = next.as_ref().filter(|next| next.id == run.job).map(|next| next.due);
    jobs.extend(next.filter(|next| next.id != run.job));
    harvest.updates.backfill = Some(backfill);
    run.save(harvest, Some(run.settlement(next_due, jobs))).await.map(drop)
}

/// Reads one document. Returns the wait before the next one.
async fn read_next(
    run: &mut JobRun,
    url: &Url,
    backfill: &mut Backfill,
    harvest: &mut Harvest,
) -> Result<Duration, JobError> {
    let delay = read::delay_of(&run.source, run.context.config.delay);
    let pause = (delay * PAUSE_DELAYS).max(MIN_PAUSE);
    match run.fetch(url, &fetch_params(run)).await {
        Err(error) => {
            harvest.fetches.push(run.record(url, Err(&error), 0, String::new()));
            Ok(pause.max(handle_failure(run, backfill, &error)))
        }
        Ok(fetched) => {
            let (mut reading, fetched) = read_on_pool(run, fetched).await;
            if let Some(wall) = detect_wall(url, &fetched.url) {
                reading = Reading { alarm: Some(Alarm::Restricted(wall)), ..Reading::default() };
            }
            let detail = detail_of(&reading);
            harvest.fetches.push(run.record(&fetched.url, Ok(&fetched), reading.entries.len(), detail));
            drop(fetched);
            let alarm = reading.alarm.take().filter(|alarm| !matches!(alarm, Alarm::Empty(_)));
            if let Some(alarm) = alarm {
                if matches!(alarm, Alarm::RateLimited(_)) {
                    run.permits.rest(RATE_LIMIT_PAUSE);
                }
                return Ok(pause.max(retry_later(run, backfill, url, &alarm.to_string())));
            }
            finish_document(backfill);
            add_document(run, backfill, harvest, url, reading).await?;
            Ok(pause)
        }
    }
}

/// Handles a failed request: the document is retried or skipped. Returns the wait.
fn handle_failure(run: &JobRun, backfill: &mut Backfill, error: &FetchError) -> Duration {
    let failure = error.failure();
    if failure.weight == FailureWeight::Deferred {
        let until = error.deferred_until().unwrap_or_else(|| run.now());
        return model::elapsed(run.now(), until);
    }
    let Some(url) = backfill.ahead.first().cloned() else { return MIN_PAUSE };
    // A feed with numbered pages returns 4xx after its last page.
    let is_end = error.status() == FetchStatus::Http4xx
        && run.source.kind == SourceKind::Feed
        && backfill.documents > 0;
    if is_end {
        finish_document(backfill);
        return MIN_PAUSE;
    }
    if failure.weight != FailureWeight::Temporary {
        backfill.tries = MAX_TRIES;
    }
    retry_later(run, backfill, &url, &failure.reason).max(error.retry_after().unwrap_or_default())
}

/// Schedules a retry of a document that could not be read and returns the wait. After [`MAX_TRIES`] attempts the
/// document is skipped, and the problem is recorded.
fn retry_later(run: &JobRun, backfill: &mut Backfill, url: &Url, reason: &str) -> Duration {
    backfill.tries += 1;
    let backoff = run.context.config.backoff * 4u32.pow(backfill.tries.min(5));
    if backfill.tries >= MAX_TRIES {
        backfill.trouble = Some(format!("{url}: {reason}"));
        finish_document(backfill);
    }
    backoff
}

/// Removes the first document from the queue.
fn finish_document(backfill: &mut Backfill) {
    if !backfill.ahead.is_empty() {
        backfill.ahead.remove(0);
    }
    backfill.tries = 0;
    backfill.documents += 1;
}

/// Adds the entries within the backfill's period to the harvest, and queues the documents to read next.
async fn add_document(
    run: &mut JobRun,
    backfill: &mut Backfill,
    harvest: &mut Harvest,
    document: &Url,
    reading: Reading,
) -> Result<(), JobError> {
    let Reading { entries, children, next, .. } = reading;
    // An entry last changed before a time was published before that time.
    let dated = Entry::dated;
    let oldest = entries.iter().filter_map(dated).min();
    let newest = entries.iter().filter_map(dated).max();
    let is_older = oldest.is_some_and(|oldest| backfill.oldest.is_none_or(|previous| oldest < previous));
    backfill.oldest = oldest.into_iter().chain(backfill.oldest).min();
    let until = backfill
        .way
        .as_ref()
        .map_or(Timestamp::MAX, |_| backfill.began.checked_sub(POLLED_PERIOD).unwrap_or(Timestamp::MIN));
    // The publication time decides here, not the time of the last change.
    let is_polled = |entry: &Entry| entry.published.as_ref().is_some_and(|published| published.at >= until);
    let is_in_period =
        |entry: &Entry| dated(entry).is_none_or(|at| at >= backfill.since) && !is_polled(entry);
    let entries = entries.into_iter().filter(is_in_period).collect();
    let mut gathered = Gathered::default();
    gathered.add(run, entries).await?;
    let evidence = sort_entries(run, gathered.entries, harvest, false).await;
    backfill.new += evidence.new_entries as u64;
    // An entry without a date is treated as old: its page waits after the pages of new entries.
    for page in harvest.pages.iter_mut().filter(|page| page.entry.dated().is_none()) {
        page.entry.changed_on = Some(backfill.since);
    }
    backfill.barren = if evidence.new_entries > 0 || is_older { 0 } else { backfill.barren + 1 };
    // If all dates are too old, further documents are older still. The barren limit ends cycles of links.
    let continues =
        newest.is_none_or(|newest| newest >= backfill.since) && backfill.barren < MAX_BARREN_DOCUMENTS;
    // A document that must not be requested, or has no host, would stay in the queue for ever.
    let is_fetchable =
        |url: &Url| run.context.door.check_address(url).is_ok() && run.snapshot.host_of(url).is_some();
    let further = next.into_iter().chain(children);
    let further = further.filter(|url| continues && url != document && is_fetchable(url));
    let mut ahead: Vec<Url> = further.filter(|url| !backfill.ahead.contains(url)).collect();
    ahead.append(&mut backfill.ahead);
    if ahead.len() > Backfill::MAX_QUEUED {
        backfill.trouble = Some(format!(
            "skipped {} documents beyond the queue limit of {}",
            ahead.len() - Backfill::MAX_QUEUED,
            Backfill::MAX_QUEUED
        ));
        ahead.truncate(Backfill::MAX_QUEUED);
    }
    backfill.ahead = ahead;
    Ok(())
}
