//! Hubs that tell what is new in a source (WebSub): asked when a poll finds that one is offered, asked again before they stop,
//! and relied on while they tell. A poll that finds what a hub did not tell of ends that: polls go on as without it.

use std::time::Duration;

use crawler::{Want, websub};
use model::{HubOffer, HubSecret, PushNews, Subscription};
use scheduler::due;
use store::Verified;

use crate::poll::Ending;
use crate::visit::{Interrupted, Visit};

/// What came out longer ago than this, a hub would have told of.
pub(crate) const LATE: Duration = Duration::from_secs(300);
/// A document that names one hub after another is followed so often.
const CHANGES: Duration = Duration::from_secs(3600);

/// The subscription of the visit's source. None where this node's cluster cannot be called.
pub(crate) async fn subscription_of(visit: &Visit) -> Result<Option<Subscription>, Interrupted> {
    if visit.context.config.push_url.is_none() || visit.is_search() {
        return Ok(None);
    }
    let known = visit.context.store.subscription(&visit.source.name).await;
    known.map_err(|error| Interrupted::Storage(error.to_string()))
}

/// What a poll that went well shows of the hub, and how long the next may wait for it.
pub(crate) fn rely_on_hub(visit: &Visit, ending: &mut Ending) {
    let Some(known) = visit.subscription.as_ref().filter(|_| ending.news.ok && visit.is_as_declared()) else {
        return;
    };
    let now = ending.harvest.at;
    let missed = if known.is_active(now) { ending.late } else { 0 };
    let is_trusted = known.is_relied_on(now) && missed == 0;
    let mut polls_saved = 0.0;
    if is_trusted {
        let plain = ending.news.next_poll.duration_since(now).as_secs_f64().max(1.0);
        // Not longer than the source may be left alone, nor than until the hub is to be asked again.
        let most = visit.source.every.max.max(visit.source.every.min);
        let asked_again = known.asked_again_at(now).duration_since(now);
        let wait = most.min(Duration::try_from(asked_again).unwrap_or_default());
        let key = visit.source.name.as_str();
        let next = visit.after(due::spread(wait, key, now.as_second().unsigned_abs()));
        if next > ending.news.next_poll {
            polls_saved = next.duration_since(now).as_secs_f64() / plain - 1.0;
            ending.news.next_poll = next;
        }
    }
    if missed > 0 {
        tracing::info!(source = %known.source, missed, hub = %known.offer.hub, "a hub did not tell what was new");
    }
    visit.context.metrics.polls_saved(polls_saved);
    ending.harvest.push = Some(PushNews { is_trusted, entries: 0, missed, polls_saved });
}

/// Asks the hub that was offered, or that is known, where it is time to. A hub that does not answer costs the source nothing.
pub(crate) async fn keep_subscribed(visit: &mut Visit, offer: Option<HubOffer>) -> Result<(), Interrupted> {
    let Some(base) = visit.context.config.push_url.clone() else { return Ok(()) };
    let known = visit.subscription.take();
    let was_active = known.as_ref().is_some_and(|known| known.is_active(visit.now()));
    let Some(asked) = to_ask(visit, known, offer) else { return Ok(()) };
    let callback = base.join(&format!("websub/{}", asked.id));
    let Ok(callback) = callback else { return Ok(()) };
    // Before the hub is asked: it may ask back before it answers.
    let storage = |error: store::StoreError| Interrupted::Storage(error.to_string());
    visit.context.store.subscribe(&asked).await.map_err(storage)?;
    let form = websub::request(&asked.offer, &callback, &asked.secret, Subscription::LEASE.as_secs());
    let want = Want { form: Some(form), ..Want::default() };
    if let Err(error) = visit.fetch(&asked.offer.hub, &want).await {
        tracing::info!(source = %asked.source, hub = %asked.offer.hub, %error, "a hub could not be asked");
        // What it promised before holds.
        if !was_active {
            let refused = Verified::Refused(format!("it could not be asked: {error}"));
            visit.context.store.set_verified(&asked.id, &refused).await.map_err(storage)?;
        }
    }
    Ok(())
}

/// What to ask for now, if anything.
fn to_ask(visit: &Visit, known: Option<Subscription>, offer: Option<HubOffer>) -> Option<Subscription> {
    let now = visit.now();
    match (known, offer) {
        (Some(known), offer) if offer.as_ref().is_none_or(|offer| *offer == known.offer) => {
            (known.asked_again_at(now) <= now).then_some(Subscription { asked_at: now, ..known })
        }
        (known, Some(offer)) => {
            let is_too_soon = known.is_some_and(|known| known.asked_at + CHANGES > now);
            let (id, secret) = (websub::unguessable().ok()?, websub::unguessable().ok()?);
            let source = visit.source.name.clone();
            (!is_too_soon).then(|| Subscription::new(source, offer, id, HubSecret(secret), now))
        }
        (_, None) => None,
    }
}
