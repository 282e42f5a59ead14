//! Keeps harvests: batches, one transaction, *then* settles.
//!
//! Supervised by [`crate::supervision::node::Node`]. If it dies, what was in its batch was not settled and is done
//! again; the credits come back when the batch is dropped.

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
use crate::tally::Event;

/// Harvests in one transaction at most.
const BATCH: usize = 64;
/// How long a harvest waits for others to share its transaction. Short beside any host's delay.
const GATHER: Duration = Duration::from_millis(10);
/// Waits between tries while the store is out, growing.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long a single pass, or a node that is stopping, waits for a store that is out.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often a schedule that fails is asked to settle: about as long as a failover takes.
const SETTLE_TRIES: u32 = 12;

pub(crate) enum StorageMsg {
    /// Keep a harvest, settle its job, answer.
    Keep {
        harvest: Box<Harvest>,
        /// As it was declared when the harvest was gathered.
        source: Option<Arc<Source>>,
        settle: Option<Box<Settle>>,
        /// Comes back when the harvest is stored.
        _credit: Option<OwnedSemaphorePermit>,
        reply: RpcReplyPort<Result<SaveOutcome, String>>,
    },
    /// Store what was gathered.
    Flush,
}

pub(crate) struct Storage;

pub(crate) struct StorageState {
    context: Arc<Context>,
    batch: Vec<(Harvest, Waiting)>,
}

/// Who waits for a harvest to be kept.
struct Waiting {
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
            StorageMsg::Keep { harvest, source, settle, _credit, reply } => {
                let waiting = Waiting { source, settle: settle.map(|settle| *settle), _credit, reply };
                state.batch.push((*harvest, waiting));
                match state.batch.len() {
                    1 => drop(myself.send_after(GATHER, || StorageMsg::Flush)),
                    BATCH.. => state.flush().await,
                    _ => (),
                }
            }
            StorageMsg::Flush => state.flush().await,
        }
        Ok(())
    }
}

