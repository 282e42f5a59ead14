//! Claiming over shards: what a node believes of each, so that it asks only where there is something.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use model::{Host, Job, Timestamp, Token, Turn};
use tokio::time::Instant;

use super::shard::{SHARDS, Shard, parse_member};
use super::{Redis, Time, duration, length};
use crate::memory::after;
use crate::schedule::{Claim, ScheduleError};

/// How old a belief may be: another node may have planned something meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A host on a shard that another node looks after first is left to it for this long.
const STEAL_AFTER: Duration = Duration::from_millis(500);
/// Jobs handed out in one call, about: the server does nothing else meanwhile.
const JOBS: usize = 100;
/// Rounds over the shards in one claim.
const ROUNDS: usize = 64;

/// What a node knows of its claims.
pub(super) struct Claims {
    looks: Vec<Look>,
    /// Of the claim that was sent last.
    number: u64,
    /// The connection over which shards were looked at last.
    epoch: u64,
}

#[derive(Clone)]
struct Look {
    /// When the shard has something, as it was told last.
    head: Option<Timestamp>,
    looked_at: Option<Instant>,
    /// When its server was last found to be another one.
    failed_over: i64,
    /// The last claim whose answer arrived.
    arrived: u64,
    /// One was sent whose answer has not arrived: it may have handed something out.
    is_unanswered: bool,
}

impl Claims {
    /// An answer from this shard got lost.
    #[cfg(test)]
    pub(super) fn lose(&mut self, shard: Shard) {
        self.looks[shard.number()].is_unanswered = true;
    }

    /// The last answer from this shard got lost, and the one before did not.
    #[cfg(test)]
    pub(super) fn lose_last(&mut self, shard: Shard) {
        self.lose(shard);
        self.looks[shard.number()].arrived = self.number - 1;
    }

    /// The numbers of claims begin behind this one.
    pub(super) fn after(number: u64) -> Self {
        Self { looks: vec![Look::after(number); SHARDS], number, epoch: 0 }
    }
}

impl Look {
    fn after(number: u64) -> Self {
        Self { head: None, looked_at: None, failed_over: 0, arrived: number, is_unanswered: false }
    }

    /// Since when there is something to claim that has waited for `patience`.
    fn due(&self, now: Timestamp, patience: Duration) -> Option<Timestamp> {
        if self.is_unanswered {
            return Some(Timestamp::MIN);
        }
        self.head.filter(|head| after(*head, patience) <= now)
    }
}

/// A turn as it is handed out: host, eligible since, token, lease end, next allowed, delay, robots delay,
/// jobs with due times, and their crashes where one has crashed.
type ClaimReply = (String, i64, u64, i64, i64, i64, i64, Vec<(String, i64)>, Vec<u32>);

impl Redis {
    pub(super) async fn claim_turns(&self, claim: &Claim) -> Result<Vec<Turn>, ScheduleError> {
        let mut claims = self.claims.lock().await;
        self.look(&mut claims, claim.now).await?;
        let mut turns: Vec<(Timestamp, Turn)> = Vec::new();
        for _ in 0..ROUNDS {
            let left = claim.hosts.saturating_sub(turns.len());
            let mut due: Vec<(Timestamp, Shard)> = Shard::all()
                .filter_map(|shard| {
                    let patience = if self.preference.holds(shard) { Duration::ZERO } else { STEAL_AFTER };
                    Some((claims.looks[shard.number()].due(claim.now, patience)?, shard))
                })
                .collect();
            if left == 0 || due.is_empty() {
                break;
            }
            due.sort_by_key(|(head, shard)| (*head, shard.number()));
            due.truncate(left);
            let each = left.div_ceil(due.len()).min((JOBS / claim.jobs.max(1)).max(1));
            claims.number += 1;
            let number = claims.number;
            let lost: Vec<Option<u64>> =
                claims.looks.iter().map(|look| look.is_unanswered.then_some(look.arrived)).collect();
            for (_, shard) in &due {
                claims.looks[shard.number()].is_unanswered = true;
            }
            let epoch = claims.epoch;
            let asked = due.into_iter().map(async |(_, shard)| {
                let lost = lost[shard.number()];
                Ok((shard, self.claim_on(shard, claim, each, (epoch, number), lost).await?))
            });
            let before = turns.len();
            let answers = match try_join_all(asked).await {
                Ok(answers) => answers,
                // What was handed out before is in hand; what this round handed out comes with the next claim.
                Err(_) if !turns.is_empty() => break,
                Err(error) => return Err(error),
            };
            for (shard, (head, handed_out)) in answers {
                let failed_over = claims.looks[shard.number()].failed_over;
                claims.looks[shard.number()] =
                    Look { head, looked_at: Some(Instant::now()), failed_over, ..Look::after(number) };
                turns.extend(handed_out);
            }
            // A shard whose hosts only rest, or wait for a single pass to end, has nothing more to give.
            if turns.len() == before {
                break;
            }
        }
        turns.sort_by(|(one, first), (other, second)| (one, &first.host).cmp(&(other, &second.host)));
        Ok(turns.into_iter().map(|(_, turn)| turn).collect())
    }

