//! The metadata of a page, collected in one walk over its tree.

use std::collections::HashMap;

use scraper::{ElementRef, Html};

use super::jsonld::{self, JsonLd};
use crate::plain::fold;

/// The metadata of a page, uninterpreted.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// The text of `<title>`.
    pub(super) title: Option<String>,
    /// The `lang` attribute of `<html>`.
    pub(super) lang: Option<String>,
    /// The contents of the meta elements by lower-case name, property or itemprop; the first of each name.
    pub(super) meta: HashMap<String, String>,
    /// The address of `<link rel=canonical>`.
    pub(super) canonical: Option<String>,
    /// The texts of the `<h1>` elements, except that of the logo.
    pub(super) headlines: Vec<String>,
    /// The `itemprop` names and contents of other elements than meta.
    pub(super) itemprops: Vec<(String, String)>,
    /// The times of the `<time>` elements that are marked as the publication time: the attribute, or else the text.
    pub(super) published: Vec<String>,
    /// The times of the other `<time>` elements.
    pub(super) times: Vec<PlacedText>,
    /// The texts of elements whose class or id suggests a date.
    pub(super) dated: Vec<PlacedText>,
    /// Other short texts that look like dates.
    pub(super) plain_dates: Vec<PlacedText>,
    /// The texts of elements whose class, id or rel suggests an author.
    pub(super) bylines: Vec<PlacedText>,
    /// Other short texts that begin like a byline.
    pub(super) plain_bylines: Vec<PlacedText>,
    /// The fields of the JSON-LD article.
    pub(super) json_ld: JsonLd,
}

/// A short text on the page.
#[derive(Debug)]
pub(super) struct PlacedText {
    pub(super) text: String,
    /// The position of the element, in document order.
    pub(super) place: usize,
}

/// Upper bound on the collected elements of each kind; those of the article are near the top of the page.
const MAX_ELEMENTS_PER_KIND: usize = 40;
/// Upper bound on the length of a title, in characters.
const MAX_TITLE_CHARS: usize = 500;
/// Upper bound on the length of a line with a date, in characters; it leaves room for `жаңартылды` or a view count.
const MAX_DATE_CHARS: usize = 60;
/// Upper bound on the length of an element whose name suggests a date, in characters.
const MAX_DATED_CHARS: usize = 120;
/// Upper bound on the length of an element whose name suggests an author, in characters.
const MAX_BYLINE_CHARS: usize = 100;
/// Upper bound on the length of a JSON-LD script, in bytes.
const MAX_SCRIPT_BYTES: usize = 512 * 1024;
/// Upper bound on the collected meta elements.
const MAX_META: usize = 500;
/// Upper bound on the joined `robots` directives, in bytes.
const MAX_ROBOTS_BYTES: usize = 1000;
/// The lower-case texts before the colon in a byline.
const BYLINE_LEADS: &[&str] = &[
    "автор",
    "авторы",
    "авторлар",
    "авторлары",
    "мәтін",
    "мәтін авторы",
    "дайындаған",
    "жазған",
    "тілші",
    "текст",
    "текст подготовил",
    "текст подготовила",
    "подготовил",
    "подготовила",
    "материал подготовил",
    "материал подготовила",
    "корреспондент",
    "muallif",
    "avtor",
    "author",
    "written by",
    "text",
];

impl Metadata {
    /// Collects the metadata of a page.
    pub(super) fn collect(tree: &Html) -> Self {
        let mut metadata = Self::default();
        let mut scripts = Vec::new();
        for (place, element) in tree.root_element().descendent_elements().enumerate() {
            metadata.visit(element, place, &mut scripts);
        }
        metadata.lang = tree.root_element().value().attr("lang").map(str::to_owned);
        metadata.json_ld = jsonld::read(&scripts);
        metadata
    }

