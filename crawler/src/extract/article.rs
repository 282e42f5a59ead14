//! An article page, read.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use model::{Precision, Published, PublishedMethod, Reservation, Timestamp, canonical_url, same_site};
use scraper::Html;
use url::Url;

use super::language::language_of;
use super::metadata::{Metadata, PageWindow, letters, place_of};
use super::published::published;
use crate::dates;
use crate::html::bounded;
use crate::plain::{fold, plain_text, plain_title};
use crate::read::{Page, guarded, selector, text_of};

/// Links looked at in a page that is an article: real ones have a few hundred.
const MAX_LINKS: usize = 5000;

/// What was understood of an article page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Article {
    /// Plain text, without the site's name.
    pub title: Option<String>,
    /// Plain text; paragraphs are separated by line feeds.
    pub text: String,
    /// Names, separated by commas.
    pub author: Option<String>,
    /// When it was published, and how that is known.
    pub published: Option<Published>,
    /// When it was changed.
    pub updated_at: Option<Timestamp>,
    /// ISO 639-1 code.
    pub language: Option<String>,
    /// The address the page calls its own; of the same site, and no home page.
    pub canonical_url: Option<Url>,
    /// The picture that stands for it.
    pub image: Option<Url>,
    /// What the page reserves.
    pub reservations: Vec<Reservation>,
    /// The declared selectors that match nothing on it.
    pub missed: Vec<String>,
    /// What could not be understood.
    pub problems: Vec<String>,
}

/// Reads an article page. Never fails; a page without text gives an empty one and a problem.
pub fn extract(page: &Page<'_>) -> Article {
    let decoded = page.decoded();
    let (markup, dropped) = bounded(&decoded.text);
    let mut problems: Vec<String> = decoded.problem.into_iter().chain(dropped).collect();
    let tree = Html::parse_document(&markup);
    let metadata = Metadata::gather(&tree);
    let mut selected = |text: &Option<String>| {
        let found = selector(text.as_deref(), &mut problems)
            .and_then(|wanted| tree.select(&wanted).next().map(|e| (e, text)));
        found.map(|(element, _)| element)
    };
    // A selector that matches something empty matches nothing.
    let by_selector = selected(&page.selectors.text)
        .map(|element| plain_text(&element.inner_html()))
        .filter(|text| !text.is_empty());
    let time = selected(&page.selectors.time);
    let titled = selected(&page.selectors.title).map(text_of).filter(|title| !title.is_empty());
    let time =
        time.map(|element| element.value().attr("datetime").map_or_else(|| text_of(element), str::to_owned));
    let missed = missed(page, [by_selector.is_some(), titled.is_some(), time.is_some()]);
    let by_trafilatura =
        if by_selector.is_none() { read_text(&markup, page.url, &mut problems) } else { Default::default() };
    let text = match by_selector {
        Some(text) => text,
        None if metadata.is_article() => without_teasers(by_trafilatura.text, &tree),
        None => by_trafilatura.text,
    };
    let text_missed = missed.iter().find(|selector| selector.starts_with("selectors.text"));
    problems.extend(text_missed.map(|selector| format!("{selector} matches nothing on this page")));
    if text.is_empty() {
        problems.push("no article text was found on the page".to_owned());
    }
    let title = titled.or_else(|| title_of(&metadata)).or(by_trafilatura.title);
    let headline = title.as_deref().and_then(|title| place_of(title, &tree));
    let sample = format!("{} {text}", title.as_deref().unwrap_or(""));
    Article {
        author: author_of(&metadata, headline).or(by_trafilatura.author),
        published: published(time.as_deref(), page.url, &metadata, headline, &text, &page.zone, page.now)
            .or_else(|| guessed(by_trafilatura.date, page.now)),
        updated_at: updated_at(&metadata, &page.zone),
        language: language_of(&sample, metadata.lang.as_deref()),
        canonical_url: canonical_of(&metadata, page.url),
        image: image_of(&metadata, page.url),
        reservations: reservations_of(&metadata),
        title,
        text,
        missed,
        problems,
    }
}

