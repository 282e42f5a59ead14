//! A simulation of many nodes on the in-memory schedule and one clock, with faults that a seed determines: lost
//! replies, stalled nodes and crashed nodes. The invariants are checked on the log of requests. Times are in
//! milliseconds.
//!
//! A failing test prints its seed; `QYRAN_SEED=N cargo test -p scheduler simulation` repeats it.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Host, JobId, Name, Planned, Settlement, Tenant, Timestamp, Turn};

use crate::InMemory;
use crate::schedule::{Claim, JobPlan, Lease, ScheduledHosts, Settle, Turns};

const HOSTS: u64 = 8;
const JOBS: u64 = 3;
const NODES: usize = 5;
const DELAY: i64 = 5_000;
const LEASE: i64 = 30_000;
const MARGIN: i64 = 250;
/// Maximum duration of an exchange; no request starts that the lease might not outlast.
const MAX_EXCHANGE: i64 = 2_000;
/// Interval between two polls of a source.
const INTERVAL: i64 = 40_000;
const TICK: i64 = 100;
const RUN_LENGTH: i64 = 20 * 60_000;
/// Duration of the last part of the run, in which no faults occur.
const FAULT_FREE_END: i64 = 3 * 60_000;

/// A random number generator: SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Returns true once in `times` calls on average.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond() - 1_800_000_000_000
}

/// A turn that a node believes it holds.
struct ActiveTurn {
    turn: Turn,
    /// The end of the lease by the node's own count.
    deadline: i64,
    renew_at: i64,
    next_allowed: i64,
    /// The end of the current exchange.
    ends_at: Option<i64>,
    jobs: Vec<JobId>,
}

#[derive(Default)]
struct Node {
    turns: Vec<ActiveTurn>,
    stalled_until: i64,
}

struct World {
    schedule: InMemory,
    random: Random,
    /// Set in the control, in which nodes continue after the end of their leases.
    ignores_deadlines: bool,
    /// Start and end of each request, by host.
    requests: BTreeMap<Host, Vec<(i64, i64)>>,
    /// The number of runs of each job.
    runs: BTreeMap<JobId, u32>,
}

impl World {
    /// Returns true while faults occur.
    fn has_faults(&self, now: i64) -> bool {
        now < RUN_LENGTH - FAULT_FREE_END
    }

    /// Returns true if a reply is lost.
    fn loses_reply(&mut self, now: i64) -> bool {
        self.has_faults(now) && self.random.once_in(20)
    }

    async fn run(&mut self) {
        let jobs: Vec<Planned> = (0..HOSTS)
            .flat_map(|host| (0..JOBS).map(move |job| (host, job)))
            .map(|(host, job)| Planned {
                id: JobId::poll(
                    Name::new(&format!("s{host}-{job}")).unwrap(),
                    Host::from_stored(format!("h{host}")),
                ),
                due: at(0),
                delay: Duration::from_millis(DELAY.unsigned_abs()),
                robots_delay: Duration::ZERO,
                tenant: Tenant::shared(),
            })
            .collect();
        self.schedule.plan(&jobs).await.unwrap();
        let mut nodes: Vec<Node> = (0..NODES).map(|_| Node::default()).collect();
        let mut now = 0;
        while now < RUN_LENGTH {
            for (number, node) in nodes.iter_mut().enumerate() {
                if self.has_faults(now) && self.random.once_in(1500) {
                    node.stalled_until = now + self.random.below(90_000).cast_signed();
                }
                if self.has_faults(now) && self.random.once_in(6000) {
                    // The node crashes and restarts without knowledge of its leases.
                    *node = Node::default();
                }
                if now >= node.stalled_until {
                    self.act(&format!("n{number}"), node, now).await;
                }
            }
            now += TICK;
        }
    }

    async fn act(&mut self, name: &str, node: &mut Node, now: i64) {
        let mut remaining = Vec::new();
        for mut active in std::mem::take(&mut node.turns) {
            if self.advance(&mut active, now).await {
                remaining.push(active);
            }
        }
        node.turns = remaining;
        if node.turns.len() < 3 {
            let claim = Claim {
                node: name.to_owned(),
                now: at(now),
                due_by: at(now),
                lease: Duration::from_millis(LEASE.unsigned_abs()),
                hosts: 1,
                jobs: 10,
            };
            let turns = self.schedule.claim(&claim).await.unwrap();
            if !self.loses_reply(now) {
                node.turns.extend(turns.into_iter().map(|turn| ActiveTurn {
                    deadline: now + LEASE - MARGIN,
                    renew_at: now + LEASE / 3,
                    next_allowed: millis(turn.next_allowed_at),
                    ends_at: None,
                    jobs: turn.jobs.iter().map(|job| job.id.clone()).collect(),
                    turn,
                }));
            }
        }
    }

