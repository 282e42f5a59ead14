//! Fallbacks of a source. While the declared way to read the source fails, the first working fallback replaces it.
//! The declared way is retried with growing waits and is used again as soon as it works.

use std::time::Duration;

use model::{ActiveFallback, Fallback, FetchRecord, Harvest, PollOutcome, Source, SourceState};
use scheduler::due;
use store::SourceRecord;

use crate::job::attempt::Attempt;
use crate::job::job_run::{JobError, JobRun};
use crate::job::read_source::read_once;

/// The first wait before the declared way is retried. Each failed attempt adds as much.
const RETRY_STEP: Duration = Duration::from_secs(15 * 60);
/// Upper bound on the wait between attempts to read the declared way.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(86_400);

/// Reads a source in the declared way, or else through the first of its fallbacks that works.
pub(crate) async fn read_with_fallbacks(
    run: &mut JobRun,
    record: &SourceRecord,
) -> Result<Attempt, JobError> {
    let stored = run.context.store.active_fallback(&record.source.name).await?;
    run.matches_by_address = stored.is_some();
    let active = stored.filter(|active| !active.is_over && active.instead_of == record.source.url);
    let is_due = active.as_ref().is_none_or(|active| active.next_try <= run.now());
    let mut declared = if is_due { Some(read_once(run, record).await?) } else { None };
    if let Some(mut attempt) = declared.take_if(|attempt| is_final(run, attempt, active.as_ref())) {
        // If the declared way works again, the fallback ends.
        let ended = |active| ActiveFallback { is_over: true, ..active };
        attempt.harvest.updates.active_fallback = active.filter(|_| attempt.outcome.ok).map(ended);
        return Ok(attempt);
    }
    let mut fetches: Vec<FetchRecord> = Vec::new();
    if let Some(declared) = &mut declared {
        fetches.append(&mut declared.harvest.fetches);
    }
    let mut first_failure = None;
    run.matches_by_address = true;
    for fallback in in_order(&record.source, active.as_ref()) {
        run.with_fallback(fallback);
        let mut attempt = read_once(run, record).await?;
        fetches.append(&mut attempt.harvest.fetches);
        if attempt.outcome.ok {
            attempt.harvest.fetches = fetches;
            return Ok(use_fallback(run, record, active, declared, fallback, attempt));
        }
        first_failure.get_or_insert(attempt);
    }
    let is_deferred = first_failure.as_ref().is_some_and(|attempt| attempt.outcome.deferred);
    // If all ways fail, the failure of the declared way is reported.
    let Some(mut attempt) = declared.or(first_failure) else { return read_once(run, record).await };
    attempt.harvest.fetches = fetches;
    // The next poll tries all ways, unless the host of a fallback is only busy.
    let retry_all = |active: ActiveFallback| ActiveFallback { next_try: run.now(), ..active };
    attempt.harvest.updates.active_fallback = active.filter(|_| !is_deferred).map(retry_all);
    Ok(attempt)
}

/// Returns true if no fallback is to be tried: the declared way worked, the lease expired, or no fallback is active
/// and the failure may be temporary. A failure during an incident of the host is not considered temporary.
fn is_final(run: &JobRun, attempt: &Attempt, active_fallback: Option<&ActiveFallback>) -> bool {
    let state = attempt.outcome.state;
    let is_temporary = state.is_read() || state == SourceState::Probing;
    attempt.outcome.ok
        || attempt.is_interrupted
        || (active_fallback.is_none() && is_temporary && !run.is_canary())
}

/// Returns the fallbacks: the active one first, then the others in declared order.
fn in_order<'s>(source: &'s Source, active_fallback: Option<&ActiveFallback>) -> Vec<&'s Fallback> {
    let mut order: Vec<&Fallback> = source.fallbacks.iter().collect();
    order.sort_by_key(|fallback| {
        active_fallback.is_none_or(|active_fallback| fallback.url != active_fallback.url)
    });
    order
}

/// Concludes a poll that a fallback has read. The source is degraded: entries may be missing, and an operator sees
/// that the declared way needs repair.
fn use_fallback(
    run: &JobRun,
    record: &SourceRecord,
    active: Option<ActiveFallback>,
    declared: Option<Attempt>,
    fallback: &Fallback,
    attempt: Attempt,
) -> Attempt {
    let now = run.now();
    let tries = active.as_ref().map_or(0, |active| active.tries) + u32::from(declared.is_some());
    let next_try = match (&active, &declared) {
        (Some(active), None) => active.next_try,
        _ => run.after(due::spread(
            due::backoff(tries, RETRY_STEP, MAX_RETRY_WAIT, RETRY_STEP),
            record.source.name.as_str(),
            u64::from(tries),
        )),
    };
    let since = active.map_or(now, |active| active.since);
    let reason = match &declared {
        Some(declared) => format!(
            "read through the fallback {} {} since {}: {}",
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
    // The declared way may have updated the health of the host.
    let host_health =
        attempt.harvest.host_health.or(declared.and_then(|declared| declared.harvest.host_health));
    let mut harvest = Harvest { host_health, ..attempt.harvest };
    harvest.updates.active_fallback = active_fallback;
    let outcome = PollOutcome { state: SourceState::Degraded, reason, moved_to: None, ..attempt.outcome };
    Attempt { harvest, outcome, ..attempt }
}
