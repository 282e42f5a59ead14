//! Article pages of Kazakhstan and its neighbours, written and labelled by hand (`fixtures/articles`): a
//! page and, beside it, what a reader sees on it.

use std::path::{Path, PathBuf};

use crawler::extract::{Article, extract};
use crawler::read::Page;
use model::{Precision, Selectors, Timestamp};
use serde::Deserialize;

/// Behind the dates of all pages, so that none lies in the future.
const NOW: &str = "2026-12-31T00:00:00Z";

/// What a reader sees.
#[derive(Deserialize)]
struct Label {
    url: url::Url,
    title: String,
    author: Option<String>,
    /// RFC 3339, or a day where no more can be known.
    published_at: Option<String>,
    language: String,
    canonical_url: Option<String>,
    /// Segments of the text, from its beginning to its end.
    with: Vec<String>,
    /// Segments of what surrounds the text.
    without: Vec<String>,
}

/// How one page was read.
struct Outcome {
    case: String,
    /// Fields that differ, in words.
    wrong: Vec<String>,
    missing: Vec<String>,
    leaked: Vec<String>,
    /// How many there are of each.
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
    let text = squeezed(&article.text);
    let holds = |segment: &&String| text.contains(&squeezed(segment));
    Outcome {
        case: page.file_stem().unwrap().to_string_lossy().into_owned(),
        wrong: wrong(&label, &article),
        missing: label.with.iter().filter(|segment| !holds(segment)).cloned().collect(),
        leaked: label.without.iter().filter(holds).cloned().collect(),
        segments: (label.with.len(), label.without.len()),
    }
}

fn wrong(label: &Label, article: &Article) -> Vec<String> {
    let canonical = article.canonical_url.as_ref().map(ToString::to_string);
    [
        ("title", Some(label.title.clone()), article.title.clone()),
        ("author", label.author.clone(), article.author.clone()),
        ("published_at", label.published_at.clone(), published(article)),
        ("language", Some(label.language.clone()), article.language.as_ref().map(ToString::to_string)),
        // Where the page declares none by link, other hints count.
        ("canonical_url", label.canonical_url.clone(), canonical.filter(|_| label.canonical_url.is_some())),
    ]
    .into_iter()
    .filter(|(_, expected, found)| expected != found)
    .map(|(field, expected, found)| format!("{field}: {found:?} instead of {expected:?}"))
    .collect()
}

/// A moment as RFC 3339, a day as it is written on the page.
fn published(article: &Article) -> Option<String> {
    let published = article.published.as_ref()?;
    let at: Timestamp = published.at;
    Some(match published.precision {
        Precision::Second => at.to_string(),
        Precision::Day => at.in_tz("UTC").unwrap().date().to_string(),
    })
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn pages_of_kazakhstan_are_read_as_a_reader_reads_them() {
    /// Fields that are read wrongly, known and open: a forum's topic is read as an article is.
    const KNOWN: &[&str] = &["kk-forum-topic: author", "kk-forum-topic: published_at"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/articles");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "html")).collect();
    pages.sort();
    assert!(pages.len() >= 48, "{} pages", pages.len());
    let outcomes: Vec<Outcome> = pages.iter().map(|page| check(page)).collect();
    let told = |wanted: fn(&Outcome) -> &Vec<String>| {
        let lines =
            outcomes.iter().flat_map(|one| wanted(one).iter().map(|line| format!("{}: {line}", one.case)));
        lines.collect::<Vec<String>>()
    };
    let mut wrong = told(|one| &one.wrong);
    wrong.retain(|line| !KNOWN.iter().any(|known| line.starts_with(known)));
    assert_eq!(wrong, Vec::<String>::new());
    // The text is the extractor's, which loses short lists and takes in what stands close by.
    let (missing, leaked) = (told(|one| &one.missing), told(|one| &one.leaked));
    let all: usize = outcomes.iter().map(|one| one.segments.0).sum();
    let others: usize = outcomes.iter().map(|one| one.segments.1).sum();
    assert!(missing.len() * 100 <= all * 6, "{} of {all} missing: {missing:#?}", missing.len());
    assert!(leaked.len() * 100 <= others * 15, "{} of {others} leaked: {leaked:#?}", leaked.len());
}
