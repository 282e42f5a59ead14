//! The in-memory schedule: the simplest implementation of [`Schedule`], for tests and one-off visits. The tests compare
//! the other implementations with it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{Host, Job, JobId, Planned, Settlement, Tenant, Timestamp, Token, Turn, after};

use crate::fairness::{Account, Shares};
use crate::schedule::{
    Borrowed, Claim, HostCounts, HostView, JobPlan, Lease, Leaving, Members, RobotsCache, ScheduleError,
    ScheduledHosts, Settle, Share, Stake, Turns, next_token,
};

/// A schedule in memory; it is lost with the process.
#[derive(Debug, Default)]
pub struct InMemory {
    state: Mutex<State>,
    planned: Mutex<Option<i64>>,
}

#[derive(Debug, Default)]
struct State {
    hosts: BTreeMap<Host, HostState>,
    jobs: BTreeMap<JobId, JobEntry>,
    robots: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct HostState {
    /// The highest token issued; zero before the first lease.
    token: u64,
    owner: Option<(String, Timestamp)>,
    next_allowed: Timestamp,
    borrower_delay: Duration,
    robots_delay: Duration,
    blocked: Option<(Timestamp, String)>,
    /// Set once a client has jobs of its own here.
    shares: Option<Shares>,
}

#[derive(Debug)]
struct JobEntry {
    due: Timestamp,
    delay: Duration,
    crashes: u32,
    client: String,
    state: JobState,
}

/// The state of a job in the turn that it was claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JobState {
    Idle,
    /// Waiting, with its position in the turn.
    Waiting(usize),
    Running,
}

