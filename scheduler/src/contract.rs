//! The contract of [`Schedule`], tested against every implementation.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::{Host, Job, JobId, Name, Planned, Settlement, Tenant, Timestamp, Token, Turn};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use servers::RedisServer;
use tokio::sync::Mutex;

use crate::schedule::{Borrowed, Claim, HostCounts, Lease, Leaving, Schedule, ScheduleError, Settle, Share};
use crate::{InMemory, Redis, Sqlite};

const DELAY: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn host(name: &str) -> Host {
    Host::from_stored(name.to_owned())
}

fn id(source: &str, host_name: &str) -> JobId {
    let (source, host) = (Name::new(source).unwrap(), host(host_name));
    match host_name {
        // Two jobs are searches, one of them with two non-ASCII words.
        "h2" if source.as_str() == "s1" => JobId::search(source, host, "су тасқыны".to_owned()),
        "h2" if source.as_str() == "s2" => JobId::search(source, host, "tasqyn".to_owned()),
        _ => JobId::poll(source, host),
    }
}

fn planned(source: &str, host_name: &str, due: i64) -> Planned {
    Planned {
        id: id(source, host_name),
        due: at(due),
        delay: DELAY,
        robots_delay: Duration::ZERO,
        tenant: Tenant::shared(),
    }
}

fn rescheduled(source: &str, host_name: &str, due: Timestamp) -> Settlement {
    Settlement { id: id(source, host_name), next_due: Some(due), exchanges: 1 }
}

fn tenant(client: &str, weight: u32) -> Tenant {
    Tenant { client: client.to_owned(), weight }
}

fn claim(now: i64) -> Claim {
    Claim { node: "n1".into(), now: at(now), due_by: at(now), lease: LEASE, hosts: 10, jobs: 10 }
}

fn settle(turn: &Turn, now: i64) -> Settle {
    Settle {
        lease: Lease { host: turn.host.clone(), token: turn.token },
        now: at(now),
        jobs: Vec::new(),
        crashed: Vec::new(),
        found: Vec::new(),
        release_until: None,
    }
}

/// Claims, and returns the hosts of the turns with the sources of their jobs.
async fn turns(schedule: &dyn Schedule, now: i64) -> Vec<(String, Vec<String>)> {
    let turns = schedule.claim(&claim(now)).await.unwrap();
    turns
        .into_iter()
        .map(|turn| (turn.host.to_string(), turn.jobs.iter().map(|job| job.id.source.to_string()).collect()))
        .collect()
}

/// The backing of a schedule, kept alive for the test: the folder of a file, or a server.
type Backing = Box<dyn std::any::Any>;

async fn all_schedules() -> Vec<(&'static str, Arc<dyn Schedule>, Backing)> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("schedule.db")).unwrap();
    let server = shared_redis().await;
    let redis = redis_schedule(&server).await;
    let mut all: Vec<(&str, Arc<dyn Schedule>, Backing)> = vec![
        ("memory", Arc::new(InMemory::default()), Box::new(())),
        ("sqlite", Arc::new(sqlite), Box::new(folder)),
        ("redis", Arc::new(redis), Box::new(server)),
    ];
    match shared_valkey().await {
        Some(server) => all.push(("valkey", Arc::new(redis_schedule(&server).await), Box::new(server))),
        // Written directly: the test harness captures the output of the print macros in passing tests.
        None => std::io::stderr().write_all(b"SKIPPED: no Valkey server in target/tools\n").unwrap(),
    }
    all
}

/// Returns the server shared by all tests that run at the same time; it stops with the last of them.
async fn shared_redis() -> Arc<RedisServer> {
    static SERVER: Mutex<Weak<RedisServer>> = Mutex::const_new(Weak::new());
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(RedisServer::start(&[]).await.unwrap());
    *shared = Arc::downgrade(&server);
    server
}

async fn shared_valkey() -> Option<Arc<RedisServer>> {
    static SERVER: Mutex<Weak<RedisServer>> = Mutex::const_new(Weak::new());
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(RedisServer::start_valkey(&[]).await?.unwrap());
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// Returns a separate schedule on a shared server, on the clock of the test.
async fn redis_schedule(server: &RedisServer) -> Redis {
    static SPACE: AtomicUsize = AtomicUsize::new(0);
    let space = format!("t{}", SPACE.fetch_add(1, Ordering::Relaxed));
    Redis::on_callers_clock(server.url().parse().unwrap(), &space, "n1").await.unwrap()
}

#[tokio::test]
async fn hosts_are_leased_once_and_in_the_order_of_their_due_times() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule
            .plan(&[
                planned("a", "h1", 10),
                planned("b", "h2", 5),
                planned("c", "h1", 20),
                planned("d", "h3", 99),
            ])
            .await
            .unwrap();
        assert_eq!(turns(&*schedule, 4).await, [], "{name}");
        assert_eq!(
            turns(&*schedule, 12).await,
            [("h2".into(), vec!["b".into()]), ("h1".into(), vec!["a".into()])],
            "{name}"
        );
        assert_eq!(turns(&*schedule, 30).await, [], "{name}: a leased host is not leased again");
    }
}

