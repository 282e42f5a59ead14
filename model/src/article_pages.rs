//! Detection of systematic faults on the article pages of a source.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The condition of one article page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageCondition {
    /// The page could not be fetched and is not retried. Contains the reason.
    Refused(String),
    /// The page was parsed.
    Read {
        /// Fingerprint of the address, which identifies a page that is fetched repeatedly.
        address: u64,
        /// Fingerprint of the title.
        title: u64,
        /// Fingerprint of the text; `None` if the page has no text.
        text: Option<u64>,
        /// True if the page or the entry that links to it states a publication time.
        is_dated: bool,
        /// The declared selectors without a match on the page.
        missed: Vec<String>,
    },
}

/// Counts of consecutive article pages of a source with the same fault. A fault on one page may be chance; the same
/// fault on several consecutive pages indicates that the pages are read incorrectly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArticlePages {
    /// The time of the last page.
    at: Option<Timestamp>,
    /// Consecutive pages that could not be fetched.
    refused: u32,
    /// The reason of the last fetch failure.
    refusal: String,
    /// Consecutive pages without a text.
    without_text: u32,
    /// Consecutive pages without a publication time.
    without_date: u32,
    /// True if any earlier page had a publication time.
    were_dated: bool,
    /// Consecutive pages without a match, by declared selector.
    missed: BTreeMap<String, u32>,
    /// Consecutive pages with different titles and the same text.
    alike: u32,
    last_text: Option<u64>,
    last_title: u64,
    last_address: u64,
}

