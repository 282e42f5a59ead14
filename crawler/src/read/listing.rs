//! Listing pages: entries by the source's selectors, or else every link that looks like an article.

use std::collections::HashSet;

use model::{Entry, Published, PublishedMethod, canonical_url, same_site};
use scraper::{ElementRef, Html, Selector};
use url::Url;

use super::{Alarm, Page, Reader, Reading, detect_layout_change};
use crate::dates;
use crate::html::bounded;
use crate::plain::fold;

/// A page with links to articles.
pub(super) struct Listing;

impl Reader for Listing {
    fn read(&self, page: &Page<'_>) -> Reading {
        read(page)
    }
}

fn read(page: &Page<'_>) -> Reading {
    let decoded = page.decoded();
    let (markup, dropped) = bounded(&decoded.text);
    let tree = Html::parse_document(&markup);
    let mut reading =
        Reading { problems: decoded.problem.into_iter().chain(dropped).collect(), ..Reading::default() };
    let base = base_of(page.url, &tree);
    match &page.selectors.item {
        Some(item) => read_by_selectors(page, &base, &tree, item, &mut reading),
        None => read_by_heuristics(page, &base, &tree, &mut reading),
    }
    reading.next = parse_selector(page.selectors.next.as_deref(), &mut reading.problems)
        .and_then(|next| tree.select(&next).find_map(|element| link_of(element, &base)))
        .filter(|next| next != page.url && same_site(next, page.url));
    reading.title = tree.select(&TITLE).next().map(|title| text_of(title)).filter(|title| !title.is_empty());
    reading
}

fn read_by_selectors(page: &Page<'_>, base: &Url, tree: &Html, item: &str, reading: &mut Reading) {
    let problems = &mut reading.problems;
    let Some(item) = parse_selector(Some(item), problems) else { return };
    let link = parse_selector(page.selectors.link.as_deref(), problems);
    let title = parse_selector(page.selectors.title.as_deref(), problems);
    let time = parse_selector(page.selectors.time.as_deref(), problems);
    let mut without_link = 0;
    for element in tree.select(&item) {
        let link_element = match &link {
            Some(link) => element.select(link).next(),
            None => element.value().attr("href").map(|_| element).or_else(|| element.select(&ANCHOR).next()),
        };
        let Some((anchor, url)) = link_element.and_then(|anchor| Some((anchor, link_of(anchor, base)?)))
        else {
            without_link += 1;
            continue;
        };
        let heading = title.as_ref().and_then(|title| element.select(title).next()).unwrap_or(anchor);
        let published = time
            .as_ref()
            .and_then(|time| element.select(time).next())
            .and_then(|element| parse_time(element, page));
        reading.entries.push(Entry {
            url: Some(url),
            title: filled(text_of(heading)),
            published,
            ..Entry::default()
        });
    }
    let places = (page.selectors.time.as_deref(), page.selectors.title.as_deref());
    reading.suspicion = detect_layout_change(&reading.entries, places);
    let problems = &mut reading.problems;
    if without_link > 0 {
        problems.push(format!("{without_link} listing items have no link"));
    }
    if reading.entries.is_empty() {
        reading.alarm =
            Some(Alarm::Empty("selectors.item and selectors.link matched nothing on this page".to_owned()));
    }
}

fn read_by_heuristics(page: &Page<'_>, base: &Url, tree: &Html, reading: &mut Reading) {
    let mut targets = HashSet::new();
    for anchor in tree.select(&ANCHOR) {
        let Some(url) = link_of(anchor, base) else { continue };
        let title = text_of(anchor);
        let here = canonical_url(page.url);
        let target = canonical_url(&url);
        if !same_site(&url, page.url)
            || target == here
            || !is_article_like(&url, &title)
            || is_navigation(anchor)
        {
            continue;
        }
        if targets.insert(target) {
            reading.entries.push(Entry { url: Some(url), title: filled(title), ..Entry::default() });
        }
    }
}

