//! A host whose time does not suffice for everybody: what each client is given of it, by the host's own log.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, eventually, signal};

/// Exchanges after which shares are looked at.
const EXCHANGES: usize = 240;

/// Two sites on one platform, many sources of each, all always due. `whose` says which clients' they are, and
/// what these are worth. Returns the second one's share of the platform's time.
async fn share_of_the_second(whose: [(&str, &str); 2]) -> f64 {
    let mut world = World::empty(51);
    for _ in 0..2 {
        world.add(Kind::FullFeed, Behaviour::Healthy, 3, Duration::from_secs(5));
    }
    let stage = Stage::of(world).await;
    let mut objects = String::from(
        "apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {name: all}\nspec: {query: '1 OR 2'}\n",
    );
    let sites = &stage.origin.world().sites;
    for ((site, sources), (client, declared)) in sites.iter().zip([60, 20]).zip(whose) {
        objects.push_str(declared);
        for number in 0..sources {
            objects.push_str(&format!(
                "---\napiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {}-{number}}}\n\
                 spec: {{kind: feed, url: '{}', politenessGroup: platform, every: {{min: 1s, max: 1s}}{client}}}\n",
                site.name,
                stage.origin.front(site)
            ));
        }
    }
    stage.declare(&objects);
    let mut node = stage.node();
    let asked = |host: &str| {
        let log = stage.origin.log();
        log.iter().filter(|exchange| exchange.host == host && !exchange.path.contains("robots")).count()
    };
    let [first, second] = [sites[0].name.as_str(), sites[1].name.as_str()];
    eventually("the platform is asked", || asked(first) + asked(second) >= EXCHANGES).await;
    let (first, second) = (asked(first) as f64, asked(second) as f64);
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
    signal(&node, "TERM");
    node.wait().await.unwrap();
    second / (first + second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_given_its_plans_share_of_a_platform() {
    let plan =
        "---\napiVersion: qyran.dev/v1alpha1\nkind: Client\nmetadata: {name: plan}\nspec: {weight: 3}\n";
    let share = share_of_the_second([(", client: flood", ""), (", client: plan", plan)]).await;
    assert!((0.65..0.85).contains(&share), "three of four: {share}");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_of_sources_that_are_everybodys_the_many_take_most() {
    let share = share_of_the_second([("", ""), ("", "")]).await;
    assert!((0.15..0.35).contains(&share), "one of four: {share}");
}