impl InMemory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn delay(&self, host: &Host) -> Duration {
        let longest = self.jobs.iter().filter(|(id, _)| id.host == *host).map(|(_, job)| job.delay).max();
        let borrower_delay = self.hosts.get(host).map_or(Duration::ZERO, |entry| entry.borrower_delay);
        longest.unwrap_or_default().max(borrower_delay)
    }

    fn robots_delay(&self, host: &Host) -> Duration {
        self.hosts.get(host).map_or(Duration::ZERO, |entry| entry.robots_delay)
    }

    /// Ends the leases that `is_over` selects by host, owner and lease end. Each host rests for one delay; a running
    /// job counts as crashed if its node crashed.
    fn expire(&mut self, now: Timestamp, leaving: Leaving, is_over: impl Fn(&Host, &str, Timestamp) -> bool) {
        let expired: Vec<Host> = self
            .hosts
            .iter()
            .filter(|(name, host)| {
                host.owner.as_ref().is_some_and(|(owner, until)| is_over(name, owner, *until))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in expired {
            let rest = after(now, self.delay(&name).max(self.robots_delay(&name)));
            if let Some(host) = self.hosts.get_mut(&name) {
                host.owner = None;
                host.next_allowed = host.next_allowed.max(rest);
            }
            for (_, job) in self.jobs.iter_mut().filter(|(id, _)| id.host == name) {
                job.crashes += u32::from(job.state == JobState::Running && leaving == Leaving::Crashed);
                job.state = JobState::Idle;
            }
        }
    }

    /// Returns the time from which a host with jobs can be leased, or the end of its current lease.
    fn ready_at(&self, name: &Host) -> Option<Timestamp> {
        let host = self.hosts.get(name)?;
        let due = self.jobs.iter().filter(|(id, _)| id.host == *name).map(|(_, job)| job.due).min()?;
        let blocked = host.blocked.as_ref().map_or(Timestamp::MIN, |(until, _)| *until);
        let free = due.max(host.next_allowed).max(blocked);
        Some(host.owner.as_ref().map_or(free, |(_, until)| *until))
    }

    /// Leases a host to the claiming node, without jobs.
    fn lease(&mut self, host: &Host, claim: &Claim) -> Turn {
        let delay = self.delay(host);
        let entry = self.hosts.entry(host.clone()).or_default();
        let token = next_token(Token(entry.token), claim.now);
        entry.token = token.0;
        let lease_until = after(claim.now, claim.lease);
        entry.owner = Some((claim.node.clone(), lease_until));
        Turn {
            host: host.clone(),
            token,
            next_allowed_at: entry.next_allowed,
            delay,
            robots_delay: entry.robots_delay,
            lease_until,
            jobs: Vec::new(),
        }
    }

    fn settle(&mut self, settle: &Settle) -> Result<(), ScheduleError> {
        settle.new_jobs.iter().for_each(|planned| self.plan(planned));
        self.check(&settle.lease)?;
        settle.jobs.iter().for_each(|job| self.end_job(job, false));
        settle.crashed.iter().for_each(|job| self.end_job(job, true));
        if !(settle.jobs.is_empty() && settle.crashed.is_empty()) {
            self.start_next_job(&settle.lease.host);
        }
        if let Some(until) = settle.release_until {
            for (_, job) in self.jobs.iter_mut().filter(|(id, _)| id.host == settle.lease.host) {
                job.state = JobState::Idle;
            }
            if let Some(host) = self.hosts.get_mut(&settle.lease.host) {
                host.owner = None;
                host.next_allowed = until;
            }
        }
        Ok(())
    }

    /// Starts the next waiting job of a turn, after the previous one has ended.
    fn start_next_job(&mut self, host: &Host) {
        let of_host = self.jobs.iter_mut().filter(|(id, _)| id.host == *host);
        let waiting = of_host.filter_map(|(_, job)| match job.state {
            JobState::Waiting(place) => Some((place, job)),
            JobState::Idle | JobState::Running => None,
        });
        if let Some((_, job)) = waiting.min_by_key(|(place, _)| *place) {
            job.state = JobState::Running;
        }
    }

    /// Begins a turn: returns the due jobs of a host in the order of execution.
    fn begin_turn(&mut self, host: &Host, due_by: Timestamp, limit: usize) -> Vec<(Timestamp, JobId)> {
        let mut due: Vec<(Timestamp, JobId, &str)> = self
            .jobs
            .iter()
            .filter(|(id, job)| id.host == *host && job.due <= due_by)
            .map(|(id, job)| (job.due, id.clone(), job.client.as_str()))
            .collect();
        due.sort();
        let Some(shares) = self.hosts.get_mut(host).and_then(|entry| entry.shares.as_mut()) else {
            return due.into_iter().take(limit).map(|(due, id, _)| (due, id)).collect();
        };
        let mut queues: BTreeMap<String, Vec<(Timestamp, JobId)>> = BTreeMap::new();
        for (due, id, client) in due {
            queues.entry(client.to_owned()).or_default().push((due, id));
        }
        shares.begin_turn(queues, limit)
    }

    /// Fails with [`ScheduleError::Fenced`] unless the lease is the current one of its host.
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
        let new_job = || JobEntry {
            due: planned.due,
            delay: planned.delay,
            crashes: 0,
            client: client.clone(),
            state: JobState::Idle,
        };
        let job = self.jobs.entry(planned.id.clone()).or_insert_with(new_job);
        job.due = job.due.min(planned.due);
        job.delay = planned.delay;
        job.client.clone_from(client);
        job.state = JobState::Idle;
        let new_host = || HostState { robots_delay: planned.robots_delay, ..HostState::default() };
        let host = self.hosts.entry(planned.id.host.clone()).or_insert_with(new_host);
        if !client.is_empty() && host.shares.is_none() {
            host.shares = Some(Shares::common());
        }
        if let Some(shares) = &mut host.shares {
            shares.clients.entry(client.clone()).or_insert(Account::new(*weight)).weight = *weight;
        }
    }

    fn end_job(&mut self, settlement: &Settlement, crashed: bool) {
        let host = self.hosts.get_mut(&settlement.id.host);
        if let Some(shares) = host.and_then(|host| host.shares.as_mut())
            && let Some(job) = self.jobs.get(&settlement.id)
        {
            shares.charge(&job.client, settlement.exchanges);
        }
        match settlement.next_due {
            None if self.jobs.get(&settlement.id).is_some_and(|job| job.state == JobState::Idle) => (),
            None => drop(self.jobs.remove(&settlement.id)),
            Some(due) => {
                if let Some(job) = self.jobs.get_mut(&settlement.id) {
                    job.due = due;
                    job.state = JobState::Idle;
                    job.crashes = if crashed { job.crashes + 1 } else { 0 };
                }
            }
        }
    }
}

/// Returns `now + wait`, saturating at the largest timestamp.

