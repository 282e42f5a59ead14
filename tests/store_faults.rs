//! Fault tests of the store of a cluster: read-only, out of service, and killed during writes. Each protection has a
//! control test that switches it off.

use std::time::Duration;

use servers::RedisServer;
use tokio::process::Child;
use tokio::time::sleep;

use crate::cluster::{assert_intact, assert_violated, busy_world, delayed_world, publishing_world, stop_all};
use crate::support::cluster::Cluster;

/// Makes the store read-only, so that no harvest can be stored. Returns the number of requests in that time beyond
/// one in-flight request per source.
async fn requests_with_read_only_store(flags: &[&str]) -> usize {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), busy_world(), 4).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.wait_for_requests(100).await;
    cluster.postgres.set_read_only(true).unwrap();
    // Exchanges in flight end, and their harvests wait for the store.
    sleep(Duration::from_secs(3)).await;
    let start = cluster.requests();
    sleep(Duration::from_secs(9)).await;
    let outage_requests = cluster.requests() - start;
    cluster.postgres.set_read_only(false).unwrap();
    cluster.wait_for_requests(60).await;
    assert_intact(&cluster).await;
    outage_requests.saturating_sub(cluster.stage.origin.world().sites.len() * 4)
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_stops_while_the_store_is_read_only() {
    assert_eq!(requests_with_read_only_store(&[]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_nodes_that_drop_unstored_harvests_continue_to_fetch() {
    assert!(requests_with_read_only_store(&["--without", "retry"]).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn store_outage_stops_fetching_and_loses_nothing() {
    let redis = RedisServer::start(&[]).await.unwrap();
    // Articles appear slowly, so that feeds still show those of the outage of half a minute and of the recovery.
    let mut cluster = Cluster::start(&redis.url(), publishing_world(Duration::from_secs(4)), 4).await;
    let nodes: Vec<Child> = ["n1", "n2", "n3"].map(|name| cluster.node(name)).into();
    cluster.wait_for_requests(100).await;
    cluster.postgres.kill();
    // Exchanges in flight end. Then pending harvests hold all credits, and sources cannot be looked up.
    sleep(Duration::from_secs(3)).await;
    let start = cluster.requests();
    sleep(Duration::from_secs(27)).await;
    let outage_requests = cluster.requests() - start;
    cluster.postgres.restart().await.unwrap();
    assert!(
        outage_requests <= cluster.stage.origin.world().sites.len(),
        "{outage_requests} requests during the store outage"
    );
    cluster.wait_for_requests(100).await;
    assert_intact(&cluster).await;
    stop_all(nodes).await;
}

/// Kills PostgreSQL repeatedly while the nodes store the last publications of all sites. Returns the violations.
async fn crash_store(flags: &[&str]) -> Vec<String> {
    let redis = RedisServer::start(&[]).await.unwrap();
    let mut cluster = Cluster::start(&redis.url(), delayed_world(Duration::from_secs(1)), 2).await;
    let _nodes = ["n1", "n2", "n3"].map(|name| cluster.node_with(name, flags));
    cluster.wait_for_requests(200).await;
    cluster.postgres.kill();
    // Every site publishes during this outage. Then publication stops.
    sleep(Duration::from_secs(6)).await;
    cluster.stage.origin.freeze();
    for _ in 0..5 {
        cluster.postgres.restart().await.unwrap();
        cluster.wait_for_requests(15).await;
        cluster.postgres.kill();
    }
    cluster.postgres.restart().await.unwrap();
    cluster.stores_all_within(Duration::from_secs(25)).await;
    cluster.violations().await
}

#[tokio::test(flavor = "multi_thread")]
async fn store_that_is_killed_during_writes_loses_nothing() {
    assert_eq!(crash_store(&[]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_transactions_and_retries_materials_are_lost() {
    let parts = ["--without", "transaction", "--without", "retry"];
    assert_violated(async || crash_store(&parts).await).await;
}
