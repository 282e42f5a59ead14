//! The schedule of a cluster: Redis (or Valkey), one server, under Sentinel, or as Redis Cluster.
//!
//! Hosts are spread over 64 virtual shards; the keys of one carry one hash tag, so every script touches
//! one node of a cluster only. What the scripts do is in `lua/`, what keys there are in `lua/common.lua`.
//! Only the server's clock counts: times are told relative to the caller's, and come back on it, so nodes'
//! clocks need not agree.
//!
//! A lost answer loses nothing. A claim names the last answer that arrived, and what a later one handed
//! out is handed out again; everything else may be done twice. A server that is not the one of the last
//! claim (its `run_id` differs), or that lost everything, may not know every lease: it hands out nothing
//! for a while in which holders renew, and keeps from each host for one delay.

mod address;
mod claims;
mod link;
mod members;
mod preflight;
mod scripts;
mod shard;
#[cfg(test)]
mod tests;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use model::{Clock, Host, Job, JobId, Planned, Settlement, Tenant, Timestamp, Token, Turn};
use tokio::sync::{Mutex, watch};

use crate::membership::{Beat, NodeView, Order, Spread};
use crate::schedule::{
    Borrowed, Claim, HostCounts, HostView, Lease, Leaving, Schedule, ScheduleError, Settle, Share, Stake,
};
use claims::Claims;
use link::Link;
use members::Preference;
use scripts::{Call, Scripts};
use shard::{SHARDS, Shard, member, parse_member};

pub use address::{Address, AddressError};
pub use usage::ServerUsage;

/// Jobs planned, or leases settled, in one call: longer ones would keep others waiting.
const BATCH: usize = 100;
/// How long a server that may not know every lease hands out nothing: long enough for holders to notice it,
/// which they do within a second of being able to reach it, and to renew.
const EMBARGO: Duration = Duration::from_secs(5);
/// Robots rules that nobody asked for in this long are forgotten, in seconds.
const ROBOTS_KEPT: u64 = 30 * 86_400;

/// A schedule in Redis.
pub struct Redis {
    link: Link,
    scripts: Scripts,
    /// The beginning of every key.
    space: String,
    /// Whose leases these are.
    node: String,
    time: Time,
    embargo: Duration,
    claims: Mutex<Claims>,
    preference: Preference,
    failovers: watch::Sender<u64>,
}

/// Whose clock counts.
enum Time {
    /// The server's; the caller's is only what times are told in.
    Server(Arc<dyn Clock>),
    /// The caller's.
    Told,
}

impl Redis {
    /// One to look at and to plan with, that connects when it is first needed.
    pub fn at(address: Address, space: &str, node: &str, clock: Arc<dyn Clock>) -> Self {
        Self::new(address, space, node, Time::Server(clock))
    }

