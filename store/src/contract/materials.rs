//! Contract of reading items and matches.

use super::*;

#[tokio::test]
async fn materials_are_filtered_by_topic_and_words_and_ordered() {
    for bench in each().await {
        println!("on {}", bench.name);
        bench
            .save(&[harvest(
                1,
                vec![finding("1", "бір сөз", DAY1, &["t"]), finding("2", "екі ән", DAY2, &["t", "u"])],
            )])
            .await;
        let material = |topic: &str, text: &str| (topic.to_owned(), text.to_owned());
        assert_eq!(
            bench.materials(MaterialQuery::default()).await,
            [material("t", "бір сөз"), material("t", "екі ән"), material("u", "екі ән")]
        );
        let topic_query =
            |topic: &str| MaterialQuery { topic: Some(name(topic)), ..MaterialQuery::default() };
        assert_eq!(bench.materials(topic_query("u")).await, [material("u", "екі ән")]);
        let word_query = MaterialQuery {
            terms: vec![vec!["~жоқ".into(), "~сөз".into()]],
            ..MaterialQuery::default()
        };
        assert_eq!(bench.materials(word_query).await, [material("t", "бір сөз")]);
        let hostile_query =
            MaterialQuery { terms: vec![vec!["\" OR ~ән".into()]], ..MaterialQuery::default() };
        assert_eq!(bench.materials(hostile_query).await, []);
        let after_second = MaterialQuery { after_seq: 2, ..MaterialQuery::default() };
        assert_eq!(bench.materials(after_second).await, [material("u", "екі ән")]);
        let totals = bench.store.totals().await.unwrap();
        assert_eq!((totals.items, totals.materials, totals.matches), (2, 2, 3));
    }
}
