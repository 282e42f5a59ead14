//! Contract of WebSub subscriptions and pushed documents.

use model::{HubOffer, HubSecret, Subscription, SubscriptionDelta, WebSubDocument};

use super::*;
use crate::HubDecision;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// A subscription is stored, verified and counted. A limited number of pushed documents waits until they are read.
#[tokio::test]
async fn subscriptions_and_pushed_documents_are_stored() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let subscription = async || store.subscription(&name("s")).await.unwrap();
        let offer = |hub: &str| HubOffer { hub: url(hub), topic_url: "https://a.kz/rss".to_owned() };
        let request = |id: &str, hub: &str, second| {
            let names = (id.to_owned(), HubSecret(format!("secret of {id}")));
            Subscription::new(&source("s"), offer(hub), url("https://push.kz/"), names, at(second))
        };
        let document = |body: &str| WebSubDocument {
            id: 0,
            source: name("s"),
            at: at(3),
            content_type: Some("application/rss+xml".to_owned()),
            body: body.as_bytes().to_vec(),
            tries: 0,
        };
        assert!(!store.enqueue_websub_document(&document("x"), 9).await.unwrap(), "no subscription");
        let first = request("one", "https://hub.kz/", 1);
        assert!(store.subscribe(&first).await.unwrap());
        let undeclared = Subscription { source: name("undeclared"), id: "x".to_owned(), ..first.clone() };
        assert!(!store.subscribe(&undeclared).await.unwrap());
        assert_eq!(subscription().await.as_ref(), Some(&first));
        let lease_until = |second| HubDecision { tells: Ok(at(second)), renew_at: at(600) };
        store.record_hub_decision("one", &lease_until(900)).await.unwrap();
        store.record_hub_decision("unknown", &lease_until(900)).await.unwrap();
        let enqueue = async |body| store.enqueue_websub_document(&document(body), 2).await.unwrap();
        assert_eq!((enqueue("a").await, enqueue("b").await, enqueue("c").await), (true, true, false));
        assert_eq!(store.sources_with_websub_documents().await.unwrap(), [name("s")]);
        assert_eq!(subscription().await.unwrap().waiting, 2);
        // The newest document comes first.
        let next = async |before| store.next_websub_document(&name("s"), before).await.unwrap();
        let newest = next(None).await.unwrap();
        let oldest = next(Some(newest.id)).await.unwrap();
        assert_eq!((&newest.body[..], &oldest.body[..], oldest.at), (&b"b"[..], &b"a"[..], at(3)));
        assert!(next(Some(oldest.id)).await.is_none());
        // A document that was read under an outdated token keeps waiting.
        let mut first_read = harvest(5, Vec::new());
        first_read.websub_documents_done = vec![newest.id];
        first_read.updates.websub = Some(SubscriptionDelta { entries: 3, missed: 0, polls_saved: 0.5 });
        bench.save(&[harvest(6, Vec::new())]).await;
        assert!(bench.save(std::slice::from_ref(&first_read)).await[0].fenced);
        let retried = WebSubDocument { tries: 2, ..newest };
        assert_eq!(next(None).await.as_ref(), Some(&retried));
        first_read.token = Token(7);
        bench.save(&[first_read]).await;
        assert_eq!(next(None).await.unwrap().id, oldest.id);
        let mut second_read = harvest(7, Vec::new());
        second_read.websub_documents_done = vec![oldest.id];
        bench.save(&[second_read]).await;
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
        let mut poll = harvest(8, Vec::new());
        poll.updates.websub = Some(SubscriptionDelta { missed: 2, ..SubscriptionDelta::default() });
        bench.save(&[poll]).await;
        let counted = Subscription { credit: -20, missed: 2, ..counted };
        // A renewed request keeps everything. With another hub or callback URL only the counters stay.
        let renewed = counted.clone().renewed(at(600));
        store.subscribe(&renewed).await.unwrap();
        assert_eq!(subscription().await, Some(renewed));
        let new_base = Subscription { base: url("https://new.kz/"), ..counted.clone() };
        store.subscribe(&new_base).await.unwrap();
        assert_eq!(subscription().await, Some(Subscription { lease_until: None, credit: 0, ..new_base }));
        let other = request("two", "https://hub.example/", 700);
        store.subscribe(&other).await.unwrap();
        let expected = Subscription { pushes: 2, entries: 3, missed: 2, polls_saved: 0.5, ..other };
        assert_eq!(subscription().await, Some(expected));
        assert!(store.subscription_by_id("one").await.unwrap().is_none());
        let refusal = HubDecision { tells: Err("not here".to_owned()), renew_at: at(5000) };
        store.record_hub_decision("two", &refusal).await.unwrap();
        let current = subscription().await.unwrap();
        assert_eq!((current.refused.as_deref(), current.renew_at), (Some("not here"), at(5000)));
        // A source that moves loses its subscription and waiting documents.
        let moved_source = Source { url: url("https://b.kz/rss"), ..source("s") };
        store.declare(&objects(vec![moved_source], Vec::new()), false, at(800)).await.unwrap();
        assert!(subscription().await.is_none() && next(None).await.is_none());
    }
}
