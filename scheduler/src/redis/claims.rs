//! Claims over all shards. A node caches the state of each shard, so that it claims only where jobs are due.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use model::{Host, Job, Timestamp, Token, Turn};
use tokio::time::Instant;

use super::shard::{SHARDS, Shard, parse_member};
use super::{Redis, TimeSource, duration, length};
use crate::schedule::{Claim, ScheduleError};
use model::after;

/// Maximum age of a cached shard state: another node may have planned jobs meanwhile.
const MAX_STATE_AGE: Duration = Duration::from_secs(1);
/// Time for which a ready host is left to the node that prefers its shard.
const STEAL_DELAY: Duration = Duration::from_millis(500);
/// Approximate number of jobs claimed in one call: the server executes nothing else meanwhile.
const JOBS_PER_CALL: usize = 100;
/// Upper bound on the rounds over the shards in one claim.
const MAX_ROUNDS: usize = 64;

/// The claim state of a node.
pub(super) struct Claims {
    shards: Vec<ShardState>,
    /// The number of the last claim sent.
    number: u64,
    /// The number of the connection over which the shards were read last.
    epoch: u64,
}

/// The cached state of a shard.
#[derive(Clone)]
struct ShardState {
    /// The time of the first entry of the shard.
    head: Option<Timestamp>,
    read_at: Option<Instant>,
    /// The time of the last failover of its server.
    failed_over: i64,
    /// The number of the last claim whose reply arrived.
    arrived: u64,
    /// True if a claim was sent whose reply has not arrived: it may have leased hosts.
    is_unanswered: bool,
}

impl Claims {
    /// Simulates a claim on this shard whose reply was lost.
    #[cfg(test)]
    pub(super) fn lose_reply(&mut self, shard: Shard) {
        self.shards[shard.number()].is_unanswered = true;
    }

    /// Simulates the loss of the last reply from this shard; the reply before it arrived.
    #[cfg(test)]
    pub(super) fn lose_last_reply(&mut self, shard: Shard) {
        self.lose_reply(shard);
        self.shards[shard.number()].arrived = self.number - 1;
    }

    /// Returns a state whose claim numbers start after `number`.
    pub(super) fn after(number: u64) -> Self {
        Self { shards: vec![ShardState::after(number); SHARDS], number, epoch: 0 }
    }
}

impl ShardState {
    fn after(number: u64) -> Self {
        Self { head: None, read_at: None, failed_over: 0, arrived: number, is_unanswered: false }
    }

    /// Returns the time since which hosts are ready, if they have waited for at least `patience`.
    fn due(&self, now: Timestamp, patience: Duration) -> Option<Timestamp> {
        if self.is_unanswered {
            return Some(Timestamp::MIN);
        }
        self.head.filter(|head| after(*head, patience) <= now)
    }
}

/// A turn in the reply to a claim: host, eligible since, token, lease end, next allowed, delay, robots delay,
/// jobs with due times, and the crashes of each job if one has crashed.
type ClaimReply = (String, i64, u64, i64, i64, i64, i64, Vec<(String, i64)>, Vec<u32>);

impl Redis {
    /// Claims hosts of the shards with ready hosts, those first that have been ready for longest.
    pub(super) async fn claim_turns(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError> {
        let mut claims = self.claims.lock().await;
        self.refresh_heads(&mut claims, claim.now).await?;
        let mut turns: Vec<(Timestamp, Turn)> = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let missing = claim.hosts.saturating_sub(turns.len());
            let mut due: Vec<(Timestamp, Shard)> = Shard::all()
                .filter_map(|shard| {
                    let patience = if self.preference.contains(shard) { Duration::ZERO } else { STEAL_DELAY };
                    Some((claims.shards[shard.number()].due(claim.now, patience)?, shard))
                })
                .collect();
            if missing == 0 || due.is_empty() {
                break;
            }
            due.sort_by_key(|(head, shard)| (*head, shard.number()));
            due.truncate(missing);
            let hosts_per_shard = missing.div_ceil(due.len()).min((JOBS_PER_CALL / claim.jobs.max(1)).max(1));
            claims.number += 1;
            let number = claims.number;
            let last_arrived: Vec<Option<u64>> =
                claims.shards.iter().map(|state| state.is_unanswered.then_some(state.arrived)).collect();
            for (_, shard) in &due {
                claims.shards[shard.number()].is_unanswered = true;
            }
            let epoch = claims.epoch;
            let calls = due.into_iter().map(async |(_, shard)| {
                let arrived = last_arrived[shard.number()];
                Ok((shard, self.claim_on(shard, claim, hosts_per_shard, (epoch, number), arrived).await?))
            });
            let previous_count = turns.len();
            let replies = match try_join_all(calls).await {
                Ok(replies) => replies,
                // The turns of earlier rounds are returned; those of this round come with the next claim.
                Err(_) if !turns.is_empty() => break,
                Err(error) => return Err(error),
            };
            for (shard, (head, leased)) in replies {
                let failed_over = claims.shards[shard.number()].failed_over;
                claims.shards[shard.number()] = ShardState {
                    head,
                    read_at: Some(Instant::now()),
                    failed_over,
                    ..ShardState::after(number)
                };
                turns.extend(leased);
            }
            // Without new turns, all hosts rest or wait for the end of a single pass.
            if turns.len() == previous_count {
                break;
            }
        }
        turns.sort_by(|(one, first), (other, second)| (one, &first.host).cmp(&(other, &second.host)));
        Ok(turns.into_iter().map(|(_, turn)| turn).collect())
    }

