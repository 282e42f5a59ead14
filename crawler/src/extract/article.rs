//! Extraction of the article on a page.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use model::{Precision, Published, PublishedMethod, Reservation, Timestamp, canonical_url, same_site};
use scraper::Html;
use url::Url;

use super::language::language_of;
use super::metadata::{Metadata, PlacedText, headline_place, letters};
use super::published::find_published;
use crate::dates;
use crate::html::bounded;
use crate::plain::{fold, plain_text, plain_title};
use crate::read::{Page, catch_panic, parse_selector, text_of};

/// Upper bound on the links read from an article page; real ones have a few hundred.
const MAX_LINKS: usize = 5000;

/// The content of an article page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Article {
    /// The title as plain text, without the name of the site.
    pub title: Option<String>,
    /// The text as plain text; paragraphs are separated by line feeds.
    pub text: String,
    /// The names of the authors, separated by commas.
    pub author: Option<String>,
    /// The publication time and its origin.
    pub published: Option<Published>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The ISO 639-1 code of the language.
    pub language: Option<String>,
    /// The canonical address that the page declares, if it is on the same site and not the home page.
    pub canonical_url: Option<Url>,
    /// The address of the preview image.
    pub image: Option<Url>,
    /// The rights that the page reserves.
    pub reservations: Vec<Reservation>,
    /// The declared selectors that match nothing on the page.
    pub missed: Vec<String>,
    /// Parts of the page that could not be understood.
    pub problems: Vec<String>,
}

/// Extracts the article of a page. Never fails: for a page without text it returns an empty text and a problem.
pub fn extract(page: &Page<'_>) -> Article {
    let decoded = page.decoded();
    let (markup, dropped) = bounded(&decoded.text);
    let mut problems: Vec<String> = decoded.problem.into_iter().chain(dropped).collect();
    let tree = Html::parse_document(&markup);
    let metadata = Metadata::collect(&tree);
    let mut select = |text: &Option<String>| {
        parse_selector(text.as_deref(), &mut problems).and_then(|selector| tree.select(&selector).next())
    };
    // A match without text counts as no match.
    let selected_text = select(&page.selectors.text)
        .map(|element| plain_text(&element.inner_html()))
        .filter(|text| !text.is_empty());
    let time = select(&page.selectors.time);
    let selected_title = select(&page.selectors.title).map(text_of).filter(|title| !title.is_empty());
    let time =
        time.map(|element| element.value().attr("datetime").map_or_else(|| text_of(element), str::to_owned));
    let unmatched =
        unmatched_selectors(page, [selected_text.is_some(), selected_title.is_some(), time.is_some()]);
    let fallback = if selected_text.is_none() {
        run_trafilatura(&markup, page.url, &mut problems)
    } else {
        TrafilaturaResult::default()
    };
    let text = match selected_text {
        Some(text) => text,
        None if metadata.is_article() => remove_teasers(fallback.text, &tree),
        None => fallback.text,
    };
    let unmatched_text = unmatched.iter().find(|selector| selector.starts_with("selectors.text"));
    problems.extend(unmatched_text.map(|selector| format!("{selector} matches nothing on this page")));
    if text.is_empty() {
        problems.push("no article text was found on the page".to_owned());
    }
    let title = selected_title.or_else(|| title_of(&metadata)).or(fallback.title);
    let headline = title.as_deref().and_then(|title| headline_place(title, &tree));
    let sample = format!("{} {text}", title.as_deref().unwrap_or(""));
    Article {
        author: author_of(&metadata, headline).or(fallback.author),
        published: find_published(
            time.as_deref(),
            page.url,
            &metadata,
            headline,
            &text,
            &page.zone,
            page.now,
        )
        .or_else(|| published_on(fallback.date, page.now)),
        updated_at: updated_at(&metadata, &page.zone),
        language: language_of(&sample, metadata.lang.as_deref()),
        canonical_url: canonical_of(&metadata, page.url),
        image: image_of(&metadata, page.url),
        reservations: read_reservations(&metadata),
        title,
        text,
        missed: unmatched,
        problems,
    }
}