    /// Asks shards whose belief is old when they will have something.
    pub(super) async fn look(&self, claims: &mut Claims, told: Timestamp) -> Result<(), ScheduleError> {
        let is_old = |look: &Look| match self.time {
            Time::Server(_) => look.looked_at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN),
            Time::Told => true,
        };
        // What was believed of a server says nothing of the next one.
        let epoch = self.link.epoch().await?;
        let is_another_link = std::mem::replace(&mut claims.epoch, epoch) != epoch;
        let old = Shard::all().filter(|shard| is_another_link || is_old(&claims.looks[shard.number()]));
        let heads = join_all(old.map(async |shard| (shard, self.head(shard, told).await))).await;
        let (mut is_another, mut failed, looks) = (false, None, heads.len());
        let mut failures = 0;
        for (shard, head) in heads {
            // Of a cluster, some shards may be out: the others go on.
            let (head, failed_over) = match head {
                Ok(head) => head,
                Err(error) => {
                    failures += 1;
                    failed = Some(error);
                    claims.looks[shard.number()].head = None;
                    continue;
                }
            };
            let look = &mut claims.looks[shard.number()];
            is_another |= look.looked_at.is_some() && look.failed_over != failed_over;
            (look.head, look.failed_over, look.looked_at) = (head, failed_over, Some(Instant::now()));
        }
        if is_another {
            tracing::warn!(
                "the schedule's server is another one, or has lost what it had: leases are renewed"
            );
            self.failovers.send_modify(|failovers| *failovers += 1);
        }
        match failed {
            Some(error) if failures == looks => Err(error),
            _ => Ok(()),
        }
    }

    async fn head(&self, shard: Shard, told: Timestamp) -> Result<(Option<Timestamp>, i64), ScheduleError> {
        let call = self.call(shard, Some(told)).arg(length(self.embargo));
        let (now, head, failed_over): (i64, String, i64) = self.link.run(&self.scripts.head, &call).await?;
        Ok((head.parse().ok().map(self.home(now, Some(told))), failed_over))
    }

    pub(super) async fn claim_on(
        &self,
        shard: Shard,
        claim: &Claim,
        hosts: usize,
        (epoch, number): (u64, u64),
        lost: Option<u64>,
    ) -> Result<(Option<Timestamp>, Vec<(Timestamp, Turn)>), ScheduleError> {
        let call = self
            .call(shard, Some(claim.now))
            .arg(&claim.node)
            .arg(length(claim.lease))
            .arg(hosts)
            .arg(claim.jobs)
            .arg(claim.due_by.as_millisecond())
            .arg(number)
            .arg(lost.map(|arrived| arrived.to_string()).unwrap_or_default())
            .arg(length(self.embargo))
            .arg(u8::from(self.link.may_change_unseen()));
        let (now, head, answers): (i64, String, Vec<ClaimReply>) =
            self.link.run_at(epoch, &self.scripts.claim, &call).await?;
        let home = self.home(now, Some(claim.now));
        let turns = answers.into_iter().map(|answer| turn(answer, &home)).collect();
        Ok((head.parse().ok().map(&home), turns))
    }
}

fn turn(answer: ClaimReply, home: impl Fn(i64) -> Timestamp) -> (Timestamp, Turn) {
    let (host, since, token, over, next_allowed, delay, robots_delay, jobs, crashes) = answer;
    let host = Host::from_stored(host);
    let jobs = jobs
        .into_iter()
        .zip(crashes.into_iter().chain(std::iter::repeat(0)))
        .map(|((job, due), crashes)| Job { id: parse_member(&job, &host), due: home(due), crashes })
        .collect();
    let turn = Turn {
        token: Token(token),
        next_allowed_at: home(next_allowed),
        delay: duration(delay),
        robots_delay: duration(robots_delay),
        lease_until: home(over),
        jobs,
        host,
    };
    (home(since), turn)
}
