//! Requests from WebSub hubs, and the job that reads the documents they deliver. A document is stored before the hub
//! receives the response. It is read once, like a fetched document: in its source's turn, by the reader of its kind.

use bytes::Bytes;
use crawler::{Fetched, websub};
use model::{
    FetchRecord, FetchStatus, Harvest, JobId, JobKind, Name, Planned, Subscription, SubscriptionDelta,
    Timestamp, WebSubDocument, after,
};
use service::{BackendError, websub_job};
use store::{EntryStatus, HubDecision, SourceRecord};

use crate::context::Context;
use crate::job::entries::{page_jobs, sort_entries};
use crate::job::gather::{Gathered, read_on_pool};
use crate::job::job_run::{JobError, JobRun};
use crate::job::poll_outcome;

/// Maximum documents read in one turn; the others wait for the next turn.
const MAX_DOCUMENTS_PER_TURN: usize = 5;

/// The response to a request from a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubReply {
    /// The hub verifies a subscription that was requested: the response repeats this challenge.
    Challenge(String),
    /// The request is accepted: its content is stored, or need not be.
    Accepted,
    /// There is no such subscription.
    NotSubscribed,
    /// The content cannot be stored now, for this reason; the hub may retry later.
    RetryLater(String),
}

/// Handles a verification or denial request from a hub.
pub async fn handle_hub_verification(context: &Context, id: &str, query: &str) -> HubReply {
    let reply = match handle_verification(context, id, query).await {
        Ok(reply) => reply.unwrap_or(HubReply::NotSubscribed),
        Err(error) => HubReply::RetryLater(error.to_string()),
    };
    context.metrics.record_websub_call(match reply {
        HubReply::Challenge(_) => "verified",
        HubReply::Accepted => "denied",
        HubReply::NotSubscribed => "unknown",
        HubReply::RetryLater(_) => "failed",
    });
    reply
}

async fn handle_verification(
    context: &Context,
    id: &str,
    query: &str,
) -> Result<Option<HubReply>, store::StoreError> {
    let Some(request) = websub::HubRequest::parse(query).filter(|_| websub::is_subscription_id(id)) else {
        return Ok(None);
    };
    let Some(subscription) = context.store.subscription_by_id(id).await? else { return Ok(None) };
    let now = context.clock.now();
    let (topic_url, decision, reply) = match request {
        websub::HubRequest::Subscribe { topic_url, challenge, lease } => {
            if !subscription.accepts_verification(now) {
                return Ok(None);
            }
            let until = websub::lease_end(lease, now);
            let decision = HubDecision { tells: Ok(until), renew_at: subscription.renewed_at(until) };
            (topic_url, decision, HubReply::Challenge(challenge))
        }
        websub::HubRequest::Denied { topic_url, reason } => {
            let reason: String = reason.chars().take(200).collect();
            let reason = format!("the hub denied the subscription: {reason}");
            let is_offered = subscription.renew_at != Subscription::NEVER;
            let renew_at =
                if is_offered { after(now, Subscription::RETRY_DELAY) } else { Subscription::NEVER };
            let decision = HubDecision { tells: Err(reason), renew_at };
            (topic_url, decision, HubReply::Accepted)
        }
    };
    if topic_url != subscription.offer.topic_url {
        return Ok(None);
    }
    context.store.record_hub_decision(id, &decision).await?;
    if decision.tells.is_err() {
        poll_soon(context, &subscription.source).await?;
    }
    Ok(Some(reply))
}

/// Plans an early poll of a source whose hub no longer delivers: its next regular poll may be far away.
async fn poll_soon(context: &Context, source: &Name) -> Result<(), store::StoreError> {
    let snapshot = context.snapshot();
    let (Some(declared), Some(record)) = (snapshot.source(source), context.store.source(source).await?)
    else {
        return Ok(());
    };
    let Some(due) = earliest_poll(&record, context.clock.now()) else { return Ok(()) };
    let polls = snapshot.jobs_of(&declared).into_keys().filter(|job| job.kind == JobKind::Poll);
    let planned: Vec<Planned> = polls
        .filter_map(|id| Some(Planned { id, due, ..websub_job(&snapshot, &declared, context.terms())? }))
        .collect();
    if let Err(error) = context.schedule.plan(&planned).await {
        tracing::warn!(%source, %error, "could not plan an early poll; the source is polled at its regular time");
    }
    Ok(())
}

