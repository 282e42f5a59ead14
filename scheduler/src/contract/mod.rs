//! The contract of [`Schedule`], tested against every implementation.

mod fairness;
mod random_histories;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::{Host, JobId, Name, Planned, Settlement, Tenant, Timestamp, Token, Turn};
use servers::RedisServer;
use tokio::sync::Mutex;

use crate::schedule::{Borrowed, Claim, HostCounts, Lease, Leaving, Schedule, ScheduleError, Settle, Share};
use crate::schedule::{JobPlan, RobotsCache, Turns};
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
        new_jobs: Vec::new(),
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
        let mut late_settle = settle(&first, 67);
        late_settle.jobs = vec![Settlement::ended(id("a", "h"))];
        assert!(matches!(schedule.settle(&late_settle).await, Err(ScheduleError::Fenced { .. })), "{name}");
        let old_lease = Lease { host: host("h"), token: first.token };
        assert!(
            matches!(schedule.renew(&old_lease, at(999)).await, Err(ScheduleError::Fenced { .. })),
            "{name}"
        );
        let mut valid = settle(&second, 67);
        valid.jobs = vec![rescheduled("a", "h", at(100))];
        valid.release_until = Some(at(70));
        // The rejected turn does not affect the other.
        let results = schedule.settle_all(&[late_settle, valid]).await.unwrap();
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
        end.new_jobs = vec![planned("b", "other", 2)];
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
        let claimed_hosts: Vec<String> =
            schedule.claim(&pass).await.unwrap().iter().map(|turn| turn.host.to_string()).collect();
        assert_eq!(claimed_hosts, ["h1"], "{name}");
        assert_eq!(schedule.next_due(at(4), Timestamp::MAX).await.unwrap(), None, "{name}");
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
        let mut late_settle = settle(&turn, 3);
        late_settle.jobs = vec![Settlement::ended(id("a", "h"))];
        late_settle.new_jobs = vec![planned("b", "other", 2)];
        assert!(matches!(schedule.settle(&late_settle).await, Err(ScheduleError::Fenced { .. })), "{name}");
        let both = [("h".into(), vec!["a".into()]), ("other".into(), vec!["b".into()])];
        let mut jobs_by_host = turns(&*schedule, 10).await;
        jobs_by_host.sort();
        assert_eq!(jobs_by_host, both, "{name}");
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

#[test]
fn tokens_increase_after_the_loss_of_all_data() {
    let old = crate::schedule::next_token(Token(0), at(0));
    let new = crate::schedule::next_token(Token(0), at(1));
    assert!(new > old);
}
