//! Tests of failures that only a server has: lost replies, failovers and the loss of all data.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Host, JobId, Name, Planned, Settlement, SystemClock, Tenant, Timestamp, Token};
use servers::{RedisClusterServers, RedisServer};
use tokio::time::{sleep, timeout};

use super::shard::Shard;
use super::{EMBARGO, Redis};
use crate::membership::Beat;
use crate::schedule::{Claim, JobPlan, Lease, Members, ScheduleError, ScheduledHosts, Settle, Turns};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(2);
const DELAY: Duration = Duration::from_millis(100);

async fn connect(server: &RedisServer, node: &str) -> Redis {
    Redis::connect(server.url().parse().unwrap(), "qyran", node, Arc::new(SystemClock)).await.unwrap()
}

fn id(source: &str, host: &str) -> JobId {
    JobId::poll(Name::new(source).unwrap(), Host::from_stored(host.to_owned()))
}

fn planned(source: &str, host: &str) -> Planned {
    Planned {
        id: id(source, host),
        due: Timestamp::now(),
        delay: DELAY,
        robots_delay: Duration::ZERO,
        tenant: Tenant::shared(),
    }
}

fn claim(node: &str) -> Claim {
    let now = Timestamp::now();
    Claim { node: node.to_owned(), now, due_by: now, lease: LEASE, hosts: 10, jobs: 10 }
}