#[tokio::test]
async fn a_released_host_rests_until_its_next_permit() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0), planned("b", "h", 50)]).await.unwrap();
        let turn = schedule.claim(&claim(1)).await.unwrap().remove(0);
        assert_eq!((turn.delay, turn.lease_until), (DELAY, at(61)), "{name}");
        let mut end = settle(&turn, 2);
        end.jobs = vec![rescheduled("a", "h", at(3))];
        end.release_until = Some(at(20));
        schedule.settle(&end).await.unwrap();
        assert_eq!(schedule.next_due(Timestamp::MAX, Timestamp::MAX).await.unwrap(), Some(at(20)), "{name}");
        assert_eq!(turns(&*schedule, 19).await, [], "{name}: the delay outlives the lease");
        assert_eq!(turns(&*schedule, 20).await, [("h".into(), vec!["a".into()])], "{name}");
    }
}

#[tokio::test]
async fn tokens_increase_and_old_ones_are_rejected() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        let first = schedule.claim(&claim(1)).await.unwrap().remove(0);
        // The lease expires, the host rests for one delay, and is leased again.
        assert_eq!(turns(&*schedule, 61).await, [], "{name}: the host rests after an expired lease");
        let second = schedule.claim(&claim(66)).await.unwrap().remove(0);
        assert!(second.token > first.token, "{name}");
        assert_eq!(second.jobs[0].crashes, 1, "{name}: an expired lease counts as a crash");
        let mut late = settle(&first, 67);
        late.jobs = vec![Settlement::ended(id("a", "h"))];
        assert!(matches!(schedule.settle(&late).await, Err(ScheduleError::Fenced { .. })), "{name}");
        let old_lease = Lease { host: host("h"), token: first.token };
        assert!(
            matches!(schedule.renew(&old_lease, at(999)).await, Err(ScheduleError::Fenced { .. })),
            "{name}"
        );
        let mut valid = settle(&second, 67);
        valid.jobs = vec![rescheduled("a", "h", at(100))];
        valid.release_until = Some(at(70));
        // The rejected turn does not affect the other.
        let results = schedule.settle_all(&[late, valid]).await.unwrap();
        assert!(
            matches!(results.as_slice(), [Err(ScheduleError::Fenced { .. }), Ok(())]),
            "{name}: {results:?}"
        );
        let third = schedule.claim(&claim(100)).await.unwrap().remove(0);
        assert_eq!(third.jobs[0].crashes, 0, "{name}: success resets the crash counter");
    }
}

#[tokio::test]
async fn a_renewed_lease_is_extended() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        let turn = schedule.claim(&claim(1)).await.unwrap().remove(0);
        schedule.renew(&Lease { host: turn.host, token: turn.token }, at(200)).await.unwrap();
        assert_eq!(turns(&*schedule, 150).await, [], "{name}");
    }
}

#[tokio::test]
async fn the_hosts_of_a_dead_node_are_released_and_rest() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        schedule.claim(&claim(1)).await.unwrap();
        schedule.reclaim("other", at(2), Leaving::Crashed).await.unwrap();
        assert_eq!(turns(&*schedule, 10).await, [], "{name}: the end of another node has no effect");
        schedule.reclaim("n1", at(10), Leaving::Crashed).await.unwrap();
        assert_eq!(turns(&*schedule, 14).await, [], "{name}");
        assert_eq!(turns(&*schedule, 15).await, [("h".into(), vec!["a".into()])], "{name}");
    }
}

#[tokio::test]
async fn the_robots_delay_outlives_leases_and_crashes() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        schedule.claim(&claim(1)).await.unwrap();
        schedule.ask_delay(&host("h"), DELAY * 6).await.unwrap();
        schedule.reclaim("n1", at(10), Leaving::Crashed).await.unwrap();
        assert_eq!(turns(&*schedule, 39).await, [], "{name}: the host rests for the delay of robots.txt");
        let turn = schedule.claim(&claim(40)).await.unwrap().remove(0);
        assert_eq!((turn.delay, turn.robots_delay), (DELAY, DELAY * 6), "{name}");
        schedule.ask_delay(&host("h"), Duration::ZERO).await.unwrap();
        assert_eq!(
            schedule.host(&host("h")).await.unwrap().unwrap().delay,
            DELAY,
            "{name}: the robots delay can be removed"
        );
    }
}