/// Which of the selectors for text, title and time are declared, and match nothing.
fn missed(page: &Page<'_>, is_matched: [bool; 3]) -> Vec<String> {
    let selectors = page.selectors;
    let declared = [("text", &selectors.text), ("title", &selectors.title), ("time", &selectors.time)];
    let missed = declared.into_iter().zip(is_matched).filter(|(_, is_matched)| !is_matched);
    missed
        .filter_map(|((name, selector), _)| Some(format!("selectors.{name} `{}`", selector.as_ref()?)))
        .collect()
}

/// What the page's meta elements reserve.
fn reservations_of(metadata: &Metadata) -> Vec<Reservation> {
    let mut found = Reservation::in_directives(metadata.meta(&["robots"]).unwrap_or(""), "");
    found.extend(
        metadata.meta(&["tdm-reservation"]).filter(|value| value.trim() == "1").map(|_| Reservation::Tdm),
    );
    found
}

#[derive(Default)]
struct ByTrafilatura {
    text: String,
    title: Option<String>,
    author: Option<String>,
    date: Option<jiff::civil::Date>,
}

/// A day that trafilatura found somewhere on the page, where we found nothing: better than none, and told
/// as what it is.
fn guessed(date: Option<jiff::civil::Date>, now: Timestamp) -> Option<Published> {
    // The first of January is what it makes of a bare year.
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

fn read_text(markup: &str, url: &Url, problems: &mut Vec<String>) -> ByTrafilatura {
    let options = trafilatura::Options::default().with_fallback(true).with_url(url.clone());
    let result = match guarded("trafilatura", || trafilatura::extract(markup, &options)) {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => return ByTrafilatura::default(), // the caller tells that there is no text
        Err(problem) => {
            problems.push(problem);
            return ByTrafilatura::default();
        }
    };
    // Its plain text has lost the paragraphs. Its markup has them, but runs words together where it has
    // lost a table.
    let (plain, whole) = (plain_text(&result.content_text), plain_text(&result.content_html));
    let words = |text: &str| text.split_whitespace().count();
    let text = if words(&whole) * 100 < words(&plain) * 99 { plain } else { whole };
    ByTrafilatura {
        text,
        title: filled(plain_title(&result.metadata.title)),
        author: name_of(&result.metadata.author.replace("; ", ", ")),
        date: result.metadata.date.and_then(|at| at.to_string().parse().ok()),
    }
}

/// The text without lines that are the words of a link and nothing else: those lead to other articles.
/// Where they are more than a little of the text (a list of contents, of projects), they belong to it.
fn without_teasers(text: String, tree: &Html) -> String {
    let Some(links) = selector(Some("a[href]:not([href*='#'])"), &mut Vec::new()) else { return text };
    let teasers: HashSet<String> =
        tree.select(&links).take(MAX_LINKS).map(|link| letters(&text_of(link))).collect();
    // A headline has no full stop at its end; a sentence that is all link has.
    let is_headline = |line: &str| line.split_whitespace().count() >= 4 && !line.ends_with(['.', '→']);
    let is_own = |line: &&str| !is_headline(line) || !teasers.contains(&letters(line));
    let own: Vec<&str> = text.lines().filter(is_own).collect();
    let length: usize = own.iter().map(|line| line.len()).sum();
    if length * 100 < text.len() * 85 { text } else { own.join("\n") }
}

/// The headline: what the page calls itself, less the site's name.
fn title_of(page: &Metadata) -> Option<String> {
    let social = page.meta(&["og:title", "twitter:title", "headline"]).map(plain_title).and_then(filled);
    let headline = page.json_ld.headline.as_deref().map(plain_title).and_then(filled);
    let whole = page.title.clone();
    let site = page.meta(&["og:site_name", "application-name"]);
    // A first-rank headline may be the site's name, in its logo.
    let is_own = |h1: &&String| !is_site(h1, site, whole.as_deref());
    let (h1s, names): (Vec<&String>, Vec<&String>) = page.headlines.iter().partition(is_own);
    let site = site.or(names.first().map(|name| name.as_str()));
    // One that the page's title repeats is the article's.
    let repeats =
        |h1: &str| [&social, &headline, &whole].into_iter().flatten().any(|title| contains(title, h1));
    let repeated = h1s.iter().find(|h1| h1.chars().count() > 8 && repeats(h1));
    let only = h1s.first().filter(|h1| h1s.len() == 1 && h1.chars().count() > 20);
    let first = h1s.first().filter(|h1| h1.chars().count() > 12);
    let owned = |h1: Option<&&String>| h1.map(|h1| (*h1).clone());
    owned(repeated)
        .or(headline)
        .or(owned(only))
        .or_else(|| social.map(|title| without_site(&title, site)))
        .or(owned(first))
        .or_else(|| whole.map(|title| without_site(&title, site)))
}

/// Whether a headline is the site's name: as the page declares it; where it declares none, as the title
/// ends with it ("Headline | Site", the shorter part).
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

/// "Headline | Site" without the site, where the rest still is a headline.
fn without_site(title: &str, site: Option<&str>) -> String {
    for mark in [" | ", " — ", " – ", " - ", " :: ", " » ", " · "] {
        if let Some((head, tail)) = title.rsplit_once(mark) {
            let named = site.is_some_and(|site| contains(site, tail) || contains(tail, site));
            let short =
                tail.split_whitespace().count() <= 4 && head.chars().count() > 2 * tail.chars().count();
            if named || short {
                return head.trim().to_owned();
            }
        }
    }
    title.to_owned()
}

/// Short texts in the order of their distance from the headline. What stands before it is more often the
/// site's than the article's.
pub(super) fn nearest(shown: &[PageWindow], headline: Option<usize>) -> Vec<&str> {
    let mut shown: Vec<&PageWindow> = shown.iter().collect();
    shown.sort_by_key(|one| match headline {
        Some(at) if one.place < at => (at - one.place) * 2,
        Some(at) => one.place - at,
        None => one.place,
    });
    shown.into_iter().map(|one| one.text.as_str()).collect()
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
    let shown = [&page.bylines, &page.plain_bylines].into_iter().flat_map(|shown| nearest(shown, headline));
    let organizations = page.json_ld.organizations.iter().map(String::as_str);
    meta.into_iter().chain(itemprop).chain(shown).chain(organizations).find_map(name_of)
}

/// A byline as a name: `Дайындаған: Айгүл Серікқызы` is Айгүл Серікқызы; addresses, dates and long texts
/// are none.
fn name_of(text: &str) -> Option<String> {
    let text = fold(text);
    // What stands before a colon is what they did, in whatever language.
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
    let named = text.chars().next().is_some_and(char::is_alphabetic);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_name = named
        && digits == 0
        && words <= 12
        && text.chars().count() <= 100
        && !text.contains("://")
        && !text.contains('@');
    is_name.then(|| text.to_owned())
}

fn dedup(names: Vec<String>) -> Vec<String> {
    let mut seen = Vec::<String>::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
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
    let home = |candidate: &Url| candidate.path() == "/" && candidate.query().is_none();
    declared
        .into_iter()
        .flatten()
        .filter_map(|text| url.join(text.trim()).ok())
        .find(|candidate| {
            matches!(candidate.scheme(), "http" | "https")
                && same_site(candidate, url)
                && (!home(candidate) || home(url))
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
    fn a_page_tells_what_it_is() {
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
    fn the_site_is_told_from_the_headline() {
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
    fn selectors_come_first() {
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
    fn hostile_pages_are_read_to_their_end() {
        let deep = format!("{}{BODY}", "<div>".repeat(60_000));
        let tables = format!("{}{BODY}", "<table><tr><td>".repeat(20_000));
        let long = format!("<p>{}</p>", "сөз ".repeat(300_000));
        let title = format!("<h1>{}{}", "<div>".repeat(95), "сөз ".repeat(100_000));
        for page in [deep, tables, long, title, String::new(), "<".repeat(100_000), "&".repeat(100_000)] {
            let _ = check("https://xabar.kz/n/1", &page, &Selectors::default());
        }
    }
}
