//! A topic as it is declared.

use model::{Name, Tag, Topic};
use serde_json::{Map, Value, json};

use super::fields::{Fields, Notes};
use super::source::CATEGORIES;

pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<Topic> {
    let has_query = spec.required("query", notes);
    let query = has_query.and_then(|_| spec.judged("query", notes, notes.judges.query));
    let client = spec.read("client", notes, |text| Name::new(text).map(|name| name.to_string()));
    let languages = spec.languages("languages", notes);
    let categories = spec.choices("categories", notes, CATEGORIES);
    let sources = spec.sources("sources", notes);
    let exclude_sources = spec.sources("excludeSources", notes);
    let tags = tags(spec, notes);
    Some(Topic { name: name?, query: query?, client, languages, categories, sources, exclude_sources, tags })
}

/// Rules of a topic, at most: each is held against each match.
const MOST_TAGS: usize = 100;

/// `tags: {complaint: жалоба OR обман}`.
fn tags(spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Vec<Tag> {
    let judge = notes.judges.rule;
    let rules = spec.map("tags", notes, judge);
    if let Some((_, _, line)) = rules.get(MOST_TAGS) {
        notes.add(*line, format!("spec.tags holds more than {MOST_TAGS}"), "make another topic of some");
    }
    let mut tags = Vec::new();
    for (name, query, line) in rules {
        match Name::new(&name) {
            Ok(name) => tags.push(Tag { name, query }),
            Err(error) => notes.add(line, format!("spec.tags.{name}: {error}"), ""),
        }
    }
    // Their order says nothing.
    tags.sort_by(|one, other| one.name.cmp(&other.name));
    tags
}

/// The spec as it would be declared.
pub(crate) fn write(topic: &Topic) -> Value {
    let Topic { name: _, query, client, languages, categories, sources, exclude_sources, tags } = topic;
    let mut spec = Map::new();
    spec.insert("query".to_owned(), json!(query));
    if let Some(client) = client {
        spec.insert("client".to_owned(), json!(client));
    }
    let categories: Vec<&str> = categories.iter().map(|category| category.as_str()).collect();
    for (key, list) in [
        ("languages", json!(languages)),
        ("categories", json!(categories)),
        ("sources", json!(sources)),
        ("excludeSources", json!(exclude_sources)),
    ] {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            spec.insert(key.to_owned(), list);
        }
    }
    if !tags.is_empty() {
        let tags: Map<String, Value> =
            tags.iter().map(|tag| (tag.name.to_string(), json!(tag.query))).collect();
        spec.insert("tags".to_owned(), Value::Object(tags));
    }
    Value::Object(spec)
}
