//! Extraction of article pages of Kazakhstan and its neighbours, written and labelled by hand
//! (`fixtures/articles`). Each page has a label file with the values that a reader sees.

use std::path::{Path, PathBuf};

use crawler::extract::{Article, extract};
use crawler::read::Page;
use model::{Precision, Selectors, Timestamp};
use serde::Deserialize;

/// The time of extraction, after the dates of all pages, so that no date is in the future.
const NOW: &str = "2026-12-31T00:00:00Z";

/// The expected values of a page, as a reader sees them.
#[derive(Deserialize)]
struct Label {
    url: url::Url,
    title: String,
    author: Option<String>,
    /// An RFC 3339 time, or a day if the page has no time.
    published_at: Option<String>,
    language: String,
    canonical_url: Option<String>,
    /// Segments of the article text, from its beginning to its end.
    with: Vec<String>,
    /// Segments around the article text.
    without: Vec<String>,
}

/// The result of the comparison of one page with its label.
struct Outcome {
    case: String,
    /// Descriptions of the fields that differ.
    wrong: Vec<String>,
    /// Expected segments that the extracted text lacks.
    missing: Vec<String>,
    /// Surrounding segments that the extracted text has.
    leaked: Vec<String>,
    /// The numbers of labelled segments of the text and around it.
    segments: (usize, usize),
}

fn check(page: &Path) -> Outcome {
    let label = std::fs::read_to_string(page.with_extension("json")).unwrap();
    let label: Label =
        serde_json::from_str(&label).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let body = std::fs::read(page).unwrap();
    let selectors = Selectors::default();
    let article =
        extract(&Page::new(&label.url, &body, &selectors, Some("Asia/Almaty"), NOW.parse().unwrap()));
    let text = collapse_white_space(&article.text);
    let has_segment = |segment: &&String| text.contains(&collapse_white_space(segment));
    Outcome {
        case: page.file_stem().unwrap().to_string_lossy().into_owned(),
        wrong: differences(&label, &article),
        missing: label.with.iter().filter(|segment| !has_segment(segment)).cloned().collect(),
        leaked: label.without.iter().filter(has_segment).cloned().collect(),
        segments: (label.with.len(), label.without.len()),
    }
}

fn differences(label: &Label, article: &Article) -> Vec<String> {
    let canonical = article.canonical_url.as_ref().map(ToString::to_string);
    [
        ("title", Some(label.title.clone()), article.title.clone()),
        ("author", label.author.clone(), article.author.clone()),
        ("published_at", label.published_at.clone(), published(article)),
        ("language", Some(label.language.clone()), article.language.as_ref().map(ToString::to_string)),
        // The extractor may use other hints if the page has no canonical link.
        ("canonical_url", label.canonical_url.clone(), canonical.filter(|_| label.canonical_url.is_some())),
    ]
    .into_iter()
    .filter(|(_, expected, actual)| expected != actual)
    .map(|(field, expected, actual)| format!("{field}: expected {expected:?}, got {actual:?}"))
    .collect()
}

/// Formats the publication date: a time in RFC 3339, a day in ISO 8601.
fn published(article: &Article) -> Option<String> {
    let published = article.published.as_ref()?;
    let at: Timestamp = published.at;
    Some(match published.precision {
        Precision::Second => at.to_string(),
        Precision::Day => at.in_tz("UTC").unwrap().date().to_string(),
    })
}

fn collapse_white_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn labelled_pages_are_extracted_correctly() {
    /// Known open errors: a forum topic is extracted like an article.
    const KNOWN_ERRORS: &[&str] = &["kk-forum-topic: author", "kk-forum-topic: published_at"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/articles");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "html")).collect();
    pages.sort();
    assert!(pages.len() >= 48, "expected at least 48 pages, got {}", pages.len());
    let outcomes: Vec<Outcome> = pages.iter().map(|page| check(page)).collect();
    let describe = |field: fn(&Outcome) -> &Vec<String>| {
        let lines =
            outcomes.iter().flat_map(|one| field(one).iter().map(|line| format!("{}: {line}", one.case)));
        lines.collect::<Vec<String>>()
    };
    let mut wrong = describe(|one| &one.wrong);
    wrong.retain(|line| !KNOWN_ERRORS.iter().any(|error| line.starts_with(error)));
    assert_eq!(wrong, Vec::<String>::new());
    // The extraction crate loses short lists and includes adjacent text, so the thresholds are not zero.
    let (missing, leaked) = (describe(|one| &one.missing), describe(|one| &one.leaked));
    let with_count: usize = outcomes.iter().map(|one| one.segments.0).sum();
    let without_count: usize = outcomes.iter().map(|one| one.segments.1).sum();
    assert!(
        missing.len() * 100 <= with_count * 6,
        "{} of {with_count} segments missing: {missing:#?}",
        missing.len()
    );
    assert!(
        leaked.len() * 100 <= without_count * 15,
        "{} of {without_count} segments leaked: {leaked:#?}",
        leaked.len()
    );
}
