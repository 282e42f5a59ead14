//! Several nodes on one Redis and one PostgreSQL, and what may happen to them. The simulated internet's own log
//! is the judge: no host is asked too soon or against its robots.txt, and nothing is lost or doubled. Each
//! protection has a control in which it is switched off and the judge objects.

use std::time::Duration;

use origin::{Behaviour, Kind, World};
use servers::{RedisClusterServers, RedisServer, SentinelServers};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::support::cluster::{Cluster, LEASE};
use crate::support::relay::Relay;
use crate::support::{signal, skipped};

/// Beyond lease and delay, until a host is served again: claims are made, and a busy machine is slow.
const GRACE: Duration = Duration::from_secs(2);

/// How long a server that may not know every lease hands out nothing.
const EMBARGO: Duration = Duration::from_secs(5);

/// Hosts with several sources each, all due again at once: a host is always being asked, or resting.
fn busy() -> World {
    publishing(Duration::from_millis(1500))
}

/// The same, with an article a site each time this has passed. A feed shows thirty.
fn publishing(every: Duration) -> World {
    let mut world = World::empty(31);
    for kind in [Kind::FullFeed, Kind::Feed, Kind::Listing, Kind::FullFeed, Kind::Sitemap, Kind::FullFeed] {
        world.add(kind, Behaviour::Healthy, 3, every);
    }
    world
}

/// Longer than an outage: whoever forgets it is caught.
const CRAWL_DELAY: Duration = Duration::from_secs(6);

/// Hosts whose robots.txt asks for a long rest after each request, and one source of each: what the schedule
/// knows of a host is how long it has to rest yet.
fn slow() -> World {
    resting(CRAWL_DELAY)
}

fn resting(crawl_delay: Duration) -> World {
    let mut world = World::empty(32);
    for _ in 0..60 {
        let site = world.add(Kind::FullFeed, Behaviour::Healthy, 2, Duration::from_secs(5));
        site.crawl_delay = Some(crawl_delay);
    }
    world
}

/// What every fault must leave whole.
async fn assert_whole(cluster: &Cluster) {
    cluster.settle_down().await;
    assert_eq!(cluster.wrongs().await, Vec::<String>::new());
}

/// A control: the judge objects. A fault may strike at a moment when it does no harm, so it strikes again.
async fn assert_objects(fault: impl AsyncFn() -> Vec<String>) {
    for _ in 0..4 {
        if !fault().await.is_empty() {
            return;
        }
    }
    panic!("without the protection nothing goes wrong: this shows nothing of what it is good for");
}

async fn all_end_well(nodes: Vec<Child>) {
    for mut node in nodes {
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
    }
}

