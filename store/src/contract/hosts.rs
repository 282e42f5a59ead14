//! Contract of host health, host incidents and crawl delays.

use super::*;

#[tokio::test]
async fn robots_delays_are_stored() {
    for bench in each().await {
        println!("on {}", bench.name);
        let delayed = |token, seconds| Harvest {
            robots_delay: Duration::from_secs(seconds),
            ..harvest(token, Vec::new())
        };
        bench.save(&[delayed(1, 0), delayed(2, 30), delayed(1, 99)]).await;
        let host = [Host::from_stored("a.kz".into())];
        let delays = bench.store.robots_delays(&host).await.unwrap();
        assert_eq!(delays, [(Host::from_stored("a.kz".into()), Duration::from_secs(30))]);
        bench.save(&[delayed(2, 0)]).await;
        assert_eq!(bench.store.robots_delays(&host).await.unwrap(), [], "robots.txt no longer sets a delay");
    }
}

/// Harvests begin and end an incident of their host, under the host's lease. Past incidents stay on record.
#[tokio::test]
async fn host_incidents_are_recorded() {
    for bench in each().await {
        println!("on {}", bench.name);
        let host = Host::from_stored("a.kz".into());
        let health = async || bench.store.host_health(&host).await.unwrap();
        let save_health = async |token, health: HostHealth| {
            bench.save(&[Harvest { host_health: Some(health), ..harvest(token, Vec::new()) }]).await
        };
        assert_eq!(health().await, HostHealth::default());
        let incident =
            Incident { since: at(1), reason: "HTTP status 503".into(), alike: "down".into(), passed: 0 };
        let open = HostHealth::from(incident.clone());
        let half_open = HostHealth::from(Incident { passed: 1, ..incident });
        save_health(3, open.clone()).await;
        assert_eq!(health().await, open);
        save_health(4, half_open.clone()).await;
        assert!(save_health(2, HostHealth::default()).await[0].fenced);
        assert_eq!(health().await, half_open, "a node that lost its lease ends no incident");
        save_health(7, HostHealth::default()).await;
        assert_eq!(health().await, HostHealth::default());
        let recorded = HostIncident {
            host: host.clone(),
            from: at(1),
            to: Some(at(7)),
            reason: "HTTP status 503".into(),
        };
        save_health(8, open.clone()).await;
        bench.store.end_incident(&host, at(9)).await.unwrap();
        assert_eq!(health().await, HostHealth::default());
        let incidents = async |since, until| bench.store.incidents(at(since), at(until)).await.unwrap();
        assert_eq!(incidents(0, 100).await, [recorded]);
        assert!(
            incidents(7, 100).await.is_empty() && incidents(0, 1).await.is_empty(),
            "only overlapping incidents are returned"
        );
    }
}
