//! What a page says about itself, gathered in one walk over its tree.

use std::collections::HashMap;

use scraper::{ElementRef, Html};

use super::jsonld::{self, JsonLd};
use crate::plain::fold;
use crate::read::text_of;

/// What a page says about itself, uninterpreted.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// `<title>`.
    pub(super) title: Option<String>,
    /// `<html lang>`.
    pub(super) lang: Option<String>,
    /// Meta elements by lower-case name, property or itemprop; the first of each.
    pub(super) meta: HashMap<String, String>,
    /// `<link rel=canonical>`.
    pub(super) canonical: Option<String>,
    /// Headlines of the first rank.
    pub(super) headlines: Vec<String>,
    /// `itemprop` values of elements that are no meta elements: name, content.
    pub(super) itemprops: Vec<(String, String)>,
    /// `<time>` elements: the attribute or the words, and whether it is marked as the publication's.
    pub(super) times: Vec<(String, bool)>,
    /// Texts of elements whose class or id speaks of a date.
    pub(super) dated: Vec<String>,
    /// Texts of elements whose class, id or rel speaks of an author.
    pub(super) bylines: Vec<String>,
    pub(super) json_ld: JsonLd,
}

/// Elements looked at for dates and bylines: the first of each, since the page's own stand high.
const MAX_EACH: usize = 40;

impl Metadata {
    pub(super) fn gather(tree: &Html) -> Self {
        let mut found = Self::default();
        let mut scripts = Vec::new();
        for element in tree.root_element().descendent_elements() {
            found.look(element, &mut scripts);
        }
        found.lang = tree.root_element().value().attr("lang").map(str::to_owned);
        found.json_ld = jsonld::read(&scripts);
        found
    }

    /// The first meta value of these names.
    pub(super) fn meta(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.meta.get(*name)).map(String::as_str)
    }

    fn look(&mut self, element: ElementRef<'_>, scripts: &mut Vec<String>) {
        let value = element.value();
        match value.name() {
            "meta" => return self.look_at_meta(element),
            "title" if self.title.is_none() => self.title = filled(text_of(element)),
            "link"
                if self.canonical.is_none()
                    && value.attr("rel").is_some_and(|rel| rel.eq_ignore_ascii_case("canonical")) =>
            {
                self.canonical = value.attr("href").map(str::to_owned);
            }
            "script" if value.attr("type").is_some_and(|kind| kind.contains("ld+json")) => {
                let script: String = element.text().collect();
                if scripts.len() < MAX_EACH && script.len() < 512 * 1024 {
                    scripts.push(script);
                }
                return;
            }
            "script" | "style" | "noscript" => return,
            "h1" if self.headlines.len() < MAX_EACH => self.headlines.extend(filled(text_of(element))),
            "time" if self.times.len() < MAX_EACH => self.look_at_time(element),
            _ => (),
        }
        if let Some(name) = value.attr("itemprop").filter(|_| self.itemprops.len() < MAX_EACH) {
            let content = ["content", "datetime"]
                .iter()
                .find_map(|key| value.attr(key))
                .map_or_else(|| text_of(element), str::to_owned);
            self.itemprops.push((name.to_ascii_lowercase(), content));
        }
        self.look_at_names(element);
    }

    fn look_at_meta(&mut self, element: ElementRef<'_>) {
        let value = element.value();
        let (Some(name), Some(content)) =
            (["property", "name", "itemprop"].iter().find_map(|key| value.attr(key)), value.attr("content"))
        else {
            return;
        };
        let content = fold(content);
        if !content.is_empty() && self.meta.len() < 500 {
            self.meta.entry(name.trim().to_ascii_lowercase()).or_insert(content);
        }
    }

    fn look_at_time(&mut self, element: ElementRef<'_>) {
        let value = element.value();
        let text = value
            .attr("datetime")
            .filter(|text| !text.trim().is_empty())
            .map_or_else(|| text_of(element), str::to_owned);
        let names = names_of(element);
        let marked = value.attr("pubdate").is_some()
            || value.attr("itemprop").is_some_and(|name| name.eq_ignore_ascii_case("datePublished"))
            || ["publish", "pubdate", "entry-date", "posted"].iter().any(|mark| names.contains(mark));
        let changed = names.contains("updated") || names.contains("modified");
        self.times.push((text, marked && !changed));
    }

    fn look_at_names(&mut self, element: ElementRef<'_>) {
        let names = names_of(element);
        if names.is_empty() {
            return;
        }
        const DATES: &[&str] = &["date", "publish", "posted", "time", "kun", "күн", "meta"];
        const AUTHORS: &[&str] = &["author", "byline", "avtor", "автор", "writer"];
        if self.dated.len() < MAX_EACH && DATES.iter().any(|mark| names.contains(mark)) {
            self.dated.extend(short_text(element, 120));
        }
        let relation = element.value().attr("rel").is_some_and(|rel| rel.contains("author"));
        if self.bylines.len() < MAX_EACH && (relation || AUTHORS.iter().any(|mark| names.contains(mark))) {
            self.bylines.extend(short_text(element, 100));
        }
    }
}

fn names_of(element: ElementRef<'_>) -> String {
    let value = element.value();
    ["class", "id", "rel", "itemprop"]
        .iter()
        .filter_map(|key| value.attr(key))
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

/// The text of an element that holds no more than a line.
fn short_text(element: ElementRef<'_>, limit: usize) -> Option<String> {
    let mut text = String::new();
    for part in element.text() {
        text.push_str(part);
        text.push(' ');
        if text.len() > limit * 6 {
            return None;
        }
    }
    let text = fold(&text);
    (!text.is_empty() && text.chars().count() <= limit).then_some(text)
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
