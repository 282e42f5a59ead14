//! The model: every promise of [`Schedule`] in the simplest way, for tests and one-off visits.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{Host, Job, JobId, Planned, Settlement, Tenant, Timestamp, Token, Turn};

use crate::fairness::{Account, Shares};
use crate::schedule::{
    Borrowed, Claim, HostCounts, HostView, Lease, Leaving, Schedule, ScheduleError, Settle, Share, Stake,
    next_token,
};

/// A schedule that lives in memory and dies with it.
#[derive(Debug, Default)]
pub struct InMemory {
    state: Mutex<State>,
    planned: Mutex<Option<i64>>,
}

#[derive(Debug, Default)]
struct State {
    hosts: BTreeMap<Host, HostState>,
    jobs: BTreeMap<JobId, JobState>,
    robots: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct HostState {
    token: Token0,
    owner: Option<(String, Timestamp)>,
    next_allowed: Timestamp,
    lent_delay: Duration,
    robots_delay: Duration,
    blocked: Option<(Timestamp, String)>,
    /// Once a client of its own has a job here.
    shares: Option<Shares>,
}

/// Tokens begin at zero.
type Token0 = u64;

#[derive(Debug)]
struct JobState {
    due: Timestamp,
    delay: Duration,
    crashes: u32,
    client: String,
    turn: InTurn,
}

/// Where a job stands in the turn that it was claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InTurn {
    No,
    /// The how manieth it is.
    Waiting(usize),
    UnderWay,
}

