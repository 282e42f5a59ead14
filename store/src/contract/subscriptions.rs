//! Subscriptions at hubs, and what these push.

use model::{HubOffer, HubSecret, Push, PushNews, Subscription};

use super::*;
use crate::store::Verified;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// A subscription is asked for, verified, counted; what is pushed waits until it is read, and no more than is allowed.
#[tokio::test]
async fn subscriptions_and_pushes_are_kept() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let subscription = async || store.subscription(&name("s")).await.unwrap();
        let offer = |hub: &str| HubOffer { hub: url(hub), topic_url: url("https://a.kz/rss") };
        let asked = |id: &str, hub: &str, second| {
            let secret = HubSecret(format!("secret of {id}"));
            Subscription::new(name("s"), offer(hub), id.to_owned(), secret, at(second))
        };
        let push = |body: &str| Push {
            id: 0,
            source: name("s"),
            at: at(3),
            content_type: Some("application/rss+xml".to_owned()),
            body: body.as_bytes().to_vec(),
        };
        assert!(!store.take_push(&push("x"), 9).await.unwrap_or(false), "nobody asked for it");
        let first = asked("one", "https://hub.kz/", 1);
        store.subscribe(&first).await.unwrap();
        if bench.name.contains("before") {
            assert!(subscription().await.is_none() && store.pushed_sources().await.unwrap().is_empty());
            continue;
        }
        assert_eq!(subscription().await.as_ref(), Some(&first));
        store.set_verified("one", &Verified::Until(at(900))).await.unwrap();
        store.set_verified("nobody", &Verified::Until(at(900))).await.unwrap();
        let taken = async |body| store.take_push(&push(body), 2).await.unwrap();
        assert_eq!((taken("a").await, taken("b").await, taken("c").await), (true, true, false));
        assert_eq!(store.pushed_sources().await.unwrap(), [name("s")]);
        let waiting = store.pushes(&name("s"), 9).await.unwrap();
        let bodies: Vec<_> = waiting.iter().map(|push| push.body.as_slice()).collect();
        assert_eq!(bodies, [b"a", b"b"]);
        // Read in a turn that is not ours any more, it waits on.
        let mut read = harvest(5, Vec::new());
        read.pushes_done = vec![waiting[0].id];
        read.push = Some(PushNews { is_trusted: true, entries: 3, missed: 1, polls_saved: 0.5 });
        bench.save(&[harvest(6, Vec::new())]).await;
        assert!(bench.save(std::slice::from_ref(&read)).await[0].fenced);
        assert_eq!(store.pushes(&name("s"), 9).await.unwrap().len(), 2);
        read.token = Token(7);
        bench.save(&[read]).await;
        assert_eq!(store.pushes(&name("s"), 1).await.unwrap(), waiting[1..]);
        let counted = Subscription {
            lease_until: Some(at(900)),
            is_trusted: true,
            pushes: 2,
            entries: 3,
            missed: 1,
            polls_saved: 0.5,
            ..first.clone()
        };
        assert_eq!(store.subscription_called("one").await.unwrap(), Some(counted.clone()));
        // Asked again, it stays what it was; at another hub, what was counted does.
        let renewed = Subscription { asked_at: at(600), ..counted.clone() };
        store.subscribe(&renewed).await.unwrap();
        assert_eq!(subscription().await, Some(renewed));
        let other = asked("two", "https://hub.example/", 700);
        store.subscribe(&other).await.unwrap();
        let Subscription { id, offer, secret, .. } = other;
        let other = Subscription {
            id,
            offer,
            secret,
            asked_at: at(700),
            lease_until: None,
            is_trusted: false,
            ..counted
        };
        assert_eq!(subscription().await, Some(other));
        assert!(store.subscription_called("one").await.unwrap().is_none());
        store.set_verified("two", &Verified::Refused("not here".to_owned())).await.unwrap();
        assert_eq!(subscription().await.unwrap().refused.as_deref(), Some("not here"));
        // What is read elsewhere, or no more, is told of no more.
        let moved = Source { url: url("https://b.kz/rss"), ..source("s") };
        store.declare(&objects(vec![moved], Vec::new()), false, at(800)).await.unwrap();
        assert!(subscription().await.is_none() && store.pushes(&name("s"), 9).await.unwrap().is_empty());
    }
}
