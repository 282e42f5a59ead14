//! What a page says about itself, gathered in one walk over its tree.

use std::collections::HashMap;

use scraper::{ElementRef, Html};

use super::jsonld::{self, JsonLd};
use crate::plain::fold;

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
    /// Headlines of the first rank, but for a logo's.
    pub(super) headlines: Vec<String>,
    /// `itemprop` values of elements that are no meta elements: name, content.
    pub(super) itemprops: Vec<(String, String)>,
    /// `<time>` elements that are marked as the publication's: the attribute or the words.
    pub(super) published: Vec<String>,
    /// Other `<time>` elements.
    pub(super) times: Vec<PageWindow>,
    /// Elements whose class or id speaks of a date.
    pub(super) dated: Vec<PageWindow>,
    /// Other short texts that look like a date.
    pub(super) plain_dates: Vec<PageWindow>,
    /// Texts of elements whose class, id or rel speaks of an author.
    pub(super) bylines: Vec<PageWindow>,
    /// Other short texts that begin as a byline does.
    pub(super) plain_bylines: Vec<PageWindow>,
    pub(super) json_ld: JsonLd,
}

/// A short text that stands on the page, and at which place among its elements.
#[derive(Debug)]
pub(super) struct PageWindow {
    pub(super) text: String,
    pub(super) place: usize,
}