impl ArticlePages {
    /// Consecutive pages that establish an unambiguous fault: a declared selector without a match, or the same text.
    const MIN_CLEAR_FAULTS: u32 = 3;
    /// Consecutive pages that establish a fault that may be intended by the publisher: pictures without text, texts
    /// without a publication time, pages with restricted access.
    const MIN_AMBIGUOUS_FAULTS: u32 = 5;
    /// Maximum age of the last page. Older counts say nothing about the current pages.
    const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);

    /// Counts a further page.
    pub fn with(self, page: PageCondition, now: Timestamp) -> Self {
        let previous = if self.is_recent(now) { self } else { Self::default() };
        let at = Some(now);
        match page {
            PageCondition::Refused(reason) => {
                Self { at, refused: previous.refused + 1, refusal: reason, ..previous }
            }
            PageCondition::Read { address, title, text, is_dated, missed } => {
                let is_other_page = address != previous.last_address && title != previous.last_title;
                let alike = match text {
                    Some(_) if text == previous.last_text => previous.alike + u32::from(is_other_page),
                    Some(_) => 1,
                    None => previous.alike,
                };
                let misses = |selector: &String| previous.missed.get(selector).copied().unwrap_or(0) + 1;
                Self {
                    at,
                    refused: 0,
                    refusal: String::new(),
                    without_text: if text.is_some() { 0 } else { previous.without_text + 1 },
                    without_date: if is_dated { 0 } else { previous.without_date + 1 },
                    were_dated: previous.were_dated || is_dated,
                    missed: missed
                        .into_iter()
                        .map(|selector| (selector.clone(), misses(&selector)))
                        .collect(),
                    alike,
                    last_text: text.or(previous.last_text),
                    last_title: title,
                    last_address: address,
                }
            }
        }
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| now.duration_since(at).unsigned_abs() <= Self::MAX_AGE)
    }

    /// Returns true if a text, given by its fingerprint, repeats the text of the previous pages and so is not the text
    /// of an article.
    pub fn repeats(&self, text: u64) -> bool {
        self.alike >= Self::MIN_CLEAR_FAULTS && self.last_text == Some(text)
    }

    /// Returns a message for the operator if the counts indicate that the pages are read incorrectly.
    pub fn suspicion(&self, now: Timestamp) -> Option<String> {
        if !self.is_recent(now) {
            return None;
        }
        let Self { refused, refusal, alike, without_text, without_date, .. } = self;
        let failing_selector = self.missed.iter().find(|(_, misses)| **misses >= Self::MIN_CLEAR_FAULTS);
        if *refused >= Self::MIN_AMBIGUOUS_FAULTS {
            Some(format!("could not fetch the last {refused} article pages: {refusal}"))
        } else if let Some((selector, misses)) = failing_selector {
            Some(format!(
                "{selector} matches nothing on the last {misses} article pages; check if the layout has changed"
            ))
        } else if *alike >= Self::MIN_CLEAR_FAULTS {
            Some(format!(
                "the last {alike} article pages have the same text; check for a login page or consent wall"
            ))
        } else if *without_text >= Self::MIN_AMBIGUOUS_FAULTS {
            Some(format!(
                "no text found on the last {without_text} article pages; declare spec.selectors.text"
            ))
        } else if self.were_dated && *without_date >= Self::MIN_AMBIGUOUS_FAULTS {
            Some(format!(
                "the last {without_date} article pages have no publication time, unlike earlier ones; check if the \
                 layout has changed"
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + day * 86_400).unwrap()
    }

    /// A page at an address, with a title and a text.
    fn page(address: u64, title: u64, text: u64) -> PageCondition {
        PageCondition::Read { address, title, text: Some(text), is_dated: true, missed: vec![] }
    }

    fn good(id: u64) -> PageCondition {
        page(id, id, id)
    }

    fn without_match(id: u64, selector: &str) -> PageCondition {
        let missed = vec![selector.to_owned()];
        PageCondition::Read { address: id, title: id, text: Some(id), is_dated: true, missed }
    }

    fn without_text(id: u64) -> PageCondition {
        PageCondition::Read { address: id, title: id, text: None, is_dated: true, missed: vec![] }
    }

    fn undated(id: u64) -> PageCondition {
        PageCondition::Read { address: id, title: id, text: Some(id), is_dated: false, missed: vec![] }
    }

    fn refused(_: u64) -> PageCondition {
        PageCondition::Refused("HTTP status 403".to_owned())
    }

    fn article_pages(pages: Vec<PageCondition>) -> ArticlePages {
        pages.into_iter().fold(ArticlePages::default(), |article_pages, page| article_pages.with(page, at(0)))
    }

    fn check(case: &str, pages: Vec<PageCondition>, expected: Option<&str>) {
        let suspicion = article_pages(pages).suspicion(at(0));
        match (&suspicion, expected) {
            (None, None) => (),
            (Some(reason), Some(words)) => assert!(reason.contains(words), "{case}: {reason}"),
            _ => panic!("{case}: {suspicion:?}"),
        }
    }

    #[test]
    fn consecutive_faults_are_reported() {
        let many = |page: fn(u64) -> PageCondition, count: u64| (1..=count).map(page).collect::<Vec<_>>();
        let body: fn(u64) -> PageCondition = |id| without_match(id, "selectors.text `.body`");
        let same_text: fn(u64) -> PageCondition = |id| page(id, id, 7);
        check("no faults", many(good, 20), None);
        check("two pages without a match", many(body, 2), None);
        check(
            "three pages without a match",
            many(body, 3),
            Some("selectors.text `.body` matches nothing on the last 3 article pages"),
        );
        check(
            "another selector without a match",
            [many(body, 2), vec![without_match(9, "selectors.time `b`")]].concat(),
            None,
        );
        check("a good page after the fault", [many(body, 9), vec![good(10)]].concat(), None);
        check("two pages with the same text", many(same_text, 2), None);
        check(
            "three pages with the same text",
            many(same_text, 3),
            Some("the last 3 article pages have the same text"),
        );
        check("one page fetched repeatedly", vec![page(1, 1, 7); 9], None);
        check("one article at several addresses", (1..9).map(|id| page(id, 1, 7)).collect(), None);
        check("other texts in between", vec![page(1, 1, 7), good(2), page(3, 3, 7), good(4)], None);
        check("four pages without text", many(without_text, 4), None);
        check("five pages without text", many(without_text, 5), Some("no text found on the last 5"));
        check("never dated", many(undated, 9), None);
        check(
            "undated after a dated page",
            [vec![good(9)], many(undated, 5)].concat(),
            Some("the last 5 article pages have no publication time"),
        );
        check("four fetch failures", many(refused, 4), None);
        check(
            "five fetch failures",
            many(refused, 5),
            Some("could not fetch the last 5 article pages: HTTP status 403"),
        );
        check("a good page after the failures", [many(refused, 5), vec![good(1)]].concat(), None);
    }

    #[test]
    fn old_faults_are_forgotten() {
        let article_pages = article_pages(vec![refused(0); 5]);
        assert!(article_pages.suspicion(at(7)).is_some());
        assert_eq!(article_pages.suspicion(at(8)), None);
        assert_eq!(article_pages.with(refused(0), at(8)).suspicion(at(8)), None);
    }

    #[test]
    fn a_text_on_all_pages_is_recognised_as_repeated() {
        let same_text = |count: u64| article_pages((1..=count).map(|id| page(id, id, 7)).collect());
        assert!(!same_text(2).repeats(7));
        assert!(same_text(3).repeats(7));
        assert!(!same_text(3).repeats(8));
    }
}
