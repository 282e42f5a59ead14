//! Contract of the health of hosts.

use super::*;

#[tokio::test]
async fn delays_that_robots_ask_for_are_kept_for_a_schedule_that_is_built_anew() {
    for bench in each().await {
        println!("on {}", bench.name);
        let asked = |token, seconds| Harvest {
            robots_delay: Duration::from_secs(seconds),
            ..harvest(token, Vec::new())
        };
        bench.save(&[asked(1, 0), asked(2, 30), asked(1, 99)]).await;
        let kept = bench.store.robots_delays().await.unwrap();
        assert_eq!(kept, [(Host::from_stored("a.kz".into()), Duration::from_secs(30))]);
        bench.save(&[asked(2, 0)]).await;
        assert_eq!(bench.store.robots_delays().await.unwrap(), [], "robots.txt may take it back");
    }
}

/// An incident begins and ends with harvests of its host, under the host's lease; what was is noted.
#[tokio::test]
async fn incidents_of_hosts_are_kept_and_noted() {
    for bench in each().await {
        println!("on {}", bench.name);
        let host = Host::from_stored("a.kz".into());
        let health = async || bench.store.host_health(&host).await.unwrap();
        let keep = async |token, health: HostHealth| {
            bench.save(&[Harvest { host_health: Some(health), ..harvest(token, Vec::new()) }]).await
        };
        assert_eq!(health().await, HostHealth::default());
        let incident =
            Incident { since: at(1), reason: "HTTP status 503".into(), alike: "down".into(), passed: 0 };
        let open = HostHealth::from(incident.clone());
        let half = HostHealth::from(Incident { passed: 1, ..incident });
        keep(3, open.clone()).await;
        assert_eq!(health().await, open);
        keep(4, half.clone()).await;
        assert!(keep(2, HostHealth::default()).await[0].fenced);
        assert_eq!(health().await, half, "a node that lost its lease ends nothing");
        keep(7, HostHealth::default()).await;
        assert_eq!(health().await, HostHealth::default());
        let noted = HostIncident {
            host: host.clone(),
            from: at(1),
            to: Some(at(7)),
            reason: "HTTP status 503".into(),
        };
        keep(8, open.clone()).await;
        bench.store.end_incident(&host, at(9)).await.unwrap();
        assert_eq!(health().await, HostHealth::default());
        let of = async |since, until| bench.store.incidents(at(since), at(until)).await.unwrap();
        assert_eq!(of(0, 100).await, [noted]);
        assert!(
            of(7, 100).await.is_empty() && of(0, 1).await.is_empty(),
            "what was before or after is not asked for"
        );
    }
}
