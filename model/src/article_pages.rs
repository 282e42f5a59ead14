//! What the last article pages of a source were like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::SourceState;

/// What one article page was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenPage {
    /// It could not be had, for a reason that is not of the moment.
    Refused(String),
    /// It was read.
    Read {
        /// Where it stands: a page that is read again is not another one.
        address: u64,
        /// A fingerprint of its text; `None` where it has none.
        text: Option<u64>,
        /// Somewhere it says when it came out.
        is_dated: bool,
        /// The declared selectors that match nothing on it.
        missed: Vec<String>,
    },
}

/// What the last article pages of a source were like: how many in a row had the same fault. One page may be odd; pages that
/// are odd in a row tell that the source is read otherwise than it is made by now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArticlePages {
    refused: u32,
    /// Why the last one was.
    refusal: String,
    without_text: u32,
    without_date: u32,
    /// Pages before those had one.
    were_dated: bool,
    /// How often each declared selector matched nothing.
    missed: BTreeMap<String, u32>,
    /// Different pages with the same text.
    alike: u32,
    last_text: Option<u64>,
    last_address: u64,
}

impl ArticlePages {
    /// As many in a row are told of where the fault is plain: a declared selector matches nothing, the words are the same.
    const PLAIN: u32 = 3;
    /// And as many where publishers may mean it so: pictures without words, texts without a date, pages for some only.
    const OPEN: u32 = 5;
    /// What suspicions begin with.
    const SUBJECT: &str = "article pages: ";

    /// With a further page.
    pub fn with(mut self, page: SeenPage) -> Self {
        match page {
            SeenPage::Refused(reason) => Self { refused: self.refused + 1, refusal: reason, ..self },
            SeenPage::Read { address, text, is_dated, missed } => {
                self.alike = match (text, self.last_text) {
                    (Some(_), _) if address == self.last_address => self.alike,
                    (Some(text), Some(last)) if text == last => self.alike + 1,
                    (Some(_), _) => 1,
                    (None, _) => self.alike,
                };
                self.missed = missed
                    .into_iter()
                    .map(|selector| {
                        let before = self.missed.get(&selector).copied().unwrap_or(0);
                        (selector, before + 1)
                    })
                    .collect();
                Self {
                    refused: 0,
                    refusal: String::new(),
                    without_text: if text.is_some() { 0 } else { self.without_text + 1 },
                    without_date: if is_dated { 0 } else { self.without_date + 1 },
                    were_dated: self.were_dated || is_dated,
                    last_text: text.or(self.last_text),
                    last_address: address,
                    ..self
                }
            }
        }
    }

    /// Whether a text is that of the pages before it, so that it is no article's.
    pub fn repeats(&self, text: u64) -> bool {
        self.alike >= Self::PLAIN && self.last_text == Some(text)
    }

    /// What makes one think that they are not read as they should be, and the state that this shows.
    pub fn suspicion(&self) -> Option<(SourceState, String)> {
        let broken = |reason: String| Some((SourceState::BrokenLayout, format!("{}{reason}", Self::SUBJECT)));
        if self.refused >= Self::OPEN {
            let reason = format!("the last {} could not be had: {}", self.refused, self.refusal);
            return Some((SourceState::Degraded, format!("{}{reason}", Self::SUBJECT)));
        }
        if let Some((selector, times)) = self.missed.iter().find(|(_, times)| **times >= Self::PLAIN) {
            return broken(format!(
                "{selector} matches nothing on the last {times}: was the layout changed? (qyran extract shows what is read)"
            ));
        }
        if self.alike >= Self::PLAIN {
            return broken(format!(
                "the last {} have one and the same text: a wall before them, or a changed layout?",
                self.alike
            ));
        }
        if self.without_text >= Self::OPEN {
            return broken(format!(
                "no text was found on the last {}: say where it stands by selectors.text",
                self.without_text
            ));
        }
        (self.were_dated && self.without_date >= Self::OPEN)
            .then(|| {
                format!(
                    "the last {} have no time, though those before had: was the layout changed?",
                    self.without_date
                )
            })
            .and_then(broken)
    }