/// Returns the declared selectors for text, title and time that match nothing.
fn unmatched_selectors(page: &Page<'_>, is_matched: [bool; 3]) -> Vec<String> {
    let selectors = page.selectors;
    let declared = [("text", &selectors.text), ("title", &selectors.title), ("time", &selectors.time)];
    let unmatched = declared.into_iter().zip(is_matched).filter(|(_, is_matched)| !is_matched);
    unmatched
        .filter_map(|((name, selector), _)| Some(format!("selectors.{name} `{}`", selector.as_ref()?)))
        .collect()
}

/// Reads the rights that the meta elements of the page reserve.
fn read_reservations(metadata: &Metadata) -> Vec<Reservation> {
    let mut reservations = Reservation::in_directives(metadata.meta(&["robots"]).unwrap_or(""), "");
    reservations.extend(
        metadata.meta(&["tdm-reservation"]).filter(|value| value.trim() == "1").map(|_| Reservation::Tdm),
    );
    reservations
}

/// The output of trafilatura.
#[derive(Default)]
struct TrafilaturaResult {
    text: String,
    title: Option<String>,
    author: Option<String>,
    date: Option<jiff::civil::Date>,
}

/// Returns the publication time for the day that trafilatura found, used if all other hints are missing. Its
/// method is `Text`, the least trusted one.
fn published_on(date: Option<jiff::civil::Date>, now: Timestamp) -> Option<Published> {
    // trafilatura returns January 1 for a bare year.
    let date = date.filter(|date| date.day_of_year() > 1)?;
    let at = TimeZone::UTC.to_timestamp(date.into()).ok().filter(|at| *at <= now)?;
    Some(Published {
        at,
        precision: Precision::Day,
        method: PublishedMethod::Text,
        original: String::new(),
        clamped: false,
    })
}

fn run_trafilatura(markup: &str, url: &Url, problems: &mut Vec<String>) -> TrafilaturaResult {
    let options = trafilatura::Options::default().with_fallback(true).with_url(url.clone());
    let result = match catch_panic("trafilatura", || trafilatura::extract(markup, &options)) {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => return TrafilaturaResult::default(), // The caller reports that there is no text.
        Err(problem) => {
            problems.push(problem);
            return TrafilaturaResult::default();
        }
    };
    // The text output has no paragraphs. The HTML output has them, but joins words where it dropped a table.
    let (from_text, from_html) = (plain_text(&result.content_text), plain_text(&result.content_html));
    let words = |text: &str| text.split_whitespace().count();
    let text = if words(&from_html) * 100 < words(&from_text) * 99 { from_text } else { from_html };
    TrafilaturaResult {
        text,
        title: filled(plain_title(&result.metadata.title)),
        author: name_of(&result.metadata.author.replace("; ", ", ")),
        date: result.metadata.date.and_then(|at| at.to_string().parse().ok()),
    }
}

/// Removes lines that consist of the text of a link, which lead to other articles. If they are more than 15 %
/// of the text (a table of contents, a list of projects), they belong to it and the text is returned unchanged.
fn remove_teasers(text: String, tree: &Html) -> String {
    let Some(links) = parse_selector(Some("a[href]:not([href*='#'])"), &mut Vec::new()) else { return text };
    let teasers: HashSet<String> =
        tree.select(&links).take(MAX_LINKS).map(|link| letters(&text_of(link))).collect();
    // A headline does not end with a full stop; a sentence that is a link does.
    let is_headline = |line: &str| line.split_whitespace().count() >= 4 && !line.ends_with(['.', '→']);
    let is_own = |line: &&str| !is_headline(line) || !teasers.contains(&letters(line));
    let own: Vec<&str> = text.lines().filter(is_own).collect();
    let length: usize = own.iter().map(|line| line.len()).sum();
    if length * 100 < text.len() * 85 { text } else { own.join("\n") }
}