/// Returns true if a link looks like that of an article, by its text or its address.
fn is_article_like(url: &Url, title: &str) -> bool {
    let path = url.path().to_ascii_lowercase();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    const FILE_EXTENSIONS: &[&str] = &[
        ".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".pdf", ".zip", ".mp3", ".mp4", ".css", ".js",
        ".xml", ".doc", ".docx", ".xls", ".xlsx",
    ];
    const SECTION_PATHS: &[&str] = &[
        "/tag/",
        "/tags/",
        "/category/",
        "/author/",
        "/login",
        "/register",
        "/search",
        "/page/",
        "/rubric/",
        "/feed/",
    ];
    if last.is_empty()
        || FILE_EXTENSIONS.iter().any(|extension| path.ends_with(extension))
        || SECTION_PATHS.iter().any(|section| path.contains(section))
    {
        return false;
    }
    let words = title.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
    let has_slug = last.matches(['-', '_']).count() >= 3;
    let has_number = last.chars().filter(char::is_ascii_digit).count() >= 4;
    words >= 4
        || has_slug
        || has_number
        || words >= 2 && (title.chars().count() >= 20 || dates::in_url(url).is_some())
}

/// Returns true if the link is in a menu or footer: such links lead to sections, not to articles.
fn is_navigation(anchor: ElementRef<'_>) -> bool {
    anchor
        .ancestors()
        .filter_map(ElementRef::wrap)
        .any(|element| matches!(element.value().name(), "nav" | "footer"))
}

