//! The index matches the same topics as evaluating each query alone, after any sequence of edits.

use std::collections::BTreeMap;

use model::{Item, ItemContext, Name, Originality, Source, Tag, Timestamp, Topic, Zone};
use proptest::prelude::*;

use super::TopicIndex;
use crate::{Facts, Query};

fn topic(name: &str, query: &str) -> Topic {
    Topic::new(Name::new(name).unwrap(), query.to_owned())
}

fn source() -> Source {
    let spec = r#"{"name":"s","kind":"feed","url":"https://a.kz/","category":"news","languages":[],"every":{"min":{"secs":60,"nanos":0},"max":{"secs":60,"nanos":0}},"article":"auto","rights":"full","selectors":{},"paused":false,"country":null,"timezone":null,"delay":null,"politeness_group":null}"#;
    serde_json::from_str(spec).unwrap()
}

fn item(title: &str, text: &str) -> Item {
    let entry = format!(
        r#"{{"source":"s","key":"k","title":{title:?},"text":{text:?},"language":"ru","problems":[]}}"#
    );
    serde_json::from_str(&entry).unwrap()
}

fn matching_topics(index: &TopicIndex, title: &str, text: &str) -> Vec<String> {
    let (_, matches) =
        index.matches(&item(title, text), &source(), ItemContext::first_seen(Timestamp::UNIX_EPOCH));
    matches.into_iter().map(|match_| match_.topic.to_string()).collect()
}

#[test]
fn a_match_has_the_tags_whose_rules_match() {
    let tag = |name: &str, query: &str| Tag { name: Name::new(name).unwrap(), query: query.to_owned() };
    let mut tagged = topic("bank", "банк");
    tagged.tags = vec![
        tag("complaint", "жалоба OR обман"),
        tag("calm", "NOT жалоба"),
        tag("named", "title:банк"),
        tag("local", "site:a.kz"),
    ];
    let (index, bad) = TopicIndex::new(vec![tagged.clone(), topic("other", "жалоба")]);
    assert!(bad.is_empty());
    let tags = |title: &str, text: &str| -> Vec<Vec<String>> {
        let (_, matches) =
            index.matches(&item(title, text), &source(), ItemContext::first_seen(Timestamp::UNIX_EPOCH));
        matches.iter().map(|match_| match_.tags.iter().map(ToString::to_string).collect()).collect()
    };
    assert_eq!(tags("", "Жалобы на банк"), [vec!["complaint", "local"], vec![]]);
    assert_eq!(tags("Банки", "растут"), [vec!["calm", "named", "local"]]);
    assert_eq!(
        tags("", "жалоба"),
        [Vec::<String>::new()],
        "a rule matches nothing without its topic's query"
    );
    tagged.tags.push(tag("broken", "(жалоба"));
    let (_, bad) = TopicIndex::new(vec![tagged]);
    assert_eq!(bad[0].error.code, "E_PAREN");
}

#[test]
fn topics_with_dup_match_once_originality_is_known() {
    let mut tagged = topic("tagged", "банк");
    tagged.tags = vec![Tag { name: Name::new("first").unwrap(), query: "NOT dup:reprint".to_owned() }];
    let topics = vec![
        topic("first", "банк dup:original"),
        topic("again", "банк dup:reprint"),
        topic("not-again", "банк NOT dup:reprint"),
        topic("naming", "topic:first биржа"),
        topic("plain", "банк"),
        tagged,
    ];
    let (index, bad) = TopicIndex::new(topics);
    assert!(bad.is_empty());
    let matching = |index: &TopicIndex, originality| {
        let sight = ItemContext { at: Timestamp::UNIX_EPOCH, originality };
        let (_, matches) = index.matches(&item("", "банк и биржа"), &source(), sight);
        matches.iter().map(|one| format!("{}{}", one.topic, "+".repeat(one.tags.len()))).collect::<Vec<_>>()
    };
    assert_eq!(matching(&index, None), ["plain"]);
    let original = Some(Originality::Original);
    assert_eq!(matching(&index, original), ["first", "naming", "not-again", "plain", "tagged+"]);
    assert_eq!(matching(&index, Some(Originality::Reprint)), ["again", "plain", "tagged"]);
    let late = |index: &TopicIndex| index.deferred().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(late(&index), ["again", "first", "naming", "not-again", "tagged"]);
    let (edited, _) = index.with(vec![topic("first", "банк")], &[Name::new("again").unwrap()], Vec::new());
    assert_eq!(late(&edited), ["not-again", "tagged"], "a topic that names one without dup: is not deferred");
    assert_eq!(matching(&edited, None), ["first", "naming", "plain"]);
}

