//! Fault tests of several nodes on one Redis and one PostgreSQL. The simulated internet's own log is the evidence:
//! no host is requested too soon or against its robots.txt, and no material is lost or duplicated. Each protection
//! has a control test that switches it off and expects violations.

use std::time::Duration;

use origin::{Behaviour, Kind, World};
use servers::{RedisClusterServers, RedisServer, SentinelServers};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::support::cluster::{Cluster, LEASE};
use crate::support::relay::Relay;
use crate::support::{report_skip, signal};

/// Extra time beyond lease and delay until a host is served again: nodes claim hosts, and the machine may be busy.
const GRACE: Duration = Duration::from_secs(2);

/// The time for which a server that may lack leases assigns no hosts.
const EMBARGO: Duration = Duration::from_secs(5);

/// Returns hosts whose sources are always due: a host is always in an exchange or in its delay.
pub(crate) fn busy_world() -> World {
    publishing_world(Duration::from_millis(1500))
}

/// Returns the same hosts with another interval between the articles of a site. A feed shows thirty articles.
pub(crate) fn publishing_world(interval: Duration) -> World {
    let mut world = World::empty(31);
    for kind in [Kind::FullFeed, Kind::Feed, Kind::Listing, Kind::FullFeed, Kind::Sitemap, Kind::FullFeed] {
        world.add(kind, Behaviour::Healthy, 3, interval);
    }
    world
}

/// The crawl delay of slow hosts. It is longer than an outage, so that a lost delay is a visible violation.
const CRAWL_DELAY: Duration = Duration::from_secs(6);

/// Returns hosts with a long `Crawl-delay` in robots.txt. The main state of the schedule is the remaining delay of
/// each host.
fn slow_world() -> World {
    delayed_world(CRAWL_DELAY)
}

pub(crate) fn delayed_world(crawl_delay: Duration) -> World {
    let mut world = World::empty(32);
    for _ in 0..60 {
        let site = world.add(Kind::FullFeed, Behaviour::Healthy, 2, Duration::from_secs(5));
        site.crawl_delay = Some(crawl_delay);
    }
    world
}

/// Asserts that all articles are stored once and that no request was a violation.
pub(crate) async fn assert_intact(cluster: &Cluster) {
    cluster.settle().await;
    assert_eq!(cluster.violations().await, Vec::<String>::new());
}

/// Asserts, in a control test, that a fault causes violations. A fault may be harmless by chance, so it is retried.
pub(crate) async fn assert_violated(fault: impl AsyncFn() -> Vec<String>) {
    for _ in 0..4 {
        if !fault().await.is_empty() {
            return;
        }
    }
    panic!("no violation without the protection: this control does not test it");
}

pub(crate) async fn stop_all(nodes: Vec<Child>) {
    for mut node in nodes {
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
    }
}

