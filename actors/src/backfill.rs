//! The job that reads on in what a source published before it was watched: one document a turn, behind fresh work.

use std::time::Duration;

use crawler::FetchError;
use crawler::read::{self, Alarm, Reading, wall_before};
use model::{Backfill, Entry, FailureWeight, Harvest, Timestamp};
use url::Url;

use crate::gather::{Gathered, detail_of, read_on_pool, want};
use crate::poll::{found_jobs, sort_entries};
use crate::visit::{Interrupted, Visit};

/// A document that cannot be had is tried so often, then left out.
const MAX_TRIES: u32 = 4;
/// After so many documents in a row without anything new, or older, nobody follows them further.
const MOST_BARREN: u32 = 20;
/// Between two documents so many of the host's delays pass, in which others have their turn.
const DELAYS: u32 = 10;
/// And at least this.
const PAUSE: Duration = Duration::from_secs(1);
/// Another way names what it finds otherwise: what is younger than this is left to the source's own way.
const OWN: Duration = Duration::from_secs(86_400);

/// Reads the next document of a source's past. Its end is stored and settled, whatever it was.
pub(crate) async fn backfill(visit: &mut Visit) -> Result<(), Interrupted> {
    let known = visit.context.store.backfill(&visit.source.name).await;
    let known = known.map_err(|error| Interrupted::Storage(error.to_string()))?;
    let Some(mut backfill) = known.filter(Backfill::is_under_way) else {
        return visit.keep(visit.harvest(), Some(visit.settlement(None, Vec::new()))).await.map(drop);
    };
    if let Some(way) = &backfill.way {
        visit.read_by(way);
        visit.knows_by_address = true;
    }
    let mut harvest = visit.harvest();
    let wait = match backfill.ahead.first().cloned() {
        // Nothing of its host comes through: that is for polls to find out.
        _ if visit.is_canary() => PAUSE.max(Duration::from_secs(60)),
        None => PAUSE,
        Some(url) => one_document(visit, &url, &mut backfill, &mut harvest).await?,
    };
    if backfill.ahead.is_empty() || backfill.documents >= Backfill::MOST_DOCUMENTS {
        backfill.ended = Some(harvest.at);
        backfill.ahead.clear();
    }
    let next_due = backfill.is_under_way().then(|| visit.after(wait));
    let found = found_jobs(visit, &harvest);
    harvest.backfill = Some(backfill);
    visit.keep(harvest, Some(visit.settlement(next_due, found))).await.map(drop)
}

/// Reads one document. How long to wait before the next.
async fn one_document(
    visit: &mut Visit,
    url: &Url,
    backfill: &mut Backfill,
    harvest: &mut Harvest,
) -> Result<Duration, Interrupted> {
    let delay = read::delay_of(&visit.source, visit.context.config.delay);
    let pause = (delay * DELAYS).max(PAUSE);
    match visit.fetch(url, &want(visit)).await {
        Err(error) => {
            harvest.fetches.push(visit.record(url, Err(&error), 0, String::new()));
            Ok(pause.max(not_had(visit, backfill, &error)))
        }
        Ok(fetched) => {
            let (mut reading, fetched) = read_on_pool(visit, fetched).await;
            if let Some(wall) = wall_before(url, &fetched.url) {
                reading = Reading { alarm: Some(Alarm::Restricted(wall)), ..Reading::default() };
            }
            let detail = detail_of(&reading);
            harvest.fetches.push(visit.record(&fetched.url, Ok(&fetched), reading.entries.len(), detail));
            drop(fetched);
            leave(backfill);
            if let Some(alarm) = reading.alarm.as_ref().filter(|alarm| !matches!(alarm, Alarm::Empty(_))) {
                backfill.trouble = Some(format!("{url}: {alarm}"));
            }
            take_in(visit, backfill, harvest, url, reading).await?;
            Ok(pause)
        }
    }
}

/// The document could not be had: it is tried again, or left out.
fn not_had(visit: &Visit, backfill: &mut Backfill, error: &FetchError) -> Duration {
    let failure = error.failure();
    if failure.weight == FailureWeight::Deferred {
        let until = error.deferred_until().unwrap_or_else(|| visit.now());
        return Duration::try_from(until.duration_since(visit.now())).unwrap_or_default();
    }
    backfill.tries += 1;
    let is_passing = failure.weight == FailureWeight::Temporary;
    if !is_passing || backfill.tries >= MAX_TRIES {
        let url = backfill.ahead.first().map(Url::to_string).unwrap_or_default();
        backfill.trouble = Some(format!("{url}: {}", failure.reason));
        leave(backfill);
    }
    let backoff = visit.context.config.backoff * 4u32.pow(backfill.tries.min(5));
    backoff.max(error.retry_after().unwrap_or_default())
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
    visit: &mut Visit,
    backfill: &mut Backfill,
    harvest: &mut Harvest,
    document: &Url,
    reading: Reading,
) -> Result<(), Interrupted> {
    let Reading { entries, children, next, .. } = reading;
    // What was changed last before a time was published before it.
    let published = |entry: &Entry| {
        let published = entry.published.as_ref().map(|published| published.at);
        published.or(entry.updated_at).or(entry.changed_on)
    };
    let oldest = entries.iter().filter_map(published).min();
    let newest = entries.iter().filter_map(published).max();
    let is_older = oldest.is_some_and(|oldest| backfill.oldest.is_none_or(|before| oldest < before));
    backfill.oldest = oldest.into_iter().chain(backfill.oldest).min();
    let until = backfill
        .way
        .as_ref()
        .map_or(Timestamp::MAX, |_| backfill.began.checked_sub(OWN).unwrap_or(Timestamp::MIN));
    let is_wanted = |entry: &Entry| published(entry).is_none_or(|at| at >= backfill.since && at < until);
    let wanted = entries.into_iter().filter(is_wanted).collect();
    let mut gathered = Gathered::default();
    gathered.add(visit, wanted).await?;
    let seen = sort_entries(visit, gathered.entries, harvest, false).await;
    backfill.new += seen.fresh as u64;
    backfill.barren = if seen.fresh > 0 || is_older { 0 } else { backfill.barren + 1 };
    // Where all that is dated is too old, what follows is older still; and some pages lead in a circle.
    let goes_on = newest.is_none_or(|newest| newest >= backfill.since) && backfill.barren < MOST_BARREN;
    let further = next.into_iter().chain(children).filter(|url| goes_on && url != document);
    let mut ahead: Vec<Url> = further.filter(|url| !backfill.ahead.contains(url)).collect();
    ahead.append(&mut backfill.ahead);
    ahead.truncate(Backfill::MOST_AHEAD);
    backfill.ahead = ahead;
    Ok(())
}
