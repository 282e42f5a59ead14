//! Subscriptions to WebSub hubs. A subscription is requested when a poll finds that the source advertises a hub, and
//! renewed before its lease ends. While the hub is reliable, polls slow down. A poll that finds entries the hub did
//! not deliver ends that: polling returns to its usual rate.

use std::time::Duration;

use crawler::{FetchError, FetchParams, websub};
use model::{FailureWeight, HubOffer, HubSecret, Subscription, SubscriptionDelta, after};
use scheduler::due;
use store::{HubDecision, SourceRecord};

use crate::job::attempt::{Attempt, Offer};
use crate::job::job_run::{JobError, JobRun};
use service::BackendError;

/// The period within which a hub is expected to deliver a new entry.
pub(crate) const HUB_DELIVERY_PERIOD: Duration = Duration::from_secs(300);
/// The minimum wait before a retry if the hub's host is busy or its robots.txt is unavailable.
const DEFERRED_RETRY_DELAY: Duration = Duration::from_secs(600);

/// Returns the subscription of the job's source if it was requested for the source's current address. Returns `None`
/// if hubs cannot reach this cluster.
pub(crate) async fn subscription_of(run: &JobRun) -> Result<Option<Subscription>, JobError> {
    let Some(base) = run.context.config.websub_url.as_ref().filter(|_| !run.is_search()) else {
        return Ok(None);
    };
    let stored = run.context.store.subscription(&run.source.name).await?;
    let current = stored.filter(|subscription| subscription.source_url == run.source.url);
    Ok(current.map(|subscription| match subscription.base == *base {
        true => subscription,
        // The base address has changed: the hub would call the old one.
        false => {
            let is_offered = subscription.renew_at != Subscription::NEVER;
            let renew_at = if is_offered { run.now() } else { Subscription::NEVER };
            Subscription { base: base.clone(), lease_until: None, renew_at, ..subscription }
        }
    }))
}

/// Updates the statistics of the hub after a successful poll, and delays the next poll while the hub is reliable.
pub(crate) fn rely_on_hub(run: &JobRun, record: &SourceRecord, attempt: &mut Attempt) {
    let is_relevant = attempt.outcome.ok && run.is_as_declared();
    let Some(subscription) = run.subscription.as_ref().filter(|_| is_relevant) else {
        return;
    };
    let now = attempt.harvest.at;
    // Documents that wait to be read may contain the late entries.
    let is_missed = subscription.is_active(now) && subscription.waiting == 0;
    let missed = if is_missed { attempt.late } else { 0 };
    // The number of polls that would have been made since the last poll without the hub.
    let waited = record.last_poll.map_or(0.0, |last| now.duration_since(last).as_secs_f64());
    let every = run.source.every;
    let interval = record.interval.unwrap_or(every.min);
    let usual_wait = due::paced(interval, every, None, now).as_secs_f64().max(1.0);
    let polls_saved = if subscription.is_reliable(now) { (waited / usual_wait - 1.0).max(0.0) } else { 0.0 };
    if subscription.is_reliable(now) && missed == 0 {
        let slow_wait = due::drift(
            due::interval_with_hub(interval, every),
            run.source.name.as_str(),
            now.as_second().unsigned_abs(),
        );
        // Not beyond the renewal or the end of the lease.
        let end = subscription.lease_until.unwrap_or(now).min(subscription.renew_at);
        attempt.outcome.next_poll = attempt.outcome.next_poll.max(run.after(slow_wait).min(end));
    }
    if missed > 0 {
        let Subscription { source, offer, .. } = subscription;
        tracing::info!(%source, missed, hub = %offer.hub, "a hub did not deliver all new entries");
    }
    run.context.metrics.add_polls_saved(polls_saved);
    attempt.harvest.updates.websub = Some(SubscriptionDelta { entries: 0, missed, polls_saved });
}

/// Requests or renews the subscription to the source's hub if it is due. A failure of the hub does not count against
/// the source. `pace` is the poll interval of the source.
pub(crate) async fn keep_subscribed(
    run: &mut JobRun,
    offer: Offer,
    pace: Duration,
) -> Result<(), BackendError> {
    let current = run.subscription.take();
    if let (Offer::None, Some(current)) = (&offer, &current) {
        return let_lapse(run, current).await;
    }
    let Some(subscription) = due_subscription(run, current, offer) else { return Ok(()) };
    // The declaration of the source changed during the poll.
    if !run.refresh() {
        return Ok(());
    }
    let Ok(callback) = subscription.base.join(&format!("websub/{}", subscription.id)) else {
        let Subscription { source, base, .. } = &subscription;
        tracing::warn!(%source, %base, "could not append a path to websub.url");
        return Ok(());
    };
    // Stored before the request: the hub may verify the subscription before it responds.
    if !run.context.store.subscribe(&subscription).await? {
        return Ok(());
    }
    let lease_seconds = Subscription::REQUESTED_LEASE.as_secs();
    let form = websub::request(&subscription.offer, &callback, &subscription.secret, lease_seconds);
    let params = FetchParams { form: Some(form), ..FetchParams::default() };
    match run.fetch(&subscription.offer.hub, &params).await {
        Ok(_) => Ok(()),
        Err(error) => record_failed_request(run, &subscription, &error, pace).await,
    }
}