/// Elements looked at of each sort: the page's own stand high.
const MAX_EACH: usize = 40;
/// Letters of a title; what is longer is none.
const MAX_TITLE: usize = 500;
/// Letters of what stands on the page as a date by itself, `жаңартылды` or a view count beside it.
const MAX_DATE: usize = 60;
/// How a line begins that names who wrote, in lower case.
const BYLINES: &[&str] = &[
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
    pub(super) fn gather(tree: &Html) -> Self {
        let mut found = Self::default();
        let mut scripts = Vec::new();
        for (place, element) in tree.root_element().descendent_elements().enumerate() {
            found.look(element, place, &mut scripts);
        }
        found.lang = tree.root_element().value().attr("lang").map(str::to_owned);
        found.json_ld = jsonld::read(&scripts);
        found
    }

    /// The first meta value of these names.
    pub(super) fn meta(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.meta.get(*name)).map(String::as_str)
    }

    /// Whether the page calls itself one article, in whatever vocabulary.
    pub(super) fn is_article(&self) -> bool {
        self.meta(&["og:type"]).is_some_and(|kind| kind.eq_ignore_ascii_case("article"))
            || self.meta(&["article:published_time"]).is_some()
            || self.json_ld.published.is_some()
            || !self.published.is_empty()
            || self.itemprops.iter().any(|(name, _)| name == "articlebody" || name == "datepublished")
    }

    fn look(&mut self, element: ElementRef<'_>, place: usize, scripts: &mut Vec<String>) {
        let value = element.value();
        match value.name() {
            "meta" => return self.look_at_meta(element),
            "title" if self.title.is_none() => self.title = short_text(element, MAX_TITLE),
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
            "h1" if self.headlines.len() < MAX_EACH && !leads_home(element) => {
                self.headlines.extend(short_text(element, MAX_TITLE))
            }
            "time" => self.look_at_time(element, place),
            _ => (),
        }
        if let Some(name) = value.attr("itemprop").filter(|_| self.itemprops.len() < MAX_EACH) {
            let content = ["content", "datetime"]
                .iter()
                .find_map(|key| value.attr(key))
                .map_or_else(|| short_text(element, MAX_TITLE).unwrap_or_default(), str::to_owned);
            self.itemprops.push((name.to_ascii_lowercase(), content));
        }
        self.look_at_names(element, place);
        self.look_at_words(element, place);
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
            let name = name.trim().to_ascii_lowercase();
            // Directives add up; of everything else the first counts.
            match self.meta.get_mut(&name).filter(|_| name == "robots") {
                Some(known) if known.len() < 1000 => *known = format!("{known}, {content}"),
                Some(_) => (),
                None => drop(self.meta.entry(name).or_insert(content)),
            }
        }
    }

    fn look_at_time(&mut self, element: ElementRef<'_>, place: usize) {
        if self.times.len() >= MAX_EACH && self.published.len() >= MAX_EACH {
            return;
        }
        let value = element.value();
        let text = value
            .attr("datetime")
            .filter(|text| !text.trim().is_empty())
            .map_or_else(|| short_text(element, MAX_DATE).unwrap_or_default(), str::to_owned);
        let names = names_of(element);
        let marked = value.attr("pubdate").is_some()
            || value.attr("itemprop").is_some_and(|name| name.eq_ignore_ascii_case("datePublished"))
            || ["publish", "pubdate", "entry-date", "posted"].iter().any(|mark| names.contains(mark));
        let changed = names.contains("updated") || names.contains("modified");
        if marked && !changed && self.published.len() < MAX_EACH {
            self.published.push(text);
        } else if self.times.len() < MAX_EACH {
            self.times.push(PageWindow { text, place });
        }
    }

    fn look_at_names(&mut self, element: ElementRef<'_>, place: usize) {
        let names = names_of(element);
        if names.is_empty() || element.value().name() == "time" {
            return;
        }
        const DATES: &[&str] = &["date", "publish", "posted", "time", "kun", "күн", "meta"];
        const AUTHORS: &[&str] = &["author", "byline", "avtor", "автор", "writer", "name-uid"];
        if self.dated.len() < MAX_EACH && DATES.iter().any(|mark| names.contains(mark)) {
            self.dated.extend(short_text(element, 120).map(|text| PageWindow { text, place }));
        }
        let relation = element.value().attr("rel").is_some_and(|rel| rel.contains("author"));
        if self.bylines.len() < MAX_EACH && (relation || AUTHORS.iter().any(|mark| names.contains(mark))) {
            self.bylines.extend(short_text(element, 100).map(|text| PageWindow { text, place }));
        }
    }

    /// Old pages name nothing: there, what a short line says has to do.
    fn look_at_words(&mut self, element: ElementRef<'_>, place: usize) {
        if self.plain_dates.len() >= MAX_EACH && self.plain_bylines.len() >= MAX_EACH {
            return;
        }
        let Some(text) = short_text(element, MAX_DATE) else { return };
        if self.plain_dates.len() < MAX_EACH && text.chars().filter(char::is_ascii_digit).count() >= 5 {
            self.plain_dates.push(PageWindow { text, place });
        } else if let Some((lead, _)) = text.split_once(':')
            && self.plain_bylines.len() < MAX_EACH
            && BYLINES.contains(&lead.trim().to_lowercase().as_str())
        {
            self.plain_bylines.push(PageWindow { text, place });
        }
    }
}

/// Whether an element holds a link to the home page: it is the site's logo.
fn leads_home(element: ElementRef<'_>) -> bool {
    let is_home = |href: &str| matches!(href, "/" | "./" | "/index.html" | "/index.php");
    element.descendent_elements().any(|inner| inner.value().attr("href").is_some_and(is_home))
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

/// Where on the page its headline stands: the first element that shows the title and nothing else.
pub(super) fn place_of(title: &str, tree: &Html) -> Option<usize> {
    if title.chars().count() > MAX_TITLE {
        return None;
    }
    let wanted = letters(title);
    let mut elements = tree.root_element().descendent_elements().enumerate();
    let is_shown =
        |element: &ElementRef<'_>| !matches!(element.value().name(), "head" | "title" | "script" | "style");
    elements.find_map(|(place, element)| {
        let shows = is_shown(&element)
            && short_text(element, title.chars().count() + 20).is_some_and(|text| letters(&text) == wanted);
        shows.then_some(place)
    })
}

/// A text's letters and digits in lower case: what is left of it in every typography.
pub(super) fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