    /// Reads the first entries of the shards whose cached state is too old, and detects failovers. Fails if no shard
    /// can be read.
    pub(super) async fn refresh_heads(
        &self,
        claims: &mut Claims,
        caller_time: Timestamp,
    ) -> Result<(), ScheduleError> {
        let is_old = |state: &ShardState| match self.time {
            TimeSource::Server(_) => state.read_at.is_none_or(|at| at.elapsed() >= MAX_STATE_AGE),
            TimeSource::Caller => true,
        };
        // The cached states do not apply to the server behind a new connection.
        let epoch = self.link.epoch().await?;
        let is_new_connection = std::mem::replace(&mut claims.epoch, epoch) != epoch;
        let old = Shard::all().filter(|shard| is_new_connection || is_old(&claims.shards[shard.number()]));
        let heads = join_all(old.map(async |shard| (shard, self.read_head(shard, caller_time).await))).await;
        let (mut has_failed_over, mut last_error, read_count) = (false, None, heads.len());
        let mut failures = 0;
        for (shard, head) in heads {
            // Some shards of a cluster may be down; the others continue.
            let (head, failed_over) = match head {
                Ok(head) => head,
                Err(error) => {
                    failures += 1;
                    last_error = Some(error);
                    claims.shards[shard.number()].head = None;
                    continue;
                }
            };
            let state = &mut claims.shards[shard.number()];
            has_failed_over |= state.read_at.is_some() && state.failed_over != failed_over;
            (state.head, state.failed_over, state.read_at) = (head, failed_over, Some(Instant::now()));
        }
        if has_failed_over {
            tracing::warn!("the schedule's server was replaced or lost its data; renewing leases");
            self.failovers.send_modify(|failovers| *failovers += 1);
        }
        match last_error {
            Some(error) if failures == read_count => Err(error),
            _ => Ok(()),
        }
    }

    async fn read_head(
        &self,
        shard: Shard,
        caller_time: Timestamp,
    ) -> Result<(Option<Timestamp>, i64), ScheduleError> {
        let call = self.call(shard, Some(caller_time)).arg(length(self.embargo));
        let (now, head, failed_over): (i64, String, i64) = self.link.run(&self.scripts.head, &call).await?;
        Ok((head.parse().ok().map(self.to_caller_clock(now, Some(caller_time))), failed_over))
    }

    /// Claims hosts of one shard. `arrived` is the number of the last claim whose reply arrived, if later replies are
    /// missing. Returns the time of the shard's first entry, and the turns with the times since which they were
    /// eligible.
    pub(super) async fn claim_on(
        &self,
        shard: Shard,
        claim: &Claim,
        hosts: usize,
        (epoch, number): (u64, u64),
        arrived: Option<u64>,
    ) -> Result<(Option<Timestamp>, Vec<(Timestamp, Turn)>), ScheduleError> {
        let call = self
            .call(shard, Some(claim.now))
            .arg(&claim.node)
            .arg(length(claim.lease))
            .arg(hosts)
            .arg(claim.jobs)
            .arg(claim.due_by.as_millisecond())
            .arg(number)
            .arg(arrived.map(|number| number.to_string()).unwrap_or_default())
            .arg(length(self.embargo))
            .arg(u8::from(self.link.may_change_silently()));
        let (now, head, replies): (i64, String, Vec<ClaimReply>) =
            self.link.run_at(epoch, &self.scripts.claim, &call).await?;
        let to_local = self.to_caller_clock(now, Some(claim.now));
        let turns = replies.into_iter().map(|reply| turn(reply, &to_local)).collect();
        Ok((head.parse().ok().map(&to_local), turns))
    }
}

fn turn(reply: ClaimReply, to_local: impl Fn(i64) -> Timestamp) -> (Timestamp, Turn) {
    let (host, since, token, lease_end, next_allowed, delay, robots_delay, jobs, crashes) = reply;
    let host = Host::from_stored(host);
    let jobs = jobs
        .into_iter()
        .zip(crashes.into_iter().chain(std::iter::repeat(0)))
        .map(|((job, due), crashes)| Job { id: parse_member(&job, &host), due: to_local(due), crashes })
        .collect();
    let turn = Turn {
        token: Token(token),
        next_allowed_at: to_local(next_allowed),
        delay: duration(delay),
        robots_delay: duration(robots_delay),
        lease_until: to_local(lease_end),
        jobs,
        host,
    };
    (to_local(since), turn)
}
