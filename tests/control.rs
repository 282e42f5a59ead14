//! Cluster commands of the operator, and the monitoring of a running cluster.

use std::time::Duration;

use origin::{Behaviour, Kind, World};
use serde_json::Value;
use servers::{Certificate, PostgresServer, PrometheusServer, RedisServer};
use tokio::process::Child;
use tokio::time::sleep;

use crate::support::cluster::{Cluster, free_address, http_get};
use crate::support::{Stage, eventually, finished, signal, text};

/// Returns enough hosts that each of two nodes has first claim to some of them.
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
    cluster.stage.json_lines(&all).await
}

async fn node_states(cluster: &Cluster) -> Vec<(String, String, u64)> {
    let text = |node: &Value, key: &str| node[key].as_str().unwrap().to_owned();
    let nodes = lines(cluster, &["node", "list"]).await;
    nodes
        .iter()
        .map(|node| (text(node, "node"), text(node, "state"), node["hosts"].as_u64().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_inspect_a_cluster_and_move_its_work() {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), world(), 3).await;
    let output = finished(cluster.stage.command(&["cluster", "health"])).await;
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stdout).contains("no node is alive"), "{}", text(&output.stdout));
    let nodes: Vec<Child> = ["n1", "n2"].map(|name| cluster.node(name)).into();
    cluster.run_ok(&["cluster", "health", "-w", "--exit-when-healthy", "--timeout", "60s"]).await;
    cluster.wait_for_requests(60).await;

    let status = lines(&cluster, &["cluster", "status"]).await.remove(0);
    assert_eq!((status["health"].as_str(), status["nodes"]["alive"].as_u64()), (Some("healthy"), Some(2)));
    let plan = lines(&cluster, &["rebalance", "--plan"]).await;
    assert_eq!(plan.iter().map(|node| node["shards"].as_u64().unwrap()).sum::<u64>(), 64);

    // A drained node holds no hosts, and the other node serves all of them.
    cluster.run_ok(&["node", "drain", "n1", "--wait", "--reason", "a new kernel"]).await;
    let states = node_states(&cluster).await;
    assert!(states.contains(&("n1".into(), "drained".into(), 0)), "{states:?}");
    cluster.wait_for_requests(60).await;
    assert!(node_states(&cluster).await.contains(&("n1".into(), "drained".into(), 0)));
    cluster.run_ok(&["node", "uncordon", "n1"]).await;
    let mut has_hosts = false;
    for _ in 0..200 {
        let states = node_states(&cluster).await;
        has_hosts = states.iter().any(|(name, state, hosts)| name == "n1" && state == "alive" && *hosts > 0);
        if has_hosts {
            break;
        }
        // A node holds a host only briefly, so few heartbeats report it.
        sleep(Duration::from_millis(200)).await;
    }
    assert!(has_hosts, "n1 must hold hosts again");
    let unknown = finished(cluster.stage.command(&["node", "cordon", "n7"])).await;
    assert_eq!(unknown.status.code(), Some(3), "{}", text(&unknown.stderr));

    // A blocked host receives no requests, and its view has the reason.
    let host = cluster.stage.origin.world().sites[0].name.clone();
    cluster.run_ok(&["host", "block", &host, "--for", "1h", "--reason", "they asked us to"]).await;
    let requests = || cluster.stage.origin.log().iter().filter(|exchange| exchange.host == host).count();
    let mut count = requests();
    // The current turn of the host ends first.
    loop {
        sleep(Duration::from_secs(2)).await;
        if requests() == count {
            break;
        }
        count = requests();
    }
    let view = lines(&cluster, &["host", "get", &host]).await.remove(0);
    assert!(view["why"].as_str().unwrap().contains("they asked us to"), "{view}");
    assert_eq!(view["jobs"].as_array().unwrap().len(), 3, "{view}");
    assert!(view["robots"].as_object().unwrap().len() == 1, "{view}");
    assert!(!view["fetches"].as_array().unwrap().is_empty(), "{view}");
    let waiting = lines(&cluster, &["queue", "list", "--state", "waiting"]).await;
    assert!(waiting.iter().any(|job| job["host"] == host.as_str()), "{waiting:?}");
    cluster.run_ok(&["host", "unblock", &host]).await;
    eventually("the host receives requests again", || requests() > count).await;

    // Commands for single jobs.
    let source = format!("{host}-0");
    let job = lines(&cluster, &["job", "get", &source]).await.remove(0);
    assert_eq!((job["kind"].as_str(), job["host"].as_str()), (Some("poll"), Some(host.as_str())));
    cluster.run_ok(&["source", "pause", &source, "--reason", "quiet, please"]).await;
    let output = finished(cluster.stage.command(&["job", "get", &source])).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    cluster.run_ok(&["source", "resume", &source]).await;
    let is_live = async || lines(&cluster, &["source", "get", &source]).await[0]["state"] == "live";
    for _ in 0..100 {
        if is_live().await {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    assert!(is_live().await, "the source must be live again");
    cluster.run_ok(&["job", "retry", &source]).await;
    cluster.run_ok(&["job", "cancel", &source]).await;
    cluster.run_ok(&["schedule", "rebuild"]).await;
    cluster.run_ok(&["job", "get", &source]).await;
    cluster.run_ok(&["source", "poll", "--now", &source]).await;
    assert_eq!(lines(&cluster, &["dlq", "list"]).await, Vec::<Value>::new());

    let entries = lines(&cluster, &["audit"]).await;
    let actions: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["reason"].as_str().unwrap()))
        .collect();
    for expected in [
        ("node drain", "a new kernel"),
        ("host block", "they asked us to"),
        ("source pause", "quiet, please"),
    ] {
        assert!(actions.contains(&expected), "{expected:?} is not in {actions:?}");
    }
    cluster.settle().await;
    assert_eq!(cluster.violations().await, Vec::<String>::new());
    for mut node in nodes {
        signal(&node, "TERM");
        assert!(node.wait().await.unwrap().success());
    }
    assert_eq!(node_states(&cluster).await, [], "a node that exits normally must deregister");
}

