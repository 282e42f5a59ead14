//! The schedule of a cluster: Redis or Valkey, as one server, under Sentinel, or as Redis Cluster.
//!
//! Hosts are distributed over 64 virtual shards. The keys of a shard share a hash tag, so every script touches only
//! one node of a cluster. `lua/` contains the scripts; `lua/common.lua` lists the keys.
//! Only the server's clock counts: times are sent relative to the caller's clock and returned on it, so the clocks
//! of the nodes need not agree.
//!
//! A lost reply loses no work. A claim names the last reply that arrived, and turns of later claims are returned
//! again; all other calls are idempotent. A server that is not the one of the last claim (its `run_id` differs),
//! or that lost its data, may not know every lease. It issues no lease during an embargo in which holders renew
//! theirs, and every host rests for one delay.

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
use model::{
    Clock, DisabledProtections, Host, Job, JobId, Planned, Protection, Settlement, Tenant, Timestamp, Token,
    Turn,
};
use tokio::sync::{Mutex, watch};

use crate::membership::{Beat, NodeView, Order, Spread};
use crate::schedule::{
    Borrowed, Claim, HostCounts, HostView, JobPlan, Lease, Leaving, Members, RobotsCache, ScheduleError,
    ScheduledHosts, Settle, Share, Stake, Turns,
};
use claims::Claims;
use link::Link;
use members::Preference;
use scripts::{Call, Scripts};
use shard::{SHARDS, Shard, member, parse_member};

pub use address::{Address, AddressError};
pub use usage::ServerUsage;

/// Upper bound on the jobs planned, or the leases settled, in one call: a longer call would block other clients.
const MAX_BATCH: usize = 100;
/// Duration in which a server that may not know every lease issues no leases. It is long enough for holders to notice
/// the server, which takes them a second once they can reach it, and to renew their leases.
const EMBARGO: Duration = Duration::from_secs(5);
/// Lifetime of cached robots rules, in seconds.
const ROBOTS_TTL_SECONDS: u64 = 30 * 86_400;

/// A schedule in Redis.
pub struct Redis {
    link: Link,
    scripts: Scripts,
    /// The prefix of every key.
    space: String,
    /// The node that owns the leases.
    node: String,
    time: TimeSource,
    embargo: Duration,
    claims: Mutex<Claims>,
    preference: Preference,
    failovers: watch::Sender<u64>,
}

/// The clock of the schedule.
enum TimeSource {
    /// The server's clock. The caller's clock is only the one in which times are passed and returned.
    Server(Arc<dyn Clock>),
    /// The caller's clock.
    Caller,
}

impl Redis {
    /// Returns a schedule that connects on first use, for inspection and planning.
    pub fn at(address: Address, space: &str, node: &str, clock: Arc<dyn Clock>) -> Self {
        Self::new(address, space, node, TimeSource::Server(clock))
    }

    /// Connects, and rejects a server that would evict leases when its memory is full. Keys begin with `space`;
    /// `node` is the name in claims.
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

    /// Switches off the protections among `disabled` that concern the schedule: the embargo on servers that may not know
    /// every lease, and the periodic queries to the Sentinels while the current master responds.
    pub fn without(mut self, disabled: &DisabledProtections) -> Self {
        if disabled.contains(Protection::Embargo) {
            self.embargo = Duration::ZERO;
        }
        if disabled.contains(Protection::Following) {
            self.link.disable_following();
        }
        self
    }

    /// Connects, and uses the times of the caller instead of the server's clock. Only for tests that compare the
    /// schedule with [`InMemory`](crate::InMemory).
    pub async fn on_callers_clock(address: Address, space: &str, node: &str) -> Result<Self, ScheduleError> {
        let redis = Self::new(address, space, node, TimeSource::Caller);
        preflight::check(&redis.link).await?;
        redis.set_planned(1).await?;
        Ok(redis)
    }