/// Only the running job counts as crashed, and no job if the node was told to stop.
#[tokio::test]
async fn crashes_are_counted_for_the_running_job() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0), planned("b", "h", 1), planned("c", "h", 2)]).await.unwrap();
        let turn = schedule.claim(&claim(3)).await.unwrap().remove(0);
        let mut first = settle(&turn, 4);
        first.jobs = vec![rescheduled("a", "h", at(900))];
        schedule.settle(&first).await.unwrap();
        schedule.reclaim("n1", at(5), Leaving::Crashed).await.unwrap();
        let crashes = async || {
            let mut jobs = schedule.host(&host("h")).await.unwrap().unwrap().jobs;
            jobs.sort_by(|one, other| one.id.cmp(&other.id));
            jobs.iter().map(|job| job.crashes).collect::<Vec<_>>()
        };
        assert_eq!(crashes().await, [0, 1, 0], "{name}");
        schedule.claim(&claim(20)).await.unwrap();
        schedule.reclaim("n1", at(21), Leaving::HandedBack).await.unwrap();
        assert_eq!(crashes().await, [0, 1, 0], "{name}");
    }
}

#[tokio::test]
async fn a_job_planned_again_while_running_is_kept() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        let turn = schedule.claim(&claim(1)).await.unwrap().remove(0);
        schedule.plan(&[planned("a", "h", 2)]).await.unwrap();
        let mut end = settle(&turn, 3);
        end.jobs = vec![Settlement::ended(id("a", "h"))];
        end.release_until = Some(at(3));
        schedule.settle(&end).await.unwrap();
        assert_eq!(turns(&*schedule, 4).await, [("h".into(), vec!["a".into()])], "{name}");
    }
}

#[tokio::test]
async fn hosts_with_long_blocks_are_not_waited_for() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0), planned("b", "i", 0)]).await.unwrap();
        schedule.block(&host("h"), at(100), "Retry-After").await.unwrap();
        schedule.block(&host("i"), at(10), "Retry-After").await.unwrap();
        assert_eq!(schedule.next_due(at(1), at(50)).await.unwrap(), Some(at(10)), "{name}");
        assert_eq!(schedule.next_due(at(1), at(5)).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn blocks_apply_to_all_nodes_and_have_a_reason() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        schedule.block(&host("h"), at(100), "Retry-After").await.unwrap();
        assert_eq!(turns(&*schedule, 99).await, [], "{name}");
        assert_eq!(
            schedule.borrow_host(&host("h"), DELAY, &claim(50)).await.unwrap(),
            Borrowed::No { until: at(100) },
            "{name}"
        );
        assert_eq!(schedule.next_due(Timestamp::MAX, Timestamp::MAX).await.unwrap(), Some(at(100)), "{name}");
        let view = schedule.host(&host("h")).await.unwrap().unwrap();
        assert_eq!(view.blocked, Some((at(100), "Retry-After".into())), "{name}");
        assert_eq!(turns(&*schedule, 100).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_borrowed_host_is_leased_like_any_other() {
    for (name, schedule, _backing) in all_schedules().await {
        let Borrowed::Yes(turn) = schedule.borrow_host(&host("h"), DELAY, &claim(1)).await.unwrap() else {
            panic!("{name}")
        };
        assert_eq!(turn.delay, DELAY, "{name}");
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        assert_eq!(turns(&*schedule, 2).await, [], "{name}");
        assert_eq!(
            schedule.borrow_host(&host("h"), DELAY, &claim(2)).await.unwrap(),
            Borrowed::No { until: at(61) },
            "{name}"
        );
        let mut end = settle(&turn, 3);
        end.release_until = Some(at(8));
        schedule.settle(&end).await.unwrap();
        assert_eq!(turns(&*schedule, 8).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn removed_jobs_stay_removed_and_new_jobs_are_planned() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        let turn = schedule.claim(&claim(1)).await.unwrap().remove(0);
        schedule.remove(&[id("a", "h")]).await.unwrap();
        let mut end = settle(&turn, 2);
        end.jobs = vec![rescheduled("a", "h", at(3))];
        end.found = vec![planned("b", "other", 2)];
        end.release_until = Some(at(3));
        schedule.settle(&end).await.unwrap();
        assert_eq!(turns(&*schedule, 10).await, [("other".into(), vec!["b".into()])], "{name}");
    }
}

#[tokio::test]
async fn a_single_pass_claims_only_jobs_due_at_its_start() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h1", 5), planned("b", "h2", 20)]).await.unwrap();
        let pass = Claim { due_by: at(10), ..claim(30) };
        let claimed: Vec<String> =
            schedule.claim(&pass).await.unwrap().iter().map(|turn| turn.host.to_string()).collect();
        assert_eq!(claimed, ["h1"], "{name}");
        assert_eq!(schedule.next_due(at(4), Timestamp::MAX).await.unwrap(), None, "{name}");
    }
}

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

#[tokio::test]
async fn hosts_are_counted_and_listed_in_order_of_availability() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule
            .plan(&[
                planned("a", "h1", 10),
                planned("b", "h2", 5),
                planned("c", "h3", 99),
                planned("d", "h4", 1),
            ])
            .await
            .unwrap();
        schedule.claim(&Claim { hosts: 1, ..claim(3) }).await.unwrap();
        let counts = schedule.counts(Share::All, at(12)).await.unwrap();
        let expected = HostCounts { waiting: 1, ready: 2, leased: 1, oldest_ready: Some(at(5)) };
        assert_eq!(counts, expected, "{name}");
        let hosts: Vec<String> = schedule.hosts(3).await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["h2", "h1", "h4"], "{name}: the leased host is listed at the end of its lease");
    }
}

