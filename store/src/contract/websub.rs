//! Subscriptions at hubs, and what these push.

use model::{HubOffer, HubSecret, Subscription, SubscriptionDelta, WebSubDocument};

use super::*;
use crate::HubDecision;

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
        let offer = |hub: &str| HubOffer { hub: url(hub), topic_url: "https://a.kz/rss".to_owned() };
        let asked = |id: &str, hub: &str, second| {
            let names = (id.to_owned(), HubSecret(format!("secret of {id}")));
            Subscription::new(&source("s"), offer(hub), url("https://push.kz/"), names, at(second))
        };
        let push = |body: &str| WebSubDocument {
            id: 0,
            source: name("s"),
            at: at(3),
            content_type: Some("application/rss+xml".to_owned()),
            body: body.as_bytes().to_vec(),
            tries: 0,
        };
        assert!(!store.enqueue_websub_document(&push("x"), 9).await.unwrap(), "nobody asked for it");
        let first = asked("one", "https://hub.kz/", 1);
        assert!(store.subscribe(&first).await.unwrap());
        let gone = Subscription { source: name("gone"), id: "gone".to_owned(), ..first.clone() };
        assert!(!store.subscribe(&gone).await.unwrap());
        assert_eq!(subscription().await.as_ref(), Some(&first));
        let until = |second| HubDecision { tells: Ok(at(second)), renew_at: at(600) };
        store.record_hub_decision("one", &until(900)).await.unwrap();
        store.record_hub_decision("nobody", &until(900)).await.unwrap();
        let taken = async |body| store.enqueue_websub_document(&push(body), 2).await.unwrap();
        assert_eq!((taken("a").await, taken("b").await, taken("c").await), (true, true, false));
        assert_eq!(store.sources_with_websub_documents().await.unwrap(), [name("s")]);
        assert_eq!(subscription().await.unwrap().waiting, 2);
        // The newest first.
        let next = async |before| store.next_websub_document(&name("s"), before).await.unwrap();
        let newest = next(None).await.unwrap();
        let oldest = next(Some(newest.id)).await.unwrap();
        assert_eq!((&newest.body[..], &oldest.body[..], oldest.at), (&b"b"[..], &b"a"[..], at(3)));
        assert!(next(Some(oldest.id)).await.is_none());
        // Read in a turn that is not ours any more, it waits on.
        let mut read = harvest(5, Vec::new());
        read.websub_documents_done = vec![newest.id];
        read.updates.websub = Some(SubscriptionDelta { entries: 3, missed: 0, polls_saved: 0.5 });
        bench.save(&[harvest(6, Vec::new())]).await;
        assert!(bench.save(std::slice::from_ref(&read)).await[0].fenced);
        let again = WebSubDocument { tries: 2, ..newest };
        assert_eq!(next(None).await.as_ref(), Some(&again));
        read.token = Token(7);
        bench.save(&[read]).await;
        assert_eq!(next(None).await.unwrap().id, oldest.id);
        let mut read = harvest(7, Vec::new());
        read.websub_documents_done = vec![oldest.id];
        bench.save(&[read]).await;
        assert!(
            next(None).await.is_none() && store.sources_with_websub_documents().await.unwrap().is_empty()
        );
        let counted = Subscription {
            lease_until: Some(at(900)),
            renew_at: at(600),
            credit: 3,
            pushes: 2,
            entries: 3,
            polls_saved: 0.5,
            ..first.clone()
        };
        assert_eq!(store.subscription_by_id("one").await.unwrap(), Some(counted.clone()));
        let mut missed = harvest(8, Vec::new());
        missed.updates.websub = Some(SubscriptionDelta { missed: 2, ..SubscriptionDelta::default() });
        bench.save(&[missed]).await;
        let counted = Subscription { credit: -20, missed: 2, ..counted };
        // Asked again, it stays what it was; at another hub, or with another address for it, what was counted does.
        let renewed = counted.clone().renewed(at(600));
        store.subscribe(&renewed).await.unwrap();
        assert_eq!(subscription().await, Some(renewed));
        let moved = Subscription { base: url("https://new.kz/"), ..counted.clone() };
        store.subscribe(&moved).await.unwrap();
        assert_eq!(subscription().await, Some(Subscription { lease_until: None, credit: 0, ..moved }));
        let other = asked("two", "https://hub.example/", 700);
        store.subscribe(&other).await.unwrap();
        let told = Subscription { pushes: 2, entries: 3, missed: 2, polls_saved: 0.5, ..other };
        assert_eq!(subscription().await, Some(told));
        assert!(store.subscription_by_id("one").await.unwrap().is_none());
        let refused = HubDecision { tells: Err("not here".to_owned()), renew_at: at(5000) };
        store.record_hub_decision("two", &refused).await.unwrap();
        let told = subscription().await.unwrap();
        assert_eq!((told.refused.as_deref(), told.renew_at), (Some("not here"), at(5000)));
        // What is read elsewhere, or no more, is told of no more.
        let moved = Source { url: url("https://b.kz/rss"), ..source("s") };
        store.declare(&objects(vec![moved], Vec::new()), false, at(800)).await.unwrap();
        assert!(subscription().await.is_none() && next(None).await.is_none());
    }
}