    /// Executes one step of a turn. Returns false if the node no longer has the turn.
    async fn advance(&mut self, active: &mut ActiveTurn, now: i64) -> bool {
        let lease = Lease { host: active.turn.host.clone(), token: active.turn.token };
        if now >= active.renew_at {
            let result = self.schedule.renew(&lease, at(now + LEASE)).await;
            active.renew_at = now + LEASE / 3;
            match result {
                _ if self.loses_reply(now) => (),
                Ok(()) => active.deadline = now + LEASE - MARGIN,
                Err(_) if self.ignores_deadlines => (),
                Err(_) => return false,
            }
        }
        if let Some(end) = active.ends_at {
            return now < end || self.settle(active, lease, end, now).await;
        }
        if active.jobs.is_empty() || now < active.next_allowed {
            return !active.jobs.is_empty();
        }
        if now + MAX_EXCHANGE > active.deadline && !self.ignores_deadlines {
            // The turn ends with its lease.
            return now < active.deadline;
        }
        let end = now + 1 + self.random.below(MAX_EXCHANGE.unsigned_abs()).cast_signed();
        self.requests.entry(active.turn.host.clone()).or_default().push((now, end));
        active.ends_at = Some(end);
        true
    }

    async fn settle(&mut self, active: &mut ActiveTurn, lease: Lease, end: i64, now: i64) -> bool {
        let job = active.jobs[0].clone();
        let is_last = active.jobs.len() == 1;
        let settle = Settle {
            lease,
            now: at(now),
            jobs: vec![Settlement { id: job.clone(), next_due: Some(at(now + INTERVAL)), exchanges: 1 }],
            crashed: Vec::new(),
            new_jobs: Vec::new(),
            release_until: is_last.then(|| at(end + DELAY)),
        };
        let result = self.schedule.settle(&settle).await;
        if self.loses_reply(now) && !is_last {
            // The settlement may have been applied; it is retried at the next step.
            return true;
        }
        if result.is_err() && !self.ignores_deadlines {
            return false;
        }
        *self.runs.entry(job).or_default() += 1;
        active.jobs.remove(0);
        (active.ends_at, active.next_allowed) = (None, end + DELAY);
        !is_last
    }

    /// Returns a description of each violated invariant.
    fn violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        for (host, requests) in &self.requests {
            let mut requests = requests.clone();
            requests.sort_unstable();
            for pair in requests.windows(2) {
                if pair[1].0 < pair[0].1 + DELAY {
                    violations.push(format!(
                        "{host}: request at {}, but the exchange of {} ended at {}",
                        pair[1].0, pair[0].0, pair[0].1
                    ));
                }
            }
        }
        let minimum = u32::try_from(RUN_LENGTH / (INTERVAL * 4)).unwrap();
        violations.extend(
            self.runs
                .iter()
                .filter(|(_, times)| **times < minimum)
                .map(|(job, times)| format!("{job:?} ran {times} times")),
        );
        if self.runs.len() as u64 != HOSTS * JOBS {
            violations.push(format!("only {} jobs ran", self.runs.len()));
        }
        violations
    }
}

async fn run_world(seed: u64, ignores_deadlines: bool) -> World {
    let mut world = World {
        schedule: InMemory::default(),
        random: Random(seed),
        ignores_deadlines,
        requests: BTreeMap::new(),
        runs: BTreeMap::new(),
    };
    world.run().await;
    world
}

fn seeds() -> Vec<u64> {
    match std::env::var("QYRAN_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=12).collect(),
    }
}

#[tokio::test]
async fn hosts_are_requested_on_time_and_never_too_soon_despite_faults() {
    for seed in seeds() {
        let world = run_world(seed, false).await;
        assert_eq!(world.violations(), Vec::<String>::new(), "QYRAN_SEED={seed}");
        // At the end every job waits for its next due time.
        let view = world.schedule.host(&Host::from_stored("h0".into())).await.unwrap().unwrap();
        assert_eq!(view.jobs.len() as u64, JOBS, "QYRAN_SEED={seed}");
        assert!(
            view.jobs.iter().all(|job| millis(job.due) > RUN_LENGTH - 2 * INTERVAL),
            "QYRAN_SEED={seed}: {view:?}"
        );
    }
}

#[tokio::test]
async fn control_nodes_that_ignore_expired_leases_are_detected() {
    let mut detected = 0;
    for seed in 1..=6 {
        detected += usize::from(!run_world(seed, true).await.violations().is_empty());
    }
    assert!(detected >= 3, "only {detected} of 6 were detected");
}

/// The same seed gives the same run.
#[tokio::test]
async fn a_seed_is_reproducible() {
    let (first, second) = (run_world(7, false).await, run_world(7, false).await);
    assert_eq!(first.requests, second.requests);
    assert_ne!(first.requests, run_world(8, false).await.requests);
}
