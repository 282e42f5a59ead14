//! What hubs say to us, and the job that reads what they pushed. A document is kept before the hub is thanked, and is read
//! like any that was fetched: in its source's turn, by its kind's reader, once.

use bytes::Bytes;
use crawler::{Fetched, websub};
use model::{
    FetchRecord, FetchStatus, Harvest, JobId, JobKind, Name, Planned, Subscription, SubscriptionDelta,
    Timestamp, WebSubDocument, after,
};
use service::{BackendError, websub_job};
use store::{EntryStatus, HubDecision, SourceRecord};

use crate::context::Context;
use crate::job::gather::{Gathered, read_on_pool};
use crate::job::job_run::{JobError, JobRun};
use crate::job::poll::{page_jobs, sort_entries};
use crate::job::poll_outcome;

/// Documents read in one turn; the others wait for the next.
const IN_A_TURN: usize = 5;

/// How a hub is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubReply {
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
pub async fn hub_asks(context: &Context, id: &str, query: &str) -> HubReply {
    let answer = match asked_back(context, id, query).await {
        Ok(answer) => answer.unwrap_or(HubReply::Unknown),
        Err(error) => HubReply::Later(error.to_string()),
    };
    context.metrics.hub_said(match answer {
        HubReply::Challenge(_) => "verified",
        HubReply::Thanks => "denied",
        HubReply::Unknown => "unknown",
        HubReply::Later(_) => "failed",
    });
    answer
}

async fn asked_back(context: &Context, id: &str, query: &str) -> Result<Option<HubReply>, store::StoreError> {
    let Some(question) = websub::HubRequest::parse(query).filter(|_| websub::is_subscription_id(id)) else {
        return Ok(None);
    };
    let Some(known) = context.store.subscription_by_id(id).await? else { return Ok(None) };
    let now = context.clock.now();
    let (topic_url, hub_answer, answer) = match question {
        websub::HubRequest::Subscribe { topic_url, challenge, lease } => {
            if !known.accepts_verification(now) {
                return Ok(None);
            }
            let until = websub::lease_end(lease, now);
            let told = HubDecision { tells: Ok(until), renew_at: known.renewed_at(until) };
            (topic_url, told, HubReply::Challenge(challenge))
        }
        websub::HubRequest::Denied { topic_url, reason } => {
            let reason = format!("it does not tell: {}", reason.chars().take(200).collect::<String>());
            let is_offered = known.renew_at != Subscription::NEVER;
            let again = if is_offered { after(now, Subscription::RETRY_DELAY) } else { Subscription::NEVER };
            let told = HubDecision { tells: Err(reason), renew_at: again };
            (topic_url, told, HubReply::Thanks)
        }
    };
    if topic_url != known.offer.topic_url {
        return Ok(None);
    }
    context.store.record_hub_decision(id, &hub_answer).await?;
    if hub_answer.tells.is_err() {
        poll_soon(context, &known.source).await?;
    }
    Ok(Some(answer))
}

/// Nobody tells any more, and the next poll may be far.
async fn poll_soon(context: &Context, source: &Name) -> Result<(), store::StoreError> {
    let snapshot = context.snapshot();
    let (Some(declared), Some(record)) = (snapshot.source(source), context.store.source(source).await?)
    else {
        return Ok(());
    };
    let Some(due) = soonest_poll(&record, context.clock.now()) else { return Ok(()) };
    let polls = snapshot.jobs_of(&declared).into_keys().filter(|job| job.kind == JobKind::Poll);
    let planned: Vec<Planned> = polls
        .filter_map(|id| Some(Planned { id, due, ..websub_job(&snapshot, &declared, context.terms())? }))
        .collect();
    if let Err(error) = context.schedule.plan(&planned).await {
        tracing::warn!(%source, %error, "a poll could not be planned: it is made when its time comes");
    }
    Ok(())
}

/// When a source may be polled before its time: as often as it allows, and not where it fails, or is stopped.
fn soonest_poll(record: &SourceRecord, now: Timestamp) -> Option<Timestamp> {
    let may_be = record.state.is_read() && record.failures == 0.0;
    may_be.then(|| record.last_poll.map_or(now, |last| after(last, record.source.every.min).max(now)))
}

/// Whether a hub was asked to call this.
pub async fn is_subscribed(context: &Context, id: &str) -> Result<bool, BackendError> {
    if !websub::is_subscription_id(id) {
        return Ok(false);
    }
    match context.store.subscription_by_id(id).await {
        Ok(known) => {
            if known.is_none() {
                context.metrics.hub_said("unknown");
            }
            Ok(known.is_some())
        }
        Err(error) => Err(error.into()),
    }
}

/// What a hub said was not even taken in: it is counted, and told to whoever reads the log.
pub fn hub_was_refused(context: &Context, reason: &str) {
    tracing::info!(reason, "what a hub said was refused");
    context.metrics.hub_said("refused");
}