impl InMemory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn delay(&self, host: &Host) -> Duration {
        let asked = self.jobs.iter().filter(|(id, _)| id.host == *host).map(|(_, job)| job.delay).max();
        asked.unwrap_or_default().max(self.hosts.get(host).map_or(Duration::ZERO, |known| known.lent_delay))
    }

    fn robots_delay(&self, host: &Host) -> Duration {
        self.hosts.get(host).map_or(Duration::ZERO, |known| known.robots_delay)
    }

    /// Takes hosts from their owners; what was under way counts as crashed, and each rests a delay.
    fn expire(&mut self, now: Timestamp, leaving: Leaving, over: impl Fn(&Host, &str, Timestamp) -> bool) {
        let over: Vec<Host> = self
            .hosts
            .iter()
            .filter(|(name, host)| {
                host.owner.as_ref().is_some_and(|(owner, until)| over(name, owner, *until))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            let rest = after(now, self.delay(&name).max(self.robots_delay(&name)));
            if let Some(host) = self.hosts.get_mut(&name) {
                host.owner = None;
                host.next_allowed = host.next_allowed.max(rest);
            }
            for (_, job) in self.jobs.iter_mut().filter(|(id, _)| id.host == name) {
                job.crashes += u32::from(job.turn == InTurn::UnderWay && leaving == Leaving::Crashed);
                job.turn = InTurn::No;
            }
        }
    }

    /// From when on a host with jobs may be handed out, or until when it is held.
    fn ready(&self, name: &Host) -> Option<Timestamp> {
        let host = self.hosts.get(name)?;
        let due = self.jobs.iter().filter(|(id, _)| id.host == *name).map(|(_, job)| job.due).min()?;
        let blocked = host.blocked.as_ref().map_or(Timestamp::MIN, |(until, _)| *until);
        let free = due.max(host.next_allowed).max(blocked);
        Some(host.owner.as_ref().map_or(free, |(_, until)| *until))
    }

    fn take(&mut self, host: &Host, claim: &Claim) -> Turn {
        let delay = self.delay(host);
        let known = self.hosts.entry(host.clone()).or_default();
        let token = next_token(Token(known.token), claim.now);
        known.token = token.0;
        let lease_until = after(claim.now, claim.lease);
        known.owner = Some((claim.node.clone(), lease_until));
        Turn {
            host: host.clone(),
            token,
            next_allowed_at: known.next_allowed,
            delay,
            robots_delay: known.robots_delay,
            lease_until,
            jobs: Vec::new(),
        }
    }

    fn settle(&mut self, settle: &Settle) -> Result<(), ScheduleError> {
        settle.found.iter().for_each(|planned| self.plan(planned));
        self.check(&settle.lease)?;
        settle.jobs.iter().for_each(|job| self.end(job, false));
        settle.crashed.iter().for_each(|job| self.end(job, true));
        if !(settle.jobs.is_empty() && settle.crashed.is_empty()) {
            self.begin_next(&settle.lease.host);
        }
        if let Some(until) = settle.release_until {
            for (_, job) in self.jobs.iter_mut().filter(|(id, _)| id.host == settle.lease.host) {
                job.turn = InTurn::No;
            }
            if let Some(host) = self.hosts.get_mut(&settle.lease.host) {
                host.owner = None;
                host.next_allowed = until;
            }
        }
        Ok(())
    }

    /// The next job of a turn begins when the one before it has ended.
    fn begin_next(&mut self, host: &Host) {
        let of_host = self.jobs.iter_mut().filter(|(id, _)| id.host == *host);
        let waiting = of_host.filter_map(|(_, job)| match job.turn {
            InTurn::Waiting(place) => Some((place, job)),
            InTurn::No | InTurn::UnderWay => None,
        });
        if let Some((_, job)) = waiting.min_by_key(|(place, _)| *place) {
            job.turn = InTurn::UnderWay;
        }
    }

    /// The due jobs of a host in the order in which they are to be done in a turn that begins.
    fn begin_turn(&mut self, host: &Host, due_by: Timestamp, most: usize) -> Vec<(Timestamp, JobId)> {
        let mut due: Vec<(Timestamp, JobId, &str)> = self
            .jobs
            .iter()
            .filter(|(id, job)| id.host == *host && job.due <= due_by)
            .map(|(id, job)| (job.due, id.clone(), job.client.as_str()))
            .collect();
        due.sort();
        let Some(shares) = self.hosts.get_mut(host).and_then(|known| known.shares.as_mut()) else {
            return due.into_iter().take(most).map(|(due, id, _)| (due, id)).collect();
        };
        let mut queues: BTreeMap<String, Vec<(Timestamp, JobId)>> = BTreeMap::new();
        for (due, id, client) in due {
            queues.entry(client.to_owned()).or_default().push((due, id));
        }
        shares.begin_turn(queues, most)
    }

    fn check(&self, lease: &Lease) -> Result<(), ScheduleError> {
        let host = self.hosts.get(&lease.host);
        if host.is_some_and(|host| host.token == lease.token.0 && host.owner.is_some()) {
            Ok(())
        } else {
            Err(ScheduleError::Fenced { host: lease.host.clone(), token: lease.token })
        }
    }

    fn plan(&mut self, planned: &Planned) {
        let Tenant { client, weight } = &planned.tenant;
        let fresh = || JobState {
            due: planned.due,
            delay: planned.delay,
            crashes: 0,
            client: client.clone(),
            turn: InTurn::No,
        };
        let job = self.jobs.entry(planned.id.clone()).or_insert_with(fresh);
        job.due = job.due.min(planned.due);
        job.delay = planned.delay;
        job.client.clone_from(client);
        job.turn = InTurn::No;
        let unknown = || HostState { robots_delay: planned.robots_delay, ..HostState::default() };
        let host = self.hosts.entry(planned.id.host.clone()).or_insert_with(unknown);
        if !client.is_empty() && host.shares.is_none() {
            host.shares = Some(Shares::of_everybody());
        }
        if let Some(shares) = &mut host.shares {
            shares.clients.entry(client.clone()).or_insert(Account::new(*weight)).weight = *weight;
        }
    }

    fn end(&mut self, settlement: &Settlement, crashed: bool) {
        let host = self.hosts.get_mut(&settlement.id.host);
        if let Some(shares) = host.and_then(|host| host.shares.as_mut())
            && let Some(job) = self.jobs.get(&settlement.id)
        {
            shares.charge(&job.client, settlement.exchanges);
        }
        match settlement.next_due {
            None if self.jobs.get(&settlement.id).is_some_and(|job| job.turn == InTurn::No) => (),
            None => drop(self.jobs.remove(&settlement.id)),
            Some(due) => {
                if let Some(job) = self.jobs.get_mut(&settlement.id) {
                    job.due = due;
                    job.turn = InTurn::No;
                    job.crashes = if crashed { job.crashes + 1 } else { 0 };
                }
            }
        }
    }
}

pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[async_trait]
impl Schedule for InMemory {
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError> {
        let mut state = self.lock();
        jobs.iter().for_each(|planned| state.plan(planned));
        Ok(())
    }

    async fn remove(&self, jobs: &[JobId]) -> Result<(), ScheduleError> {
        self.lock().jobs.retain(|id, _| !jobs.contains(id));
        Ok(())
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError> {
        let mut state = self.lock();
        let (now, due_by) = (claim.now, claim.due_by.min(claim.now));
        state.expire(now, Leaving::Crashed, |_, _, until| until <= now);
        let mut free: Vec<(Timestamp, Host)> = Vec::new();
        for (name, host) in &state.hosts {
            let blocked = host.blocked.as_ref().map_or(Timestamp::MIN, |(until, _)| *until);
            let earliest = state.jobs.iter().filter(|(id, _)| id.host == *name).map(|(_, job)| job.due).min();
            let Some(due) = earliest.filter(|due| *due <= due_by && host.owner.is_none()) else { continue };
            let eligible = due.max(host.next_allowed).max(blocked);
            if eligible <= now {
                free.push((eligible, name.clone()));
            }
        }
        free.sort();
        let mut turns = Vec::new();
        for (_, host) in free.into_iter().take(claim.hosts) {
            let mut turn = state.take(&host, claim);
            for (place, (_, id)) in state.begin_turn(&host, due_by, claim.jobs).into_iter().enumerate() {
                if let Some(job) = state.jobs.get_mut(&id) {
                    job.turn = if place == 0 { InTurn::UnderWay } else { InTurn::Waiting(place) };
                    turn.jobs.push(Job { id, due: job.due, crashes: job.crashes });
                }
            }
            turns.push(turn);
        }
        Ok(turns)
    }

    async fn borrow_host(
        &self,
        host: &Host,
        delay: Duration,
        claim: &Claim,
    ) -> Result<Borrowed, ScheduleError> {
        let mut state = self.lock();
        let now = claim.now;
        state.expire(now, Leaving::Crashed, |name, _, until| name == host && until <= now);
        let known = state.hosts.entry(host.clone()).or_default();
        if let Some((until, _)) = known.blocked.as_ref().filter(|(until, _)| *until > now) {
            return Ok(Borrowed::No { until: *until });
        }
        if let Some((_, until)) = &known.owner {
            return Ok(Borrowed::No { until: *until });
        }
        known.lent_delay = delay;
        Ok(Borrowed::Yes(state.take(host, claim)))
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<(), ScheduleError> {
        let mut state = self.lock();
        state.check(lease)?;
        if let Some((_, held)) = state.hosts.get_mut(&lease.host).and_then(|host| host.owner.as_mut()) {
            *held = until;
        }
        Ok(())
    }

    async fn settle_all(&self, settles: &[Settle]) -> Result<Vec<Result<(), ScheduleError>>, ScheduleError> {
        let mut state = self.lock();
        Ok(settles.iter().map(|settle| state.settle(settle)).collect())
    }

    async fn ask_delay(&self, host: &Host, delay: Duration) -> Result<(), ScheduleError> {
        self.lock().hosts.entry(host.clone()).or_default().robots_delay = delay;
        Ok(())
    }

    async fn block(&self, host: &Host, until: Timestamp, reason: &str) -> Result<(), ScheduleError> {
        self.lock().hosts.entry(host.clone()).or_default().blocked = Some((until, reason.to_owned()));
        Ok(())
    }

    async fn reclaim(&self, node: &str, now: Timestamp, leaving: Leaving) -> Result<(), ScheduleError> {
        self.lock().expire(now, leaving, |_, owner, _| owner == node);
        Ok(())
    }

    async fn next_due(
        &self,
        due_by: Timestamp,
        blocked_by: Timestamp,
    ) -> Result<Option<Timestamp>, ScheduleError> {
        let state = self.lock();
        let times = state.jobs.iter().filter(|(_, job)| job.due <= due_by).filter_map(|(id, job)| {
            let host = state.hosts.get(&id.host)?;
            let lease = host.owner.as_ref().map_or(Timestamp::MIN, |(_, until)| *until);
            let blocked = host.blocked.as_ref().map_or(Timestamp::MIN, |(until, _)| *until);
            (blocked <= blocked_by).then(|| job.due.max(host.next_allowed).max(lease).max(blocked))
        });
        Ok(times.min())
    }

    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError> {
        let state = self.lock();
        let Some(known) = state.hosts.get(host) else { return Ok(None) };
        let mut jobs: Vec<Job> = state
            .jobs
            .iter()
            .filter(|(id, _)| id.host == *host)
            .map(|(id, job)| Job { id: id.clone(), due: job.due, crashes: job.crashes })
            .collect();
        jobs.sort_by(|one, other| (one.due, &one.id).cmp(&(other.due, &other.id)));
        let stake = |(client, account): (&String, &Account)| Stake {
            tenant: Tenant { client: client.clone(), weight: account.weight },
            jobs: state.jobs.iter().filter(|(id, job)| id.host == *host && job.client == *client).count()
                as u64,
        };
        let shares = known.shares.iter().flat_map(|shares| &shares.clients);
        Ok(Some(HostView {
            owner: known.owner.clone(),
            token: Token(known.token),
            next_allowed_at: known.next_allowed,
            delay: state.delay(host).max(known.robots_delay),
            blocked: known.blocked.clone(),
            jobs,
            stakes: shares.map(stake).filter(|stake| stake.jobs > 0).collect(),
        }))
    }

    async fn hosts(&self, limit: usize) -> Result<Vec<Host>, ScheduleError> {
        let state = self.lock();
        let mut hosts: Vec<(Timestamp, Host)> =
            state.hosts.keys().filter_map(|host| Some((state.ready(host)?, host.clone()))).collect();
        hosts.sort();
        Ok(hosts.into_iter().take(limit).map(|(_, host)| host).collect())
    }

    async fn counts(&self, _share: Share, now: Timestamp) -> Result<HostCounts, ScheduleError> {
        let state = self.lock();
        let mut counts = HostCounts::default();
        for (name, host) in &state.hosts {
            match state.ready(name) {
                _ if host.owner.is_some() => counts.leased += 1,
                None => (),
                Some(ready) if ready <= now => {
                    counts.ready += 1;
                    counts.oldest_ready = Some(counts.oldest_ready.map_or(ready, |oldest| oldest.min(ready)));
                }
                Some(_) => counts.waiting += 1,
            }
        }
        Ok(counts)
    }

    async fn recall_robots(&self, origin: &str) -> Result<Option<String>, ScheduleError> {
        Ok(self.lock().robots.get(origin).cloned())
    }

    async fn remember_robots(&self, origin: &str, record: &str) -> Result<(), ScheduleError> {
        self.lock().robots.insert(origin.to_owned(), record.to_owned());
        Ok(())
    }

    async fn planned(&self) -> Result<Option<i64>, ScheduleError> {
        Ok(*self.planned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn set_planned(&self, version: i64) -> Result<(), ScheduleError> {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        Ok(())
    }

    async fn take_duty(&self, _duty: &str, _node: &str, _hold: Duration) -> Result<bool, ScheduleError> {
        // One node has all of it.
        Ok(true)
    }
}
