//! The part of a source's declaration that tells how to read it: address, selectors, pointers and fallbacks.

use model::{Fallback, Pointers, Selectors, Source, SourceKind, has_query_placeholder};
use serde_json::{Map, Value, json};
use url::Url;

use super::CheckError;
use super::fields::{Context, Fields};
use super::tree;

/// Reports an address that a source of this kind cannot have.
pub(super) fn check_address(
    kind: Option<SourceKind>,
    url: Option<&Url>,
    spec: &Fields<'_>,
    context: &mut Context<'_>,
) {
    if let (Some(kind), Some(url)) = (kind, url)
        && let Err(CheckError { message, remedy }) = (context.judges.address)(kind, url)
    {
        context.report(spec.line_of("url"), format!("{}: {message}", spec.path_of("url")), remedy);
    }
}

pub(super) fn read_selectors(
    kind: Option<SourceKind>,
    spec: &mut Fields<'_>,
    context: &mut Context<'_>,
) -> Selectors {
    let Some(node) = spec.node("selectors") else { return Selectors::default() };
    let Some(mut fields) = Fields::open(&spec.path_of("selectors"), node, context) else {
        return Selectors::default();
    };
    let (check, path) = (context.judges.selector, spec.path_of("selectors"));
    let mut take = |key| {
        let line = fields.node(key)?.line;
        if matches!(key, "item" | "link" | "next") && kind.is_some_and(|kind| kind != SourceKind::Listing) {
            context.report(
                line,
                format!("{path}.{key} applies only to kind listing"),
                "remove it, or set kind: listing",
            );
        }
        fields.checked_text(key, context, check)
    };
    let selectors = Selectors {
        item: take("item"),
        link: take("link"),
        title: take("title"),
        time: take("time"),
        text: take("text"),
        next: take("next"),
    };
    fields.finish(context);
    selectors
}

pub(super) fn read_pointers(
    kind: Option<SourceKind>,
    spec: &mut Fields<'_>,
    context: &mut Context<'_>,
) -> Pointers {
    let Some(node) = spec.node("pointers") else {
        if kind == Some(SourceKind::Json) {
            context.report(
                spec.line(),
                format!("{} is missing, but kind json requires it", spec.path_of("pointers")),
                "add pointers such as {items: /data, url: /link, title: /title}",
            );
        }
        return Pointers::default();
    };
    let Some(mut fields) = Fields::open(&spec.path_of("pointers"), node, context) else {
        return Pointers::default();
    };
    if kind.is_some_and(|kind| kind != SourceKind::Json) {
        context.report(
            node.line,
            format!("{} applies only to kind json", spec.path_of("pointers")),
            "remove it, or set kind: json",
        );
    }
    let check = context.judges.pointer;
    let mut take = |key| fields.checked_text(key, context, check);
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
    fields.finish(context);
    if pointers.url.is_none() && pointers.title.is_none() && pointers.text.is_none() {
        context.report(
            node.line,
            format!("{} has neither url, title nor text", spec.path_of("pointers")),
            "add at least one of them",
        );
    }
    pointers
}

/// Reads the fallbacks, in file order. `url` is the source's declared address.
pub(super) fn read_fallbacks(
    url: Option<&Url>,
    spec: &mut Fields<'_>,
    context: &mut Context<'_>,
) -> Vec<Fallback> {
    let Some(node) = spec.node("fallbacks") else { return Vec::new() };
    let tree::Value::List(list) = &node.value else {
        context.report(node.line, "spec.fallbacks must be a list", "write `- {kind: sitemap, url: …}` lines");
        return Vec::new();
    };
    if list.len() > Source::MAX_FALLBACKS {
        let message = format!("spec.fallbacks has more than {} entries", Source::MAX_FALLBACKS);
        context.report(node.line, message, "remove the least useful ones");
    }
    if url.is_some_and(has_query_placeholder) {
        context.report(node.line, "spec.fallbacks does not apply to searched sources", "remove it");
    }
    let read = |(index, node): (usize, &tree::Node)| {
        let mut fields = Fields::open(&format!("spec.fallbacks[{}]", index + 1), node, context)?;
        let fallback = read_fallback(&mut fields, context);
        fields.finish(context);
        fallback
    };
    list.iter().enumerate().take(Source::MAX_FALLBACKS).filter_map(read).collect()
}

fn read_fallback(spec: &mut Fields<'_>, context: &mut Context<'_>) -> Option<Fallback> {
    let kinds = SourceKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = spec.required("kind", context).and_then(|_| spec.choice("kind", context, &kinds));
    let url = spec.web_address("url", context);
    check_address(kind, url.as_ref(), spec, context);
    let is_never_polled = kind == Some(SourceKind::Import) || url.as_ref().is_some_and(has_query_placeholder);
    if is_never_polled {
        let message =
            format!("{} cannot be used: imported and searched sources are not polled", spec.path_of("kind"));
        context.report(spec.line(), message, "use an address that can be fetched without a query");
    }
    let selectors = read_selectors(kind, spec, context);
    let pointers = read_pointers(kind, spec, context);
    Some(Fallback { kind: kind?, url: url?, selectors, pointers })
}

/// Returns a fallback as it would be declared.
pub(super) fn write_fallback(fallback: &Fallback) -> Value {
    let Fallback { kind, url, selectors, pointers } = fallback;
    let mut spec = Map::new();
    let mut put = |key: &str, value: Value| spec.insert(key.to_owned(), value);
    put("kind", json!(kind.as_str()));
    put("url", json!(url.as_str()));
    write_selectors(selectors, &mut put);
    write_pointers(pointers, &mut put);
    Value::Object(spec)
}

/// Passes the declared selectors to `put`, if there are any.
pub(super) fn write_selectors(selectors: &Selectors, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let Selectors { item, link, title, time, text, next } = selectors;
    let all =
        [("item", item), ("link", link), ("title", title), ("time", time), ("text", text), ("next", next)];
    let declared = all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))));
    let declared: Map<String, Value> = declared.collect();
    if !declared.is_empty() {
        put("selectors", Value::Object(declared));
    }
}

/// Passes the declared pointers to `put`, if there are any.
pub(super) fn write_pointers(pointers: &Pointers, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let all = pointers.all().into_iter();
    let declared: Map<String, Value> =
        all.filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?)))).collect();
    if !declared.is_empty() {
        put("pointers", Value::Object(declared));
    }
}