/// The harvest with the new jobs is stored already, so they are planned even if the lease has ended meanwhile.
#[tokio::test]
async fn new_jobs_are_planned_even_if_the_lease_has_ended() {
    for (name, schedule, _backing) in all_schedules().await {
        schedule.plan(&[planned("a", "h", 0)]).await.unwrap();
        let turn = schedule.claim(&claim(1)).await.unwrap().remove(0);
        schedule.reclaim("n1", at(2), Leaving::HandedBack).await.unwrap();
        let mut late = settle(&turn, 3);
        late.jobs = vec![Settlement::ended(id("a", "h"))];
        late.found = vec![planned("b", "other", 2)];
        assert!(matches!(schedule.settle(&late).await, Err(ScheduleError::Fenced { .. })), "{name}");
        let both = [("h".into(), vec!["a".into()]), ("other".into(), vec!["b".into()])];
        let mut claimed = turns(&*schedule, 10).await;
        claimed.sort();
        assert_eq!(claimed, both, "{name}");
    }
}

#[tokio::test]
async fn the_longest_delay_of_a_hosts_sources_applies() {
    for (name, schedule, _backing) in all_schedules().await {
        let slow = Planned { delay: DELAY * 4, ..planned("slow", "h", 999) };
        schedule.plan(&[planned("a", "h", 0), slow]).await.unwrap();
        assert_eq!(schedule.claim(&claim(1)).await.unwrap()[0].delay, DELAY * 4, "{name}");
    }
}

#[tokio::test]
async fn a_schedule_survives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schedule.db");
    let first = Sqlite::open(&path).unwrap();
    first.plan(&[planned("a", "h", 0)]).await.unwrap();
    let turn = first.claim(&claim(1)).await.unwrap().remove(0);
    let mut end = settle(&turn, 2);
    end.jobs = vec![rescheduled("a", "h", at(3))];
    end.release_until = Some(at(30));
    first.settle(&end).await.unwrap();
    first.remember_robots("http://h:80", "{}").await.unwrap();
    drop(first);
    let reopened = Sqlite::open(&path).unwrap();
    assert_eq!(turns(&reopened, 29).await, [], "the delay still applies");
    assert_eq!(turns(&reopened, 30).await.len(), 1);
    assert_eq!(reopened.recall_robots("http://h:80").await.unwrap().as_deref(), Some("{}"));
}

/// The file has the first schema version.
#[tokio::test]
async fn an_older_file_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schedule.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(crate::sqlite::CREATE_TABLES).unwrap();
    old.execute_batch(&format!(
        "INSERT INTO host (host, next_allowed) VALUES ('h', {}), ('idle', 0);
         INSERT INTO job (source, kind, host, due, delay) VALUES ('a', 'poll', 'h', {}, 5000);
         PRAGMA user_version = 1",
        at(10).as_millisecond(),
        at(0).as_millisecond()
    ))
    .unwrap();
    drop(old);
    let schedule = Sqlite::open(&path).unwrap();
    assert_eq!(turns(&schedule, 9).await, []);
    assert_eq!(turns(&schedule, 10).await, [("h".into(), vec!["a".into()])]);
    drop(schedule);
    Sqlite::open(&path).unwrap();
}

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
                let planned = planned(&format!("s{s}"), &format!("h{h}"), now + i64::from(*d));
                format!("{:?}", schedule.plan(&[Planned { tenant, ..planned }]).await)
            }
            Step::Remove(s, h) => {
                format!("{:?}", schedule.remove(&[id(&format!("s{s}"), &format!("h{h}"))]).await)
            }
            Step::Claim => {
                let claimed = schedule.claim(&claim(now)).await.unwrap();
                turns.extend(claimed.clone());
                format!("{claimed:?}")
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

#[test]
fn tokens_increase_after_the_loss_of_all_data() {
    let old = crate::schedule::next_token(Token(0), at(0));
    let new = crate::schedule::next_token(Token(0), at(1));
    assert!(new > old);
}
