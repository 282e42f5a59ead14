//! Contract of stories.

use model::Originality;

use super::*;
use crate::{StoreError, StoredItem};

/// A stored item waits to be linked. Then it belongs to a story until it is removed.
#[tokio::test]
async fn links_of_reprints_are_removed_with_their_items() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let findings = ["1", "2", "3"].map(|id| {
            let mut finding = finding(id, &format!("сөз {id}"), DAY1, &[]);
            (finding.item.url, finding.item.canonical_url) = (None, None);
            finding
        });
        bench.save(&[harvest(1, findings.to_vec())]).await;
        let unlinked_items = store.unlinked_items(10).await.unwrap();
        let rows: Vec<i64> = unlinked_items.iter().map(|stored| stored.row).collect();
        assert_eq!(rows.len(), 3);
        let sketch_of = |exact, keys: &[i64]| Sketch {
            exact: Some(exact),
            title: None,
            sketch: vec![1, 2],
            keys: keys.to_vec(),
        };
        let near = Similarity { how: SimilarityKind::Near, share: 0.75 };
        let link = |index: usize, story: usize, similarity, sketch| StoryLink {
            row: rows[index],
            version: 1,
            source: name("s"),
            at: at(index as i64),
            story: rows[story],
            similarity,
            sketch,
        };
        let linked = [link(0, 0, None, sketch_of(7, &[1, -2])), link(1, 0, Some(near), sketch_of(8, &[-2]))];
        store.link(&linked, at(0), store.objects_version().await.unwrap()).await.unwrap();
        store.link(&linked, at(0), store.objects_version().await.unwrap()).await.unwrap();
        let unlinked_items: Vec<i64> =
            store.unlinked_items(10).await.unwrap().iter().map(|stored| stored.row).collect();
        assert_eq!(unlinked_items, rows[2..]);
        let candidates = async |keys: &[i64], since| {
            let mut candidates = store.candidates(keys, at(since)).await.unwrap();
            candidates.sort_by_key(|candidate| candidate.row);
            candidates
                .into_iter()
                .map(|candidate| (candidate.row, candidate.story, candidate.sketch))
                .collect::<Vec<_>>()
        };
        let both = [(rows[0], rows[0], sketch_of(7, &[-2])), (rows[1], rows[0], sketch_of(8, &[-2]))];
        assert_eq!(candidates(&[-2, 5], -1).await, both);
        assert_eq!(candidates(&[-2], 0).await, both[1..], "items first seen before `since` are not returned");
        let story = async |row: i64| {
            let reprints = store.story(row, 10).await.unwrap();
            reprints.into_iter().map(|reprint| (reprint.item.row, reprint.similarity)).collect::<Vec<_>>()
        };
        assert_eq!(story(rows[1]).await, [(rows[0], None), (rows[1], Some(near))]);
        assert!(story(rows[2]).await.is_empty());
        store.link(&[], at(1), store.objects_version().await.unwrap()).await.unwrap();
        assert_eq!(candidates(&[1, -2], -1).await, both[1..], "old keys are deleted");
        store.take_down(&rows[..1], at(9)).await.unwrap();
        assert_eq!(story(rows[1]).await, [(rows[1], Some(near))]);
        store.take_down(&rows[2..], at(9)).await.unwrap();
        assert!(store.unlinked_items(10).await.unwrap().is_empty());
        store
            .link(&[link(2, 2, None, sketch_of(9, &[3]))], at(0), store.objects_version().await.unwrap())
            .await
            .unwrap();
        assert!(candidates(&[3], -1).await.is_empty(), "an item removed meanwhile is not linked");
    }
}