/// A hub pushes a document.
pub async fn hub_pushes(
    context: &Context,
    id: &str,
    signature: Option<&str>,
    content_type: Option<String>,
    body: Bytes,
) -> HubReply {
    let (answer, outcome) = match taken(context, id, signature, content_type, body).await {
        Ok(told) => told,
        Err(error) => (HubReply::Later(error.to_string()), "failed"),
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
) -> Result<(HubReply, &'static str), BackendError> {
    let known = context.store.subscription_by_id(id).await?;
    let Some(known) = known else { return Ok((HubReply::Unknown, "unknown")) };
    // Whoever only guesses is not told that it guessed wrong (WebSub §7.1).
    if !signature.is_some_and(|signature| websub::verify_signature(&known.secret, signature, &body)) {
        tracing::info!(source = %known.source, hub = %known.offer.hub, "a document was pushed that nobody signed");
        return Ok((HubReply::Thanks, "unsigned"));
    }
    let snapshot = context.snapshot();
    let source = snapshot.source(&known.source);
    // It is read elsewhere by now.
    if source.as_ref().is_some_and(|source| source.url != known.source_url) {
        return Ok((HubReply::Unknown, "unknown"));
    }
    let planned = source.as_ref().and_then(|source| websub_job(&snapshot, source, context.terms()));
    // It is paused: what is pushed meanwhile is found by the poll that ends the pause.
    let Some(planned) = planned else { return Ok((HubReply::Thanks, "stopped")) };
    let (source, at) = (known.source, context.clock.now());
    let push = WebSubDocument { id: 0, source, at, content_type, body: body.to_vec(), tries: 0 };
    let is_kept = context.store.enqueue_websub_document(&push, Subscription::MAX_WAITING_DOCUMENTS).await?;
    // Also where it is not: what waits may have lost its job.
    context.schedule.plan(&[planned]).await?;
    match is_kept {
        true => Ok((HubReply::Thanks, "taken")),
        false => {
            let reason = format!("{} documents wait already", Subscription::MAX_WAITING_DOCUMENTS);
            Ok((HubReply::Later(reason), "failed"))
        }
    }
}

/// Reads what hubs pushed. Its end is stored and settled, whatever it was.
pub(crate) async fn read_pushes(run: &mut JobRun) -> Result<(), JobError> {
    let name = run.source.name.clone();
    let record = run.context.store.source(&name).await?;
    let mut harvest = run.harvest();
    let Some(record) = record.filter(|record| !record.state.is_stopped()) else {
        return run.save(harvest, Some(run.settlement(None, Vec::new()))).await.map(drop);
    };
    // Once a fallback stood in, entries are known by address.
    run.matches_by_address = run.context.store.active_fallback(&name).await?.is_some();
    let (mut gathered, mut is_well) = (Gathered::default(), true);
    let mut before = None;
    // The newest first: of two versions of an entry the later one is read.
    let mut has_more = false;
    loop {
        run.permits.hold_body().await;
        let Some(push) = run.context.store.next_websub_document(&name, before).await? else {
            break;
        };
        before = Some(push.id);
        harvest.websub_documents_done.push(push.id);
        // One whose reading was begun before, and did not come to its end, is read alone: it may be to blame.
        let was_begun = push.tries > 1;
        if push.tries > Subscription::MAX_READ_ATTEMPTS {
            tracing::warn!(source = %name, push = push.id, "a pushed document that nobody could read to its end is dropped");
            is_well = false;
        } else {
            is_well &= read_push(run, push, &record, &mut gathered, &mut harvest).await?;
        }
        has_more = was_begun || harvest.websub_documents_done.len() == IN_A_TURN;
        if has_more {
            break;
        }
    }
    let new = gathered.entries.iter().filter(|sighted| sighted.status == EntryStatus::New);
    let rhythm = poll_outcome::updated_rhythm(&record, new.map(|one| &one.entry), harvest.at);
    let seen = sort_entries(run, gathered.entries, &mut harvest, false).await;
    harvest.updates.rhythm = rhythm.filter(|_| seen.fresh > 0);
    let entries = seen.fresh as u64;
    run.context.metrics.websub_entries(entries);
    // A document that cannot be read tells of nothing.
    harvest.updates.websub =
        Some(SubscriptionDelta { entries, missed: u64::from(!is_well), polls_saved: 0.0 });
    let mut found = page_jobs(run, &harvest);
    // It is read where it was published, at once.
    let poll = soonest_poll(&record, harvest.at).filter(|_| !is_well);
    found.extend(poll.map(|due| run.planned(JobId::poll(name, run.job.host.clone()), due)));
    let next = has_more.then(|| run.now());
    run.save(harvest, Some(run.settlement(next, found))).await.map(drop)
}

/// Reads one document. False where it cannot be read.
async fn read_push(
    run: &JobRun,
    push: WebSubDocument,
    record: &SourceRecord,
    gathered: &mut Gathered,
    harvest: &mut Harvest,
) -> Result<bool, JobError> {
    let fetched = Fetched::pushed(run.address(), push.content_type, push.body.into());
    let (mut reading, fetched) = read_on_pool(run, fetched).await;
    let alarm = reading.alarm.take();
    if let Some(alarm) = &alarm {
        let line = run.record(&fetched.url, Ok(&fetched), 0, format!("pushed by its hub: {alarm}"));
        harvest.fetches.push(FetchRecord { status: FetchStatus::Unreadable, ..line });
    }
    let known = gathered.entries.len();
    gathered.add(run, reading.entries).await?;
    // It came before the last poll, which read what its entries are by now.
    if record.last_poll.is_some_and(|polled| push.at < polled) {
        let mut place = 0;
        gathered.entries.retain(|sighted| {
            place += 1;
            place <= known || sighted.status == EntryStatus::New
        });
    }
    Ok(alarm.is_none())
}
