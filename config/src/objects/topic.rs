//! Parsing and printing of declared topics.

use model::{Name, Tag, Topic};
use serde_json::{Map, Value, json};

use super::fields::{Context, Fields};
use super::source::CATEGORIES;

/// Reads the spec of a topic. Reports problems to `context`.
pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, context: &mut Context<'_>) -> Option<Topic> {
    let has_query = spec.required("query", context);
    let query = has_query.and_then(|_| spec.checked_text("query", context, context.judges.query));
    let client = spec.parse("client", context, |text| Name::new(text).map(|name| name.to_string()));
    let languages = spec.languages("languages", context);
    let categories = spec.choices("categories", context, CATEGORIES);
    let sources = spec.sources("sources", context);
    let exclude_sources = spec.sources("excludeSources", context);
    let tags = read_tags(spec, context);
    Some(Topic { name: name?, query: query?, client, languages, categories, sources, exclude_sources, tags })
}

/// Upper bound on tags of a topic, since each rule is evaluated for each match.
const MAX_TAGS: usize = 100;

/// Reads tags such as `tags: {complaint: жалоба OR обман}`.
fn read_tags(spec: &mut Fields<'_>, context: &mut Context<'_>) -> Vec<Tag> {
    let check = context.judges.rule;
    let rules = spec.checked_map("tags", context, check);
    if let Some((_, _, line)) = rules.get(MAX_TAGS) {
        context.report(
            *line,
            format!("spec.tags has more than {MAX_TAGS} entries"),
            "move some of them to another topic",
        );
    }
    let mut tags = Vec::new();
    for (name, query, line) in rules {
        match Name::new(&name) {
            Ok(name) => tags.push(Tag { name, query }),
            Err(error) => context.report(line, format!("spec.tags.{name}: {error}"), ""),
        }
    }
    // The order has no meaning. Sorting keeps a reordering from being an edit.
    tags.sort_by(|one, other| one.name.cmp(&other.name));
    tags
}

/// Returns the spec as it would be declared.
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