/// Returns the title that the page declares, without the name of the site.
fn title_of(page: &Metadata) -> Option<String> {
    let social = page.meta(&["og:title", "twitter:title", "headline"]).map(plain_title).and_then(filled);
    let headline = page.json_ld.headline.as_deref().map(plain_title).and_then(filled);
    let whole = page.title.clone();
    let site = page.meta(&["og:site_name", "application-name"]);
    // An `<h1>` may be the name of the site, in its logo.
    let is_own = |h1: &&String| !is_site(h1, site, whole.as_deref());
    let (h1s, names): (Vec<&String>, Vec<&String>) = page.headlines.iter().partition(is_own);
    let site = site.or(names.first().map(|name| name.as_str()));
    // An `<h1>` that a title of the page repeats is the headline.
    let repeats =
        |h1: &str| [&social, &headline, &whole].into_iter().flatten().any(|title| contains(title, h1));
    let repeated = h1s.iter().find(|h1| h1.chars().count() > 8 && repeats(h1));
    let only = h1s.first().filter(|h1| h1s.len() == 1 && h1.chars().count() > 20);
    let first = h1s.first().filter(|h1| h1.chars().count() > 12);
    let cloned = |h1: Option<&&String>| h1.map(|h1| (*h1).clone());
    cloned(repeated)
        .or(headline)
        .or(cloned(only))
        .or_else(|| social.map(|title| without_site(&title, site)))
        .or(cloned(first))
        .or_else(|| whole.map(|title| without_site(&title, site)))
}

/// Returns true if an `<h1>` is the name of the site: the declared one, or else the shorter last part of the title
/// ("Headline | Site").
fn is_site(h1: &str, site: Option<&str>, title: Option<&str>) -> bool {
    let name = letters(h1);
    let is_short = |tail: &str| tail.split_whitespace().count() <= 4;
    let ends = |title: &str| {
        [" | ", " — ", " – ", " - ", " :: ", " » ", " · "]
            .iter()
            .filter_map(|mark| title.rsplit_once(mark))
            .any(|(head, tail)| head.len() > tail.len() && is_short(tail) && letters(tail) == name)
    };
    match site {
        Some(site) => letters(site) == name,
        None => title.is_some_and(ends),
    }
}

fn contains(title: &str, part: &str) -> bool {
    letters(title).contains(&letters(part))
}

/// Removes the site from "Headline | Site" if the rest is long enough for a headline.
fn without_site(title: &str, site: Option<&str>) -> String {
    for mark in [" | ", " — ", " – ", " - ", " :: ", " » ", " · "] {
        if let Some((head, tail)) = title.rsplit_once(mark) {
            let is_site = site.is_some_and(|site| contains(site, tail) || contains(tail, site));
            let is_short =
                tail.split_whitespace().count() <= 4 && head.chars().count() > 2 * tail.chars().count();
            if is_site || is_short {
                return head.trim().to_owned();
            }
        }
    }
    title.to_owned()
}

/// Sorts short texts by their distance from the headline. The distance counts double before the headline, where texts
/// more often belong to the site than to the article.
pub(super) fn nearest(texts: &[PlacedText], headline: Option<usize>) -> Vec<&str> {
    let mut sorted: Vec<&PlacedText> = texts.iter().collect();
    sorted.sort_by_key(|one| match headline {
        Some(at) if one.place < at => (at - one.place) * 2,
        Some(at) => one.place - at,
        None => one.place,
    });
    sorted.into_iter().map(|one| one.text.as_str()).collect()
}

fn author_of(page: &Metadata, headline: Option<usize>) -> Option<String> {
    let structured: Vec<String> = page.json_ld.authors.iter().filter_map(|name| name_of(name)).collect();
    if !structured.is_empty() {
        return Some(dedup(structured).join(", "));
    }
    let meta = page.meta(&[
        "author",
        "article:author",
        "dc.creator",
        "parsely-author",
        "sailthru.author",
        "byl",
        "mediator_author",
        "citation_author",
    ]);
    let itemprop = page.itemprops.iter().filter(|(name, _)| name == "author").map(|(_, text)| text.as_str());
    let bylines = [&page.bylines, &page.plain_bylines].into_iter().flat_map(|texts| nearest(texts, headline));
    let organizations = page.json_ld.organizations.iter().map(String::as_str);
    meta.into_iter().chain(itemprop).chain(bylines).chain(organizations).find_map(name_of)
}

