//! Hubs that tell what is new in a source (WebSub): asked when a poll finds that one is offered, asked again before they stop,
//! and relied on while they tell. A poll that finds what a hub did not tell of ends that: polls go on as without it.

use std::time::Duration;

use crawler::{FetchError, FetchParams, websub};
use model::{FailureWeight, HubOffer, HubSecret, Subscription, SubscriptionDelta, after};
use scheduler::due;
use store::{HubDecision, SourceRecord};

use crate::job::job_run::{JobError, JobRun};
use crate::job::poll::Attempt;
use service::BackendError;

/// What came out longer ago than this, a hub would have told of.
pub(crate) const LATE: Duration = Duration::from_secs(300);
/// A hub whose host is busy, or whose rules are not to be had, is asked again after this.
const BUSY: Duration = Duration::from_secs(600);

/// What a poll saw of hubs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Offer {
    /// Nothing was read that would tell.
    #[default]
    Unknown,
    /// None is offered.
    None,
    /// This one.
    Hub(HubOffer),
}

/// The subscription of the visit's source, as far as it is of this address and leads to us. None where hubs cannot reach us.
pub(crate) async fn subscription_of(run: &JobRun) -> Result<Option<Subscription>, JobError> {
    let Some(base) = run.context.config.websub_url.as_ref().filter(|_| !run.is_search()) else {
        return Ok(None);
    };
    let known = run.context.store.subscription(&run.source.name).await;
    let known = known?;
    Ok(known.filter(|known| known.source_url == run.source.url).map(|known| match known.base == *base {
        true => known,
        // The hub calls where nobody hears it.
        false => {
            let is_offered = known.renew_at != Subscription::NEVER;
            let renew_at = if is_offered { run.now() } else { Subscription::NEVER };
            Subscription { base: base.clone(), lease_until: None, renew_at, ..known }
        }
    }))
}

/// What a poll that went well shows of the hub, and how long the next may wait for it.
pub(crate) fn rely_on_hub(run: &JobRun, record: &SourceRecord, ending: &mut Attempt) {
    let Some(known) = run.subscription.as_ref().filter(|_| ending.outcome.ok && run.is_as_declared()) else {
        return;
    };
    let now = ending.harvest.at;
    // What waits to be read was told of.
    let missed = if known.is_active(now) && known.waiting == 0 { ending.late } else { 0 };
    // What would have been asked since the last poll, without it.
    let waited = record.last_poll.map_or(0.0, |last| now.duration_since(last).as_secs_f64());
    let every = run.source.every;
    let interval = record.interval.unwrap_or(every.min);
    let plain = due::paced(interval, every, None, now).as_secs_f64().max(1.0);
    let polls_saved = if known.is_reliable(now) { (waited / plain - 1.0).max(0.0) } else { 0.0 };
    if known.is_reliable(now) && missed == 0 {
        let slow = due::drift(
            due::while_told(interval, every),
            run.source.name.as_str(),
            now.as_second().unsigned_abs(),
        );
        // Not longer than until the hub is to be asked again, or stops.
        let end = known.lease_until.unwrap_or(now).min(known.renew_at);
        ending.outcome.next_poll = ending.outcome.next_poll.max(run.after(slow).min(end));
    }
    if missed > 0 {
        tracing::info!(source = %known.source, missed, hub = %known.offer.hub, "a hub did not tell what was new");
    }
    run.context.metrics.polls_saved(polls_saved);
    ending.harvest.updates.websub = Some(SubscriptionDelta { entries: 0, missed, polls_saved });
}

/// Asks the hub that was offered, or that is known, where it is time to. A hub that does not answer costs the source nothing.
/// `pace`: how often that is polled.
pub(crate) async fn keep_subscribed(
    run: &mut JobRun,
    offer: Offer,
    pace: Duration,
) -> Result<(), BackendError> {
    let known = run.subscription.take();
    if let (Offer::None, Some(known)) = (&offer, &known) {
        return end_by_itself(run, known).await;
    }
    let Some(asked) = to_ask(run, known, offer) else { return Ok(()) };
    // The source was declared anew while it was polled.
    if !run.refresh() {
        return Ok(());
    }
    let Ok(callback) = asked.base.join(&format!("websub/{}", asked.id)) else {
        tracing::warn!(source = %asked.source, base = %asked.base, "websub.url cannot be extended by a path");
        return Ok(());
    };
    // Before the hub is asked: it may ask back before it answers.
    if !run.context.store.subscribe(&asked).await? {
        return Ok(());
    }
    let form =
        websub::request(&asked.offer, &callback, &asked.secret, Subscription::REQUESTED_LEASE.as_secs());
    let want = FetchParams { form: Some(form), ..FetchParams::default() };
    match run.fetch(&asked.offer.hub, &want).await {
        Ok(_) => Ok(()),
        Err(error) => not_asked(run, &asked, &error, pace).await,
    }
}