#[test]
fn the_index_matches_the_same_topics_as_single_queries() {
    let queries = [
        "банк",
        "!банку",
        "банк NOT реклама",
        "ипоте*",
        "(ипоте* OR банк) биржа",
        "\"народный банк\"",
        "биржа OR ставка",
    ];
    let topics: Vec<Topic> =
        queries.iter().enumerate().map(|(n, query)| topic(&format!("t{n}"), query)).collect();
    let (index, bad) = TopicIndex::new(topics.clone());
    assert!(bad.is_empty());
    for text in [
        "банки",
        "дай банку",
        "реклама банка",
        "ипотечный кредит на бирже",
        "Народный банк",
        "ставки на биржах",
        "ничего",
    ] {
        let document = index.analysis().document("", text, None);
        let expected: Vec<String> = topics
            .iter()
            .filter(|topic| {
                Query::parse(&topic.query).unwrap().matches(&document, &Facts::default()).is_some()
            })
            .map(|topic| topic.name.to_string())
            .collect();
        assert_eq!(matching_topics(&index, "", text), expected, "{text}");
    }
}

#[test]
fn matches_respect_filters_and_carry_spans_and_excerpts() {
    let mut kazakh_only = topic("kk", "банк");
    kazakh_only.languages = vec!["kk".into()];
    let mut elsewhere = topic("else", "банк");
    elsewhere.exclude_sources = vec![Name::new("s").unwrap()];
    let (index, bad) = TopicIndex::new(vec![topic("a", "банк"), kazakh_only, elsewhere, topic("bad", "(")]);
    assert_eq!(bad[0].topic.name.as_str(), "bad");
    assert_eq!(matching_topics(&index, "О банках", "Текст про банк"), ["a"]);
    let (_, matches) = index.matches(
        &item("О банках", "Текст про банк"),
        &source(),
        ItemContext::first_seen(Timestamp::UNIX_EPOCH),
    );
    let spans: Vec<(Zone, &str)> =
        matches[0].spans.iter().map(|span| (span.zone, span.text.as_str())).collect();
    assert_eq!(spans, [(Zone::Title, "банках"), (Zone::Text, "банк")]);
    assert_eq!(&*matches[0].excerpt, "Текст про банк");
}

/// Generates queries over a few short words, so that they often match.
fn query_text() -> impl Strategy<Value = String> {
    let word = || prop_oneof!["[абв]{1,2}", "![абв]{1,2}", "[абв]-[абв]"];
    let leaf = prop_oneof![
        4 => word(),
        1 => "[абв]{3}\\*",
        1 => "\\{[АБВабв]{1,2}\\}",
        1 => "\"[абв] [абв]\"",
        1 => "\\[[абв] \\* [абв]\\]",
        1 => "\"[абв] [абв] [абв]\"~2",
        1 => (word(), 0_u32..4, word()).prop_map(|(a, n, b)| format!("{a} NEAR/{n} {b}")),
        1 => (word(), 0_u32..4, word()).prop_map(|(a, n, b)| format!("{a} NOT NEAR/{n} {b}")),
        1 => (word(), word(), word()).prop_map(|(a, b, c)| format!("({a} OR {b}) ONEAR/2 {c}")),
        1 => (1_u32..4, word()).prop_map(|(n, a)| format!("ATLEAST/{n}({a})")),
        1 => word().prop_map(|a| format!("title:{a}")),
        1 => "site:[ab]\\.kz",
        1 => word().prop_map(|a| format!("translit({})", a.trim_start_matches('!'))),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" AND "))),
            proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" OR "))),
            (inner.clone(), inner).prop_map(|(one, other)| format!("({one} NOT ({other}))")),
        ]
    })
}

/// A topic that matches, the ranges of its spans, and its tags.
type TopicMatch = (Name, Vec<(Zone, usize, usize)>, Vec<Name>);

/// Evaluates each topic alone.
fn expected_matches(topics: &BTreeMap<Name, Topic>, index: &TopicIndex, item: &Item) -> Vec<TopicMatch> {
    let document = index.analysis().item(item);
    let facts =
        super::field_values(item, Some(&source()), &document, ItemContext::first_seen(Timestamp::UNIX_EPOCH));
    let evaluate = |topic: &Topic| {
        let spans = Query::parse(&topic.query).ok()?.matches(&document, &facts)?;
        let ranges = spans.into_iter().map(|span| (span.zone, span.start, span.end)).collect();
        let matches =
            |tag: &&Tag| Query::parse_rule(&tag.query).unwrap().matches(&document, &facts).is_some();
        let tags = topic.tags.iter().filter(matches).map(|tag| tag.name.clone()).collect();
        topic.admits(item, &source()).then_some((topic.name.clone(), ranges, tags))
    };
    topics.values().filter_map(evaluate).collect()
}