/// An edit keeps an item's matches of deferred topics and queues the item for linking again. It replaces the
/// matches of other topics. Without deferred topics the item is not queued.
#[tokio::test]
async fn an_edit_keeps_matches_of_deferred_topics() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let version = |text: &str, date: &str, topics: &[&str]| {
            let mut finding = finding("1", text, date, topics);
            (finding.item.url, finding.item.canonical_url) = (None, None);
            finding
        };
        let with_deferred = |token: u64, finding: Finding, topics: &[&str]| Harvest {
            deferred_topics: topics.iter().map(|topic| name(topic)).collect(),
            ..harvest(token, vec![finding])
        };
        let waiting_items = async || store.unlinked_items(10).await.unwrap();
        let link = async |stored: &StoredItem| {
            let near = Similarity { how: SimilarityKind::Near, share: 0.75 };
            let linked = StoryLink {
                row: stored.row,
                version: stored.version,
                source: name("s"),
                at: at(0),
                story: stored.row,
                similarity: Some(near),
                sketch: Sketch::default(),
            };
            store.link(&[linked], at(0), store.objects_version().await.unwrap()).await.unwrap();
        };
        let originality_and_matches = async |id: &str| {
            let (item, matches) = store.item(id).await.unwrap().unwrap();
            let topics: Vec<(String, i64)> =
                matches.iter().map(|stored| (stored.found.topic.to_string(), stored.seq)).collect();
            (item.originality, topics)
        };
        bench.save(&[with_deferred(1, version("бір", DAY1, &["t", "u"]), &["t"])]).await;
        let first = waiting_items().await.remove(0);
        assert_eq!(first.originality, None);
        link(&first).await;
        let (originality, matches) = originality_and_matches(&first.id).await;
        assert_eq!((originality, matches.len()), (Some(Originality::Reprint), 2));
        let stale_link = store.link(&[], at(0), store.objects_version().await.unwrap() - 1).await;
        assert!(matches!(stale_link, Err(StoreError::StaleObjects)));

        bench.save(&[with_deferred(2, version("екі", DAY1, &[]), &["t"])]).await;
        assert_eq!(
            originality_and_matches(&first.id).await.1,
            matches[..1],
            "the match keeps its sequence number"
        );
        let edited_item = waiting_items().await.remove(0);
        assert_eq!((edited_item.row, edited_item.originality), (first.row, Some(Originality::Reprint)));
        link(&first).await;
        assert_eq!(waiting_items().await.len(), 1, "the linked version is not the edited one");
        link(&edited_item).await;
        assert!(waiting_items().await.is_empty());

        bench.save(&[harvest(3, vec![version("үш", DAY1, &[])])]).await;
        let (_, matches) = originality_and_matches(&first.id).await;
        assert_eq!((matches, waiting_items().await.len()), (Vec::new(), 0));
    }
}

/// Among the matches of a topic, only the first of each story is listed, and stories are counted.
#[tokio::test]
async fn stories_are_listed_and_counted_once() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        // The second and fourth are reprints of the first. The third is similar to none. The fifth is not linked.
        let findings = ["1", "2", "3", "4", "5"].map(|id| {
            let mut finding =
                finding(id, &format!("сөз {id}"), DAY1, if id == "1" { &["u"] } else { &["t", "u"] });
            (finding.item.url, finding.item.canonical_url) = (None, None);
            finding
        });
        for (token, finding) in findings.into_iter().enumerate() {
            bench.save(&[harvest(token as u64 + 1, vec![finding])]).await;
        }
        let rows: Vec<i64> =
            store.unlinked_items(10).await.unwrap().iter().map(|stored| stored.row).collect();
        let link = |index: usize, story: usize, source: &str| StoryLink {
            row: rows[index],
            version: 1,
            source: name(source),
            at: at(index as i64),
            story: rows[story],
            similarity: None,
            sketch: Sketch { exact: None, title: None, sketch: vec![1], keys: Vec::new() },
        };
        let linked = [link(0, 0, "s"), link(1, 0, "s"), link(2, 2, "s"), link(3, 0, "s")];
        store.link(&linked, at(0), store.objects_version().await.unwrap()).await.unwrap();
        let listed = async |topic: &str, source: Option<&str>, first_of_each_story| {
            let query = MaterialQuery {
                topic: Some(name(topic)),
                source: source.map(name),
                first_of_each_story,
                limit: 10,
                ..MaterialQuery::default()
            };
            let materials = store.materials(&query).await.unwrap();
            materials
                .iter()
                .map(|stored| rows.iter().position(|row| *row == stored.item.row).unwrap() + 1)
                .collect::<Vec<_>>()
        };
        assert_eq!(listed("u", None, false).await, [1, 2, 3, 4, 5]);
        assert_eq!(listed("u", None, true).await, [1, 3, 5]);
        assert_eq!(listed("t", None, true).await, [2, 3, 5], "the first item did not match");
        assert_eq!(listed("u", Some("s"), true).await, [1, 3, 5]);
        let counts =
            (store.story_count(&name("u")).await.unwrap(), store.story_count(&name("t")).await.unwrap());
        assert_eq!(counts, (3, 3));
        assert_eq!(store.story_count(&name("unknown")).await.unwrap(), 0);
    }
}