#[async_trait]
impl Turns for InMemory {
    async fn claim(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError> {
        let mut state = self.lock();
        let (now, due_by) = (claim.now, claim.due_by.min(claim.now));
        state.expire(now, Leaving::Crashed, |_, _, until| until <= now);
        let mut eligible_hosts: Vec<(Timestamp, Host)> = Vec::new();
        for (name, host) in &state.hosts {
            let blocked = host.blocked.as_ref().map_or(Timestamp::MIN, |(until, _)| *until);
            let earliest = state.jobs.iter().filter(|(id, _)| id.host == *name).map(|(_, job)| job.due).min();
            let Some(due) = earliest.filter(|due| *due <= due_by && host.owner.is_none()) else { continue };
            let eligible = due.max(host.next_allowed).max(blocked);
            if eligible <= now {
                eligible_hosts.push((eligible, name.clone()));
            }
        }
        eligible_hosts.sort();
        let mut turns = Vec::new();
        for (_, host) in eligible_hosts.into_iter().take(claim.hosts) {
            let mut turn = state.lease(&host, claim);
            for (place, (_, id)) in state.begin_turn(&host, due_by, claim.jobs).into_iter().enumerate() {
                if let Some(job) = state.jobs.get_mut(&id) {
                    job.state = if place == 0 { JobState::Running } else { JobState::Waiting(place) };
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
        let entry = state.hosts.entry(host.clone()).or_default();
        if let Some((until, _)) = entry.blocked.as_ref().filter(|(until, _)| *until > now) {
            return Ok(Borrowed::No { until: *until });
        }
        if let Some((_, until)) = &entry.owner {
            return Ok(Borrowed::No { until: *until });
        }
        entry.borrower_delay = delay;
        Ok(Borrowed::Yes(state.lease(host, claim)))
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<(), ScheduleError> {
        let mut state = self.lock();
        state.check(lease)?;
        if let Some((_, lease_end)) = state.hosts.get_mut(&lease.host).and_then(|host| host.owner.as_mut()) {
            *lease_end = until;
        }
        Ok(())
    }

    async fn settle_all(&self, settles: &[Settle]) -> Result<Vec<Result<(), ScheduleError>>, ScheduleError> {
        let mut state = self.lock();
        Ok(settles.iter().map(|settle| state.settle(settle)).collect())
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
}

#[async_trait]
impl JobPlan for InMemory {
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError> {
        let mut state = self.lock();
        jobs.iter().for_each(|planned| state.plan(planned));
        Ok(())
    }

    async fn remove(&self, jobs: &[JobId]) -> Result<(), ScheduleError> {
        self.lock().jobs.retain(|id, _| !jobs.contains(id));
        Ok(())
    }

    async fn planned(&self) -> Result<Option<i64>, ScheduleError> {
        Ok(*self.planned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn set_planned(&self, version: i64) -> Result<(), ScheduleError> {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        Ok(())
    }
}

#[async_trait]
impl ScheduledHosts for InMemory {
    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError> {
        let state = self.lock();
        let Some(entry) = state.hosts.get(host) else { return Ok(None) };
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
        let shares = entry.shares.iter().flat_map(|shares| &shares.clients);
        Ok(Some(HostView {
            owner: entry.owner.clone(),
            token: Token(entry.token),
            next_allowed_at: entry.next_allowed,
            delay: state.delay(host).max(entry.robots_delay),
            blocked: entry.blocked.clone(),
            jobs,
            stakes: shares.map(stake).filter(|stake| stake.jobs > 0).collect(),
        }))
    }

    async fn hosts(&self, limit: usize) -> Result<Vec<Host>, ScheduleError> {
        let state = self.lock();
        let mut hosts: Vec<(Timestamp, Host)> =
            state.hosts.keys().filter_map(|host| Some((state.ready_at(host)?, host.clone()))).collect();
        hosts.sort();
        Ok(hosts.into_iter().take(limit).map(|(_, host)| host).collect())
    }

    async fn counts(&self, _share: Share, now: Timestamp) -> Result<HostCounts, ScheduleError> {
        let state = self.lock();
        let mut counts = HostCounts::default();
        for (name, host) in &state.hosts {
            match state.ready_at(name) {
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

    async fn ask_delay(&self, host: &Host, delay: Duration) -> Result<(), ScheduleError> {
        self.lock().hosts.entry(host.clone()).or_default().robots_delay = delay;
        Ok(())
    }

    async fn block(&self, host: &Host, until: Timestamp, reason: &str) -> Result<(), ScheduleError> {
        self.lock().hosts.entry(host.clone()).or_default().blocked = Some((until, reason.to_owned()));
        Ok(())
    }
}

#[async_trait]
impl RobotsCache for InMemory {
    async fn recall_robots(&self, origin: &str) -> Result<Option<String>, ScheduleError> {
        Ok(self.lock().robots.get(origin).cloned())
    }

    async fn remember_robots(&self, origin: &str, record: &str) -> Result<(), ScheduleError> {
        self.lock().robots.insert(origin.to_owned(), record.to_owned());
        Ok(())
    }
}

#[async_trait]
impl Members for InMemory {
    async fn take_duty(&self, _duty: &str, _node: &str, _hold: Duration) -> Result<bool, ScheduleError> {
        // A single node performs every duty.
        Ok(true)
    }
}
