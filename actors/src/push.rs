//! What hubs say to us, and the job that reads what they pushed. A document is kept before the hub is thanked, and is read
//! like any that was fetched: in its source's turn, by its kind's reader, once.

use bytes::Bytes;
use crawler::{Fetched, websub};
use model::{FetchRecord, FetchStatus, JobId, Planned, Push, PushNews, Subscription};
use std::time::Duration;
use store::Verified;

use crate::context::Context;
use crate::gather::{Gathered, read_on_pool};
use crate::news;
use crate::poll::{found_jobs, sort_entries};
use crate::roster::push_of;
use crate::subscribe::subscription_of;
use crate::visit::{Interrupted, Visit};

/// Documents read in one turn; the others wait for the next.
const IN_A_TURN: usize = 5;

/// How a hub is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was we who asked: this is repeated.
    Challenge(String),
    /// It is kept, or needs not be.
    Thanks,
    /// Nobody here asked for it.
    Unknown,
    /// It cannot be kept now; it may be said again later.
    Later(String),
}

/// A hub asks back, or says that it does not tell.
pub async fn hub_asks(context: &Context, id: &str, query: &str) -> Answer {
    let answer = match asked_back(context, id, query).await {
        Ok(answer) => answer.unwrap_or(Answer::Unknown),
        Err(error) => Answer::Later(error.to_string()),
    };
    context.metrics.hub_said(match answer {
        Answer::Challenge(_) => "verified",
        Answer::Thanks => "denied",
        Answer::Unknown => "unknown",
        Answer::Later(_) => "failed",
    });
    answer
}

async fn asked_back(context: &Context, id: &str, query: &str) -> Result<Option<Answer>, store::StoreError> {
    let Some(question) = websub::Question::read(query) else { return Ok(None) };
    let Some(known) = context.store.subscription_called(id).await? else { return Ok(None) };
    let now = context.clock.now();
    let (topic_url, verified, answer) = match question {
        websub::Question::Subscribe { topic_url, challenge, lease } => {
            if !known.may_be_verified(now) {
                return Ok(None);
            }
            (topic_url, Verified::Until(websub::lease_end(lease, now)), Answer::Challenge(challenge))
        }
        websub::Question::Denied { topic_url, reason } => {
            let reason = reason.chars().take(200).collect::<String>();
            (topic_url, Verified::Refused(format!("it does not tell: {reason}")), Answer::Thanks)
        }
    };
    if topic_url != known.offer.topic_url.as_str() {
        return Ok(None);
    }
    context.store.set_verified(id, &verified).await?;
    Ok(Some(answer))
}

/// Whether a hub was asked to call this.
pub async fn is_subscribed(context: &Context, id: &str) -> Result<bool, String> {
    match context.store.subscription_called(id).await {
        Ok(known) => {
            if known.is_none() {
                context.metrics.hub_said("unknown");
            }
            Ok(known.is_some())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A hub pushes a document.
pub async fn hub_pushes(
    context: &Context,
    id: &str,
    signature: Option<&str>,
    content_type: Option<String>,
    body: Bytes,
) -> Answer {
    let (answer, outcome) = match taken(context, id, signature, content_type, body).await {
        Ok(told) => told,
        Err(error) => (Answer::Later(error), "failed"),
    };
    context.metrics.hub_said(outcome);
    answer
}

async fn taken(
    context: &Context,
    id: &str,
    signature: Option<&str>,
    content_type: Option<String>,
    body: Bytes,
) -> Result<(Answer, &'static str), String> {
    let text = |error: store::StoreError| error.to_string();
    let known = context.store.subscription_called(id).await.map_err(text)?;
    let Some(known) = known else { return Ok((Answer::Unknown, "unknown")) };
    // Whoever only guesses is not told that it guessed wrong (WebSub §7.1).
    if !signature.is_some_and(|signature| websub::is_signed(&known.secret, signature, &body)) {
        return Ok((Answer::Thanks, "unsigned"));
    }
    let roster = context.roster();
    let source = roster.source(&known.source);
    let planned = source.as_ref().and_then(|source| push_of(&roster, source, context.terms()));
    // It is paused: what is pushed meanwhile is found by the poll that ends the pause.
    let Some(planned) = planned else { return Ok((Answer::Thanks, "stopped")) };
    let (source, at) = (known.source, context.clock.now());
    let push = Push { id: 0, source, at, content_type, body: body.to_vec() };
    if !context.store.take_push(&push, Subscription::MOST_WAITING).await.map_err(text)? {
        return Err(format!("{} documents wait already", Subscription::MOST_WAITING));
    }
    context.schedule.plan(&[planned]).await.map_err(|error| error.to_string())?;
    Ok((Answer::Thanks, "taken"))
}

/// Reads what hubs pushed. Its end is stored and settled, whatever it was.
pub(crate) async fn read_pushes(visit: &mut Visit) -> Result<(), Interrupted> {
    let storage = |error: store::StoreError| Interrupted::Storage(error.to_string());
    let name = visit.source.name.clone();
    let waiting = visit.context.store.pushes(&name, IN_A_TURN + 1).await.map_err(storage)?;
    let record = visit.context.store.source(&name).await.map_err(storage)?;
    let was_trusted = subscription_of(visit).await?.is_some_and(|known| known.is_trusted);
    let has_more = waiting.len() > IN_A_TURN;
    let mut harvest = visit.harvest();
    let (mut gathered, mut is_well) = (Gathered::default(), true);
    for push in waiting.into_iter().take(IN_A_TURN) {
        let Push { id, content_type, body, .. } = push;
        let fetched = Fetched::pushed(visit.address(), content_type, body.into());
        let (mut reading, fetched) = read_on_pool(visit, fetched).await;
        harvest.pushes_done.push(id);
        if let Some(alarm) = reading.alarm.take() {
            is_well = false;
            let line = visit.record(&fetched.url, Ok(&fetched), 0, format!("pushed by its hub: {alarm}"));
            harvest.fetches.push(FetchRecord { status: FetchStatus::Unreadable, ..line });
        }
        gathered.add(visit, reading.entries).await?;
    }
    let new = gathered.entries.iter().filter(|sighted| sighted.knowledge == store::EntryKnowledge::New);
    let rhythm =
        record.as_ref().and_then(|record| news::rhythm(record, new.map(|one| &one.entry), harvest.at));
    let seen = sort_entries(visit, gathered.entries, &mut harvest, false).await;
    harvest.rhythm = rhythm.filter(|_| seen.fresh > 0);
    let entries = seen.fresh as u64;
    visit.context.metrics.pushed_entries(entries);
    let is_trusted = is_well && (was_trusted || entries > 0);
    harvest.push = Some(PushNews { is_trusted, entries, missed: 0, polls_saved: 0.0 });
    let mut found = found_jobs(visit, &harvest);
    // What cannot be read is read where it was published, at once.
    found.extend((!is_well).then(|| planned(visit, JobId::poll(name, visit.job.host.clone()))));
    let next = has_more.then(|| visit.now());
    visit.keep(harvest, Some(visit.settlement(next, found))).await.map(drop)
}

fn planned(visit: &Visit, id: JobId) -> Planned {
    let delay = crawler::read::delay_of(&visit.source, visit.context.config.delay);
    let tenant = visit.roster.tenant_of(&visit.source);
    Planned { id, due: visit.now(), delay, robots_delay: Duration::ZERO, tenant }
}
