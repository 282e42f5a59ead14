//! Which items are reprints of which.

use super::*;

/// What is stored waits to be looked at beside others; then it belongs to a story, for as long as it is stored.
#[tokio::test]
async fn reprints_are_linked_and_go_with_their_items() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        let all = ["1", "2", "3"].map(|id| {
            let mut one = finding(id, &format!("сөз {id}"), DAY1, &[]);
            (one.item.url, one.item.canonical_url) = (None, None);
            one
        });
        bench.save(&[harvest(1, all.to_vec())]).await;
        let waiting = store.unlinked(10).await.unwrap();
        let rows: Vec<i64> = waiting.iter().map(|stored| stored.row).collect();
        assert_eq!(rows.len(), 3);
        let known_by = |exact, keys: &[i64]| Likeness {
            exact: Some(exact),
            title: None,
            sketch: vec![1, 2],
            keys: keys.to_vec(),
        };
        let near = Kinship { how: Alike::Near, share: 0.75 };
        let link = |place: usize, story: usize, kinship, likeness| Linked {
            row: rows[place],
            source: name("s"),
            at: at(place as i64),
            story: rows[story],
            kinship,
            likeness,
        };
        let linked = [link(0, 0, None, known_by(7, &[1, -2])), link(1, 0, Some(near), known_by(8, &[-2]))];
        store.link(&linked, at(0)).await.unwrap();
        store.link(&linked, at(0)).await.unwrap();
        let left: Vec<i64> = store.unlinked(10).await.unwrap().iter().map(|stored| stored.row).collect();
        assert_eq!(left, rows[2..]);
        let kin = async |keys: &[i64], since| {
            let mut found = store.kin(keys, at(since)).await.unwrap();
            found.sort_by_key(|kin| kin.row);
            found.into_iter().map(|kin| (kin.row, kin.story, kin.likeness)).collect::<Vec<_>>()
        };
        let both = [(rows[0], rows[0], known_by(7, &[-2])), (rows[1], rows[0], known_by(8, &[-2]))];
        assert_eq!(kin(&[-2, 5], -1).await, both);
        assert_eq!(kin(&[-2], 0).await, both[1..], "what was seen before is not asked for");
        let story = async |row: i64| {
            let found = store.story(row, 10).await.unwrap();
            found.into_iter().map(|one| (one.item.row, one.kinship)).collect::<Vec<_>>()
        };
        assert_eq!(story(rows[1]).await, [(rows[0], None), (rows[1], Some(near))]);
        assert!(story(rows[2]).await.is_empty());
        store.link(&[], at(1)).await.unwrap();
        assert_eq!(kin(&[1, -2], -1).await, both[1..], "old keys are forgotten");
        store.take_down(&rows[..1], at(9)).await.unwrap();
        assert_eq!(story(rows[1]).await, [(rows[1], Some(near))]);
        store.take_down(&rows[2..], at(9)).await.unwrap();
        assert!(store.unlinked(10).await.unwrap().is_empty());
        store.link(&[link(2, 2, None, known_by(9, &[3]))], at(0)).await.unwrap();
        assert!(kin(&[3], -1).await.is_empty(), "of what was removed meanwhile nothing is kept");
    }
}

/// Of each story the first is listed, and stories are counted, among what matched a topic.
#[tokio::test]
async fn stories_are_listed_and_counted_once() {
    for bench in each().await {
        println!("on {}", bench.name);
        let store = &bench.store;
        // The second and the fourth are reprints of the first; the third is like nothing, the fifth was not looked at.
        let all = ["1", "2", "3", "4", "5"].map(|id| {
            let mut one =
                finding(id, &format!("сөз {id}"), DAY1, if id == "1" { &["u"] } else { &["t", "u"] });
            (one.item.url, one.item.canonical_url) = (None, None);
            one
        });
        for (token, one) in all.into_iter().enumerate() {
            bench.save(&[harvest(token as u64 + 1, vec![one])]).await;
        }
        let rows: Vec<i64> = store.unlinked(10).await.unwrap().iter().map(|stored| stored.row).collect();
        let link = |place: usize, story: usize, source: &str| Linked {
            row: rows[place],
            source: name(source),
            at: at(place as i64),
            story: rows[story],
            kinship: None,
            likeness: Likeness { exact: None, title: None, sketch: vec![1], keys: Vec::new() },
        };
        let linked = [link(0, 0, "s"), link(1, 0, "s"), link(2, 2, "s"), link(3, 0, "s")];
        store.link(&linked, at(0)).await.unwrap();
        let listed = async |topic: &str, source: Option<&str>, one_of_each_story| {
            let query = MaterialQuery {
                topic: Some(name(topic)),
                source: source.map(name),
                one_of_each_story,
                limit: 10,
                ..MaterialQuery::default()
            };
            let found = store.materials(&query).await.unwrap();
            found
                .iter()
                .map(|one| rows.iter().position(|row| *row == one.item.row).unwrap() + 1)
                .collect::<Vec<_>>()
        };
        assert_eq!(listed("u", None, false).await, [1, 2, 3, 4, 5]);
        assert_eq!(listed("u", None, true).await, [1, 3, 5]);
        assert_eq!(listed("t", None, true).await, [2, 3, 5], "the first did not match");
        assert_eq!(listed("u", Some("s"), true).await, [1, 3, 5]);
        let counted =
            (store.story_count(&name("u")).await.unwrap(), store.story_count(&name("t")).await.unwrap());
        assert_eq!(counted, (3, 3));
        assert_eq!(store.story_count(&name("nobody")).await.unwrap(), 0);
    }
}