/// Matches an item against the index, and checks that [`TopicIndex::names`] returns the same topics.
fn index_matches(index: &TopicIndex, item: &Item) -> Vec<TopicMatch> {
    let (document, matches) = index.matches(item, &source(), ItemContext::first_seen(Timestamp::UNIX_EPOCH));
    let mut names = index.names(&document, item, &source(), ItemContext::first_seen(Timestamp::UNIX_EPOCH));
    names.sort();
    let topic_match = |match_: model::Match| {
        let ranges = match_.spans.iter().map(|span| (span.zone, span.start, span.end)).collect();
        (match_.topic, ranges, match_.tags)
    };
    let matches: Vec<TopicMatch> = matches.into_iter().map(topic_match).collect();
    assert_eq!(names, matches.iter().map(|(name, ..)| name).collect::<Vec<_>>());
    matches
}

proptest! {
    /// Each step is an edit: topic numbers, each with a new query, or `None` to remove the topic.
    #[test]
    fn the_index_agrees_with_single_queries_after_any_edits(
        steps in proptest::collection::vec(
            proptest::collection::vec((0_usize..12, proptest::option::of(query_text())), 1..6), 1..6),
        texts in proptest::collection::vec(("[АБВабв ]{0,6}", "[АБВабв .\n-]{0,30}"), 1..4),
        merges in any::<bool>(),
    ) {
        let mut index = TopicIndex::default();
        let mut topics: BTreeMap<Name, Topic> = BTreeMap::new();
        for step in steps {
            let (mut edited, mut removed) = (BTreeMap::new(), Vec::new());
            for (number, query) in step {
                let mut one = topic(&format!("t{number}"), query.as_deref().unwrap_or(""));
                if number % 3 == 0 {
                    one.languages = vec![if number % 2 == 0 { "ru" } else { "kk" }.to_owned()];
                }
                if number % 4 == 1 {
                    one.tags = vec![Tag { name: Name::new("tag").unwrap(), query: "аб OR NOT в".to_owned() }];
                }
                match query {
                    Some(query) if Query::parse(&query).is_ok() => drop(edited.insert(one.name.clone(), one)),
                    _ => removed.push(one.name),
                }
            }
            removed.retain(|name| !edited.contains_key(name));
            removed.iter().for_each(|name| drop(topics.remove(name)));
            topics.extend(edited.clone());
            index = index.with(edited.into_values().collect(), &removed, Vec::new()).0;
            if merges {
                index = index.merged().unwrap_or(index);
                prop_assert!(index.merged().is_none());
            }
            for (title, text) in &texts {
                let item = item(title, text);
                prop_assert_eq!(index_matches(&index, &item), expected_matches(&topics, &index, &item));
            }
        }
        // The same topics give the same matches if they are compiled at once, or by `changed`.
        let (rebuilt, _) = TopicIndex::new(topics.values().cloned().collect());
        let (updated, _) = index.changed(topics.values().cloned().collect(), crate::Lists::default());
        for (title, text) in &texts {
            let item = item(title, text);
            prop_assert_eq!(index_matches(&rebuilt, &item), index_matches(&index, &item));
            prop_assert_eq!(index_matches(&updated, &item), index_matches(&index, &item));
        }
    }
}

#[test]
fn an_edit_shares_existing_segments() {
    let topics = (0..200).map(|number| topic(&format!("t{number}"), &format!("слово{number}"))).collect();
    let (index, _) = TopicIndex::new(topics);
    let (edited, _) = index.with(vec![topic("t7", "банк")], &[Name::new("t8").unwrap()], Vec::new());
    assert!(std::sync::Arc::ptr_eq(&index.segments[0].segment, &edited.segments[0].segment));
    assert_eq!(matching_topics(&edited, "", "банк слово7 слово8 слово9"), ["t7", "t9"]);
    assert_eq!(matching_topics(&index, "", "банк слово7 слово8 слово9"), ["t7", "t8", "t9"]);
    assert!(edited.segments.len() == 2);
}

