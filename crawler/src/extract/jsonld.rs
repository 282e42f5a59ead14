//! JSON-LD: the article metadata that a page has for search engines. One hint among several, not always right.

use serde_json::Value;

/// The article fields that publishers fill in.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct JsonLd {
    pub(super) headline: Option<String>,
    pub(super) published: Option<String>,
    pub(super) modified: Option<String>,
    pub(super) authors: Vec<String>,
    /// The organizations named as authors.
    pub(super) organizations: Vec<String>,
    pub(super) url: Option<String>,
    pub(super) image: Option<String>,
    pub(super) body: Option<String>,
}

/// Upper bound on the nodes read from one page.
const MAX_NODES: usize = 500;

/// Parses the scripts of a page. Returns the fields of the first article, or else of the first node with a date.
pub(super) fn read(scripts: &[String]) -> JsonLd {
    let mut nodes = Vec::new();
    for script in scripts {
        if let Some(value) = parse(script) {
            flatten(value, &mut nodes);
        }
    }
    let article = nodes
        .iter()
        .find(|node| is_article(node))
        .or_else(|| nodes.iter().find(|node| node.get("datePublished").is_some()));
    article.map(fields).unwrap_or_default()
}

fn parse(script: &str) -> Option<Value> {
    let text = script.trim().trim_start_matches("<!--").trim_end_matches("-->").trim();
    let text = text
        .strip_prefix("//<![CDATA[")
        .unwrap_or(text)
        .trim_end_matches("//]]>")
        .trim()
        .trim_end_matches(';');
    serde_json::from_str(text).ok().or_else(|| {
        // Unescaped line breaks in strings are the most common error.
        let folded: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        serde_json::from_str(&folded).ok()
    })
}

fn flatten(value: Value, nodes: &mut Vec<Value>) {
    if nodes.len() >= MAX_NODES {
        return;
    }
    match value {
        Value::Array(list) => list.into_iter().for_each(|value| flatten(value, nodes)),
        Value::Object(mut map) => {
            let inner: Vec<Value> = ["@graph", "mainEntity"]
                .iter()
                .filter_map(|key| map.get_mut(*key).map(Value::take))
                .collect();
            nodes.push(Value::Object(map));
            inner.into_iter().for_each(|value| flatten(value, nodes));
        }
        _ => (),
    }
}

fn is_article(node: &Value) -> bool {
    let is_article_type = |value: &Value| {
        value
            .as_str()
            .is_some_and(|kind| kind.ends_with("Article") || kind.ends_with("Posting") || kind == "Report")
    };
    match node.get("@type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_article_type),
        Some(kind) => is_article_type(kind),
        None => false,
    }
}

fn fields(node: &Value) -> JsonLd {
    let text = |key: &str| node.get(key).and_then(text_of);
    JsonLd {
        headline: text("headline").or_else(|| text("name")),
        published: text("datePublished").or_else(|| text("dateCreated")).or_else(|| text("uploadDate")),
        modified: text("dateModified"),
        authors: authors(node, |value| !is_organization(value)),
        organizations: authors(node, is_organization),
        url: node.get("mainEntityOfPage").and_then(text_of).or_else(|| text("url")),
        image: node.get("image").and_then(text_of),
        body: text("articleBody"),
    }
}

/// Returns a text, or the text inside an array or object given in its place.
fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.first().and_then(text_of)?,
        Value::Object(map) => {
            ["@id", "url", "@value", "name"].iter().find_map(|key| map.get(*key)?.as_str())?.to_owned()
        }
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

fn authors(node: &Value, filter: fn(&Value) -> bool) -> Vec<String> {
    let author = node.get("author").or_else(|| node.get("creator"));
    let list = match author {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().take(20).filter(|value| filter(value)).flat_map(names).collect()
}

fn is_organization(value: &Value) -> bool {
    value.get("@type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("Organization"))
}

fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().take(20).flat_map(names).collect(),
        Value::Object(map) => map.get("name").map(names).unwrap_or_default(),
        Value::String(name) if !name.trim().is_empty() => vec![name.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_are_found_in_every_structure() {
        for script in [
            r#"{"@type":"NewsArticle","headline":"Т","datePublished":"2026-11-03","author":{"name":"А"}}"#,
            r#"[{"@type":"WebSite","name":"S"},{"@type":["NewsArticle"],"headline":"Т","datePublished":"2026-11-03","author":["А"]}]"#,
            r#"{"@graph":[{"@type":"Organization","name":"S"},{"@type":"BlogPosting","headline":"Т","datePublished":"2026-11-03","author":[{"name":"А"}]}]};"#,
            "<!-- {\"@type\":\"Article\",\"headline\":\"Т\",\"datePublished\":\"2026-11-03\",\"author\":{\"name\":\"А\"},\"description\":\"a\nb\"} -->",
        ] {
            let article = read(&[script.to_owned()]);
            assert_eq!(
                (article.headline.as_deref(), article.published.as_deref(), article.authors),
                (Some("Т"), Some("2026-11-03"), vec!["А".to_owned()]),
                "{script}"
            );
        }
        assert_eq!(read(&["{".to_owned(), "[[[".repeat(100_000)]), JsonLd::default());
    }
}