/// Returns the earliest time of an early poll: the minimum interval of the source after its last poll. Returns `None`
/// if the source is failing or stopped.
fn earliest_poll(record: &SourceRecord, now: Timestamp) -> Option<Timestamp> {
    let is_allowed = record.state.is_read() && record.failures == 0.0;
    is_allowed.then(|| record.last_poll.map_or(now, |last| after(last, record.source.every.min).max(now)))
}

/// Returns true if there is a subscription with this identifier.
pub async fn has_subscription(context: &Context, id: &str) -> Result<bool, BackendError> {
    if !websub::is_subscription_id(id) {
        return Ok(false);
    }
    match context.store.subscription_by_id(id).await {
        Ok(subscription) => {
            if subscription.is_none() {
                context.metrics.record_websub_call("unknown");
            }
            Ok(subscription.is_some())
        }
        Err(error) => Err(error.into()),
    }
}

/// Counts and logs a request from a hub that was rejected before it was handled.
pub fn record_rejected_hub_request(context: &Context, reason: &str) {
    tracing::info!(reason, "rejected a request from a hub");
    context.metrics.record_websub_call("refused");
}

/// Handles a document that a hub delivers.
pub async fn handle_hub_delivery(
    context: &Context,
    id: &str,
    signature: Option<&str>,
    content_type: Option<String>,
    body: Bytes,
) -> HubReply {
    let (reply, outcome) = match store_document(context, id, signature, content_type, body).await {
        Ok(result) => result,
        Err(error) => (HubReply::RetryLater(error.to_string()), "failed"),
    };
    context.metrics.record_websub_call(outcome);
    reply
}

/// Stores a delivered document and plans the job that reads it. Returns the reply and the outcome for the metrics.
async fn store_document(
    context: &Context,
    id: &str,
    signature: Option<&str>,
    content_type: Option<String>,
    body: Bytes,
) -> Result<(HubReply, &'static str), BackendError> {
    let subscription = context.store.subscription_by_id(id).await?;
    let Some(subscription) = subscription else { return Ok((HubReply::NotSubscribed, "unknown")) };
    // The reply to a wrong signature is a success: an attacker must not learn that a guess was wrong (WebSub §7.1).
    if !signature.is_some_and(|signature| websub::verify_signature(&subscription.secret, signature, &body)) {
        let Subscription { source, offer, .. } = &subscription;
        tracing::info!(%source, hub = %offer.hub, "ignored a delivered document without a valid signature");
        return Ok((HubReply::Accepted, "unsigned"));
    }
    let snapshot = context.snapshot();
    let source = snapshot.source(&subscription.source);
    // The source has a new address since the subscription.
    if source.as_ref().is_some_and(|source| source.url != subscription.source_url) {
        return Ok((HubReply::NotSubscribed, "unknown"));
    }
    let planned = source.as_ref().and_then(|source| websub_job(&snapshot, source, context.terms()));
    // The source is paused. The first poll after the pause finds the entries of this document.
    let Some(planned) = planned else { return Ok((HubReply::Accepted, "stopped")) };
    let (source, at) = (subscription.source, context.clock.now());
    let document = WebSubDocument { id: 0, source, at, content_type, body: body.to_vec(), tries: 0 };
    let is_stored =
        context.store.enqueue_websub_document(&document, Subscription::MAX_WAITING_DOCUMENTS).await?;
    // Planned even if the document was not stored: the job that reads the waiting documents may have been lost.
    context.schedule.plan(&[planned]).await?;
    match is_stored {
        true => Ok((HubReply::Accepted, "taken")),
        false => {
            let reason = format!("{} documents are already waiting", Subscription::MAX_WAITING_DOCUMENTS);
            Ok((HubReply::RetryLater(reason), "failed"))
        }
    }
}

