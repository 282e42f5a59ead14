//! Saves harvests in batches, one transaction each, *then* settles their jobs.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it fails, the jobs of its batch are not settled and run
//! again. The credits return when the batch is dropped.

use std::sync::Arc;
use std::time::Duration;

use model::{Harvest, ItemContext, Name, Protection, Source};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use scheduler::Settle;
use store::{SaveOutcome, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::metrics::Backend;
use crate::save_request::{SaveCall, SaveRequest};
use crate::tally::Event;

/// Maximum harvests in one transaction.
const MAX_BATCH_SIZE: usize = 64;
/// The time a harvest waits for others to share its transaction. It is short compared with the delay of any host.
const BATCH_WINDOW: Duration = Duration::from_millis(10);
/// The first wait before a failed store or schedule is retried; the wait for a store doubles each time.
const FIRST_RETRY_WAIT: Duration = Duration::from_millis(500);
/// Upper bound on the wait before a failed store is retried.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(30);
/// Maximum wait of a single pass, or of a node that is stopping, for an unavailable store.
const SHUTDOWN_STORE_WAIT: Duration = Duration::from_secs(8);
/// Maximum attempts to settle jobs at a failing schedule: together about as long as a failover takes.
const MAX_SETTLE_TRIES: u32 = 12;

pub(crate) enum StorageMsg {
    /// Save a harvest, settle its job, reply.
    Save(SaveCall),
    /// Save the batch.
    Flush,
}

impl From<SaveCall> for StorageMsg {
    fn from(call: SaveCall) -> Self {
        Self::Save(call)
    }
}

/// The way back, which a derived actor reference requires.
impl TryFrom<StorageMsg> for SaveCall {
    type Error = StorageMsg;

    fn try_from(message: StorageMsg) -> Result<Self, StorageMsg> {
        match message {
            StorageMsg::Save(call) => Ok(call),
            message @ StorageMsg::Flush => Err(message),
        }
    }
}

pub(crate) struct Storage;

pub(crate) struct StorageState {
    context: Arc<Context>,
    batch: Vec<(Harvest, PendingReply)>,
}

/// The rest of a request whose harvest is in the batch.
struct PendingReply {
    source: Option<Arc<Source>>,
    settle: Option<Settle>,
    _credit: Option<OwnedSemaphorePermit>,
    reply: RpcReplyPort<Result<SaveOutcome, String>>,
}

impl Actor for Storage {
    type Msg = StorageMsg;
    type State = StorageState;
    type Arguments = Arc<Context>;

    async fn pre_start(
        &self,
        _myself: ActorRef<StorageMsg>,
        context: Arc<Context>,
    ) -> Result<StorageState, ActorProcessingErr> {
        Ok(StorageState { context, batch: Vec::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<StorageMsg>,
        message: StorageMsg,
        state: &mut StorageState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            StorageMsg::Save(SaveCall { request, reply }) => {
                let SaveRequest { harvest, source, settle, credit: _credit } = request;
                let pending = PendingReply { source, settle: settle.map(|settle| *settle), _credit, reply };
                state.batch.push((*harvest, pending));
                match state.batch.len() {
                    1 => drop(myself.send_after(BATCH_WINDOW, || StorageMsg::Flush)),
                    MAX_BATCH_SIZE.. => state.flush().await,
                    _ => (),
                }
            }
            StorageMsg::Flush => state.flush().await,
        }
        Ok(())
    }
}

impl StorageState {
    /// Saves and settles the batch, and replies to its requests.
    async fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let (harvests, requests): (Vec<Harvest>, Vec<PendingReply>) =
            std::mem::take(&mut self.batch).into_iter().unzip();
        let sources: Vec<Option<Arc<Source>>> =
            requests.iter().map(|request| request.source.clone()).collect();
        self.context.metrics.set_waiting_harvests(requests.len());
        let started_at = Instant::now();
        let harvests: Arc<[Harvest]> = harvests.into();
        let result = self.save(harvests.clone(), &sources).await;
        self.context.metrics.record_batch(started_at.elapsed());
        self.context.metrics.set_waiting_harvests(0);
        match result {
            Err(reason) if requests.len() > 1 && !self.is_ending() => {
                tracing::error!(reason, "could not save a batch; saving its harvests one by one");
                for (harvest, request) in harvests.iter().cloned().zip(requests) {
                    self.flush_one(harvest, request).await;
                }
            }
            Ok((harvests, saved)) => {
                for (harvest, saved) in harvests.iter().zip(&saved) {
                    self.count(harvest, saved);
                }
                let outcomes = self.settle(&requests, saved).await;
                for (request, outcome) in requests.into_iter().zip(outcomes) {
                    drop(request.reply.send(outcome));
                }
            }
            Err(reason) => {
                for request in requests {
                    drop(request.reply.send(Err(reason.clone())));
                }
            }
        }
    }

    /// Saves one harvest of a batch that the store rejected: one bad harvest must not block the others.
    async fn flush_one(&self, harvest: Harvest, request: PendingReply) {
        let sources = [request.source.clone()];
        let outcome = match self.save(vec![harvest].into(), &sources).await {
            Ok((harvests, saved)) => {
                if let (Some(harvest), Some(saved)) = (harvests.first(), saved.first()) {
                    self.count(harvest, saved);
                }
                let outcomes = self.settle(std::slice::from_ref(&request), saved).await;
                outcomes
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Err("the store returned no result for the harvest".to_owned()))
            }
            Err(reason) => Err(reason),
        };
        drop(request.reply.send(outcome));
    }

    /// Returns true if the process is to end soon: in a single pass, or while the node stops.
    fn is_ending(&self) -> bool {
        self.context.config.pass.is_some() || self.context.is_draining()
    }

    /// Saves harvests, with retries until the store is available. The credits of the harvests are not released
    /// meanwhile, so fetching stops. Returns the harvests as saved: they are matched again if the declared objects
    /// have changed.
    async fn save(
        &self,
        mut harvests: Arc<[Harvest]>,
        sources: &[Option<Arc<Source>>],
    ) -> Result<(Arc<[Harvest]>, Vec<SaveOutcome>), String> {
        let mut wait = FIRST_RETRY_WAIT;
        let mut total_wait = Duration::ZERO;
        loop {
            let version = self.context.snapshot().version();
            if harvests.iter().any(|harvest| harvest.objects_version != version) {
                harvests = self.match_again(harvests, sources.to_vec()).await;
            }
            let asked_at = Instant::now();
            let answer = self.save_once(&harvests).await;
            let is_answered = matches!(answer, Ok(_) | Err(StoreError::StaleObjects));
            self.context.metrics.record_request(Backend::Store, "save", asked_at.elapsed(), is_answered);
            match answer {
                Ok(saved) => return Ok((harvests, saved)),
                Err(StoreError::StaleObjects) => {
                    self.context.reload().await.map_err(|error| error.to_string())?;
                }
                Err(_) if self.context.config.disabled.contains(Protection::Retry) => {
                    let outcomes = vec![SaveOutcome::default(); harvests.len()];
                    return Ok((harvests, outcomes));
                }
                Err(error) => {
                    if self.is_ending() && total_wait >= SHUTDOWN_STORE_WAIT {
                        return Err(error.to_string());
                    }
                    // An unavailable store recovers. A rejected harvest is rejected again, so it is not retried.
                    if matches!(error, StoreError::Refused(_)) {
                        return Err(error.to_string());
                    }
                    tracing::error!(%error, waiting = harvests.len(), "could not save harvests; will retry");
                    sleep(wait).await;
                    total_wait += wait;
                    wait = (wait * 2).min(MAX_RETRY_WAIT);
                }
            }
        }
    }

    async fn save_once(&self, harvests: &Arc<[Harvest]>) -> Result<Vec<SaveOutcome>, StoreError> {
        let version = self.context.snapshot().version();
        if self.context.config.disabled.contains(Protection::Transaction) {
            self.context.store.save(&without_contents(harvests), version).await?;
        }
        self.context.store.save(harvests, version).await
    }

    /// Matches harvests against the current declared objects, which have changed since the harvests were gathered.
    /// Data that is no longer valid for a changed source is dropped.
    async fn match_again(
        &self,
        harvests: Arc<[Harvest]>,
        sources: Vec<Option<Arc<Source>>>,
    ) -> Arc<[Harvest]> {
        let snapshot = self.context.snapshot();
        let rematch = move || {
            let mut harvests = harvests.to_vec();
            for (harvest, previous) in harvests.iter_mut().zip(&sources) {
                (harvest.objects_version, harvest.deferred_topics) =
                    (snapshot.version(), snapshot.deferred_topics());
                let Some(previous) = previous else { continue };
                let declared = snapshot.declared(&harvest.source);
                if declared.as_deref() != Some(&**previous) {
                    // Observations over several documents restart after each edit of the source.
                    (harvest.updates.page_window, harvest.updates.article_pages) = (None, None);
                    harvest.missing.clear();
                }
                if declared.as_ref().is_none_or(|current| current.reads_differently_from(previous)) {
                    // The outcome of a poll of the previous declaration does not apply to the current one.
                    (harvest.outcome, harvest.updates.rhythm, harvest.updates.websub) = (None, None, None);
                    harvest.pages.clear();
                }
                let source = declared.as_ref().unwrap_or(previous);
                for finding in &mut harvest.findings {
                    finding.matches = snapshot
                        .topics()
                        .matches(&finding.item, source, ItemContext::first_seen(harvest.at))
                        .1;
                }
            }
            harvests.into()
        };
        self.context.pool.run(rematch).await
    }

    /// Settles the jobs of saved harvests. Returns one result per harvest, in order.
    async fn settle(
        &self,
        requests: &[PendingReply],
        saved: Vec<SaveOutcome>,
    ) -> Vec<Result<SaveOutcome, String>> {
        let settle_of =
            |request: &PendingReply, saved: &SaveOutcome| request.settle.clone().filter(|_| !saved.fenced);
        let settles: Vec<Settle> =
            requests.iter().zip(&saved).filter_map(|(request, saved)| settle_of(request, saved)).collect();
        let mut results = self.settle_all(&settles).await.into_iter();
        let outcome_of = |(request, saved): (&PendingReply, SaveOutcome)| {
            if saved.fenced {
                return Err("the lease expired before the harvest was saved".to_owned());
            }
            let result = if request.settle.is_some() { results.next() } else { None };
            result.unwrap_or(Ok(())).map(|()| saved)
        };
        requests.iter().zip(saved).map(outcome_of).collect()
    }

    /// Settles jobs, with a few retries if the schedule fails: without the settlement, the jobs of the new article
    /// pages would be lost.
    async fn settle_all(&self, settles: &[Settle]) -> Vec<Result<(), String>> {
        if settles.is_empty() {
            return Vec::new();
        }
        let mut tries = 1;
        loop {
            match self.context.schedule.settle_all(settles).await {
                Ok(results) => {
                    return results
                        .into_iter()
                        .map(|result| result.map_err(|error| error.to_string()))
                        .collect();
                }
                Err(error) if tries < MAX_SETTLE_TRIES => {
                    tracing::warn!(%error, "could not settle jobs; will retry");
                    tries += 1;
                    sleep(FIRST_RETRY_WAIT).await;
                }
                Err(error) => return vec![Err(error.to_string()); settles.len()],
            }
        }
    }

    /// Adds a saved harvest to the tally and the metrics.
    fn count(&self, harvest: &Harvest, saved: &SaveOutcome) {
        self.context.tally.record_save(saved);
        self.context.metrics.record_save(saved);
        if saved.new_materials == 0 {
            return;
        }
        for finding in harvest.findings.iter().filter(|finding| !finding.matches.is_empty()) {
            // The outcome does not say which of several findings are new; nearly always all are.
            if let Some(published) = &finding.item.published {
                let age = model::elapsed(published.at, harvest.at);
                self.context.metrics.record_material(age);
            }
            let topics: Vec<Name> = finding.matches.iter().map(|match_| match_.topic.clone()).collect();
            let title = finding.item.title.clone().unwrap_or_default();
            self.context.tally.send(|| Event::Material { source: harvest.source.clone(), topics, title });
        }
    }
}

/// Returns the harvests without findings and pages: only their statements about the sources.
fn without_contents(harvests: &[Harvest]) -> Arc<[Harvest]> {
    let empty = |harvest: &Harvest| Harvest { findings: Vec::new(), pages: Vec::new(), ..harvest.clone() };
    harvests.iter().map(empty).collect()
}
