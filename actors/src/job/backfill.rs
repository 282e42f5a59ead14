//! The job that reads on in what a source published before it was watched: one document a turn, behind fresh work.

use std::time::Duration;

use crawler::read::{Alarm, Reading, detect_wall};
use crawler::{FetchError, read};
use model::{Backfill, Entry, FailureWeight, FetchStatus, Harvest, SourceKind, Timestamp};
use service::{PlanTerms, backfill_job};
use url::Url;

use crate::job::gather::{Gathered, detail_of, read_on_pool, want};
use crate::job::job_run::{JobError, JobRun};
use crate::job::poll::{found_jobs, sort_entries};

/// A document that cannot be had is tried so often, then left out.
const MAX_TRIES: u32 = 4;
/// After so many documents in a row without anything new, or older, nobody follows them further.
const MOST_BARREN: u32 = 20;
/// Between two documents so many of the host's delays pass, in which others have their turn.
const DELAYS: u32 = 10;
/// And at least this.
const PAUSE: Duration = Duration::from_secs(1);
/// A host that says that it is asked too often is left alone for so long.
const BUSY: Duration = Duration::from_secs(60);
/// Another way names what it finds otherwise: what is younger than this is left to the source's own way.
const OWN: Duration = Duration::from_secs(86_400);

/// Reads the next document of a source's past. Its end is stored and settled, whatever it was.
pub(crate) async fn backfill(run: &mut JobRun) -> Result<(), JobError> {
    let known = run.context.store.backfill(&run.source.name).await;
    let known = known?;
    let Some(mut backfill) = known.filter(Backfill::is_in_progress) else {
        return run.keep(run.harvest(), Some(run.settlement(None, Vec::new()))).await.map(drop);
    };
    if let Some(way) = &backfill.way {
        run.with_fallback(way);
        run.knows_by_address = true;
    }
    let mut harvest = run.harvest();
    // What is read next may be on another host: another job has it.
    let is_here =
        backfill.ahead.first().is_none_or(|url| run.snapshot.host_of(url).as_ref() == Some(&run.job.host));
    let wait = match backfill.ahead.first().cloned().filter(|_| is_here) {
        // Nothing of its host comes through: that is for polls to find out.
        _ if run.is_canary() => Duration::from_secs(60),
        None => PAUSE,
        Some(url) => one_document(run, &url, &mut backfill, &mut harvest).await?,
    };
    if backfill.documents >= Backfill::MAX_DOCUMENTS && !backfill.ahead.is_empty() {
        backfill.trouble = Some(format!("{} documents were read, and no more are", backfill.documents));
        backfill.ahead.clear();
    }
    backfill.ended = backfill.ahead.is_empty().then_some(harvest.at);
    backfill.due = backfill.is_in_progress().then(|| run.after(wait));
    let terms = PlanTerms { delay: run.context.config.delay, now: harvest.at, all_now: false };
    let next = backfill_job(&run.snapshot, &run.source, &backfill, terms);
    let mut found = found_jobs(run, &harvest);
    let next_due = next.as_ref().filter(|next| next.id == run.job).map(|next| next.due);
    found.extend(next.filter(|next| next.id != run.job));
    harvest.updates.backfill = Some(backfill);
    run.keep(harvest, Some(run.settlement(next_due, found))).await.map(drop)
}

/// Reads one document. How long to wait before the next.
async fn one_document(
    run: &mut JobRun,
    url: &Url,
    backfill: &mut Backfill,
    harvest: &mut Harvest,
) -> Result<Duration, JobError> {
    let delay = read::delay_of(&run.source, run.context.config.delay);
    let pause = (delay * DELAYS).max(PAUSE);
    match run.fetch(url, &want(run)).await {
        Err(error) => {
            harvest.fetches.push(run.record(url, Err(&error), 0, String::new()));
            Ok(pause.max(not_had(run, backfill, &error)))
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
                    run.permits.rest(BUSY);
                }
                return Ok(pause.max(try_again(run, backfill, url, &alarm.to_string())));
            }
            leave(backfill);
            take_in(run, backfill, harvest, url, reading).await?;
            Ok(pause)
        }
    }
}

