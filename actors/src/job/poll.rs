//! Poll and search jobs: they read a source's own address, or its results for a query.

use model::JobId;
use scheduler::due;

use crate::job::attempt::{Attempt, Offer};
use crate::job::fallback::read_with_fallbacks;
use crate::job::job_run::{JobError, JobRun};
use crate::job::read_source::read_once;
use crate::job::subscribe::{keep_subscribed, rely_on_hub, subscription_of};

/// Polls the source. The outcome is stored and settled, success or failure.
pub(crate) async fn poll(run: &mut JobRun) -> Result<(), JobError> {
    let record = run.context.store.source(&run.source.name).await?;
    let Some(record) = record else { return settle_removed_source(run).await };
    run.subscription = subscription_of(run).await?;
    let mut attempt = if run.source.fallbacks.is_empty() {
        read_once(run, &record).await?
    } else {
        Box::pin(read_with_fallbacks(run, &record)).await?
    };
    rely_on_hub(run, &record, &mut attempt);
    // The job that reads the waiting documents may have been lost.
    if run.subscription.as_ref().is_some_and(|subscription| subscription.waiting > 0) {
        let job = JobId::websub(run.source.name.clone(), run.job.host.clone());
        attempt.jobs.push(run.planned(job, run.now()));
    }
    let offer = if run.is_as_declared() { std::mem::take(&mut attempt.offer) } else { Offer::Unknown };
    let pace = due::paced(attempt.outcome.interval, run.source.every, None, run.now());
    let is_ok = attempt.outcome.ok;
    Box::pin(save_attempt(run, attempt)).await?;
    if is_ok {
        // The poll is already stored and settled: an error here does not affect it.
        if let Err(error) = Box::pin(keep_subscribed(run, offer, pace)).await {
            tracing::warn!(source = %run.source.name, %error, "could not update the hub subscription");
        }
    }
    Ok(())
}

/// Settles the job of a source that was removed or paused after the job was claimed.
async fn settle_removed_source(run: &mut JobRun) -> Result<(), JobError> {
    run.save(run.harvest(), Some(run.settlement(None, Vec::new()))).await.map(drop)
}

async fn save_attempt(run: &mut JobRun, attempt: Attempt) -> Result<(), JobError> {
    let Attempt { mut harvest, outcome, jobs, .. } = attempt;
    if outcome.ok {
        run.update_host_health(&mut harvest, model::HostHealth::record_success);
    }
    let settle = run.settlement(Some(outcome.next_poll), jobs);
    harvest.outcome = Some(outcome);
    run.save(harvest, Some(settle)).await.map(drop)
}
