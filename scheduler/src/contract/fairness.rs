//! The distribution of turns between hosts and clients.

use model::{Planned, Settlement};

use super::{all_schedules, at, claim, host, planned, settle, tenant};
use crate::schedule::Claim;

/// After a turn of a host with a long backlog, the other hosts have theirs.
#[tokio::test]
async fn a_host_with_a_backlog_does_not_starve_others() {
    for (name, schedule, _backing) in all_schedules().await {
        let mut jobs: Vec<Planned> = (0..9).map(|n| planned(&format!("g{n}"), "giant", -900 + n)).collect();
        jobs.extend([planned("a", "small1", 3), planned("b", "small2", 4)]);
        schedule.plan(&jobs).await.unwrap();
        let run_one_job = async |now: i64| {
            let turns = schedule.claim(&Claim { hosts: 1, jobs: 1, ..claim(now) }).await.unwrap();
            for turn in &turns {
                let mut end = settle(turn, now);
                end.jobs = turn.jobs.iter().map(|job| Settlement::ended(job.id.clone())).collect();
                end.release_until = Some(at(now + 5));
                schedule.settle(&end).await.unwrap();
            }
            turns.first().map(|turn| turn.host.to_string()).unwrap_or_default()
        };
        let order = [
            run_one_job(5).await,
            run_one_job(10).await,
            run_one_job(10).await,
            run_one_job(10).await,
            run_one_job(10).await,
        ];
        assert_eq!(order, ["giant", "small1", "small2", "giant", ""], "{name}");
    }
}

/// One client has a thousand jobs at a host, one has the weight 3, and some jobs are common.
#[tokio::test]
async fn clients_share_a_host_by_weight() {
    for (name, schedule, _backing) in all_schedules().await {
        let jobs_of = |client: &str, weight, jobs: i64, due| -> Vec<Planned> {
            let tenant = tenant(client, weight);
            let job =
                |n| planned(&format!("{}{n}", if client.is_empty() { "all" } else { client }), "h", due);
            (0..jobs).map(|n| Planned { tenant: tenant.clone(), ..job(n) }).collect()
        };
        // The jobs of `flood` are due first. The common jobs are planned before any client has jobs of its own.
        for jobs in [
            jobs_of("", 10, 100, 5),
            jobs_of("flood", 1, 1000, -900),
            jobs_of("plan", 3, 100, 7),
            jobs_of("small", 1, 100, 8),
        ] {
            schedule.plan(&jobs).await.unwrap();
        }
        let mut served = std::collections::BTreeMap::<String, u32>::new();
        for round in 0..15 {
            let now = 10 + 10 * round;
            let turn = schedule.claim(&claim(now)).await.unwrap().remove(0);
            let mut end = settle(&turn, now);
            for job in &turn.jobs {
                let source = job.id.source.as_str().trim_end_matches(char::is_numeric);
                *served.entry(source.to_owned()).or_default() += 1;
                end.jobs.push(Settlement { id: job.id.clone(), next_due: Some(at(now)), exchanges: 1 });
            }
            end.release_until = Some(at(now + 5));
            schedule.settle(&end).await.unwrap();
        }
        // 150 jobs in the ratio 10 : 1 : 3 : 1, within one job each.
        let expected = [("all", 100), ("flood", 10), ("plan", 30), ("small", 10)];
        for (client, share) in expected {
            assert!(served[client].abs_diff(share) <= 1, "{name}: {served:?}");
        }
        let view = schedule.host(&host("h")).await.unwrap().unwrap();
        let stakes: Vec<(&str, u32, u64)> = view
            .stakes
            .iter()
            .map(|stake| (stake.tenant.client.as_str(), stake.tenant.weight, stake.jobs))
            .collect();
        assert_eq!(
            stakes,
            [("", 10, 100), ("flood", 1, 1000), ("plan", 3, 100), ("small", 1, 100)],
            "{name}"
        );
    }
}

/// Control: without clients the flood takes the whole turn.
#[tokio::test]
async fn control_common_jobs_are_served_by_due_time_only() {
    for (name, schedule, _backing) in all_schedules().await {
        let flood = (0..1000).map(|n| planned(&format!("flood{n}"), "h", -900));
        schedule.plan(&flood.chain([planned("small", "h", 8)]).collect::<Vec<_>>()).await.unwrap();
        let turn = schedule.claim(&claim(10)).await.unwrap().remove(0);
        assert!(turn.jobs.iter().all(|job| job.id.source.as_str() != "small"), "{name}");
    }
}