/// Reads the documents that hubs have delivered. The result is stored and settled, success or failure.
pub(crate) async fn read_documents(run: &mut JobRun) -> Result<(), JobError> {
    let name = run.source.name.clone();
    let record = run.context.store.source(&name).await?;
    let mut harvest = run.harvest();
    let Some(record) = record.filter(|record| !record.state.is_stopped()) else {
        return run.save(harvest, Some(run.settlement(None, Vec::new()))).await.map(drop);
    };
    // If a fallback has been used, entries are identified by address as well.
    run.matches_by_address = run.context.store.active_fallback(&name).await?.is_some();
    let (mut gathered, mut is_complete) = (Gathered::default(), true);
    let mut previous_id = None;
    // The newest document comes first, so the later of two versions of an entry is kept.
    let mut has_more = false;
    loop {
        run.permits.hold_body().await;
        let Some(document) = run.context.store.next_websub_document(&name, previous_id).await? else {
            break;
        };
        previous_id = Some(document.id);
        harvest.websub_documents_done.push(document.id);
        // A document whose earlier reading did not complete may crash its reader: it is the last one of this turn.
        let was_interrupted = document.tries > 1;
        if document.tries > Subscription::MAX_READ_ATTEMPTS {
            tracing::warn!(source = %name, push = document.id, "dropped a delivered document after too many attempts to read it");
            is_complete = false;
        } else {
            is_complete &= read_document(run, document, &record, &mut gathered, &mut harvest).await?;
        }
        has_more = was_interrupted || harvest.websub_documents_done.len() == MAX_DOCUMENTS_PER_TURN;
        if has_more {
            break;
        }
    }
    let new = gathered.entries.iter().filter(|classified| classified.status == EntryStatus::New);
    let rhythm = poll_outcome::updated_rhythm(&record, new.map(|classified| &classified.entry), harvest.at);
    let evidence = sort_entries(run, gathered.entries, &mut harvest, false).await;
    harvest.updates.rhythm = rhythm.filter(|_| evidence.new_entries > 0);
    let entries = evidence.new_entries as u64;
    run.context.metrics.add_websub_entries(entries);
    // A document that cannot be read counts as a missed entry.
    harvest.updates.websub =
        Some(SubscriptionDelta { entries, missed: u64::from(!is_complete), polls_saved: 0.0 });
    let mut jobs = page_jobs(run, &harvest);
    // If a document could not be read, an early poll of the source replaces it.
    let poll = earliest_poll(&record, harvest.at).filter(|_| !is_complete);
    jobs.extend(poll.map(|due| run.planned(JobId::poll(name, run.job.host.clone()), due)));
    let next = has_more.then(|| run.now());
    run.save(harvest, Some(run.settlement(next, jobs))).await.map(drop)
}

/// Reads one document. Returns false if it cannot be read.
async fn read_document(
    run: &JobRun,
    document: WebSubDocument,
    record: &SourceRecord,
    gathered: &mut Gathered,
    harvest: &mut Harvest,
) -> Result<bool, JobError> {
    let fetched = Fetched::pushed(run.address(), document.content_type, document.body.into());
    let (mut reading, fetched) = read_on_pool(run, fetched).await;
    let alarm = reading.alarm.take();
    if let Some(alarm) = &alarm {
        let line = run.record(&fetched.url, Ok(&fetched), 0, format!("delivered by the WebSub hub: {alarm}"));
        harvest.fetches.push(FetchRecord { status: FetchStatus::Unreadable, ..line });
    }
    let previous_count = gathered.entries.len();
    gathered.add(run, reading.entries).await?;
    // The document is older than the last poll, which has read later versions of its entries. Only new entries are
    // kept.
    if record.last_poll.is_some_and(|last_poll| document.at < last_poll) {
        let mut position = 0;
        gathered.entries.retain(|classified| {
            position += 1;
            position <= previous_count || classified.status == EntryStatus::New
        });
    }
    Ok(alarm.is_none())
}