/// The document could not be had: it is tried again, or left out.
fn not_had(run: &JobRun, backfill: &mut Backfill, error: &FetchError) -> Duration {
    let failure = error.failure();
    if failure.weight == FailureWeight::Deferred {
        let until = error.deferred_until().unwrap_or_else(|| run.now());
        return model::elapsed(run.now(), until);
    }
    let Some(url) = backfill.ahead.first().cloned() else { return PAUSE };
    // The page behind the last of a feed that is paged by number.
    let is_end = error.status() == FetchStatus::Http4xx
        && run.source.kind == SourceKind::Feed
        && backfill.documents > 0;
    if is_end {
        leave(backfill);
        return PAUSE;
    }
    if failure.weight != FailureWeight::Temporary {
        backfill.tries = MAX_TRIES;
    }
    try_again(run, backfill, &url, &failure.reason).max(error.retry_after().unwrap_or_default())
}

/// A document that could not be read is tried again after a while, a few times; then it is left out, and that is told.
fn try_again(run: &JobRun, backfill: &mut Backfill, url: &Url, reason: &str) -> Duration {
    backfill.tries += 1;
    let backoff = run.context.config.backoff * 4u32.pow(backfill.tries.min(5));
    if backfill.tries >= MAX_TRIES {
        backfill.trouble = Some(format!("{url}: {reason}"));
        leave(backfill);
    }
    backoff
}

/// The first document ahead is done with.
fn leave(backfill: &mut Backfill) {
    if !backfill.ahead.is_empty() {
        backfill.ahead.remove(0);
    }
    backfill.tries = 0;
    backfill.documents += 1;
}

/// Stores what is old enough and young enough, and notes where it goes on.
async fn take_in(
    run: &mut JobRun,
    backfill: &mut Backfill,
    harvest: &mut Harvest,
    document: &Url,
    reading: Reading,
) -> Result<(), JobError> {
    let Reading { entries, children, next, .. } = reading;
    // What was changed last before a time was published before it.
    let dated = Entry::dated;
    let oldest = entries.iter().filter_map(dated).min();
    let newest = entries.iter().filter_map(dated).max();
    let is_older = oldest.is_some_and(|oldest| backfill.oldest.is_none_or(|before| oldest < before));
    backfill.oldest = oldest.into_iter().chain(backfill.oldest).min();
    let until = backfill
        .way
        .as_ref()
        .map_or(Timestamp::MAX, |_| backfill.began.checked_sub(OWN).unwrap_or(Timestamp::MIN));
    // By when it came out, not by when somebody touched it last.
    let is_own = |entry: &Entry| entry.published.as_ref().is_some_and(|published| published.at >= until);
    let is_wanted = |entry: &Entry| dated(entry).is_none_or(|at| at >= backfill.since) && !is_own(entry);
    let wanted = entries.into_iter().filter(is_wanted).collect();
    let mut gathered = Gathered::default();
    gathered.add(run, wanted).await?;
    let seen = sort_entries(run, gathered.entries, harvest, false).await;
    backfill.new += seen.fresh as u64;
    // What does not tell is old, for all that anybody knows: it waits behind what is new.
    for page in harvest.pages.iter_mut().filter(|page| page.entry.dated().is_none()) {
        page.entry.changed_on = Some(backfill.since);
    }
    backfill.barren = if seen.fresh > 0 || is_older { 0 } else { backfill.barren + 1 };
    // Where all that is dated is too old, what follows is older still; and some pages lead in a circle.
    let goes_on = newest.is_none_or(|newest| newest >= backfill.since) && backfill.barren < MOST_BARREN;
    // What nobody may ask, or is no host's, would be ahead for ever.
    let can_be_asked =
        |url: &Url| run.context.door.check_address(url).is_ok() && run.snapshot.host_of(url).is_some();
    let further = next.into_iter().chain(children);
    let further = further.filter(|url| goes_on && url != document && can_be_asked(url));
    let mut ahead: Vec<Url> = further.filter(|url| !backfill.ahead.contains(url)).collect();
    ahead.append(&mut backfill.ahead);
    if ahead.len() > Backfill::MAX_QUEUED {
        backfill.trouble = Some(format!(
            "{} documents beyond the first {} are left out",
            ahead.len() - Backfill::MAX_QUEUED,
            Backfill::MAX_QUEUED
        ));
        ahead.truncate(Backfill::MAX_QUEUED);
    }
    backfill.ahead = ahead;
    Ok(())
}