    /// Connects, and refuses a server that would forget leases when its memory is full. Keys begin with
    /// `space`; `node` is the name that claims will carry.
    pub async fn connect(
        address: Address,
        space: &str,
        node: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ScheduleError> {
        let redis = Self::at(address, space, node, clock);
        preflight::check(&redis.link).await?;
        Ok(redis)
    }

    /// One that trusts every server at once: only for tests that show what the embargo is good for.
    pub fn without_embargo(self) -> Self {
        Self { embargo: Duration::ZERO, ..self }
    }

    /// One that does not ask Sentinels who is the master while the one it knows answers: only for tests.
    pub fn without_following(mut self) -> Self {
        self.link.stay();
        self
    }

    /// One that believes the times it is told, for tests that hold it against the model.
    pub async fn on_callers_clock(address: Address, space: &str, node: &str) -> Result<Self, ScheduleError> {
        let redis = Self::new(address, space, node, Time::Told);
        preflight::check(&redis.link).await?;
        redis.set_planned(1).await?;
        Ok(redis)
    }

    fn new(address: Address, space: &str, node: &str, time: Time) -> Self {
        // Above the number of every claim of an earlier process of the same name.
        let first_claim = match &time {
            Time::Server(clock) => clock.now().as_millisecond().unsigned_abs(),
            Time::Told => 0,
        };
        Self {
            link: Link::new(address),
            scripts: Scripts::default(),
            space: space.to_owned(),
            node: node.to_owned(),
            time,
            embargo: EMBARGO,
            claims: Mutex::new(Claims::after(first_claim)),
            preference: Preference::all(),
            failovers: watch::Sender::new(0),
        }
    }

    /// The caller's time, where a call has none of its own.
    fn told_now(&self, told: Option<Timestamp>) -> i64 {
        match &self.time {
            Time::Server(clock) => clock.now().as_millisecond(),
            Time::Told => told.map_or(0, Timestamp::as_millisecond),
        }
    }

    /// A call of a script on a shard.
    fn call(&self, shard: Shard, told: Option<Timestamp>) -> Call {
        let clock = match self.time {
            Time::Server(_) => "s",
            Time::Told => "t",
        };
        Call::new(shard.key(&self.space, "due"))
            .arg(shard.key(&self.space, ""))
            .arg(self.told_now(told))
            .arg(clock)
    }

    /// From the server's clock to the caller's: measured after the answer, so the way here makes waits
    /// longer, never shorter.
    fn home(&self, server_now: i64, told: Option<Timestamp>) -> impl Fn(i64) -> Timestamp + use<> {
        let shift = self.told_now(told) - server_now;
        let shift = if matches!(self.time, Time::Server(_)) { shift } else { 0 };
        move |millis| {
            let home = if millis == Timestamp::MAX.as_millisecond() { millis } else { millis + shift };
            Timestamp::from_millisecond(home).unwrap_or(Timestamp::MAX)
        }
    }

    async fn plan_on(&self, shard: Shard, jobs: &[&Planned]) -> Result<(), ScheduleError> {
        let mut call = self.call(shard, None).arg(u8::from(!self.embargo.is_zero()));
        call = call.arg(Tenant::shared().weight);
        for Planned { id, due, delay, robots_delay, tenant } in jobs {
            call = call.arg(id.host.as_str()).arg(member(id)).arg(due.as_millisecond()).arg(length(*delay));
            call = call.arg(length(*robots_delay)).arg(&tenant.client).arg(tenant.weight);
        }
        self.link.run(&self.scripts.plan, &call).await
    }

    async fn settle_on(&self, shard: Shard, settles: &[&Settle]) -> Result<Vec<bool>, ScheduleError> {
        let mut call = self.call(shard, settles.first().map(|settle| settle.now)).arg(&self.node);
        for Settle { lease, jobs, crashed, release_until, .. } in settles {
            call = call
                .arg(lease.host.as_str())
                .arg(lease.token.0)
                .arg(release_until.map(|until| until.as_millisecond().to_string()).unwrap_or_default())
                .arg(jobs.len() + crashed.len());
            let ends = jobs.iter().map(|job| (job, 0)).chain(crashed.iter().map(|job| (job, 1)));
            for (Settlement { id, next_due, exchanges }, crashed) in ends {
                let mut end = next_due.map(|due| due.as_millisecond().to_string()).unwrap_or_default();
                // What is as usual is not said: arguments are a good part of what a call costs.
                if (crashed, *exchanges) != (0, 1) {
                    end += &format!(" {crashed} {exchanges}");
                }
                call = call.arg(member(id)).arg(end);
            }
        }
        self.link.run(&self.scripts.settle, &call).await
    }
}

/// Things with the shard that each is on, in batches of one shard.
fn by_shard<T>(things: impl IntoIterator<Item = T>, host: impl Fn(&T) -> &Host) -> Vec<(Shard, Vec<T>)> {
    let mut shards: Vec<Vec<Vec<T>>> = (0..SHARDS).map(|_| Vec::new()).collect();
    for thing in things {
        let batches = &mut shards[Shard::of(host(&thing)).number()];
        match batches.last_mut().filter(|batch| batch.len() < BATCH) {
            Some(batch) => batch.push(thing),
            None => batches.push(vec![thing]),
        }
    }
    let numbered = Shard::all().zip(shards);
    numbered.flat_map(|(shard, batches)| batches.into_iter().map(move |batch| (shard, batch))).collect()
}

fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[async_trait]
impl Schedule for Redis {
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError> {
        // One shard after the other: a rebuild of a million jobs must not crowd out the claims of others.
        for (shard, batch) in by_shard(jobs, |planned| &planned.id.host) {
            self.plan_on(shard, &batch).await?;
        }
        Ok(())
    }