/// A hub that is offered no more: what it promised ends by itself.
async fn end_by_itself(run: &JobRun, known: &Subscription) -> Result<(), BackendError> {
    if known.renew_at == Subscription::NEVER {
        return Ok(());
    }
    let tells = known.lease_until.ok_or_else(|| "the source offers no hub any more".to_owned());
    let answer = HubDecision { tells, renew_at: Subscription::NEVER };
    Ok(run.context.store.record_hub_decision(&known.id, &answer).await?)
}

/// The hub could not be asked: again in minutes where its host is only busy, or in a day.
async fn not_asked(
    run: &JobRun,
    asked: &Subscription,
    error: &FetchError,
    pace: Duration,
) -> Result<(), BackendError> {
    tracing::info!(source = %asked.source, hub = %asked.offer.hub, %error, "a hub could not be asked");
    // It may have asked back all the same; and what it promised before holds.
    let known = run.context.store.subscription_by_id(&asked.id).await?;
    let now = run.now();
    let promised = known.and_then(|known| known.lease_until).filter(|until| *until > now);
    let is_passing =
        matches!(error, FetchError::LeaseExpired) || error.failure().weight == FailureWeight::Deferred;
    let wait = if is_passing { BUSY.max(pace / 2) } else { Subscription::RETRY_DELAY };
    let again = run.after(due::spread(wait, &asked.id, now.as_second().unsigned_abs()));
    let again = again.max(error.deferred_until().unwrap_or(again));
    let renew_at = promised.map_or(again, |_| again.min(asked.renew_at));
    let tells = promised.ok_or_else(|| format!("it could not be asked: {error}"));
    let answer = HubDecision { tells, renew_at };
    run.context.store.record_hub_decision(&asked.id, &answer).await?;
    if is_passing {
        // Polls ask hubs, and the next may be far.
        let planned = run.planned(run.job.clone(), renew_at);
        run.context.schedule.plan(&[planned]).await?;
    }
    Ok(())
}

/// What to ask for now, if anything.
fn to_ask(run: &JobRun, known: Option<Subscription>, offer: Offer) -> Option<Subscription> {
    let (base, now) = (run.context.config.websub_url.clone()?, run.now());
    if run.is_search() {
        return None;
    }
    let offer = match offer {
        Offer::None => return None,
        Offer::Unknown => None,
        Offer::Hub(offer) => Some(HubOffer { hub: reached_at(run, &offer)?, ..offer }),
    };
    match (known, offer) {
        (Some(known), offer) if offer.as_ref().is_none_or(|offer| *offer == known.offer) => {
            let is_back = known.renew_at == Subscription::NEVER && offer.is_some();
            (is_back || known.renew_at <= now).then(|| known.renewed(now))
        }
        (known, Some(offer)) => {
            // A document that names one hub after another is followed once a day.
            let is_too_soon =
                known.is_some_and(|known| after(known.asked_at, Subscription::RETRY_DELAY) > now);
            let names = (websub::random_identifier().ok()?, HubSecret(websub::random_identifier().ok()?));
            (!is_too_soon).then(|| Subscription::new(&run.source, offer, base, names, now))
        }
        (_, None) => None,
    }
}

/// Where the hub is asked: over TLS; by an address that the operator pins only for a source that is itself at such a one.
fn reached_at(run: &JobRun, offer: &HubOffer) -> Option<url::Url> {
    let door = &run.context.door;
    match door.is_pinned(&offer.hub) {
        true => door.is_pinned(&run.source.url).then(|| offer.hub.clone()),
        false => Some(websub::with_https(&offer.hub)).filter(|hub| hub.scheme() == "https"),
    }
}