    /// Whether a reason of a source is such a suspicion.
    pub fn is_told_by(reason: &str) -> bool {
        reason.starts_with(Self::SUBJECT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page at an address, with a text.
    fn page(address: u64, text: u64) -> SeenPage {
        SeenPage::Read { address, text: Some(text), is_dated: true, missed: vec![] }
    }

    fn missing(address: u64, selectors: &[&str]) -> SeenPage {
        let missed = selectors.iter().map(|text| (*text).to_owned()).collect();
        SeenPage::Read { address, text: Some(address), is_dated: true, missed }
    }

    fn without_text(address: u64) -> SeenPage {
        SeenPage::Read { address, text: None, is_dated: true, missed: vec![] }
    }

    fn undated(address: u64) -> SeenPage {
        SeenPage::Read { address, text: Some(address), is_dated: false, missed: vec![] }
    }

    fn refused() -> SeenPage {
        SeenPage::Refused("HTTP 403".to_owned())
    }

    fn check(what: &str, pages: Vec<SeenPage>, expected: Option<(SourceState, &str)>) {
        let seen = pages.into_iter().fold(ArticlePages::default(), ArticlePages::with);
        let suspicion = seen.suspicion();
        match (&suspicion, expected) {
            (None, None) => (),
            (Some((state, reason)), Some((expected, words))) => {
                assert!(*state == expected && reason.contains(words), "{what}: {suspicion:?}");
                assert!(ArticlePages::is_told_by(reason), "{what}: {reason}");
            }
            _ => panic!("{what}: {suspicion:?}"),
        }
    }

    #[test]
    fn faults_in_a_row_are_told() {
        use SourceState::{BrokenLayout, Degraded};
        let many = |page: fn(u64) -> SeenPage, count: u64| (1..=count).map(page).collect::<Vec<_>>();
        let body: fn(u64) -> SeenPage = |at| missing(at, &["selectors.text `.body`"]);
        let alike: fn(u64) -> SeenPage = |at| page(at, 7);
        check("all is well", many(|at| page(at, at), 20), None);
        check("twice is chance", many(body, 2), None);
        check(
            "a selector",
            many(body, 3),
            Some((BrokenLayout, "selectors.text `.body` matches nothing on the last 3")),
        );
        check("another selector", [many(body, 2), vec![missing(9, &["selectors.time `b`"])]].concat(), None);
        check("a good page ends it", [many(body, 9), vec![page(10, 10)]].concat(), None);
        check("two alike", many(alike, 2), None);
        check("all alike", many(alike, 3), Some((BrokenLayout, "the last 3 have one and the same text")));
        check("one page, again and again", vec![page(1, 7); 9], None);
        check("alike, with others between", vec![page(1, 7), page(2, 8), page(3, 7), page(4, 8)], None);
        check("four pages of pictures", many(without_text, 4), None);
        check("no text", many(without_text, 5), Some((BrokenLayout, "no text was found on the last 5")));
        check("never dated", many(undated, 9), None);
        check(
            "dated before",
            [vec![page(1, 1)], many(undated, 5)].concat(),
            Some((BrokenLayout, "the last 5 have no time")),
        );
        check("four refused", vec![refused(); 4], None);
        check("all refused", vec![refused(); 5], Some((Degraded, "the last 5 could not be had: HTTP 403")));
        check("one came", [vec![refused(); 5], vec![page(1, 1)]].concat(), None);
    }

    #[test]
    fn what_all_pages_say_is_no_articles_text() {
        let seen =
            |count: u64| (1..=count).map(|at| page(at, 7)).fold(ArticlePages::default(), ArticlePages::with);
        assert!(!seen(2).repeats(7));
        assert!(seen(3).repeats(7));
        assert!(!seen(3).repeats(8));
    }
}