/// Stops the renewal of a subscription whose hub is no longer advertised: it lapses with its lease.
async fn let_lapse(run: &JobRun, subscription: &Subscription) -> Result<(), BackendError> {
    if subscription.renew_at == Subscription::NEVER {
        return Ok(());
    }
    let tells = subscription.lease_until.ok_or_else(|| "the source no longer advertises a hub".to_owned());
    let decision = HubDecision { tells, renew_at: Subscription::NEVER };
    Ok(run.context.store.record_hub_decision(&subscription.id, &decision).await?)
}

/// Records a failed subscription request and plans the retry: in minutes if the request was deferred, else in a day.
async fn record_failed_request(
    run: &JobRun,
    subscription: &Subscription,
    error: &FetchError,
    pace: Duration,
) -> Result<(), BackendError> {
    let Subscription { id, source, offer, .. } = subscription;
    tracing::info!(%source, hub = %offer.hub, %error, "could not request a subscription from a hub");
    // The hub may have verified the subscription despite the error, and an earlier lease stays valid.
    let stored = run.context.store.subscription_by_id(id).await?;
    let now = run.now();
    let lease_until = stored.and_then(|stored| stored.lease_until).filter(|until| *until > now);
    let is_deferred =
        matches!(error, FetchError::LeaseExpired) || error.failure().weight == FailureWeight::Deferred;
    let wait = if is_deferred { DEFERRED_RETRY_DELAY.max(pace / 2) } else { Subscription::RETRY_DELAY };
    let retry_at = run.after(due::spread(wait, id, now.as_second().unsigned_abs()));
    let retry_at = retry_at.max(error.deferred_until().unwrap_or(retry_at));
    let renew_at = lease_until.map_or(retry_at, |_| retry_at.min(subscription.renew_at));
    let tells = lease_until.ok_or_else(|| format!("the subscription request failed: {error}"));
    let decision = HubDecision { tells, renew_at };
    run.context.store.record_hub_decision(id, &decision).await?;
    if is_deferred {
        // Subscriptions are requested after polls, and the next regular poll may be far away.
        let planned = run.planned(run.job.clone(), renew_at);
        run.context.schedule.plan(&[planned]).await?;
    }
    Ok(())
}

/// Returns the subscription to request or renew now, if one is due.
fn due_subscription(run: &JobRun, current: Option<Subscription>, offer: Offer) -> Option<Subscription> {
    let (base, now) = (run.context.config.websub_url.clone()?, run.now());
    if run.is_search() {
        return None;
    }
    let offer = match offer {
        Offer::None => return None,
        Offer::Unknown => None,
        Offer::Hub(offer) => Some(HubOffer { hub: hub_address(run, &offer)?, ..offer }),
    };
    match (current, offer) {
        (Some(current), offer) if offer.as_ref().is_none_or(|offer| *offer == current.offer) => {
            let is_readvertised = current.renew_at == Subscription::NEVER && offer.is_some();
            (is_readvertised || current.renew_at <= now).then(|| current.renewed(now))
        }
        (current, Some(offer)) => {
            // At most one new hub a day, even if the document advertises another one at each poll.
            let is_too_soon =
                current.is_some_and(|current| after(current.asked_at, Subscription::RETRY_DELAY) > now);
            let credentials =
                (websub::random_identifier().ok()?, HubSecret(websub::random_identifier().ok()?));
            (!is_too_soon).then(|| Subscription::new(&run.source, offer, base, credentials, now))
        }
        (_, None) => None,
    }
}

/// Returns the address for requests to the hub: over TLS, or a pinned address if the source itself has a pinned
/// address.
fn hub_address(run: &JobRun, offer: &HubOffer) -> Option<url::Url> {
    let door = &run.context.door;
    match door.is_pinned(&offer.hub) {
        true => door.is_pinned(&run.source.url).then(|| offer.hub.clone()),
        false => Some(websub::with_https(&offer.hub)).filter(|hub| hub.scheme() == "https"),
    }
}