impl StorageState {
    async fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let (harvests, batch): (Vec<Harvest>, Vec<Waiting>) =
            std::mem::take(&mut self.batch).into_iter().unzip();
        let sources: Vec<Option<Arc<Source>>> = batch.iter().map(|waiting| waiting.source.clone()).collect();
        self.context.metrics.harvests_wait(batch.len());
        let began = Instant::now();
        let kept: Arc<[Harvest]> = harvests.into();
        let done = self.save(kept.clone(), &sources).await;
        self.context.metrics.batch_stored(began.elapsed());
        self.context.metrics.harvests_wait(0);
        match done {
            Err(reason) if batch.len() > 1 && !self.is_impatient() => {
                tracing::error!(reason, "a batch was refused; its harvests are stored one by one");
                for (harvest, waiting) in kept.iter().cloned().zip(batch) {
                    self.flush_one(harvest, waiting).await;
                }
            }
            Ok((harvests, saved)) => {
                for (harvest, saved) in harvests.iter().zip(&saved) {
                    self.tell(harvest, saved);
                }
                let outcomes = self.settle(&batch, saved).await;
                for (waiting, outcome) in batch.into_iter().zip(outcomes) {
                    drop(waiting.reply.send(outcome));
                }
            }
            Err(reason) => {
                for waiting in batch {
                    drop(waiting.reply.send(Err(reason.clone())));
                }
            }
        }
    }

    /// One of a batch that was refused: it may be the one, and the others must not suffer for it.
    async fn flush_one(&self, harvest: Harvest, waiting: Waiting) {
        let sources = [waiting.source.clone()];
        let outcome = match self.save(vec![harvest].into(), &sources).await {
            Ok((harvests, saved)) => {
                if let (Some(harvest), Some(saved)) = (harvests.first(), saved.first()) {
                    self.tell(harvest, saved);
                }
                let outcomes = self.settle(std::slice::from_ref(&waiting), saved).await;
                outcomes.into_iter().next().unwrap_or_else(|| Err("nothing was stored".to_owned()))
            }
            Err(reason) => Err(reason),
        };
        drop(waiting.reply.send(outcome));
    }

    /// Whether somebody waits for the end: a single pass, or a node that is told to stop.
    fn is_impatient(&self) -> bool {
        self.context.config.pass.is_some() || self.context.is_draining()
    }

    /// Saves until it is saved. While the store is out, credits stay with us and fetching stops. Gives the
    /// harvests back as they were stored.
    async fn save(
        &self,
        mut harvests: Arc<[Harvest]>,
        sources: &[Option<Arc<Source>>],
    ) -> Result<(Arc<[Harvest]>, Vec<SaveOutcome>), String> {
        let mut wait = RETRY.0;
        let mut waited = Duration::ZERO;
        loop {
            let version = self.context.snapshot().version();
            if harvests.iter().any(|harvest| harvest.objects_version != version) {
                harvests = self.match_again(harvests, sources.to_vec()).await;
            }
            let asked_at = Instant::now();
            let answer = self.save_once(&harvests).await;
            let is_answered = matches!(answer, Ok(_) | Err(StoreError::StaleObjects));
            self.context.metrics.asked(Backend::Store, "save", asked_at.elapsed(), is_answered);
            match answer {
                Ok(saved) => return Ok((harvests, saved)),
                Err(StoreError::StaleObjects) => {
                    self.context.reload().await.map_err(|error| error.to_string())?;
                }
                Err(_) if self.context.config.disabled.contains(Protection::Retry) => {
                    let nothing = vec![SaveOutcome::default(); harvests.len()];
                    return Ok((harvests, nothing));
                }
                Err(error) => {
                    if self.is_impatient() && waited >= PATIENCE {
                        return Err(error.to_string());
                    }
                    // A store that is out comes back; what it refuses, it refuses again.
                    if matches!(error, StoreError::Refused(_)) {
                        return Err(error.to_string());
                    }
                    tracing::error!(%error, waiting = harvests.len(), "harvests cannot be stored; trying again");
                    sleep(wait).await;
                    waited += wait;
                    wait = (wait * 2).min(RETRY.1);
                }
            }
        }
    }

    async fn save_once(&self, harvests: &Arc<[Harvest]>) -> Result<Vec<SaveOutcome>, StoreError> {
        let version = self.context.snapshot().version();
        if self.context.config.disabled.contains(Protection::Transaction) {
            self.context.store.save(&emptied(harvests), version).await?;
        }
        self.context.store.save(harvests, version).await
    }

    /// The declared objects changed while these harvests were on the way.
    async fn match_again(
        &self,
        harvests: Arc<[Harvest]>,
        sources: Vec<Option<Arc<Source>>>,
    ) -> Arc<[Harvest]> {
        let snapshot = self.context.snapshot();
        let again = move || {
            let mut harvests = harvests.to_vec();
            for (harvest, before) in harvests.iter_mut().zip(&sources) {
                (harvest.objects_version, harvest.deferred_topics) =
                    (snapshot.version(), snapshot.deferred_topics());
                let Some(before) = before else { continue };
                let declared = snapshot.declared(&harvest.source);
                if declared.as_deref() != Some(&**before) {
                    // What is seen only over several documents begins anew with each edit.
                    (harvest.updates.page_window, harvest.updates.article_pages) = (None, None);
                    harvest.missing.clear();
                }
                if declared.as_ref().is_none_or(|now| now.reads_differently_from(before)) {
                    // What was learnt of the source as it was is worth nothing for what it is now.
                    (harvest.outcome, harvest.updates.rhythm, harvest.updates.websub) = (None, None, None);
                    harvest.pages.clear();
                }
                let source = declared.as_ref().unwrap_or(before);
                for finding in &mut harvest.findings {
                    finding.matches = snapshot
                        .topics()
                        .matches(&finding.item, source, ItemContext::first_seen(harvest.at))
                        .1;
                }
            }
            harvests.into()
        };
        self.context.pool.run(again).await
    }

    /// Settles what was stored; the answer for each harvest, in order.
    async fn settle(&self, batch: &[Waiting], saved: Vec<SaveOutcome>) -> Vec<Result<SaveOutcome, String>> {
        let settled =
            |waiting: &Waiting, saved: &SaveOutcome| waiting.settle.clone().filter(|_| !saved.fenced);
        let settles: Vec<Settle> =
            batch.iter().zip(&saved).filter_map(|(waiting, saved)| settled(waiting, saved)).collect();
        let mut done = self.settle_all(&settles).await.into_iter();
        let answer = |(waiting, saved): (&Waiting, SaveOutcome)| {
            if saved.fenced {
                return Err("the lease was over before the harvest was stored".to_owned());
            }
            let outcome = if waiting.settle.is_some() { done.next() } else { None };
            outcome.unwrap_or(Ok(())).map(|()| saved)
        };
        batch.iter().zip(saved).map(answer).collect()
    }

    /// What is stored must be settled, or its pages would be forgotten: a schedule that fails is asked a
    /// few times.
    async fn settle_all(&self, settles: &[Settle]) -> Vec<Result<(), String>> {
        if settles.is_empty() {
            return Vec::new();
        }
        let mut tries = 1;
        loop {
            match self.context.schedule.settle_all(settles).await {
                Ok(done) => {
                    return done.into_iter().map(|one| one.map_err(|error| error.to_string())).collect();
                }
                Err(error) if tries < SETTLE_TRIES => {
                    tracing::warn!(%error, "jobs could not be settled; trying again");
                    tries += 1;
                    sleep(RETRY.0).await;
                }
                Err(error) => return vec![Err(error.to_string()); settles.len()],
            }
        }
    }

    fn tell(&self, harvest: &Harvest, saved: &SaveOutcome) {
        self.context.tally.stored(saved);
        self.context.metrics.stored(saved);
        if saved.new_materials == 0 {
            return;
        }
        for finding in harvest.findings.iter().filter(|finding| !finding.matches.is_empty()) {
            // Which of several is new is not known here; nearly always it is all of them.
            if let Some(published) = &finding.item.published {
                let age = model::elapsed(published.at, harvest.at);
                self.context.metrics.material_came(age);
            }
            let topics: Vec<Name> = finding.matches.iter().map(|found| found.topic.clone()).collect();
            let title = finding.item.title.clone().unwrap_or_default();
            self.context.tally.tell(|| Event::Material { source: harvest.source.clone(), topics, title });
        }
    }
}

/// What harvests say of their sources, without what they hold.
fn emptied(harvests: &[Harvest]) -> Arc<[Harvest]> {
    let empty = |harvest: &Harvest| Harvest { findings: Vec::new(), pages: Vec::new(), ..harvest.clone() };
    harvests.iter().map(empty).collect()
}