    async fn remove(&self, jobs: &[JobId]) -> Result<(), ScheduleError> {
        for (shard, batch) in by_shard(jobs, |id| &id.host) {
            let call = batch
                .iter()
                .fold(self.call(shard, None), |call, id| call.arg(id.host.as_str()).arg(member(id)));
            let _: i64 = self.link.run(&self.scripts.remove, &call).await?;
        }
        Ok(())
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError> {
        self.claim_turns(claim).await
    }

    async fn borrow_host(
        &self,
        host: &Host,
        delay: Duration,
        claim: &Claim,
    ) -> Result<Borrowed, ScheduleError> {
        let call = self.call(Shard::of(host), Some(claim.now));
        let call = call.arg(&claim.node).arg(length(claim.lease)).arg(host.as_str()).arg(length(delay));
        let call = call.arg(length(self.embargo));
        let answer: Vec<i64> = self.link.run(&self.scripts.borrow, &call).await?;
        match *answer.as_slice() {
            [now, 1, token, over, next_allowed, delay, robots_delay] => {
                let home = self.home(now, Some(claim.now));
                Ok(Borrowed::Yes(Turn {
                    host: host.clone(),
                    token: Token(token.unsigned_abs()),
                    next_allowed_at: home(next_allowed),
                    delay: duration(delay),
                    robots_delay: duration(robots_delay),
                    lease_until: home(over),
                    jobs: Vec::new(),
                }))
            }
            [now, 0, until] => Ok(Borrowed::No { until: self.home(now, Some(claim.now))(until) }),
            _ => Err(unexpected("borrow")),
        }
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<(), ScheduleError> {
        let call = self.call(Shard::of(&lease.host), None).arg(&self.node);
        let call = call.arg(lease.host.as_str()).arg(lease.token.0).arg(until.as_millisecond());
        let done: Vec<bool> = self.link.run(&self.scripts.renew, &call).await?;
        if done.as_slice() == [true] { Ok(()) } else { Err(fenced(lease)) }
    }

    async fn settle_all(&self, settles: &[Settle]) -> Result<Vec<Result<(), ScheduleError>>, ScheduleError> {
        let found: Vec<Planned> = settles.iter().flat_map(|settle| settle.found.iter().cloned()).collect();
        // First: a crash in between finds them again, the other way round they would be forgotten.
        self.plan(&found).await?;
        let batches = by_shard(settles.iter().enumerate(), |(_, settle)| &settle.lease.host);
        let done = try_join_all(batches.into_iter().map(async |(shard, batch)| {
            let (places, batch): (Vec<usize>, Vec<&Settle>) = batch.into_iter().unzip();
            Ok(places.into_iter().zip(self.settle_on(shard, &batch).await?).collect::<Vec<_>>())
        }));
        let mut answers: Vec<Result<(), ScheduleError>> =
            settles.iter().map(|settle| Err(fenced(&settle.lease))).collect();
        for (place, _) in done.await?.into_iter().flatten().filter(|(_, is_done)| *is_done) {
            answers[place] = Ok(());
        }
        Ok(answers)
    }

    async fn ask_delay(&self, host: &Host, delay: Duration) -> Result<(), ScheduleError> {
        let key = Shard::of(host).key(&self.space, &format!("h:{host}"));
        let _: i64 = self.link.send(redis::cmd("HSET").arg(key).arg("rd").arg(length(delay))).await?;
        Ok(())
    }

    async fn block(&self, host: &Host, until: Timestamp, reason: &str) -> Result<(), ScheduleError> {
        let call = self.call(Shard::of(host), None);
        let call = call.arg(host.as_str()).arg(until.as_millisecond()).arg(reason);
        self.link.run::<i64>(&self.scripts.block, &call).await.map(drop)
    }

    async fn reclaim(&self, node: &str, now: Timestamp, leaving: Leaving) -> Result<(), ScheduleError> {
        let crashed = u8::from(leaving == Leaving::Crashed);
        try_join_all(Shard::all().map(async |shard| {
            let call = self.call(shard, Some(now)).arg(node).arg(crashed);
            self.link.run::<i64>(&self.scripts.reclaim, &call).await
        }))
        .await?;
        if leaving == Leaving::HandedBack && matches!(self.time, Time::Server(_)) {
            self.beat(node, "").await?;
        }
        Ok(())
    }

    async fn next_due(
        &self,
        due_by: Timestamp,
        blocked_by: Timestamp,
    ) -> Result<Option<Timestamp>, ScheduleError> {
        let times = try_join_all(Shard::all().map(async |shard| {
            let call = self.call(shard, None).arg(due_by.as_millisecond()).arg(blocked_by.as_millisecond());
            let (now, next): (i64, String) = self.link.run(&self.scripts.next_due, &call).await?;
            Ok(next.parse().ok().map(self.home(now, None)))
        }));
        Ok(times.await?.into_iter().flatten().min())
    }

    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError> {
        type Jobs = Vec<(String, i64, u32)>;
        type Known = (i64, String, i64, i64, i64, i64, i64, String, Jobs, Vec<(String, u32, u64)>);
        let call = self.call(Shard::of(host), None).arg(host.as_str());
        let answer: redis::Value = self.link.run(&self.scripts.host, &call).await?;
        if matches!(&answer, redis::Value::Array(fields) if fields.len() == 1) {
            return Ok(None);
        }
        let known: Known = redis::from_redis_value(answer).map_err(|_| unexpected("host"))?;
        let (now, owner, lease, token, next_allowed, delay, blocked, reason, jobs, mut stakes) = known;
        let home = self.home(now, None);
        stakes.sort();
        let stake = |(client, weight, jobs)| Stake { tenant: Tenant { client, weight }, jobs };
        let jobs = jobs.into_iter().map(|(job, due, crashes)| Job {
            id: parse_member(&job, host),
            due: home(due),
            crashes,
        });
        Ok(Some(HostView {
            owner: (!owner.is_empty()).then(|| (owner, home(lease))),
            token: Token(token.unsigned_abs()),
            next_allowed_at: home(next_allowed),
            delay: duration(delay),
            blocked: (blocked > 0).then(|| (home(blocked), reason)),
            jobs: jobs.collect(),
            stakes: stakes.into_iter().map(stake).collect(),
        }))
    }

    async fn hosts(&self, limit: usize) -> Result<Vec<Host>, ScheduleError> {
        let last = i64::try_from(limit).unwrap_or(i64::MAX) - 1;
        let shards = try_join_all(Shard::all().map(async |shard| {
            let key = shard.key(&self.space, "due");
            let range = redis::cmd("ZRANGE").arg(key).arg(0).arg(last).arg("WITHSCORES").to_owned();
            self.link.send::<Vec<(String, i64)>>(&range).await
        }));
        let mut hosts: Vec<(i64, String)> =
            shards.await?.into_iter().flatten().map(|(host, ready)| (ready, host)).collect();
        hosts.sort();
        Ok(hosts.into_iter().take(limit).map(|(_, host)| Host::from_stored(host)).collect())
    }

    async fn counts(&self, share: Share, now: Timestamp) -> Result<HostCounts, ScheduleError> {
        let shards = Shard::all().filter(|shard| share == Share::All || self.preference.holds(*shard));
        let counts = try_join_all(shards.map(async |shard| {
            let call = self.call(shard, Some(now));
            self.link.run::<(i64, u64, u64, u64, String)>(&self.scripts.counts, &call).await
        }));
        let mut sum = HostCounts::default();
        for (server_now, waiting, ready, leased, oldest) in counts.await? {
            sum.waiting += waiting;
            sum.ready += ready;
            sum.leased += leased;
            let oldest = oldest.parse().ok().map(self.home(server_now, Some(now)));
            sum.oldest_ready = [sum.oldest_ready, oldest].into_iter().flatten().min();
        }
        Ok(sum)
    }

    async fn recall_robots(&self, origin: &str) -> Result<Option<String>, ScheduleError> {
        self.link.send(redis::cmd("GET").arg(self.robots_key(origin))).await
    }

    async fn remember_robots(&self, origin: &str, record: &str) -> Result<(), ScheduleError> {
        let key = self.robots_key(origin);
        self.link.send(redis::cmd("SET").arg(key).arg(record).arg("EX").arg(ROBOTS_KEPT)).await
    }

    async fn planned(&self) -> Result<Option<i64>, ScheduleError> {
        let versions = try_join_all(Shard::all().map(async |shard| {
            let key = shard.key(&self.space, "ctl");
            self.link.send::<Option<i64>>(redis::cmd("HGET").arg(key).arg("planned")).await
        }));
        // One shard that lost it is enough: a cluster may lose a part.
        Ok(versions.await?.into_iter().min().flatten())
    }

    async fn set_planned(&self, version: i64) -> Result<(), ScheduleError> {
        try_join_all(Shard::all().map(async |shard| {
            let key = shard.key(&self.space, "ctl");
            self.link.send::<i64>(redis::cmd("HSET").arg(key).arg("planned").arg(version)).await
        }))
        .await
        .map(drop)
    }

    async fn heartbeat(&self, beat: &Beat) -> Result<Order, ScheduleError> {
        // Also where there is no room for claims: who holds hosts must notice another server.
        if let Err(error) = self.look(&mut *self.claims.lock().await, beat.since).await {
            tracing::debug!(%error, "no shard can be looked at");
        }
        let said = serde_json::to_string(beat).map_err(|error| ScheduleError::Storage(error.to_string()))?;
        self.beat(&beat.node, &said).await
    }

    fn failovers(&self) -> Option<watch::Receiver<u64>> {
        Some(self.failovers.subscribe())
    }

    async fn nodes(&self) -> Result<Vec<NodeView>, ScheduleError> {
        self.members().await
    }

    async fn order(&self, name: &str, order: Order) -> Result<(), ScheduleError> {
        self.give_order(name, order).await
    }

    async fn spread(&self) -> Result<Vec<Spread>, ScheduleError> {
        self.host_spread().await
    }

    async fn take_duty(&self, duty: &str, node: &str, hold: Duration) -> Result<bool, ScheduleError> {
        let key = format!("{}:duty:{duty}", self.space);
        let mut take = redis::cmd("SET");
        take.arg(&key).arg(node).arg("NX").arg("PX").arg(length(hold));
        if self.link.send::<Option<String>>(&take).await?.is_some() {
            return Ok(true);
        }
        let holder: Option<String> = self.link.send(redis::cmd("GET").arg(&key)).await?;
        if holder.as_deref() != Some(node) {
            return Ok(false);
        }
        let _: i64 = self.link.send(redis::cmd("PEXPIRE").arg(&key).arg(length(hold))).await?;
        Ok(true)
    }
}

impl Redis {
    fn robots_key(&self, origin: &str) -> String {
        Shard::of(&Host::from_stored(origin.to_owned())).key(&self.space, &format!("rb:{origin}"))
    }
}

fn fenced(lease: &Lease) -> ScheduleError {
    ScheduleError::Fenced { host: lease.host.clone(), token: lease.token }
}

fn unexpected(script: &str) -> ScheduleError {
    ScheduleError::Storage(format!("Redis answered {script} in a form that this build does not know"))
}
