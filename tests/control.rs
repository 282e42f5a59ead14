//! The control command line and the monitoring of a running cluster.

use std::time::Duration;

use origin::{Behaviour, Kind, World};
use serde_json::Value;
use servers::{Certificate, PostgresServer, PrometheusServer, RedisServer};
use tokio::process::Child;
use tokio::time::sleep;

use crate::support::cluster::{Cluster, free_address, get};
use crate::support::{Stage, eventually, finished, signal, text};

/// Hosts enough that each of two nodes looks after some of them first.
fn world() -> World {
    let mut world = World::empty(41);
    let feeds = std::iter::repeat_n(Kind::FullFeed, 8);
    for kind in [Kind::FullFeed, Kind::Feed, Kind::Listing, Kind::FullFeed].into_iter().chain(feeds) {
        world.add(kind, Behaviour::Healthy, 3, Duration::from_millis(2000));
    }
    world
}

async fn lines(cluster: &Cluster, arguments: &[&str]) -> Vec<Value> {
    let mut all = arguments.to_vec();
    all.extend(["-o", "jsonl"]);
    cluster.stage.lines(&all).await
}

async fn states(cluster: &Cluster) -> Vec<(String, String, u64)> {
    let text = |node: &Value, key: &str| node[key].as_str().unwrap().to_owned();
    let nodes = lines(cluster, &["node", "list"]).await;
    nodes
        .iter()
        .map(|node| (text(node, "node"), text(node, "state"), node["hosts"].as_u64().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_a_cluster_and_move_its_work() {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), world(), 3).await;
    let unhealthy = finished(cluster.stage.command(&["cluster", "health"])).await;
    assert_eq!(unhealthy.status.code(), Some(5));
    assert!(text(&unhealthy.stdout).contains("no node is alive"), "{}", text(&unhealthy.stdout));
    let nodes: Vec<Child> = ["n1", "n2"].map(|name| cluster.node(name)).into();
    cluster.done(&["cluster", "health", "-w", "--exit-when-healthy", "--timeout", "60s"]).await;
    cluster.requests_more(60).await;

    let status = lines(&cluster, &["cluster", "status"]).await.remove(0);
    assert_eq!((status["health"].as_str(), status["nodes"]["alive"].as_u64()), (Some("healthy"), Some(2)));
    let plan = lines(&cluster, &["rebalance", "--plan"]).await;
    assert_eq!(plan.iter().map(|node| node["shards"].as_u64().unwrap()).sum::<u64>(), 64);

    // Drained, a node holds nothing, and everything is served all the same.
    cluster.done(&["node", "drain", "n1", "--wait", "--reason", "a new kernel"]).await;
    let drained = states(&cluster).await;
    assert!(drained.contains(&("n1".into(), "drained".into(), 0)), "{drained:?}");
    cluster.requests_more(60).await;
    assert!(states(&cluster).await.contains(&("n1".into(), "drained".into(), 0)));
    cluster.done(&["node", "uncordon", "n1"]).await;
    let mut takes_hosts = false;
    for _ in 0..200 {
        let states = states(&cluster).await;
        takes_hosts =
            states.iter().any(|(name, state, hosts)| name == "n1" && state == "alive" && *hosts > 0);
        if takes_hosts {
            break;
        }
        // A host is held for moments only: it is a matter of luck that a beat says so.
        sleep(Duration::from_millis(200)).await;
    }
    assert!(takes_hosts, "n1 takes hosts again");
    let unknown = finished(cluster.stage.command(&["node", "cordon", "n7"])).await;
    assert_eq!(unknown.status.code(), Some(3), "{}", text(&unknown.stderr));

    // A blocked host is asked nothing, and says why.
    let host = cluster.stage.origin.world().sites[0].name.clone();
    cluster.done(&["host", "block", &host, "--for", "1h", "--reason", "they asked us to"]).await;
    let asked = || cluster.stage.origin.log().iter().filter(|exchange| exchange.host == host).count();
    let mut before = asked();
    // What is under way ends with its turn.
    loop {
        sleep(Duration::from_secs(2)).await;
        if asked() == before {
            break;
        }
        before = asked();
    }
    let shown = lines(&cluster, &["host", "get", &host]).await.remove(0);
    assert!(shown["why"].as_str().unwrap().contains("they asked us to"), "{shown}");
    assert_eq!(shown["jobs"].as_array().unwrap().len(), 3, "{shown}");
    assert!(shown["robots"].as_object().unwrap().len() == 1, "{shown}");
    assert!(!shown["fetches"].as_array().unwrap().is_empty(), "{shown}");
    let waiting = lines(&cluster, &["queue", "list", "--state", "waiting"]).await;
    assert!(waiting.iter().any(|job| job["host"] == host.as_str()), "{waiting:?}");
    cluster.done(&["host", "unblock", &host]).await;
    eventually("the host is asked again", || asked() > before).await;

    // Single jobs.
    let source = format!("{host}-0");
    let job = lines(&cluster, &["job", "get", &source]).await.remove(0);
    assert_eq!((job["kind"].as_str(), job["host"].as_str()), (Some("poll"), Some(host.as_str())));
    cluster.done(&["source", "pause", &source, "--reason", "quiet, please"]).await;
    let gone = finished(cluster.stage.command(&["job", "get", &source])).await;
    assert_eq!(gone.status.code(), Some(3), "{}", text(&gone.stdout));
    cluster.done(&["source", "resume", &source]).await;
    let is_live = async || lines(&cluster, &["source", "get", &source]).await[0]["state"] == "live";
    for _ in 0..100 {
        if is_live().await {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    assert!(is_live().await, "it is read again");
    cluster.done(&["job", "retry", &source]).await;
    cluster.done(&["job", "cancel", &source]).await;
    cluster.done(&["schedule", "rebuild"]).await;
    cluster.done(&["job", "get", &source]).await;
    cluster.done(&["source", "poll", "--now", &source]).await;
    assert_eq!(lines(&cluster, &["dlq", "list"]).await, Vec::<Value>::new());

    let trail = lines(&cluster, &["audit"]).await;
    let told: Vec<(&str, &str)> = trail
        .iter()
        .map(|line| (line["action"].as_str().unwrap(), line["reason"].as_str().unwrap()))
        .collect();
    for expected in [
        ("node drain", "a new kernel"),
        ("host block", "they asked us to"),
        ("source pause", "quiet, please"),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
    }
    cluster.settle_down().await;
    assert_eq!(cluster.wrongs().await, Vec::<String>::new());
    for mut node in nodes {
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
    }
    assert_eq!(states(&cluster).await, [], "who ends in order says so");
}

/// What an operator meets who names the wrong servers.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_not_there_are_told_apart() {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), world(), 1).await;
    let (store, nobody) = (cluster.postgres.url("qyran"), "redis://:geheim@127.0.0.1:1");
    let nowhere = "postgres://u:geheim@127.0.0.1:1/x";
    let unmigrated = cluster.postgres.url("postgres");
    let file = cluster.stage.path("address");
    std::fs::write(&file, format!("{store}\n")).unwrap();
    let by_file = format!("file://{}", file.display());
    let redis_url = redis.url();
    for (place, command, code, expected) in [
        (
            vec!["--store", &store, "--schedule", nobody],
            vec!["node", "list"],
            4,
            "Redis (redis://127.0.0.1:1)",
        ),
        (
            vec!["--store", nowhere, "--schedule", &redis_url],
            vec!["source", "list"],
            4,
            "PostgreSQL at 127.0.0.1:1",
        ),
        (
            vec!["--store", &unmigrated, "--schedule", &redis_url],
            vec!["source", "list"],
            1,
            "qyran migrate up",
        ),
        (vec!["--store", &store], vec!["source", "list"], 2, "must be set together"),
        (vec!["--store", &store, "--schedule", "ftp://x"], vec!["source", "list"], 2, "redis://"),
        (vec!["--store", "file:///nowhere", "--schedule", &redis_url], vec!["source", "list"], 1, "/nowhere"),
        (vec!["--data", "x", "--store", &store], vec!["source", "list"], 2, "names a folder"),
        (vec!["--context", "kz"], vec!["source", "list"], 2, "unknown context"),
        (vec!["--data", "x"], vec!["node", "list"], 2, "needs a cluster"),
        // What needs no schedule works without one.
        (vec!["--store", &by_file, "--schedule", nobody], vec!["source", "list"], 0, ""),
    ] {
        let output = finished(cluster.stage.command_in(&place, &command)).await;
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{place:?} {command:?}: {told}");
        assert!(told.contains(expected) && !told.contains("geheim"), "{place:?} {command:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_watches_three_nodes() {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::on(&redis.url(), world(), 2).await;
    let addresses = [free_address(), free_address(), free_address()];
    let names = ["n1", "n2", "n3"];
    let mut nodes: Vec<Child> = names
        .iter()
        .zip(&addresses)
        .map(|(name, address)| cluster.node_with(name, &["--listen", address]))
        .collect();
    let prometheus = PrometheusServer::start(&addresses).await.unwrap();
    cluster.requests_more(60).await;
    let well = get(&addresses[0], "/readyz?verbose", "").await;
    assert!(well.contains("200 OK") && well.contains("\"check\":\"schedule\""), "{well}");
    for probe in ["/livez", "/startupz"] {
        assert!(get(&addresses[0], probe, "").await.contains("200 OK"), "{probe}");
    }
    assert!(get(&addresses[0], "/nothing", "").await.contains("404"), "a path that is none");
    // Both formats, as a client asks for them, and a linter's opinion of the plain one.
    let open = get(&addresses[0], "/metrics", "application/openmetrics-text;version=1.0.0").await;
    assert!(open.contains("openmetrics-text") && open.trim_end().ends_with("# EOF"), "{open}");
    let plain = get(&addresses[0], "/metrics", "text/plain").await;
    let (_, body) = plain.split_once("\r\n\r\n").unwrap();
    assert_eq!(servers::promtool_complaints(body).await.unwrap(), "");
    assert!(body.lines().count() < 2000, "a node exports few series");
    assert!(!body.contains(&cluster.stage.origin.world().sites[0].name), "no label grows with hosts");

    // What it says is what happened: all exchanges of the origin's log are counted, robots.txt aside.
    assert_eq!(prometheus.until("count(up == 1)", |nodes| nodes == 3.0).await, 3.0);
    cluster.settle_down().await;
    let stored =
        cluster.stage.lines(&["material", "list", "--topic", "all", "-o", "jsonl"]).await.len() as f64;
    let told = prometheus.until("sum(qyran_materials_stored_total)", |told| told >= stored).await;
    assert_eq!(told, stored);
    assert_eq!(
        prometheus.until("max(qyran_cluster_members{state=\"alive\"})", |alive| alive == 3.0).await,
        3.0
    );
    // The audit in the fetch path agrees with the judge of the origin's log.
    assert_eq!(prometheus.until("sum(qyran_politeness_violations_total)", |broken| broken == 0.0).await, 0.0);
    assert_eq!(cluster.wrongs().await, Vec::<String>::new());
    let robots = prometheus.until("sum(qyran_robots_fetches_total)", |fetches| fetches > 0.0).await;
    assert!(robots > 0.0);
    let all = cluster.stage.origin.world().sites.len() as f64;
    let hosts = prometheus.until("sum(qyran_schedule_hosts)", |hosts| hosts == all).await;
    assert_eq!(hosts, all, "the nodes' shares make the whole");

    // Without its servers a node is not ready, and not dead.
    let mut redis = redis;
    redis.kill();
    let mut is_ready = true;
    for _ in 0..600 {
        is_ready = get(&addresses[0], "/readyz", "").await.contains("200 OK");
        if !is_ready {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(!is_ready, "a node without a schedule is not ready");
    assert!(get(&addresses[0], "/livez", "").await.contains("200 OK"), "and is not restarted for it");
    redis.restart().await.unwrap();
    for node in &mut nodes {
        signal(node, "TERM");
        assert!(node.wait().await.unwrap().success());
    }
}

/// Both servers over TLS, with an authority that only `SSL_CERT_FILE` names.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_reached_over_tls() {
    let certificate = Certificate::make().unwrap();
    let (_redis, schedule) = RedisServer::start_tls(&certificate).await.unwrap();
    let postgres = PostgresServer::start_tls(&certificate).await.unwrap();
    let stage = Stage::of(world()).await;
    postgres.create_database("qyran").unwrap();
    let store = format!("{}?sslmode=require", postgres.url("qyran"));
    let place = ["--store", store.as_str(), "--schedule", schedule.as_str()];
    let objects = stage.path("objects");
    let command = |arguments: &[&str]| {
        let mut command = stage.command_in(&place, arguments);
        command.env("SSL_CERT_FILE", certificate.authority());
        command
    };
    for arguments in [&["migrate", "up"][..], &["run", "--once", "--now", "-f", objects.to_str().unwrap()]] {
        let done = finished(command(arguments)).await;
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    }
    let found = finished(command(&["material", "list", "--topic", "all", "-o", "jsonl"])).await;
    assert!(text(&found.stdout).lines().count() >= 12, "{}", text(&found.stderr));
    // The control: whoever does not know the authority trusts neither.
    let bare = format!("{}?sslmode=disable", postgres.url("qyran"));
    for (store, server) in [(bare.as_str(), "Redis"), (store.as_str(), "PostgreSQL")] {
        let place = ["--store", store, "--schedule", schedule.as_str()];
        let refused = finished(stage.command_in(&place, &["node", "list"])).await;
        let told = text(&refused.stderr);
        assert!(refused.status.code() == Some(4) && told.contains(server), "{told}");
        assert!(told.contains("certificate"), "{told}");
    }
}
