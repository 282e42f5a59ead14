//! An overloaded host: the share of its requests that each client receives, measured in the host's own log.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, eventually, signal};

/// The number of exchanges after which the shares are measured.
const MIN_EXCHANGES: usize = 240;

/// Crawls two sites of one politeness group, each with many sources that are always due. `clients` has, for each
/// site, the `client` key of its sources and the declaration of that client. Returns the second site's share of
/// the requests.
async fn share_of_second_site(clients: [(&str, &str); 2]) -> f64 {
    let mut world = World::empty(51);
    for _ in 0..2 {
        world.add(Kind::FullFeed, Behaviour::Healthy, 3, Duration::from_secs(5));
    }
    let stage = Stage::new(world).await;
    let mut objects = String::from(
        "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: all}\nspec: {query: '1 OR 2'}\n",
    );
    let sites = &stage.origin.world().sites;
    for ((site, sources), (client_key, client_yaml)) in sites.iter().zip([60, 20]).zip(clients) {
        objects.push_str(client_yaml);
        for number in 0..sources {
            objects.push_str(&format!(
                "---\napiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {}-{number}}}\n\
                 spec: {{kind: feed, url: '{}', politenessGroup: platform, every: {{min: 1s, max: 1s}}{client_key}}}\n",
                site.name,
                stage.origin.front(site)
            ));
        }
    }
    stage.declare(&objects);
    let mut node = stage.node();
    let exchanges_with = |host: &str| {
        let log = stage.origin.log();
        log.iter().filter(|exchange| exchange.host == host && !exchange.path.contains("robots")).count()
    };
    let [first, second] = [sites[0].name.as_str(), sites[1].name.as_str()];
    eventually("the platform receives enough requests", || {
        exchanges_with(first) + exchanges_with(second) >= MIN_EXCHANGES
    })
    .await;
    let (first, second) = (exchanges_with(first) as f64, exchanges_with(second) as f64);
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    signal(&node, "TERM");
    node.wait().await.unwrap();
    second / (first + second)
}

#[tokio::test(flavor = "multi_thread")]
async fn client_with_a_plan_receives_its_share_of_a_platform() {
    let plan =
        "---\napiVersion: qyran.dev/v1alpha1\nkind: Client\nmetadata: {name: plan}\nspec: {weight: 3}\n";
    let share = share_of_second_site([(", client: flood", ""), (", client: plan", plan)]).await;
    assert!((0.65..0.85).contains(&share), "expected about three quarters: {share}");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_without_clients_the_share_follows_the_number_of_sources() {
    let share = share_of_second_site([("", ""), ("", "")]).await;
    assert!((0.15..0.35).contains(&share), "expected about one quarter: {share}");
}