/// Returns the name in a byline; that in `Дайындаған: Айгүл Серікқызы` is `Айгүл Серікқызы`. Returns `None` for
/// addresses, dates and long texts.
fn name_of(text: &str) -> Option<String> {
    let text = fold(text);
    // The text before a colon is the role, in any language.
    let text = match text.split_once(':') {
        Some((lead, name)) if lead.split_whitespace().count() <= 4 => name.trim(),
        _ => &text,
    };
    let text = ["Авторы ", "Автор ", "By ", "by ", "BY ", "Von ", "Written by ", "@"]
        .iter()
        .find_map(|lead| text.strip_prefix(lead))
        .unwrap_or(text)
        .trim_matches([' ', ':', ',', '|', '—', '-']);
    let words = text.split_whitespace().count();
    let starts_with_letter = text.chars().next().is_some_and(char::is_alphabetic);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_name = starts_with_letter
        && digits == 0
        && words <= 12
        && text.chars().count() <= 100
        && !text.contains("://")
        && !text.contains('@');
    is_name.then(|| text.to_owned())
}

fn dedup(names: Vec<String>) -> Vec<String> {
    let mut unique = Vec::<String>::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

fn updated_at(page: &Metadata, zone: &TimeZone) -> Option<Timestamp> {
    let text = page
        .json_ld
        .modified
        .as_deref()
        .or_else(|| page.meta(&["article:modified_time", "og:updated_time", "datemodified"]))?;
    dates::parse(text, zone).map(|moment| moment.at)
}

fn canonical_of(page: &Metadata, url: &Url) -> Option<Url> {
    let declared = [page.canonical.as_deref(), page.meta(&["og:url"]), page.json_ld.url.as_deref()];
    let is_home = |candidate: &Url| candidate.path() == "/" && candidate.query().is_none();
    declared
        .into_iter()
        .flatten()
        .filter_map(|text| url.join(text.trim()).ok())
        .find(|candidate| {
            matches!(candidate.scheme(), "http" | "https")
                && same_site(candidate, url)
                && (!is_home(candidate) || is_home(url))
        })
        .map(|candidate| canonical_url(&candidate))
}

fn image_of(page: &Metadata, url: &Url) -> Option<Url> {
    let text = page.meta(&["og:image", "og:image:url", "twitter:image"]).or(page.json_ld.image.as_deref())?;
    url.join(text).ok().filter(|image| matches!(image.scheme(), "http" | "https"))
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PublishedMethod, Selectors};

    fn check(url: &str, html: &str, selectors: &Selectors) -> Article {
        let url = Url::parse(url).unwrap();
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        extract(&Page::new(&url, html.as_bytes(), selectors, None, now))
    }

    const BODY: &str = "<p>Ұлттық банк базалық мөлшерлемені сақтап қалды, деп хабарлады реттеушінің баспасөз қызметі бейсенбі күні.</p>
        <p>Сарапшылар мұндай шешімді күткен еді, себебі инфляция соңғы үш айда баяулаған және болжам дәлізінде қалып отыр.</p>";

    #[test]
    fn all_fields_of_a_page_are_extracted() {
        let html = format!(
            "<html lang=kk><head><title>Банк мөлшерлемені сақтады | Хабар</title><link rel=canonical href='/n/1?utm_source=x'>
             <meta property='og:image' content='/i.jpg'><meta property='article:published_time' content='2026-11-03T14:05:00+05:00'></head>
             <body><nav><a href=/>Басты бет</a></nav><article><h1>Банк мөлшерлемені сақтады</h1><span class=author>Автор: Айгүл Серікқызы</span>{BODY}</article></body></html>"
        );
        let article = check("https://xabar.kz/n/1?from=rss", &html, &Selectors::default());
        assert_eq!(article.title.as_deref(), Some("Банк мөлшерлемені сақтады"));
        assert!(
            article.text.contains("Сарапшылар мұндай") && !article.text.contains("Басты бет"),
            "{}",
            article.text
        );
        assert_eq!(article.author.as_deref(), Some("Айгүл Серікқызы"));
        assert_eq!(article.language.as_deref(), Some("kk"));
        assert_eq!(article.canonical_url.as_ref().map(Url::as_str), Some("https://xabar.kz/n/1"));
        assert_eq!(article.image.as_ref().map(Url::as_str), Some("https://xabar.kz/i.jpg"));
        let published = article.published.unwrap();
        assert_eq!(
            (published.at.to_string().as_str(), published.method),
            ("2026-11-03T09:05:00Z", PublishedMethod::Meta)
        );
    }

    #[test]
    fn a_day_in_the_address_is_refined_by_a_time_of_that_day_only() {
        let page = |time: &str| format!("<html><body><time datetime='{time}'></time>{BODY}");
        let url = "https://xabar.kz/2026/11/03/x";
        let article = check(url, &page("2026-11-03T14:05:00+05:00"), &Selectors::default());
        assert_eq!(article.published.map(|p| p.at.to_string()).as_deref(), Some("2026-11-03T09:05:00Z"));
        let article = check(url, &page("2026-11-20T14:05:00+05:00"), &Selectors::default());
        assert_eq!(article.published.map(|p| p.precision), Some(model::Precision::Day));
    }

    #[test]
    fn the_name_of_the_site_is_not_the_headline() {
        for (head, h1, expected) in [
            (
                "<title>Khabar 24 - Bank keeps its rate unchanged</title>",
                "Bank keeps its rate unchanged",
                "Bank keeps its rate unchanged",
            ),
            (
                "<title>Банк мөлшерлемені сақтап қалды | Дала жаңалықтары</title>",
                "Дала жаңалықтары",
                "Банк мөлшерлемені сақтап қалды",
            ),
            (
                "<meta property='og:site_name' content='Khabar'><title>Khabar » Economy » Bank keeps rate</title>",
                "Bank keeps rate",
                "Bank keeps rate",
            ),
        ] {
            let article =
                check("https://xabar.kz/n/1", &format!("{head}<h1>{h1}</h1>{BODY}"), &Selectors::default());
            assert_eq!(article.title.as_deref(), Some(expected), "{head}");
        }
    }

    #[test]
    fn selectors_take_precedence() {
        let selectors = Selectors {
            text: Some(".b".into()),
            title: Some(".t".into()),
            time: Some(".d".into()),
            ..Selectors::default()
        };
        let html = "<h1>Басқа тақырып осында</h1><i class=t>Тақырып</i><i class=d>3 қараша 2026, 14:05</i><div class=b><p>Бір<p>Екі</div>";
        let article = check("https://xabar.kz/n/1", html, &selectors);
        assert_eq!((article.title.as_deref(), article.text.as_str()), (Some("Тақырып"), "Бір\nЕкі"));
        assert_eq!(article.published.map(|p| p.method), Some(PublishedMethod::Selector));
    }

    #[test]
    fn hostile_pages_do_not_break_extraction() {
        let deep = format!("{}{BODY}", "<div>".repeat(60_000));
        let tables = format!("{}{BODY}", "<table><tr><td>".repeat(20_000));
        let long = format!("<p>{}</p>", "сөз ".repeat(300_000));
        let title = format!("<h1>{}{}", "<div>".repeat(95), "сөз ".repeat(100_000));
        for page in [deep, tables, long, title, String::new(), "<".repeat(100_000), "&".repeat(100_000)] {
            let _ = check("https://xabar.kz/n/1", &page, &Selectors::default());
        }
    }
}