    /// Returns the content of the first meta element with one of these names, in the order of the names.
    pub(super) fn meta(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.meta.get(*name)).map(String::as_str)
    }

    /// Returns true if the page declares itself an article in any vocabulary.
    pub(super) fn is_article(&self) -> bool {
        self.meta(&["og:type"]).is_some_and(|kind| kind.eq_ignore_ascii_case("article"))
            || self.meta(&["article:published_time"]).is_some()
            || self.json_ld.published.is_some()
            || !self.published.is_empty()
            || self.itemprops.iter().any(|(name, _)| name == "articlebody" || name == "datepublished")
    }

    fn visit(&mut self, element: ElementRef<'_>, place: usize, scripts: &mut Vec<String>) {
        let value = element.value();
        match value.name() {
            "meta" => return self.visit_meta(element),
            "title" if self.title.is_none() => self.title = short_text(element, MAX_TITLE_CHARS),
            "link"
                if self.canonical.is_none()
                    && value.attr("rel").is_some_and(|rel| rel.eq_ignore_ascii_case("canonical")) =>
            {
                self.canonical = value.attr("href").map(str::to_owned);
            }
            "script" if value.attr("type").is_some_and(|kind| kind.contains("ld+json")) => {
                let script: String = element.text().collect();
                if scripts.len() < MAX_ELEMENTS_PER_KIND && script.len() < MAX_SCRIPT_BYTES {
                    scripts.push(script);
                }
                return;
            }
            "script" | "style" | "noscript" => return,
            "h1" if self.headlines.len() < MAX_ELEMENTS_PER_KIND && !links_to_home_page(element) => {
                self.headlines.extend(short_text(element, MAX_TITLE_CHARS))
            }
            "time" => self.visit_time(element, place),
            _ => (),
        }
        if let Some(name) = value.attr("itemprop").filter(|_| self.itemprops.len() < MAX_ELEMENTS_PER_KIND) {
            let content = ["content", "datetime"]
                .iter()
                .find_map(|key| value.attr(key))
                .map_or_else(|| short_text(element, MAX_TITLE_CHARS).unwrap_or_default(), str::to_owned);
            self.itemprops.push((name.to_ascii_lowercase(), content));
        }
        self.visit_names(element, place);
        self.visit_text(element, place);
    }

    fn visit_meta(&mut self, element: ElementRef<'_>) {
        let value = element.value();
        let (Some(name), Some(content)) =
            (["property", "name", "itemprop"].iter().find_map(|key| value.attr(key)), value.attr("content"))
        else {
            return;
        };
        let content = fold(content);
        if !content.is_empty() && self.meta.len() < MAX_META {
            let name = name.trim().to_ascii_lowercase();
            // `robots` directives are joined; of other names the first element counts.
            match self.meta.get_mut(&name).filter(|_| name == "robots") {
                Some(existing) if existing.len() < MAX_ROBOTS_BYTES => {
                    *existing = format!("{existing}, {content}")
                }
                Some(_) => (),
                None => drop(self.meta.entry(name).or_insert(content)),
            }
        }
    }

    fn visit_time(&mut self, element: ElementRef<'_>, place: usize) {
        if self.times.len() >= MAX_ELEMENTS_PER_KIND && self.published.len() >= MAX_ELEMENTS_PER_KIND {
            return;
        }
        let value = element.value();
        let text = value
            .attr("datetime")
            .filter(|text| !text.trim().is_empty())
            .map_or_else(|| short_text(element, MAX_DATE_CHARS).unwrap_or_default(), str::to_owned);
        let names = names_of(element);
        let is_marked = value.attr("pubdate").is_some()
            || value.attr("itemprop").is_some_and(|name| name.eq_ignore_ascii_case("datePublished"))
            || ["publish", "pubdate", "entry-date", "posted"].iter().any(|mark| names.contains(mark));
        let is_update = names.contains("updated") || names.contains("modified");
        if is_marked && !is_update && self.published.len() < MAX_ELEMENTS_PER_KIND {
            self.published.push(text);
        } else if self.times.len() < MAX_ELEMENTS_PER_KIND {
            self.times.push(PlacedText { text, place });
        }
    }

    fn visit_names(&mut self, element: ElementRef<'_>, place: usize) {
        let names = names_of(element);
        if names.is_empty() || element.value().name() == "time" {
            return;
        }
        const DATES: &[&str] = &["date", "publish", "posted", "time", "kun", "күн", "meta"];
        const AUTHORS: &[&str] = &["author", "byline", "avtor", "автор", "writer", "name-uid"];
        if self.dated.len() < MAX_ELEMENTS_PER_KIND && DATES.iter().any(|mark| names.contains(mark)) {
            self.dated.extend(short_text(element, MAX_DATED_CHARS).map(|text| PlacedText { text, place }));
        }
        let is_author = element.value().attr("rel").is_some_and(|rel| rel.contains("author"));
        if self.bylines.len() < MAX_ELEMENTS_PER_KIND
            && (is_author || AUTHORS.iter().any(|mark| names.contains(mark)))
        {
            self.bylines.extend(short_text(element, MAX_BYLINE_CHARS).map(|text| PlacedText { text, place }));
        }
    }

    /// Collects short texts that look like dates or bylines, for old pages without descriptive classes and ids.
    fn visit_text(&mut self, element: ElementRef<'_>, place: usize) {
        if self.plain_dates.len() >= MAX_ELEMENTS_PER_KIND
            && self.plain_bylines.len() >= MAX_ELEMENTS_PER_KIND
        {
            return;
        }
        let Some(text) = short_text(element, MAX_DATE_CHARS) else { return };
        if self.plain_dates.len() < MAX_ELEMENTS_PER_KIND
            && text.chars().filter(char::is_ascii_digit).count() >= 5
        {
            self.plain_dates.push(PlacedText { text, place });
        } else if let Some((lead, _)) = text.split_once(':')
            && self.plain_bylines.len() < MAX_ELEMENTS_PER_KIND
            && BYLINE_LEADS.contains(&lead.trim().to_lowercase().as_str())
        {
            self.plain_bylines.push(PlacedText { text, place });
        }
    }
}

/// Returns true if the element contains a link to the home page: it is the logo of the site.
fn links_to_home_page(element: ElementRef<'_>) -> bool {
    let is_home = |href: &str| matches!(href, "/" | "./" | "/index.html" | "/index.php");
    element.descendent_elements().any(|inner| inner.value().attr("href").is_some_and(is_home))
}

/// Returns the class, id, rel and itemprop of an element, joined and in lower case.
fn names_of(element: ElementRef<'_>) -> String {
    let value = element.value();
    ["class", "id", "rel", "itemprop"]
        .iter()
        .filter_map(|key| value.attr(key))
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

/// Returns the text of an element if it has at most `limit` characters.
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

/// Returns the position of the headline: the first visible element whose text is the title and nothing else.
pub(super) fn headline_place(title: &str, tree: &Html) -> Option<usize> {
    if title.chars().count() > MAX_TITLE_CHARS {
        return None;
    }
    let title_letters = letters(title);
    let mut elements = tree.root_element().descendent_elements().enumerate();
    let is_visible =
        |element: &ElementRef<'_>| !matches!(element.value().name(), "head" | "title" | "script" | "style");
    elements.find_map(|(place, element)| {
        let is_headline = is_visible(&element)
            && short_text(element, title.chars().count() + 20)
                .is_some_and(|text| letters(&text) == title_letters);
        is_headline.then_some(place)
    })
}

/// Returns the letters and digits of a text in lower case, to compare texts regardless of typography.
pub(super) fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