#[test]
fn merging_bounds_the_segments_and_drops_deleted_topics() {
    let word = |number: usize| topic(&format!("t{number}"), &format!("слово{number}"));
    let (mut index, _) = TopicIndex::new((0..1_000).map(word).collect());
    let first = index.segments[0].segment.clone();
    for number in 1_000..1_100 {
        index = index.with(vec![word(number)], &[], Vec::new()).0;
        index = index.merged().unwrap_or(index);
        assert!(index.segments.len() <= 4, "{} segments", index.segments.len());
    }
    assert!(std::sync::Arc::ptr_eq(&first, &index.segments[0].segment), "the largest segment is unchanged");
    assert_eq!(matching_topics(&index, "", "слово3 слово1003 слово1099"), ["t1003", "t1099", "t3"]);
    // Remove more than half of the largest segment.
    let removed: Vec<Name> = (0..600).map(|number| Name::new(&format!("t{number}")).unwrap()).collect();
    index = index.with(Vec::new(), &removed, Vec::new()).0;
    index = index.merged().unwrap();
    assert_eq!(index.segments.iter().map(|live| live.segment.len()).collect::<Vec<_>>(), [500]);
    assert_eq!(matching_topics(&index, "", "слово3 слово1003 слово603"), ["t1003", "t603"]);
    // The number of segments is bounded without merging, too.
    for number in 2_000..2_100 {
        index = index.with(vec![word(number)], &[], Vec::new()).0;
    }
    assert!(index.segments.len() <= super::MAX_SEGMENTS, "{} segments", index.segments.len());
}

#[test]
fn topics_are_recompiled_when_a_named_list_or_topic_changes() {
    let list = |value: &str| {
        let values = vec![value.to_owned()];
        crate::Lists::new(vec![model::List { name: Name::new("people").unwrap(), values }])
    };
    let topics = |bank: &str| {
        vec![
            topic("bank", bank),
            topic("credit", "кредит topic:bank"),
            topic("deep", "topic:credit OR никогда"),
            topic("said", "author:@people"),
            topic("plain", "кредит"),
        ]
    };
    let matching = |index: &TopicIndex, text: &str| -> Vec<String> {
        let item = Item { author: Some("Асель Нурова".to_owned()), ..item("", text) };
        let (_, matches) = index.matches(&item, &source(), ItemContext::first_seen(Timestamp::UNIX_EPOCH));
        matches.into_iter().map(|match_| match_.topic.to_string()).collect()
    };
    let (index, bad) = TopicIndex::default().changed(topics("банк"), list("Асель"));
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(matching(&index, "кредит в банке"), ["bank", "credit", "deep", "plain", "said"]);
    // Edit a named topic.
    let (edited, _) = index.with(vec![topic("bank", "биржа")], &[], Vec::new());
    assert_eq!(matching(&edited, "кредит в банке"), ["plain", "said"]);
    assert_eq!(matching(&edited, "кредит на бирже"), ["bank", "credit", "deep", "plain", "said"]);
    let merged = edited.merged().unwrap();
    assert_eq!(matching(&merged, "кредит на бирже"), ["bank", "credit", "deep", "plain", "said"]);
    // A topic with a bad rule does not match, but other topics may name it.
    let tag = Tag { name: Name::new("bad").unwrap(), query: "author:@nobody".to_owned() };
    let bad_rule = Topic { tags: vec![tag], ..topic("bank", "банк") };
    let (edited, bad) = index.with(vec![bad_rule], &[], Vec::new());
    assert_eq!(bad.len(), 1);
    let (edited, _) = edited.with(vec![topic("last", "topic:bank кредит")], &[], Vec::new());
    let all = ["credit", "deep", "last", "plain", "said"];
    assert_eq!(matching(&edited, "кредит в банке"), all);
    assert_eq!(matching(&edited.merged().unwrap(), "кредит в банке"), all);
    // Topics that name a removed topic cannot be compiled.
    let (without, bad) = edited.changed(topics("банк").split_off(1), list("Асель"));
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert_eq!(matching(&without, "кредит в банке"), ["plain", "said"]);
    // Edit only the list.
    let (edited, _) = index.changed(topics("банк"), list("Болат"));
    assert_eq!(matching(&edited, "кредит в банке"), ["bank", "credit", "deep", "plain"]);
    // Topics that name a removed topic are reported, and match again when it is restored.
    let (without, bad) = edited.changed(topics("банк").split_off(1), list("Болат"));
    let mut names: Vec<&str> = bad.iter().map(|bad| bad.topic.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["credit", "deep"]);
    assert_eq!(matching(&without, "кредит в банке"), ["plain"]);
    let (restored, bad) = without.changed(topics("банк"), list("Болат"));
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(matching(&restored, "кредит в банке"), ["bank", "credit", "deep", "plain"]);
}
