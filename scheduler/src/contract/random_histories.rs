//! Random histories: every schedule gives the same answers as the one in memory.

use std::time::Duration;

use model::{Job, Planned, Settlement, Tenant, Timestamp, Turn};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{DELAY, at, claim, host, id, planned, redis_schedule, settle, shared_redis, tenant};
use crate::schedule::{Borrowed, Lease, Leaving, Schedule};
use crate::{InMemory, Sqlite};

#[derive(Debug, Clone)]
enum Step {
    Plan(u8, u8, u8, u8),
    Remove(u8, u8),
    Claim,
    Settle(u8, u8, bool),
    Renew(u8),
    Block(u8, u8),
    Reclaim,
    AskDelay(u8, u8),
    Borrow(u8),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4u8, 0..3u8, 0..60u8, 0..5u8).prop_map(|(s, h, d, c)| Step::Plan(s, h, d, c)),
        (0..4u8, 0..3u8).prop_map(|(s, h)| Step::Remove(s, h)),
        Just(Step::Claim),
        Just(Step::Claim),
        (0..4u8, 0..60u8, any::<bool>()).prop_map(|(t, d, r)| Step::Settle(t, d, r)),
        (0..4u8).prop_map(Step::Renew),
        (0..3u8, 0..60u8).prop_map(|(h, d)| Step::Block(h, d)),
        Just(Step::Reclaim),
        (0..3u8, 0..90u8).prop_map(|(h, d)| Step::AskDelay(h, d)),
        (0..3u8).prop_map(Step::Borrow),
        (0..90u8).prop_map(Step::Wait),
    ]
}

/// Returns the answers of a schedule to a history of steps.
async fn play(schedule: &dyn Schedule, steps: &[Step]) -> Vec<String> {
    let mut now: i64 = 0;
    let mut turns: Vec<Turn> = Vec::new();
    let mut answers = Vec::new();
    for step in steps {
        let answer = match step {
            Step::Plan(s, h, d, c) => {
                let tenant = match c {
                    0..=2 => Tenant::shared(),
                    3 => tenant("acme", 1),
                    _ => tenant("big", 3),
                };
                let job = planned(&format!("s{s}"), &format!("h{h}"), now + i64::from(*d));
                format!("{:?}", schedule.plan(&[Planned { tenant, ..job }]).await)
            }
            Step::Remove(s, h) => {
                format!("{:?}", schedule.remove(&[id(&format!("s{s}"), &format!("h{h}"))]).await)
            }
            Step::Claim => {
                let new_turns = schedule.claim(&claim(now)).await.unwrap();
                turns.extend(new_turns.clone());
                format!("{new_turns:?}")
            }
            Step::Settle(t, d, release) => match turns.get(usize::from(*t)) {
                None => String::new(),
                Some(turn) => {
                    let mut end = settle(turn, now);
                    let next_due = Some(at(now + i64::from(*d)));
                    // One job, all jobs, or one job that is removed.
                    let (count, next_due) = match d % 3 {
                        0 => (1, next_due),
                        1 => (turn.jobs.len(), next_due),
                        _ => (1, None),
                    };
                    let ended = turn.jobs.iter().take(count);
                    let settlement =
                        |job: &Job| Settlement { id: job.id.clone(), next_due, exchanges: u32::from(d % 4) };
                    end.jobs = ended.map(settlement).collect();
                    end.release_until = release.then(|| at(now + 5));
                    format!("{:?}", schedule.settle(&end).await.is_ok())
                }
            },
            Step::Renew(t) => match turns.get(usize::from(*t)) {
                None => String::new(),
                Some(turn) => {
                    let lease = Lease { host: turn.host.clone(), token: turn.token };
                    format!("{:?}", schedule.renew(&lease, at(now + 60)).await.is_ok())
                }
            },
            Step::Block(h, d) => {
                format!("{:?}", schedule.block(&host(&format!("h{h}")), at(now + i64::from(*d)), "x").await)
            }
            Step::Reclaim => format!("{:?}", schedule.reclaim("n1", at(now), Leaving::HandedBack).await),
            Step::AskDelay(h, d) => {
                let delay = Duration::from_secs(u64::from(*d));
                format!("{:?}", schedule.ask_delay(&host(&format!("h{h}")), delay).await)
            }
            Step::Borrow(h) => {
                let borrowed =
                    schedule.borrow_host(&host(&format!("h{h}")), DELAY, &claim(now)).await.unwrap();
                if let Borrowed::Yes(turn) = &borrowed {
                    turns.push(turn.clone());
                }
                format!("{borrowed:?}")
            }
            Step::Wait(d) => {
                now += i64::from(*d);
                String::new()
            }
        };
        answers.push(format!(
            "{answer} next {:?}",
            schedule.next_due(Timestamp::MAX, Timestamp::MAX).await.unwrap()
        ));
    }
    answers
}

/// The file and the server give the same answers as the model, and no host ever has two owners.
#[test]
fn every_schedule_agrees_with_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(shared_redis());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&proptest::collection::vec(step(), 1..40), |steps| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let sqlite = Sqlite::open(&folder.path().join("s.db")).unwrap();
            let model = play(&InMemory::default(), &steps).await;
            prop_assert_eq!(&play(&sqlite, &steps).await, &model, "sqlite");
            let redis = redis_schedule(&server).await;
            prop_assert_eq!(&play(&redis, &steps).await, &model, "redis");
            Ok(())
        })
    });
    outcome.unwrap();
}