/// A rolling restart of three nodes, as Kubernetes does it; then five nodes, then two: how long was a host left
/// alone, beyond the machine's own stalls?
async fn silence_of_coming_and_going(flags: &[&str]) -> (Cluster, Duration) {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), busy(), 4).await;
    let mut nodes: Vec<Child> = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags)).into();
    cluster.requests_more(60).await;
    let from = cluster.now();
    for name in ["n1", "n2", "n3"] {
        all_end_well(vec![nodes.remove(0)]).await;
        nodes.push(cluster.node_with(name, flags));
        cluster.requests_more(30).await;
    }
    nodes.extend(["n4", "n5"].map(|name| cluster.node_with(name, flags)));
    cluster.requests_more(60).await;
    all_end_well(nodes.drain(..3).collect()).await;
    cluster.requests_more(60).await;
    let silence = cluster.longest_silence(from).saturating_sub(cluster.stall() * 3);
    cluster.settle_down().await;
    all_end_well(nodes).await;
    (cluster, silence)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_share_the_work_as_they_come_and_go() {
    let (cluster, silence) = silence_of_coming_and_going(&[]).await;
    assert!(silence < LEASE, "hosts are handed over, not left to run out: {silence:?}");
    assert_eq!(cluster.wrongs().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_hosts_of_nodes_that_do_not_drain_are_left_until_their_leases_end() {
    assert_objects(async || {
        let (_cluster, silence) = silence_of_coming_and_going(&["--without", "drain"]).await;
        (silence >= LEASE).then(|| format!("{silence:?} of silence")).into_iter().collect()
    })
    .await;
}

/// One of two nodes is killed: how long was a host left alone? `lease` is theirs.
async fn silence_after_kill(lease: &str) -> (Cluster, Duration) {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), busy(), 4).await;
    let (mut first, second) = (cluster.node_leasing("n1", lease), cluster.node_leasing("n2", lease));
    cluster.requests_more(100).await;
    let from = cluster.now();
    signal(&first, "KILL");
    first.wait().await.unwrap();
    sleep(LEASE + GRACE).await;
    let silence = cluster.longest_silence(from);
    if lease == "3s" {
        assert_whole(&cluster).await;
    }
    drop(second);
    (cluster, silence)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_of_a_killed_node_are_served_again_within_its_lease() {
    let (cluster, silence) = silence_after_kill("3s").await;
    assert!(silence >= LEASE / 2, "they are not handed over: the control of the test above ({silence:?})");
    // Three steps are on the way: a claim, a look, a request.
    let silence = silence.saturating_sub(cluster.stall() * 3);
    assert!(silence <= LEASE + cluster.stage.delay + GRACE, "{silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_hosts_of_a_killed_node_whose_leases_last_are_left_alone() {
    assert_objects(async || {
        let (cluster, silence) = silence_after_kill("1h").await;
        let is_long = silence > LEASE + cluster.stage.delay;
        is_long.then(|| format!("{silence:?} of silence")).into_iter().collect()
    })
    .await;
}

/// A node that stands still past its lease, and goes on: what the judge says.
async fn zombie(flags: &[&str]) -> Vec<String> {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), busy(), 4).await;
    let (zombie, _other) = (cluster.node_with("n1", flags), cluster.node("n2"));
    cluster.requests_more(100).await;
    for _ in 0..3 {
        signal(&zombie, "STOP");
        sleep(LEASE + GRACE).await;
        signal(&zombie, "CONT");
        cluster.requests_more(60).await;
    }
    cluster.settle_down().await;
    cluster.wrongs().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_past_its_lease_asks_nothing_under_it() {
    assert_eq!(zombie(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_deadlines_a_zombie_asks_hosts_of_others() {
    assert_objects(async || zombie(&["--without", "deadline"]).await).await;
}

/// A node that cannot reach the schedule any more, while its sites can be reached well.
async fn cut_off(flags: &[&str]) -> Vec<String> {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), busy(), 4).await;
    let relay = Relay::to(redis.port()).await;
    let way = format!("redis://127.0.0.1:{}", relay.port());
    let (_cut, _other) = (cluster.node_by_way_of(&way, "n1", flags), cluster.node("n2"));
    cluster.requests_more(100).await;
    for _ in 0..2 {
        relay.cut(true);
        sleep(LEASE + GRACE + GRACE).await;
        relay.cut(false);
        cluster.requests_more(60).await;
    }
    cluster.settle_down().await;
    cluster.wrongs().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_stops_before_its_lease_does() {
    assert_eq!(cut_off(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_deadlines_a_node_that_is_cut_off_goes_on() {
    assert_objects(async || cut_off(&["--without", "deadline"]).await).await;
}

/// Redis is killed and starts again, with or without what it had.
async fn redis_killed(keeps: &str, flags: &[&str]) -> (Duration, Vec<String>) {
    server_killed(RedisServer::start(&["--appendonly", keeps]).await.unwrap(), flags).await
}

async fn server_killed(mut redis: RedisServer, flags: &[&str]) -> (Duration, Vec<String>) {
    let cluster = Cluster::on(&redis.url(), slow(), 1).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.requests_more(100).await;
    let from = cluster.now();
    for _ in 0..2 {
        redis.kill();
        sleep(Duration::from_millis(300)).await;
        redis.restart().await.unwrap();
        cluster.requests_more(100).await;
    }
    // Three steps are on the way: a claim, a look, a request.
    let silence = cluster.longest_silence(from).saturating_sub(cluster.stall() * 3);
    cluster.settle_down().await;
    (silence, cluster.wrongs().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_was_killed_goes_on_where_it_was() {
    let (silence, wrongs) = redis_killed("yes", &[]).await;
    assert_eq!(wrongs, Vec::<String>::new());
    assert!(silence <= EMBARGO + CRAWL_DELAY + CRAWL_DELAY + GRACE, "{silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valkey_that_was_killed_goes_on_where_it_was() {
    let Some(valkey) = RedisServer::start_valkey(&["--appendonly", "yes"]).await else {
        return skipped("Valkey is not in target/tools; ./check puts it there");
    };
    let (_, wrongs) = server_killed(valkey.unwrap(), &[]).await;
    assert_eq!(wrongs, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_everything_is_built_anew() {
    let (_, wrongs) = redis_killed("no", &[]).await;
    assert_eq!(wrongs, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_embargo_a_redis_that_lost_everything_hands_hosts_out_twice() {
    assert_objects(async || redis_killed("no", &["--without", "embargo"]).await.1).await;
}

/// A master is replaced by a replica that has not seen its last writes.
async fn failed_over(is_killed: bool, flags: &[&str]) -> (Duration, Vec<String>) {
    let mut servers = SentinelServers::start().await.unwrap();
    let cluster = Cluster::on(&servers.url(), slow(), 1).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.requests_more(130).await;
    let from = cluster.now();
    if is_killed {
        // From now on it sees nothing; stopped, it would still find the last writes in its socket.
        servers.replica.tell("REPLICAOF NO ONE").await.unwrap();
        sleep(LEASE / 2).await;
        servers.master.kill();
    } else {
        servers.fail_over().await.unwrap();
    }
    let replica = servers.replica.port();
    let followed = async {
        while servers.master_port().await.unwrap() != replica {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), followed).await.expect("Sentinels fail over");
    cluster.requests_more(130).await;
    // Three steps are on the way: a claim, a look, a request.
    let silence = cluster.longest_silence(from).saturating_sub(cluster.stall() * 3);
    cluster.settle_down().await;
    (silence, cluster.wrongs().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_followed_to_its_replica() {
    let (silence, wrongs) = failed_over(true, &[]).await;
    assert_eq!(wrongs, Vec::<String>::new());
    // Sentinels notice after one second and agree within another two.
    let detection = LEASE / 2 + Duration::from_secs(3);
    assert!(silence <= detection + EMBARGO + CRAWL_DELAY + GRACE, "{silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_still_answers_is_left_for_its_successor() {
    let (_, wrongs) = failed_over(false, &[]).await;
    assert_eq!(wrongs, Vec::<String>::new());
}

/// Sentinels have named a new master, the old one still is one, and a node begins that never knew it.
async fn two_masters(flags: &[&str]) -> Vec<String> {
    let servers = SentinelServers::start_with_stubborn_master().await.unwrap();
    let cluster = Cluster::on(&servers.url(), slow(), 1).await;
    let mut nodes: Vec<Child> = ["n1", "n2"].map(|name| cluster.node_with(name, flags)).into();
    cluster.requests_more(130).await;
    servers.fail_over().await.unwrap();
    let replica = servers.replica.port();
    while servers.master_port().await.unwrap() != replica {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(servers.master.tell("ROLE").await.unwrap().contains("master"), "the old master gave up");
    nodes.push(cluster.node_with("n3", flags));
    cluster.requests_more(130).await;
    cluster.settle_down().await;
    cluster.wrongs().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_masters_all_nodes_follow_the_one_that_sentinels_name() {
    assert_eq!(two_masters(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_who_stays_with_an_old_master_asks_what_others_ask() {
    assert_objects(async || two_masters(&["--without", "following"]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_embargo_a_new_master_hands_out_what_is_held() {
    assert_objects(async || failed_over(true, &["--without", "embargo"]).await.1).await;
}

/// One master of a Redis Cluster is replaced by a replica that has not seen its last writes.
async fn cluster_failed_over(flags: &[&str]) -> (Duration, Vec<String>) {
    let mut servers = RedisClusterServers::start_with_replicas().await.unwrap();
    // Masters of a cluster need longer than Sentinels to agree.
    let cluster = Cluster::on(&servers.url(), resting(CRAWL_DELAY * 2), 1).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    // The third round of visits has begun, and a node that has asked a host has given it back.
    cluster.requests_more(130).await;
    servers.cut_replicas_off().await.unwrap();
    sleep(LEASE + GRACE).await;
    let from = cluster.now();
    servers.kill_master(0).await.unwrap();
    cluster.requests_more(100).await;
    // Three steps are on the way: a claim, a look, a request.
    let silence = cluster.longest_silence(from).saturating_sub(cluster.stall() * 3);
    cluster.settle_down().await;
    (silence, cluster.wrongs().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_of_a_redis_cluster_is_followed_to_its_replica() {
    let (silence, wrongs) = cluster_failed_over(&[]).await;
    assert_eq!(wrongs, Vec::<String>::new());
    // A node timeout until it counts as silent, another until all agree, and an election.
    let detection = Duration::from_secs(4);
    assert!(silence <= detection + EMBARGO + CRAWL_DELAY * 2 + GRACE, "{silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_embargo_a_shards_new_master_hands_out_what_is_held() {
    assert_objects(async || cluster_failed_over(&["--without", "embargo"]).await.1).await;
}

/// The store can be read, and takes nothing: what is fetched now has nowhere to go. How many requests are there
/// all the same, beyond the one of each source that is under way?
async fn store_read_only(flags: &[&str]) -> usize {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), busy(), 4).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.requests_more(100).await;
    cluster.postgres.set_read_only(true).unwrap();
    // What is under way ends, and waits to be stored.
    sleep(Duration::from_secs(3)).await;
    let before = cluster.requests();
    sleep(Duration::from_secs(9)).await;
    let meanwhile = cluster.requests() - before;
    cluster.postgres.set_read_only(false).unwrap();
    cluster.requests_more(60).await;
    assert_whole(&cluster).await;
    meanwhile.saturating_sub(cluster.stage.origin.world().sites.len() * 4)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_takes_nothing_fetching_stops() {
    assert_eq!(store_read_only(&[]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_who_drops_what_cannot_be_stored_goes_on_asking() {
    assert!(store_read_only(&["--without", "retry"]).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_out_nothing_is_asked_and_nothing_is_lost() {
    let redis = RedisServer::start(&[]).await.unwrap();
    // What comes out during half a minute, and until a busy machine has recovered, is shown still.
    let mut cluster = Cluster::on(&redis.url(), publishing(Duration::from_secs(4)), 4).await;
    let nodes: Vec<Child> = ["n1", "n2", "n3"].map(|name| cluster.node(name)).into();
    cluster.requests_more(100).await;
    cluster.postgres.kill();
    // What is under way ends; then credits are with harvests that wait, and sources cannot be looked up.
    sleep(Duration::from_secs(3)).await;
    let before = cluster.requests();
    sleep(Duration::from_secs(27)).await;
    let meanwhile = cluster.requests() - before;
    cluster.postgres.restart().await.unwrap();
    assert!(meanwhile <= cluster.stage.origin.world().sites.len(), "{meanwhile} requests without a store");
    cluster.requests_more(100).await;
    assert_whole(&cluster).await;
    all_end_well(nodes).await;
}

/// PostgreSQL is killed again and again while the nodes store the last that they will ever be told.
async fn store_killed(flags: &[&str]) -> Vec<String> {
    let redis = RedisServer::start(&[]).await.unwrap();
    let mut cluster = Cluster::on(&redis.url(), resting(Duration::from_secs(1)), 2).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.requests_more(200).await;
    cluster.postgres.kill();
    // Every site has something new by the end of it, and nothing after.
    sleep(Duration::from_secs(6)).await;
    cluster.stage.origin.freeze();
    for _ in 0..5 {
        cluster.postgres.restart().await.unwrap();
        cluster.requests_more(15).await;
        cluster.postgres.kill();
    }
    cluster.postgres.restart().await.unwrap();
    cluster.comes_in_within(Duration::from_secs(25)).await;
    cluster.wrongs().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_killed_while_it_stores_loses_nothing() {
    assert_eq!(store_killed(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_what_is_stored_in_parts_is_lost_between_them() {
    let parts = ["--without", "transaction", "--without", "retry"];
    assert_objects(async || store_killed(&parts).await).await;
}

/// All of it, in an order that a seed decides: half a minute of it, or hours where somebody wants to know.
///
/// `QYRAN_CHAOS_SEED=7 QYRAN_CHAOS_SECONDS=1800 cargo test --test integration cluster::for_long -- --nocapture`
#[tokio::test(flavor = "multi_thread")]
async fn for_long_and_in_any_order() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (mut seed, seconds) = (number("QYRAN_CHAOS_SEED", 1), number("QYRAN_CHAOS_SECONDS", 30));
    println!("QYRAN_CHAOS_SEED={seed} QYRAN_CHAOS_SECONDS={seconds}");
    let mut below = |most: u64| {
        // Numerical Recipes' linear congruential generator; its high bits are good enough here.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    let mut redis = RedisServer::start(&["--appendonly", "yes"]).await.unwrap();
    let mut world = busy();
    world.sites.iter_mut().for_each(|site| site.every = Duration::from_secs(4 + seconds / 240));
    let mut cluster = Cluster::on(&redis.url(), world, 4).await;
    let mut nodes: Vec<Child> = ["n1", "n2", "n3"].map(|name| cluster.node(name)).into();
    let mut born = 3;
    while cluster.now() < Duration::from_secs(seconds) {
        cluster.requests_more(60).await;
        let which = usize::try_from(below(nodes.len() as u64)).unwrap();
        let fault = below(8);
        println!("{:?}: fault {fault}, node {which} of {}", cluster.now(), nodes.len());
        match fault {
            0 if nodes.len() > 2 => {
                let mut gone = nodes.swap_remove(which);
                signal(&gone, "KILL");
                gone.wait().await.unwrap();
            }
            1 if nodes.len() > 2 => all_end_well(vec![nodes.swap_remove(which)]).await,
            0..=2 if nodes.len() < 5 => {
                born += 1;
                nodes.push(cluster.node(&format!("n{born}")));
            }
            3 | 4 => {
                signal(&nodes[which], "STOP");
                sleep(LEASE + Duration::from_millis(below(4000))).await;
                signal(&nodes[which], "CONT");
            }
            5 => {
                redis.kill();
                sleep(Duration::from_millis(below(3000))).await;
                redis.restart().await.unwrap();
            }
            6 => drop(redis.tell("FLUSHALL").await.unwrap()),
            7 => {
                cluster.postgres.kill();
                sleep(Duration::from_millis(2000 + below(10_000))).await;
                cluster.postgres.restart().await.unwrap();
            }
            _ => (),
        }
    }
    cluster.requests_more(60).await;
    assert_whole(&cluster).await;
    println!("{} requests, nothing wrong", cluster.requests());
    all_end_well(nodes).await;
}
