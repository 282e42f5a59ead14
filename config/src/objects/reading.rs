//! How a source is read, as it is declared: its address, where things stand in it, and what stands in for it.

use model::{Fallback, Pointers, Selectors, Source, SourceKind, is_template};
use serde_json::{Map, Value, json};
use url::Url;

use super::Complaint;
use super::fields::{Fields, Notes};
use super::tree;

/// What cannot be read in this way at this address.
pub(super) fn judge_address(
    kind: Option<SourceKind>,
    url: Option<&Url>,
    spec: &Fields<'_>,
    notes: &mut Notes<'_>,
) {
    if let (Some(kind), Some(url)) = (kind, url)
        && let Err(Complaint { message, remedy }) = (notes.judges.address)(kind, url)
    {
        notes.add(spec.line_of("url"), format!("{}: {message}", spec.at("url")), remedy);
    }
}

pub(super) fn selectors(kind: Option<SourceKind>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Selectors {
    let Some(node) = spec.node("selectors") else { return Selectors::default() };
    let Some(mut fields) = Fields::open(&spec.at("selectors"), node, notes) else {
        return Selectors::default();
    };
    let (judge, path) = (notes.judges.selector, spec.at("selectors"));
    let mut take = |key| {
        let line = fields.node(key)?.line;
        if matches!(key, "item" | "link" | "next") && kind.is_some_and(|kind| kind != SourceKind::Listing) {
            notes.add(
                line,
                format!("{}.{key} is for listings only", path),
                "remove it, or set kind: listing",
            );
        }
        fields.judged(key, notes, judge)
    };
    let selectors = Selectors {
        item: take("item"),
        link: take("link"),
        title: take("title"),
        time: take("time"),
        text: take("text"),
        next: take("next"),
    };
    fields.close(notes);
    selectors
}

pub(super) fn pointers(kind: Option<SourceKind>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Pointers {
    let Some(node) = spec.node("pointers") else {
        if kind == Some(SourceKind::Json) {
            notes.add(
                spec.line(),
                format!("{} is missing: nothing says where things stand in this JSON", spec.at("pointers")),
                "add pointers such as {items: /data, url: /link, title: /title}",
            );
        }
        return Pointers::default();
    };
    let Some(mut fields) = Fields::open(&spec.at("pointers"), node, notes) else {
        return Pointers::default();
    };
    if kind.is_some_and(|kind| kind != SourceKind::Json) {
        notes.add(
            node.line,
            format!("{} is for JSON only", spec.at("pointers")),
            "remove it, or set kind: json",
        );
    }
    let judge = notes.judges.pointer;
    let mut take = |key| fields.judged(key, notes, judge);
    let pointers = Pointers {
        items: take("items"),
        id: take("id"),
        url: take("url"),
        title: take("title"),
        text: take("text"),
        summary: take("summary"),
        time: take("time"),
        updated: take("updated"),
        author: take("author"),
        image: take("image"),
        language: take("language"),
        likes: take("likes"),
        comments: take("comments"),
        shares: take("shares"),
        views: take("views"),
        next: take("next"),
    };
    fields.close(notes);
    if pointers.url.is_none() && pointers.title.is_none() && pointers.text.is_none() {
        notes.add(
            node.line,
            format!("{} says neither where addresses, titles nor texts stand", spec.at("pointers")),
            "add one of url, title, text",
        );
    }
    pointers
}

/// Other ways to read it, in their order.
pub(super) fn fallbacks(url: Option<&Url>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Vec<Fallback> {
    let Some(node) = spec.node("fallbacks") else { return Vec::new() };
    let tree::Value::List(list) = &node.value else {
        notes.add(node.line, "spec.fallbacks must be a list", "write `- {kind: sitemap, url: …}` lines");
        return Vec::new();
    };
    if list.len() > Source::MOST_FALLBACKS {
        let message = format!("spec.fallbacks holds more than {}", Source::MOST_FALLBACKS);
        notes.add(node.line, message, "keep those that are worth it");
    }
    if url.is_some_and(is_template) {
        notes.add(node.line, "spec.fallbacks is not for sources that are searched", "remove it");
    }
    let read = |(place, node): (usize, &tree::Node)| {
        let mut fields = Fields::open(&format!("spec.fallbacks[{}]", place + 1), node, notes)?;
        let fallback = fallback(&mut fields, notes);
        fields.close(notes);
        fallback
    };
    list.iter().enumerate().take(Source::MOST_FALLBACKS).filter_map(read).collect()
}

fn fallback(spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<Fallback> {
    let kinds = SourceKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = spec.required("kind", notes).and_then(|_| spec.choice("kind", notes, &kinds));
    let url = spec.web_address("url", notes);
    judge_address(kind, url.as_ref(), spec, notes);
    let is_unfit = kind == Some(SourceKind::Import) || url.as_ref().is_some_and(is_template);
    if is_unfit {
        let message = format!("{} cannot stand in: it is not polled", spec.at("kind"));
        notes.add(spec.line(), message, "name an address that can be read without a query");
    }
    let selectors = selectors(kind, spec, notes);
    let pointers = pointers(kind, spec, notes);
    Some(Fallback { kind: kind?, url: url?, selectors, pointers })
}

pub(super) fn write_adapter(fallback: &Fallback) -> Value {
    let Fallback { kind, url, selectors, pointers } = fallback;
    let mut spec = Map::new();
    let mut put = |key: &str, value: Value| spec.insert(key.to_owned(), value);
    put("kind", json!(kind.as_str()));
    put("url", json!(url.as_str()));
    write_selectors(selectors, &mut put);
    write_pointers(pointers, &mut put);
    Value::Object(spec)
}

pub(super) fn write_selectors(selectors: &Selectors, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let Selectors { item, link, title, time, text, next } = selectors;
    let all =
        [("item", item), ("link", link), ("title", title), ("time", time), ("text", text), ("next", next)];
    let given = all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))));
    let given: Map<String, Value> = given.collect();
    if !given.is_empty() {
        put("selectors", Value::Object(given));
    }
}

pub(super) fn write_pointers(pointers: &Pointers, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let all = pointers.all().into_iter();
    let given: Map<String, Value> =
        all.filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?)))).collect();
    if !given.is_empty() {
        put("pointers", Value::Object(given));
    }
}
