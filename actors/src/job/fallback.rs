//! Sources that can be read in several ways: while the declared one fails, the first that can be read stands in for it. The
//! declared one is tried again at a slow pace, and read again as soon as it can be.

use std::time::Duration;

use model::{ActiveFallback, Fallback, FetchRecord, Harvest, PollOutcome, Source, SourceState};
use scheduler::due;
use store::SourceRecord;

use crate::job::job_run::{JobError, JobRun};
use crate::job::poll::{Ending, in_one_way};

/// The declared way is tried again after this; after each time in vain, as much later.
const RETRY: Duration = Duration::from_secs(15 * 60);
/// And at last.
const SLOWEST: Duration = Duration::from_secs(86_400);

/// Reads a source in the declared way, or else by the first of its fallbacks that can be read.
pub(crate) async fn in_any_way(run: &mut JobRun, record: &SourceRecord) -> Result<Ending, JobError> {
    let known = run.context.store.active_fallback(&record.source.name).await;
    let known = known?;
    run.knows_by_address = known.is_some();
    let known = known.filter(|known| !known.is_over && known.instead_of == record.source.url);
    let is_due = known.as_ref().is_none_or(|known| known.next_try <= run.now());
    let mut declared = if is_due { Some(in_one_way(run, record).await?) } else { None };
    if let Some(mut ending) = declared.take_if(|ending| is_final(run, ending, known.as_ref())) {
        // It is back.
        let is_back = |known| Some(ActiveFallback { is_over: true, ..known });
        ending.harvest.updates.active_fallback = known.filter(|_| ending.outcome.ok).and_then(is_back);
        return Ok(ending);
    }
    let mut fetches: Vec<FetchRecord> = Vec::new();
    if let Some(declared) = &mut declared {
        fetches.append(&mut declared.harvest.fetches);
    }
    let mut failed = None;
    run.knows_by_address = true;
    for fallback in in_order(&record.source, known.as_ref()) {
        run.with_fallback(fallback);
        let mut ending = in_one_way(run, record).await?;
        fetches.append(&mut ending.harvest.fetches);
        if ending.outcome.ok {
            ending.harvest.fetches = fetches;
            return Ok(stood_in(run, record, known, declared, fallback, ending));
        }
        failed.get_or_insert(ending);
    }
    let is_passing = failed.as_ref().is_some_and(|failed| failed.outcome.deferred);
    // Of several failures that of the declared way is told.
    let Some(mut ending) = declared.or(failed) else { return in_one_way(run, record).await };
    ending.harvest.fetches = fetches;
    // All are tried the next time, unless a fallback's host is only busy.
    let all = |known: ActiveFallback| ActiveFallback { next_try: run.now(), ..known };
    ending.harvest.updates.active_fallback = known.filter(|_| !is_passing).map(all);
    Ok(ending)
}

/// Whether nothing else is to be tried: it was read, it was not asked, or, where nothing stands in for it, it may be a failure
/// of the moment. That nothing of its host comes through is none.
fn is_final(run: &JobRun, ending: &Ending, active_fallback: Option<&ActiveFallback>) -> bool {
    let state = ending.outcome.state;
    let is_passing = state.is_read() || state == SourceState::Probing;
    ending.outcome.ok || ending.is_cut_short || (active_fallback.is_none() && is_passing && !run.is_canary())
}

/// The one that stands in first, then the others as they are declared.
fn in_order<'s>(source: &'s Source, active_fallback: Option<&ActiveFallback>) -> Vec<&'s Fallback> {
    let mut order: Vec<&Fallback> = source.fallbacks.iter().collect();
    order.sort_by_key(|fallback| {
        active_fallback.is_none_or(|active_fallback| fallback.url != active_fallback.url)
    });
    order
}

/// It was read by a fallback: with gaps, perhaps, and under the eyes of whoever is to mend it.
fn stood_in(
    run: &JobRun,
    record: &SourceRecord,
    known: Option<ActiveFallback>,
    declared: Option<Ending>,
    fallback: &Fallback,
    ending: Ending,
) -> Ending {
    let now = run.now();
    let tries = known.as_ref().map_or(0, |known| known.tries) + u32::from(declared.is_some());
    let next_try = match (&known, &declared) {
        (Some(known), None) => known.next_try,
        _ => run.after(due::spread(
            due::backoff(tries, RETRY, SLOWEST, RETRY),
            record.source.name.as_str(),
            u64::from(tries),
        )),
    };
    let since = known.map_or(now, |known| known.since);
    let reason = match &declared {
        Some(declared) => format!(
            "its {} {} stands in for it since {}: {}",
            fallback.kind.as_str(),
            fallback.url,
            model::rfc3339(since),
            declared.outcome.reason
        ),
        None => record.reason.clone(),
    };
    let instead_of = record.source.url.clone();
    let url = fallback.url.clone();
    let active_fallback = Some(ActiveFallback { url, instead_of, since, next_try, tries, is_over: false });
    // What the declared way showed of its host holds all the same.
    let host_health =
        ending.harvest.host_health.or(declared.and_then(|declared| declared.harvest.host_health));
    let mut harvest = Harvest { host_health, ..ending.harvest };
    harvest.updates.active_fallback = active_fallback;
    let outcome = PollOutcome { state: SourceState::Degraded, reason, moved_to: None, ..ending.outcome };
    Ending { harvest, outcome, ..ending }
}