/// Restarts three nodes one by one, as Kubernetes does, then scales to five nodes and down to two. Returns the
/// longest idle time of a host, less the stalls of the machine.
async fn idle_time_during_scaling(flags: &[&str]) -> (Cluster, Duration) {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), busy_world(), 4).await;
    let mut nodes: Vec<Child> = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags)).into();
    cluster.wait_for_requests(60).await;
    let from = cluster.now();
    for name in ["n1", "n2", "n3"] {
        stop_all(vec![nodes.remove(0)]).await;
        nodes.push(cluster.node_with(name, flags));
        cluster.wait_for_requests(30).await;
    }
    nodes.extend(["n4", "n5"].map(|name| cluster.node_with(name, flags)));
    cluster.wait_for_requests(60).await;
    stop_all(nodes.drain(..3).collect()).await;
    cluster.wait_for_requests(60).await;
    let idle_time = cluster.longest_idle_time(from).saturating_sub(cluster.max_stall() * 3);
    cluster.settle().await;
    stop_all(nodes).await;
    (cluster, idle_time)
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_handed_over_when_nodes_start_and_stop() {
    let (cluster, idle_time) = idle_time_during_scaling(&[]).await;
    assert!(idle_time < LEASE, "hosts must be handed over before their leases expire: {idle_time:?}");
    assert_eq!(cluster.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_draining_hosts_are_idle_until_their_leases_expire() {
    assert_violated(async || {
        let (_cluster, idle_time) = idle_time_during_scaling(&["--without", "drain"]).await;
        (idle_time >= LEASE).then(|| format!("{idle_time:?} of idle time")).into_iter().collect()
    })
    .await;
}

/// Kills one of two nodes, whose lease duration is `lease`. Returns the longest idle time of a host.
async fn idle_time_after_kill(lease: &str) -> (Cluster, Duration) {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), busy_world(), 4).await;
    let (mut first, second) = (cluster.node_with_lease("n1", lease), cluster.node_with_lease("n2", lease));
    cluster.wait_for_requests(100).await;
    let from = cluster.now();
    signal(&first, "KILL");
    first.wait().await.unwrap();
    sleep(LEASE + GRACE).await;
    let idle_time = cluster.longest_idle_time(from);
    if lease == "3s" {
        assert_intact(&cluster).await;
    }
    drop(second);
    (cluster, idle_time)
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_a_killed_node_are_served_again_within_its_lease() {
    let (cluster, idle_time) = idle_time_after_kill("3s").await;
    // A control of the handover test: a killed node hands over nothing.
    assert!(idle_time >= LEASE / 2, "a killed node must not hand its hosts over: {idle_time:?}");
    // A stall may delay each of three steps: the claim, the lookup and the request.
    let idle_time = idle_time.saturating_sub(cluster.max_stall() * 3);
    assert!(idle_time <= LEASE + cluster.stage.delay + GRACE, "{idle_time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_with_long_leases_hosts_of_a_killed_node_stay_idle() {
    assert_violated(async || {
        let (cluster, idle_time) = idle_time_after_kill("1h").await;
        let is_long = idle_time > LEASE + cluster.stage.delay;
        is_long.then(|| format!("{idle_time:?} of idle time")).into_iter().collect()
    })
    .await;
}

/// Stops a node past its lease and continues it, three times. Returns the violations.
async fn suspend_node(flags: &[&str]) -> Vec<String> {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), busy_world(), 4).await;
    let (zombie, _other) = (cluster.node_with("n1", flags), cluster.node("n2"));
    cluster.wait_for_requests(100).await;
    for _ in 0..3 {
        signal(&zombie, "STOP");
        sleep(LEASE + GRACE).await;
        signal(&zombie, "CONT");
        cluster.wait_for_requests(60).await;
    }
    cluster.settle().await;
    cluster.violations().await
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_was_suspended_past_its_lease_sends_no_request_under_it() {
    assert_eq!(suspend_node(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_deadlines_a_suspended_node_requests_hosts_of_others() {
    assert_violated(async || suspend_node(&["--without", "deadline"]).await).await;
}

/// Cuts a node off from the schedule, but not from its sites, twice. Returns the violations.
async fn cut_schedule(flags: &[&str]) -> Vec<String> {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), busy_world(), 4).await;
    let relay = Relay::start(redis.port()).await;
    let relay_url = format!("redis://127.0.0.1:{}", relay.port());
    let (_cut, _other) = (cluster.node_with_schedule(&relay_url, "n1", flags), cluster.node("n2"));
    cluster.wait_for_requests(100).await;
    for _ in 0..2 {
        relay.set_cut(true);
        sleep(LEASE + GRACE + GRACE).await;
        relay.set_cut(false);
        cluster.wait_for_requests(60).await;
    }
    cluster.settle().await;
    cluster.violations().await
}

#[tokio::test(flavor = "multi_thread")]
async fn node_without_its_schedule_stops_before_its_lease_expires() {
    assert_eq!(cut_schedule(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_deadlines_a_node_without_its_schedule_continues() {
    assert_violated(async || cut_schedule(&["--without", "deadline"]).await).await;
}

/// Kills and restarts Redis, twice. `appendonly` decides if its data survives. Returns the longest idle time of a
/// host and the violations.
async fn restart_redis(appendonly: &str, flags: &[&str]) -> (Duration, Vec<String>) {
    restart_server(RedisServer::start(&["--appendonly", appendonly]).await.unwrap(), flags).await
}

async fn restart_server(mut redis: RedisServer, flags: &[&str]) -> (Duration, Vec<String>) {
    let cluster = Cluster::start(&redis.url(), slow_world(), 1).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.wait_for_requests(100).await;
    let from = cluster.now();
    for _ in 0..2 {
        redis.kill();
        sleep(Duration::from_millis(300)).await;
        redis.restart().await.unwrap();
        cluster.wait_for_requests(100).await;
    }
    // A stall may delay each of three steps: the claim, the lookup and the request.
    let idle_time = cluster.longest_idle_time(from).saturating_sub(cluster.max_stall() * 3);
    cluster.settle().await;
    (idle_time, cluster.violations().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_redis_resumes_with_its_data() {
    let (idle_time, violations) = restart_redis("yes", &[]).await;
    assert_eq!(violations, Vec::<String>::new());
    assert!(idle_time <= EMBARGO + CRAWL_DELAY + CRAWL_DELAY + GRACE, "{idle_time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_valkey_resumes_with_its_data() {
    let Some(valkey) = RedisServer::start_valkey(&["--appendonly", "yes"]).await else {
        return report_skip("Valkey is not in target/tools; run ./check to install it");
    };
    let (_, violations) = restart_server(valkey.unwrap(), &[]).await;
    assert_eq!(violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_lost_its_data_is_rebuilt() {
    let (_, violations) = restart_redis("no", &[]).await;
    assert_eq!(violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_embargo_a_redis_without_data_assigns_hosts_twice() {
    assert_violated(async || restart_redis("no", &["--without", "embargo"]).await.1).await;
}

/// Replaces a master by a replica that lacks its last writes. Returns the longest idle time of a host and the
/// violations.
async fn fail_over_by_sentinel(is_killed: bool, flags: &[&str]) -> (Duration, Vec<String>) {
    let mut servers = SentinelServers::start().await.unwrap();
    let cluster = Cluster::start(&servers.url(), slow_world(), 1).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.wait_for_requests(130).await;
    let from = cluster.now();
    if is_killed {
        // Detach the replica, so that it lacks the last writes. A stopped replica would still read them from its
        // socket.
        servers.replica.tell("REPLICAOF NO ONE").await.unwrap();
        sleep(LEASE / 2).await;
        servers.master.kill();
    } else {
        servers.fail_over().await.unwrap();
    }
    let replica = servers.replica.port();
    let failover = async {
        while servers.master_port().await.unwrap() != replica {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), failover).await.expect("the Sentinels did not fail over");
    cluster.wait_for_requests(130).await;
    // A stall may delay each of three steps: the claim, the lookup and the request.
    let idle_time = cluster.longest_idle_time(from).saturating_sub(cluster.max_stall() * 3);
    cluster.settle().await;
    (idle_time, cluster.violations().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_follow_a_failover_from_a_killed_master_to_its_replica() {
    let (idle_time, violations) = fail_over_by_sentinel(true, &[]).await;
    assert_eq!(violations, Vec::<String>::new());
    // The Sentinels detect the failure after one second and agree within another two.
    let detection = LEASE / 2 + Duration::from_secs(3);
    assert!(idle_time <= detection + EMBARGO + CRAWL_DELAY + GRACE, "{idle_time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_leave_a_live_master_for_its_successor() {
    let (_, violations) = fail_over_by_sentinel(false, &[]).await;
    assert_eq!(violations, Vec::<String>::new());
}

/// Starts a node after a failover in which the old master keeps its role. Returns the violations.
async fn run_with_two_masters(flags: &[&str]) -> Vec<String> {
    let servers = SentinelServers::start_with_stubborn_master().await.unwrap();
    let cluster = Cluster::start(&servers.url(), slow_world(), 1).await;
    let mut nodes: Vec<Child> = ["n1", "n2"].map(|name| cluster.node_with(name, flags)).into();
    cluster.wait_for_requests(130).await;
    servers.fail_over().await.unwrap();
    let replica = servers.replica.port();
    while servers.master_port().await.unwrap() != replica {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        servers.master.tell("ROLE").await.unwrap().contains("master"),
        "the old master must keep its role"
    );
    nodes.push(cluster.node_with("n3", flags));
    cluster.wait_for_requests(130).await;
    cluster.settle().await;
    cluster.violations().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_follow_the_master_that_the_sentinels_name() {
    assert_eq!(run_with_two_masters(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_nodes_on_an_old_master_repeat_requests_of_others() {
    assert_violated(async || run_with_two_masters(&["--without", "following"]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_embargo_a_new_master_assigns_leased_hosts() {
    assert_violated(async || fail_over_by_sentinel(true, &["--without", "embargo"]).await.1).await;
}

/// Replaces one master of a Redis Cluster by a replica that lacks its last writes. Returns the longest idle time of
/// a host and the violations.
async fn fail_over_redis_cluster(flags: &[&str]) -> (Duration, Vec<String>) {
    let mut servers = RedisClusterServers::start_with_replicas().await.unwrap();
    // The masters of a cluster need more time than Sentinels to agree.
    let cluster = Cluster::start(&servers.url(), delayed_world(CRAWL_DELAY * 2), 1).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    // The third round of visits has begun, and nodes have released the hosts of earlier rounds.
    cluster.wait_for_requests(130).await;
    servers.cut_replicas_off().await.unwrap();
    sleep(LEASE + GRACE).await;
    let from = cluster.now();
    servers.kill_master(0).await.unwrap();
    cluster.wait_for_requests(100).await;
    // A stall may delay each of three steps: the claim, the lookup and the request.
    let idle_time = cluster.longest_idle_time(from).saturating_sub(cluster.max_stall() * 3);
    cluster.settle().await;
    (idle_time, cluster.violations().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_follow_a_killed_redis_cluster_master_to_its_replica() {
    let (idle_time, violations) = fail_over_redis_cluster(&[]).await;
    assert_eq!(violations, Vec::<String>::new());
    // One node timeout until the master is suspected, another until the masters agree, and an election.
    let detection = Duration::from_secs(4);
    assert!(idle_time <= detection + EMBARGO + CRAWL_DELAY * 2 + GRACE, "{idle_time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_embargo_a_new_shard_master_assigns_leased_hosts() {
    assert_violated(async || fail_over_redis_cluster(&["--without", "embargo"]).await.1).await;
}

/// Injects random faults of all kinds in an order that a seed decides. The default duration is half a minute; set
/// the variables for a longer run:
///
/// `QYRAN_CHAOS_SEED=7 QYRAN_CHAOS_SECONDS=1800 cargo test --test integration cluster::random_faults -- --nocapture`
#[tokio::test(flavor = "multi_thread")]
async fn random_faults_cause_no_violations() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (mut seed, seconds) = (number("QYRAN_CHAOS_SEED", 1), number("QYRAN_CHAOS_SECONDS", 30));
    println!("QYRAN_CHAOS_SEED={seed} QYRAN_CHAOS_SECONDS={seconds}");
    let mut random_below = |bound: u64| {
        // Numerical Recipes' linear congruential generator; its high bits are good enough here.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    let mut redis = RedisServer::start(&["--appendonly", "yes"]).await.unwrap();
    let mut world = busy_world();
    world.sites.iter_mut().for_each(|site| site.every = Duration::from_secs(4 + seconds / 240));
    let mut cluster = Cluster::start(&redis.url(), world, 4).await;
    let mut nodes: Vec<Child> = ["n1", "n2", "n3"].map(|name| cluster.node(name)).into();
    let mut started = 3;
    while cluster.now() < Duration::from_secs(seconds) {
        cluster.wait_for_requests(60).await;
        let victim = usize::try_from(random_below(nodes.len() as u64)).unwrap();
        let fault = random_below(8);
        println!("{:?}: fault {fault}, node {victim} of {}", cluster.now(), nodes.len());
        match fault {
            0 if nodes.len() > 2 => {
                let mut node = nodes.swap_remove(victim);
                signal(&node, "KILL");
                node.wait().await.unwrap();
            }
            1 if nodes.len() > 2 => stop_all(vec![nodes.swap_remove(victim)]).await,
            0..=2 if nodes.len() < 5 => {
                started += 1;
                nodes.push(cluster.node(&format!("n{started}")));
            }
            3 | 4 => {
                signal(&nodes[victim], "STOP");
                sleep(LEASE + Duration::from_millis(random_below(4000))).await;
                signal(&nodes[victim], "CONT");
            }
            5 => {
                redis.kill();
                sleep(Duration::from_millis(random_below(3000))).await;
                redis.restart().await.unwrap();
            }
            6 => drop(redis.tell("FLUSHALL").await.unwrap()),
            7 => {
                cluster.postgres.kill();
                sleep(Duration::from_millis(2000 + random_below(10_000))).await;
                cluster.postgres.restart().await.unwrap();
            }
            _ => (),
        }
    }
    cluster.wait_for_requests(60).await;
    assert_intact(&cluster).await;
    println!("{} requests, no violations", cluster.requests());
    stop_all(nodes).await;
}