/// Claims until at least one turn is returned.
async fn turns(redis: &Redis, node: &str) -> Vec<model::Turn> {
    let claim_loop = async {
        loop {
            let turns = redis.claim(&claim(node)).await.unwrap();
            if !turns.is_empty() {
                return turns;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TEST_TIMEOUT, claim_loop).await.expect("a turn can be claimed")
}

fn settle(turn: &model::Turn) -> Settle {
    Settle {
        lease: Lease { host: turn.host.clone(), token: turn.token },
        now: Timestamp::now(),
        jobs: Vec::new(),
        crashed: Vec::new(),
        new_jobs: Vec::new(),
        release_until: None,
    }
}

#[tokio::test]
async fn a_turn_is_returned_again_after_a_lost_reply() {
    let server = RedisServer::start(&[]).await.unwrap();
    let redis = connect(&server, "n1").await;
    redis.plan(&[planned("a", "h"), planned("b", "h")]).await.unwrap();
    redis.set_planned(1).await.unwrap();
    // The first call starts an embargo, and a new host rests.
    let shard = Shard::of(&Host::from_stored("h".to_owned()));
    let lost_turns = loop {
        let epoch = redis.link.epoch().await.unwrap();
        let (_, turns) = redis
            .claim_on(shard, &claim("n1"), 1, (epoch, i64::MAX.unsigned_abs() / 1024), None)
            .await
            .unwrap();
        if !turns.is_empty() {
            break turns;
        }
        sleep(Duration::from_millis(20)).await;
    };
    redis.claims.lock().await.lose_reply(shard);
    // An embargo does not withhold the node's own leases.
    let key = shard.key("qyran", "ctl");
    server.tell(&format!("HSET {key} emb 9999999999999")).await.unwrap();
    let repeated = turns(&redis, "n1").await;
    assert_eq!((repeated.len(), repeated[0].token), (1, lost_turns[0].1.token));
    let jobs = |turn: &model::Turn| turn.jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>();
    assert_eq!(jobs(&repeated[0]), jobs(&lost_turns[0].1));
    // No other node gets the turn, and the node does not get it again after the reply has arrived.
    let other = connect(&server, "n2").await;
    assert!(other.claim(&claim("n2")).await.unwrap().is_empty());
    assert!(redis.claim(&claim("n1")).await.unwrap().is_empty());
}

/// Two hosts are on one shard. A turn whose reply arrived is not returned again with the lost one.
#[tokio::test]
async fn only_lost_turns_are_returned_again() {
    let server = RedisServer::start(&[]).await.unwrap();
    let redis = connect(&server, "n1").await;
    let host = |number: u32| Host::from_stored(format!("h{number}"));
    let first = host(0);
    let other = (1..).map(host).find(|other| Shard::of(other) == Shard::of(&first)).unwrap();
    redis.plan(&[planned("a", first.as_str())]).await.unwrap();
    redis.set_planned(1).await.unwrap();
    assert_eq!(turns(&redis, "n1").await[0].host, first);
    redis.plan(&[planned("b", other.as_str())]).await.unwrap();
    let second = turns(&redis, "n1").await;
    assert_eq!(second[0].host, other);
    redis.claims.lock().await.lose_last_reply(Shard::of(&other));
    let repeated: Vec<(Host, Token)> =
        turns(&redis, "n1").await.into_iter().map(|turn| (turn.host, turn.token)).collect();
    assert_eq!(repeated, [(other, second[0].token)]);
}

/// A lease that was lost in a failover and restored by its holder does not count as a lost reply, even if the last
/// claim of the host that the server knows came from another node with a higher claim number.
#[tokio::test]
async fn a_restored_lease_is_not_returned_again() {
    let server = RedisServer::start(&[]).await.unwrap();
    let (early, late) = (connect(&server, "n1").await, connect(&server, "n2").await);
    early.plan(&[planned("a", "h")]).await.unwrap();
    early.set_planned(1).await.unwrap();
    let turn = turns(&late, "n2").await.remove(0);
    late.settle(&Settle { release_until: Some(Timestamp::now()), ..settle(&turn) }).await.unwrap();
    // As after a failover: the server does not know a later claim of n1.
    let (host, shard) = (turn.host.clone(), Shard::of(&turn.host));
    server.tell(&format!("HSET {} run another", shard.key("qyran", "ctl"))).await.unwrap();
    let lease = Lease { host, token: Token(turn.token.0 + 1) };
    let until = Timestamp::now() + Duration::from_secs(60);
    early.renew(&lease, until).await.unwrap();
    early.claims.lock().await.lose_reply(shard);
    for _ in 0..10 {
        assert!(early.claim(&claim("n1")).await.unwrap().is_empty());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn flushed_scripts_are_loaded_again() {
    let server = RedisServer::start(&[]).await.unwrap();
    let redis = connect(&server, "n1").await;
    redis.plan(&[planned("a", "h")]).await.unwrap();
    server.tell("SCRIPT FLUSH").await.unwrap();
    redis.plan(&[planned("b", "h")]).await.unwrap();
    assert_eq!(redis.host(&Host::from_stored("h".into())).await.unwrap().unwrap().jobs.len(), 2);
}

/// A server that lost its data restores a lease when its holder renews it, and leases the host to no other node
/// meanwhile.
#[tokio::test]
async fn a_lease_outlives_a_server_that_lost_everything() {
    let server = RedisServer::start(&[]).await.unwrap();
    let (holder, other) = (connect(&server, "n1").await, connect(&server, "n2").await);
    holder.plan(&[planned("a", "h")]).await.unwrap();
    holder.set_planned(1).await.unwrap();
    let turn = turns(&holder, "n1").await.remove(0);
    server.tell("FLUSHALL").await.unwrap();
    // Another node notices the loss and plans all jobs again.
    assert_eq!(other.planned().await.unwrap(), None);
    other.plan(&[planned("a", "h")]).await.unwrap();
    other.set_planned(2).await.unwrap();
    assert_eq!(other.planned().await.unwrap(), Some(2));
    let lease = Lease { host: turn.host.clone(), token: turn.token };
    let until = Timestamp::now() + Duration::from_secs(10);
    holder.renew(&lease, until).await.unwrap();
    for _ in 0..100 {
        assert!(other.claim(&claim("n2")).await.unwrap().is_empty(), "the host is leased");
        sleep(LEASE / 50).await;
    }
    let mut end = settle(&turn);
    end.jobs = vec![Settlement { id: id("a", "h"), next_due: Some(Timestamp::now()), exchanges: 1 }];
    end.release_until = Some(Timestamp::now());
    holder.settle(&end).await.unwrap();
    let next = turns(&other, "n2").await.remove(0);
    assert!(next.token > turn.token, "tokens increase over the loss");
    assert!(matches!(holder.renew(&lease, until).await, Err(ScheduleError::Fenced { .. })));
}

/// After a restart without data no host is leased during the embargo, and no host before its delay has passed.
#[tokio::test]
async fn a_restarted_server_starts_an_embargo() {
    let mut server = RedisServer::start(&["--appendonly", "yes"]).await.unwrap();
    let redis = connect(&server, "n1").await;
    redis.set_planned(1).await.unwrap();
    let slow = Planned { delay: EMBARGO * 2, ..planned("a", "h") };
    redis.plan(&[slow, planned("b", "i")]).await.unwrap();
    server.restart().await.unwrap();
    let restarted_at = tokio::time::Instant::now();
    let mut first = None;
    while first.is_none() {
        // Claims fail until the connection is re-established.
        let turns = redis.claim(&claim("n1")).await.unwrap_or_default();
        first = turns.into_iter().next();
        sleep(Duration::from_millis(10)).await;
    }
    let first = first.unwrap();
    assert_eq!(first.host.as_str(), "i");
    assert!(restarted_at.elapsed() >= EMBARGO - Duration::from_millis(100), "{:?}", restarted_at.elapsed());
    // The lease of the other host expires meanwhile.
    while turns(&redis, "n1").await[0].host.as_str() != "h" {}
    assert!(
        restarted_at.elapsed() >= EMBARGO * 2 - Duration::from_millis(100),
        "{:?}",
        restarted_at.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_evicts_or_is_a_replica_is_rejected() {
    let evicting =
        RedisServer::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).await.unwrap();
    let rejection = async |server: &RedisServer| {
        let address = server.url().parse().unwrap();
        Redis::connect(address, "qyran", "n1", Arc::new(SystemClock)).await.err().unwrap().to_string()
    };
    let reason = rejection(&evicting).await;
    assert!(reason.contains("noeviction") && reason.contains("allkeys-lru"), "{reason}");
    let master = RedisServer::start(&[]).await.unwrap();
    let replica =
        RedisServer::start(&["--replicaof", "127.0.0.1", &master.port().to_string()]).await.unwrap();
    let reason = rejection(&replica).await;
    assert!(reason.contains("replica") && reason.contains("master"), "{reason}");
}

/// Times are passed on the caller's clock, and only the server's clock counts.
#[tokio::test]
async fn nodes_may_have_different_clocks() {
    let server = RedisServer::start(&[]).await.unwrap();
    let hour = Duration::from_secs(3600);
    let late_clock = Arc::new(model::TestClock::at(Timestamp::now() - hour));
    let address = server.url().parse().unwrap();
    let late_node = Redis::connect(address, "qyran", "n1", late_clock.clone()).await.unwrap();
    let late_now = Clock::now(&*late_clock);
    late_node
        .plan(&[
            Planned { due: late_now, ..planned("a", "h") },
            Planned { due: late_now + hour, ..planned("b", "i") },
        ])
        .await
        .unwrap();
    late_node.set_planned(1).await.unwrap();
    let other_node = connect(&server, "n2").await;
    let turn = turns(&other_node, "n2").await.remove(0);
    assert_eq!(turn.host.as_str(), "h");
    let view = late_node.host(&turn.host).await.unwrap().unwrap();
    let (_, until) = view.owner.unwrap();
    let remaining = until.duration_since(late_now);
    assert!(remaining.as_secs() <= 2 && remaining.as_secs() >= 0, "{remaining:?}");
}

#[tokio::test]
async fn a_duty_has_one_holder_at_a_time() {
    let server = RedisServer::start(&[]).await.unwrap();
    let redis = connect(&server, "n1").await;
    let hold = Duration::from_millis(300);
    assert!(redis.take_duty("retention", "n1", hold).await.unwrap());
    assert!(!redis.take_duty("retention", "n2", hold).await.unwrap());
    assert!(redis.take_duty("retention", "n1", hold).await.unwrap(), "the holder keeps the duty");
    assert!(redis.take_duty("other", "n2", hold).await.unwrap());
    while !redis.take_duty("retention", "n2", hold).await.unwrap() {
        sleep(Duration::from_millis(20)).await;
    }
}

/// The same keys and scripts are distributed over three masters; then one master loses its data.
#[tokio::test]
async fn a_redis_cluster_is_used_like_one_server() {
    let servers = RedisClusterServers::start().await.unwrap();
    let connect = async |node: &str| {
        let address = servers.url().parse().unwrap();
        Redis::connect(address, "qyran", node, Arc::new(SystemClock)).await.unwrap()
    };
    let (one, other) = (connect("n1").await, connect("n2").await);
    one.set_planned(3).await.unwrap();
    let jobs: Vec<Planned> =
        (0..100).map(|number| planned(&format!("s{number}"), &format!("h{number}"))).collect();
    one.plan(&jobs).await.unwrap();
    let mut hosts = std::collections::HashSet::new();
    let deadline = tokio::time::Instant::now() + TEST_TIMEOUT;
    while hosts.len() < jobs.len() {
        assert!(tokio::time::Instant::now() < deadline, "only {} hosts were leased", hosts.len());
        for (redis, node) in [(&one, "n1"), (&other, "n2")] {
            let turns = redis.claim(&claim(node)).await.unwrap();
            let settles: Vec<Settle> = turns
                .iter()
                .map(|turn| Settle {
                    jobs: turn.jobs.iter().map(|job| Settlement::ended(job.id.clone())).collect(),
                    release_until: Some(Timestamp::now()),
                    ..settle(turn)
                })
                .collect();
            assert!(redis.settle_all(&settles).await.unwrap().iter().all(Result::is_ok));
            hosts.extend(turns.into_iter().map(|turn| turn.host));
        }
    }
    assert_eq!(one.next_due(Timestamp::MAX, Timestamp::MAX).await.unwrap(), None);
    let beat = Beat {
        node: "n1~1".into(),
        since: Timestamp::now(),
        hosts: 0,
        room: 1,
        version: String::new(),
        listen: String::new(),
    };
    one.heartbeat(&beat).await.unwrap();
    assert_eq!(other.nodes().await.unwrap()[0].name(), "n1");
    assert_eq!(other.planned().await.unwrap(), Some(3));
    servers.master(1).unwrap().tell("FLUSHALL").await.unwrap();
    assert_eq!(other.planned().await.unwrap(), None, "the loss of one part is detected");
}