/// Wrong store and schedule addresses have distinct exit codes and messages, which never contain passwords.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_servers_have_distinct_errors() {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), world(), 1).await;
    let (store, closed_redis) = (cluster.postgres.url("qyran"), "redis://:geheim@127.0.0.1:1");
    let closed_postgres = "postgres://u:geheim@127.0.0.1:1/x";
    let unmigrated = cluster.postgres.url("postgres");
    let file = cluster.stage.path("address");
    std::fs::write(&file, format!("{store}\n")).unwrap();
    let by_file = format!("file://{}", file.display());
    let redis_url = redis.url();
    for (data_flags, command, code, expected) in [
        (
            vec!["--store", &store, "--schedule", closed_redis],
            vec!["node", "list"],
            4,
            "Redis (redis://127.0.0.1:1)",
        ),
        (
            vec!["--store", closed_postgres, "--schedule", &redis_url],
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
        // Commands that do not use the schedule work without it.
        (vec!["--store", &by_file, "--schedule", closed_redis], vec!["source", "list"], 0, ""),
    ] {
        let output = finished(cluster.stage.command_with_data(&data_flags, &command)).await;
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{data_flags:?} {command:?}: {stderr}");
        assert!(
            stderr.contains(expected) && !stderr.contains("geheim"),
            "{data_flags:?} {command:?}: {stderr}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_three_nodes() {
    let redis = RedisServer::start(&[]).await.unwrap();
    let cluster = Cluster::start(&redis.url(), world(), 2).await;
    let addresses = [free_address(), free_address(), free_address()];
    let names = ["n1", "n2", "n3"];
    let mut nodes: Vec<Child> = names
        .iter()
        .zip(&addresses)
        .map(|(name, address)| cluster.node_with(name, &["--listen", address]))
        .collect();
    let prometheus = PrometheusServer::start(&addresses).await.unwrap();
    cluster.wait_for_requests(60).await;
    let readiness = http_get(&addresses[0], "/readyz?verbose", "").await;
    assert!(readiness.contains("200 OK") && readiness.contains("\"check\":\"schedule\""), "{readiness}");
    for probe in ["/livez", "/startupz"] {
        assert!(http_get(&addresses[0], probe, "").await.contains("200 OK"), "{probe}");
    }
    assert!(http_get(&addresses[0], "/nothing", "").await.contains("404"), "an unknown path must not exist");
    // Both formats by content negotiation, and a lint of the plain one.
    let open_metrics =
        http_get(&addresses[0], "/metrics", "application/openmetrics-text;version=1.0.0").await;
    assert!(
        open_metrics.contains("openmetrics-text") && open_metrics.trim_end().ends_with("# EOF"),
        "{open_metrics}"
    );
    let plain = http_get(&addresses[0], "/metrics", "text/plain").await;
    let (_, body) = plain.split_once("\r\n\r\n").unwrap();
    assert_eq!(servers::promtool_complaints(body).await.unwrap(), "");
    assert!(body.lines().count() < 2000, "a node must export few series");
    assert!(!body.contains(&cluster.stage.origin.world().sites[0].name), "no label may have host names");

    // The counters agree with the stored materials, the node states and the judge of the origin's log.
    assert_eq!(prometheus.until("count(up == 1)", |nodes| nodes == 3.0).await, 3.0);
    cluster.settle().await;
    let expected =
        cluster.stage.json_lines(&["material", "list", "--topic", "all", "-o", "jsonl"]).await.len() as f64;
    let stored = prometheus.until("sum(qyran_materials_stored_total)", |stored| stored >= expected).await;
    assert_eq!(stored, expected);
    assert_eq!(
        prometheus.until("max(qyran_cluster_members{state=\"alive\"})", |alive| alive == 3.0).await,
        3.0
    );
    // The audit in the fetch path agrees with the judge of the origin's log.
    assert_eq!(
        prometheus.until("sum(qyran_politeness_violations_total)", |violations| violations == 0.0).await,
        0.0
    );
    assert_eq!(cluster.violations().await, Vec::<String>::new());
    let robots = prometheus.until("sum(qyran_robots_fetches_total)", |fetches| fetches > 0.0).await;
    assert!(robots > 0.0);
    let all = cluster.stage.origin.world().sites.len() as f64;
    let hosts = prometheus.until("sum(qyran_schedule_hosts)", |hosts| hosts == all).await;
    assert_eq!(hosts, all, "the shares of the nodes must add up to all hosts");

    // A node without Redis is live but not ready.
    let mut redis = redis;
    redis.kill();
    let mut is_ready = true;
    for _ in 0..600 {
        is_ready = http_get(&addresses[0], "/readyz", "").await.contains("200 OK");
        if !is_ready {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(!is_ready, "a node without its schedule must not be ready");
    assert!(
        http_get(&addresses[0], "/livez", "").await.contains("200 OK"),
        "a node without its schedule must stay live"
    );
    redis.restart().await.unwrap();
    for node in &mut nodes {
        signal(node, "TERM");
        assert!(node.wait().await.unwrap().success());
    }
}

/// Redis and PostgreSQL are reached over TLS, with a certificate authority that only `SSL_CERT_FILE` names.
#[tokio::test(flavor = "multi_thread")]
async fn cluster_is_reached_over_tls() {
    let certificate = Certificate::make().unwrap();
    let (_redis, schedule) = RedisServer::start_tls(&certificate).await.unwrap();
    let postgres = PostgresServer::start_tls(&certificate).await.unwrap();
    let stage = Stage::new(world()).await;
    postgres.create_database("qyran").unwrap();
    let store = format!("{}?sslmode=require", postgres.url("qyran"));
    let data_flags = ["--store", store.as_str(), "--schedule", schedule.as_str()];
    let objects = stage.path("objects");
    let command = |arguments: &[&str]| {
        let mut command = stage.command_with_data(&data_flags, arguments);
        command.env("SSL_CERT_FILE", certificate.authority());
        command
    };
    for arguments in [&["migrate", "up"][..], &["run", "--once", "--now", "-f", objects.to_str().unwrap()]] {
        let output = finished(command(arguments)).await;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    let output = finished(command(&["material", "list", "--topic", "all", "-o", "jsonl"])).await;
    assert!(text(&output.stdout).lines().count() >= 12, "{}", text(&output.stderr));
    // The control: without the certificate authority both servers are rejected.
    let plain_store = format!("{}?sslmode=disable", postgres.url("qyran"));
    for (store, server) in [(plain_store.as_str(), "Redis"), (store.as_str(), "PostgreSQL")] {
        let data_flags = ["--store", store, "--schedule", schedule.as_str()];
        let output = finished(stage.command_with_data(&data_flags, &["node", "list"])).await;
        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(4) && stderr.contains(server), "{stderr}");
        assert!(stderr.contains("certificate"), "{stderr}");
    }
}