    fn new(address: Address, space: &str, node: &str, time: TimeSource) -> Self {
        // Higher than the number of every claim of an earlier process with the same name.
        let first_claim = match &time {
            TimeSource::Server(clock) => clock.now().as_millisecond().unsigned_abs(),
            TimeSource::Caller => 0,
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

    /// Returns the caller's time in milliseconds; with the caller's clock, it is the argument.
    fn caller_now(&self, caller_time: Option<Timestamp>) -> i64 {
        match &self.time {
            TimeSource::Server(clock) => clock.now().as_millisecond(),
            TimeSource::Caller => caller_time.map_or(0, Timestamp::as_millisecond),
        }
    }

    /// Returns a script call on a shard with the common arguments.
    fn call(&self, shard: Shard, caller_time: Option<Timestamp>) -> Call {
        let clock = match self.time {
            TimeSource::Server(_) => "s",
            TimeSource::Caller => "t",
        };
        Call::new(shard.key(&self.space, "due"))
            .arg(shard.key(&self.space, ""))
            .arg(self.caller_now(caller_time))
            .arg(clock)
    }

    /// Returns the conversion from the server's clock to the caller's. The offset is measured after the reply, so
    /// network latency makes waits longer, never shorter.
    fn to_caller_clock(
        &self,
        server_now: i64,
        caller_time: Option<Timestamp>,
    ) -> impl Fn(i64) -> Timestamp + use<> {
        let shift = self.caller_now(caller_time) - server_now;
        let shift = if matches!(self.time, TimeSource::Server(_)) { shift } else { 0 };
        move |millis| {
            let shifted = if millis == Timestamp::MAX.as_millisecond() { millis } else { millis + shift };
            Timestamp::from_millisecond(shifted).unwrap_or(Timestamp::MAX)
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
                let mut encoded_end =
                    next_due.map(|due| due.as_millisecond().to_string()).unwrap_or_default();
                // The default is omitted: arguments are a large part of the cost of a call.
                if (crashed, *exchanges) != (0, 1) {
                    encoded_end += &format!(" {crashed} {exchanges}");
                }
                call = call.arg(member(id)).arg(encoded_end);
            }
        }
        self.link.run(&self.scripts.settle, &call).await
    }
}

/// Groups values by the shard of their host, in batches of at most [`MAX_BATCH`].
fn by_shard<T>(values: impl IntoIterator<Item = T>, host: impl Fn(&T) -> &Host) -> Vec<(Shard, Vec<T>)> {
    let mut shards: Vec<Vec<Vec<T>>> = (0..SHARDS).map(|_| Vec::new()).collect();
    for value in values {
        let batches = &mut shards[Shard::of(host(&value)).number()];
        match batches.last_mut().filter(|batch| batch.len() < MAX_BATCH) {
            Some(batch) => batch.push(value),
            None => batches.push(vec![value]),
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
impl Turns for Redis {
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
        let reply: Vec<i64> = self.link.run(&self.scripts.borrow, &call).await?;
        match *reply.as_slice() {
            [now, 1, token, lease_end, next_allowed, delay, robots_delay] => {
                let to_local = self.to_caller_clock(now, Some(claim.now));
                Ok(Borrowed::Yes(Turn {
                    host: host.clone(),
                    token: Token(token.unsigned_abs()),
                    next_allowed_at: to_local(next_allowed),
                    delay: duration(delay),
                    robots_delay: duration(robots_delay),
                    lease_until: to_local(lease_end),
                    jobs: Vec::new(),
                }))
            }
            [now, 0, until] => Ok(Borrowed::No { until: self.to_caller_clock(now, Some(claim.now))(until) }),
            _ => Err(unexpected_reply("borrow")),
        }
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<(), ScheduleError> {
        let call = self.call(Shard::of(&lease.host), None).arg(&self.node);
        let call = call.arg(lease.host.as_str()).arg(lease.token.0).arg(until.as_millisecond());
        let renewed: Vec<bool> = self.link.run(&self.scripts.renew, &call).await?;
        if renewed.as_slice() == [true] { Ok(()) } else { Err(fenced(lease)) }
    }

    async fn settle_all(&self, settles: &[Settle]) -> Result<Vec<Result<(), ScheduleError>>, ScheduleError> {
        let new_jobs: Vec<Planned> =
            settles.iter().flat_map(|settle| settle.new_jobs.iter().cloned()).collect();
        // Planned first: after a crash in between, the turn repeats and finds them again. In the other order they would
        // be lost.
        self.plan(&new_jobs).await?;
        let batches = by_shard(settles.iter().enumerate(), |(_, settle)| &settle.lease.host);
        let outcomes = try_join_all(batches.into_iter().map(async |(shard, batch)| {
            let (places, batch): (Vec<usize>, Vec<&Settle>) = batch.into_iter().unzip();
            Ok(places.into_iter().zip(self.settle_on(shard, &batch).await?).collect::<Vec<_>>())
        }));
        let mut results: Vec<Result<(), ScheduleError>> =
            settles.iter().map(|settle| Err(fenced(&settle.lease))).collect();
        for (place, _) in outcomes.await?.into_iter().flatten().filter(|(_, is_settled)| *is_settled) {
            results[place] = Ok(());
        }
        Ok(results)
    }

    async fn reclaim(&self, node: &str, now: Timestamp, leaving: Leaving) -> Result<(), ScheduleError> {
        let crashed = u8::from(leaving == Leaving::Crashed);
        try_join_all(Shard::all().map(async |shard| {
            let call = self.call(shard, Some(now)).arg(node).arg(crashed);
            self.link.run::<i64>(&self.scripts.reclaim, &call).await
        }))
        .await?;
        if leaving == Leaving::HandedBack && matches!(self.time, TimeSource::Server(_)) {
            self.store_beat(node, "").await?;
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
            Ok(next.parse().ok().map(self.to_caller_clock(now, None)))
        }));
        Ok(times.await?.into_iter().flatten().min())
    }
}

#[async_trait]
impl JobPlan for Redis {
    async fn plan(&self, jobs: &[Planned]) -> Result<(), ScheduleError> {
        // Sequential: a rebuild of a million jobs must not delay the claims of other nodes.
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

    async fn planned(&self) -> Result<Option<i64>, ScheduleError> {
        let versions = try_join_all(Shard::all().map(async |shard| {
            let key = shard.key(&self.space, "ctl");
            self.link.send::<Option<i64>>(redis::cmd("HGET").arg(key).arg("planned")).await
        }));
        // `None` if any shard has lost its version: a cluster may lose a part of its data.
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
}

#[async_trait]
impl ScheduledHosts for Redis {
    async fn host(&self, host: &Host) -> Result<Option<HostView>, ScheduleError> {
        type Jobs = Vec<(String, i64, u32)>;
        type Reply = (i64, String, i64, i64, i64, i64, i64, String, Jobs, Vec<(String, u32, u64)>);
        let call = self.call(Shard::of(host), None).arg(host.as_str());
        let value: redis::Value = self.link.run(&self.scripts.host, &call).await?;
        if matches!(&value, redis::Value::Array(fields) if fields.len() == 1) {
            return Ok(None);
        }
        let reply: Reply = redis::from_redis_value(value).map_err(|_| unexpected_reply("host"))?;
        let (now, owner, lease, token, next_allowed, delay, blocked, reason, jobs, mut stakes) = reply;
        let to_local = self.to_caller_clock(now, None);
        stakes.sort();
        let stake = |(client, weight, jobs)| Stake { tenant: Tenant { client, weight }, jobs };
        let jobs = jobs.into_iter().map(|(job, due, crashes)| Job {
            id: parse_member(&job, host),
            due: to_local(due),
            crashes,
        });
        Ok(Some(HostView {
            owner: (!owner.is_empty()).then(|| (owner, to_local(lease))),
            token: Token(token.unsigned_abs()),
            next_allowed_at: to_local(next_allowed),
            delay: duration(delay),
            blocked: (blocked > 0).then(|| (to_local(blocked), reason)),
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
        let shards = Shard::all().filter(|shard| share == Share::All || self.preference.contains(*shard));
        let counts = try_join_all(shards.map(async |shard| {
            let call = self.call(shard, Some(now));
            self.link.run::<(i64, u64, u64, u64, String)>(&self.scripts.counts, &call).await
        }));
        let mut sum = HostCounts::default();
        for (server_now, waiting, ready, leased, oldest) in counts.await? {
            sum.waiting += waiting;
            sum.ready += ready;
            sum.leased += leased;
            let oldest = oldest.parse().ok().map(self.to_caller_clock(server_now, Some(now)));
            sum.oldest_ready = [sum.oldest_ready, oldest].into_iter().flatten().min();
        }
        Ok(sum)
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
}

#[async_trait]
impl RobotsCache for Redis {
    async fn recall_robots(&self, origin: &str) -> Result<Option<String>, ScheduleError> {
        self.link.send(redis::cmd("GET").arg(self.robots_key(origin))).await
    }

    async fn remember_robots(&self, origin: &str, record: &str) -> Result<(), ScheduleError> {
        let key = self.robots_key(origin);
        self.link.send(redis::cmd("SET").arg(key).arg(record).arg("EX").arg(ROBOTS_TTL_SECONDS)).await
    }
}

#[async_trait]
impl Members for Redis {
    fn failovers(&self) -> Option<watch::Receiver<u64>> {
        Some(self.failovers.subscribe())
    }

    async fn heartbeat(&self, beat: &Beat) -> Result<Order, ScheduleError> {
        // Needed even if the node has no room for claims: a holder of leases must notice a failover.
        if let Err(error) = self.refresh_heads(&mut *self.claims.lock().await, beat.since).await {
            tracing::debug!(%error, "could not read any shard");
        }
        let encoded =
            serde_json::to_string(beat).map_err(|error| ScheduleError::Storage(error.to_string()))?;
        self.store_beat(&beat.node, &encoded).await
    }

    async fn nodes(&self) -> Result<Vec<NodeView>, ScheduleError> {
        self.read_nodes().await
    }

    async fn order(&self, name: &str, order: Order) -> Result<(), ScheduleError> {
        self.store_order(name, order).await
    }

    async fn spread(&self) -> Result<Vec<Spread>, ScheduleError> {
        self.count_spread().await
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

fn unexpected_reply(script: &str) -> ScheduleError {
    ScheduleError::Storage(format!(
        "unexpected reply from Redis to the script {script}; the cluster may run an incompatible build"
    ))
}