fn link_of(element: ElementRef<'_>, base: &Url) -> Option<Url> {
    let href = element.value().attr("href")?.trim();
    if href.is_empty() || href.starts_with('#') {
        return None;
    }
    let mut url = base.join(href).ok()?;
    url.set_fragment(None);
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// Parses the time of an element from its `datetime` attribute, or else from its text.
pub(super) fn parse_time(element: ElementRef<'_>, page: &Page<'_>) -> Option<Published> {
    let text = element.value().attr("datetime").map_or_else(|| text_of(element), str::to_owned);
    let moment = dates::parse(&text, &page.zone)?;
    Some(Published {
        at: moment.at,
        precision: moment.precision,
        method: PublishedMethod::Selector,
        original: text,
        clamped: false,
    })
}

/// Returns the base address of relative links: that of the `<base>` element, or else that of the page.
fn base_of(url: &Url, tree: &Html) -> Url {
    let declared = tree.select(&BASE).next().and_then(|base| base.value().attr("href"));
    declared.and_then(|href| url.join(href).ok()).unwrap_or_else(|| url.clone())
}

/// Returns the text of an element with white space folded.
pub(crate) fn text_of(element: ElementRef<'_>) -> String {
    fold(&element.text().collect::<Vec<_>>().join(" "))
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Parses a selector of the source. An invalid selector is reported as a problem.
pub(crate) fn parse_selector(text: Option<&str>, problems: &mut Vec<String>) -> Option<Selector> {
    match Selector::parse(text?) {
        Ok(selector) => Some(selector),
        Err(error) => {
            problems.push(format!("invalid selector {:?}: {error}", text?));
            None
        }
    }
}

macro_rules! constant_selector {
    ($name:ident, $text:literal) => {
        static $name: std::sync::LazyLock<scraper::Selector> = std::sync::LazyLock::new(|| {
            scraper::Selector::parse($text).expect("the selector constant is valid")
        });
    };
}
pub(super) use constant_selector;
constant_selector!(ANCHOR, "a[href]");
constant_selector!(BASE, "base[href]");
constant_selector!(TITLE, "title");

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Selectors, SourceKind};

    fn check(body: &str, selectors: &Selectors) -> Reading {
        let url = Url::parse("https://news.kz/list").unwrap();
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        super::super::read(SourceKind::Listing, &Page::new(&url, body.as_bytes(), selectors, None, now))
    }

    fn urls(reading: &Reading) -> Vec<&str> {
        reading.entries.iter().filter_map(|entry| entry.url.as_ref()).map(Url::as_str).collect()
    }

    #[test]
    fn links_that_look_like_articles_are_read() {
        let reading = check(
            "<nav><a href=/a/very-long-section-name>Бас мақалалар туралы жаңалықтар</a></nav>
             <a href='/n/bank-raised-the-rate'>Банк</a><a href='/n/12345'>x</a>
             <a href='/n/12345#comments'>Пікірлер</a><a href=/news/a>Елде жаңа банк ашылды бүгін</a>
             <a href=https://other.kz/n/99999>Басқа</a><a href=/tag/12345>тег</a><a href=/about>Біз туралы</a>
             <a href=mailto:a@b.kz>Жазыңыз бізге қазір барлығы</a><a href=/photo-2026-11-03-x.jpg>сурет</a>",
            &Selectors::default(),
        );
        assert_eq!(
            urls(&reading),
            ["https://news.kz/n/bank-raised-the-rate", "https://news.kz/n/12345", "https://news.kz/news/a"]
        );
    }

    #[test]
    fn selectors_give_link_title_time_and_next_page() {
        let selectors = Selectors {
            item: Some(".card".into()),
            title: Some("h2".into()),
            time: Some(".t".into()),
            next: Some("a.next".into()),
            ..Selectors::default()
        };
        let reading = check(
            "<base href=/deep/><div class=card><a href=x1><img></a><h2>Бірінші</h2><i class=t>3 қараша 2026, 14:05</i></div>
             <div class=card>жоқ</div><a class=next href='/list?page=2'>→</a>",
            &selectors,
        );
        assert_eq!(urls(&reading), ["https://news.kz/deep/x1"]);
        assert_eq!(reading.entries[0].title.as_deref(), Some("Бірінші"));
        assert_eq!(
            reading.entries[0].published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-03T09:05:00Z")
        );
        assert_eq!(reading.next.as_ref().map(Url::as_str), Some("https://news.kz/list?page=2"));
        assert_eq!(reading.problems, ["1 listing items have no link"]);
    }

    /// A suspicion does not discard entries.
    #[test]
    fn a_changed_layout_raises_a_suspicion() {
        let selectors = Selectors {
            item: Some(".card".into()),
            title: Some("h2".into()),
            time: Some(".t".into()),
            ..Selectors::default()
        };
        let card = |number: usize, title: &str, time: &str| {
            format!(
                "<div class=card><a href=/n/{number}>x</a><h2>{title}</h2><i class={time}>2026-11-03 14:05</i></div>"
            )
        };
        let page = |title: fn(usize) -> String, time: &str| -> String {
            (0..4).map(|number| card(number, &title(number), time)).collect()
        };
        let numbered = |number: usize| format!("Мақала {number}");
        let alike = |_| "Жаңалықтар".to_owned();
        for (body, expected) in [
            (page(numbered, "t"), None),
            (page(numbered, "date"), Some("none of 4 items has a time at .t")),
            (page(alike, "t"), Some("all 4 items have the same title at h2")),
            (card(1, "бір", "date"), None), // a single item proves nothing
        ] {
            let reading = check(&body, &selectors);
            assert_eq!((reading.alarm, reading.entries.is_empty()), (None, false));
            let suspicion = reading.suspicion.as_deref();
            assert_eq!(suspicion.map(|message| message.split(':').next().unwrap()), expected, "{body}");
        }
    }

    #[test]
    fn unmatched_and_invalid_selectors_are_reported() {
        let unmatched = Selectors { item: Some(".none".into()), ..Selectors::default() };
        assert!(check("<p>x", &unmatched).alarm.unwrap().to_string().contains("matched nothing"));
        let invalid = Selectors { item: Some("[[".into()), ..Selectors::default() };
        let reading = check("<p>x", &invalid);
        assert!(reading.alarm.is_some() && reading.problems[0].contains("invalid selector"), "{reading:?}");
    }
}
