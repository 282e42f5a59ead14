//! What the last article pages of a source were like.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What one article page was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenPage {
    /// It could not be had, and will not be asked for again.
    Refused(String),
    /// It was read.
    Read {
        /// A fingerprint of where it stands: a page that is read again is not another one.
        address: u64,
        /// A fingerprint of its title.
        title: u64,
        /// A fingerprint of its text; `None` where it has none.
        text: Option<u64>,
        /// It, or what leads to it, says when it came out.
        is_dated: bool,
        /// The declared selectors that match nothing on it.
        missed: Vec<String>,
    },
}

/// What the last article pages of a source were like: how many in a row had the same fault. One page may be odd; pages that
/// are odd in a row tell that they are made otherwise than they are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArticlePages {
    /// When the last one was read.
    at: Option<Timestamp>,
    refused: u32,
    /// Why the last one was.
    refusal: String,
    without_text: u32,
    without_date: u32,
    /// Pages before those had one.
    were_dated: bool,
    /// How often each declared selector matched nothing.
    missed: BTreeMap<String, u32>,
    /// Pages with different titles and the same text.
    alike: u32,
    last_text: Option<u64>,
    last_title: u64,
    last_address: u64,
}

impl ArticlePages {
    /// So many in a row are told of where the fault is plain: a declared selector matches nothing, the words are the same.
    const OF_PLAIN_FAULTS: u32 = 3;
    /// And so many where publishers may mean it so: pictures without words, texts without a time, pages for some only.
    const OF_OTHERS: u32 = 5;
    /// What was seen so long ago says nothing of today.
    const LASTS: Duration = Duration::from_secs(7 * 86_400);

    /// With a further page.
    pub fn with(self, page: SeenPage, now: Timestamp) -> Self {
        let before = if self.is_of_today(now) { self } else { Self::default() };
        let at = Some(now);
        match page {
            SeenPage::Refused(reason) => Self { at, refused: before.refused + 1, refusal: reason, ..before },
            SeenPage::Read { address, title, text, is_dated, missed } => {
                let is_another = address != before.last_address && title != before.last_title;
                let alike = match text {
                    Some(_) if text == before.last_text => before.alike + u32::from(is_another),
                    Some(_) => 1,
                    None => before.alike,
                };
                let times = |selector: &String| before.missed.get(selector).copied().unwrap_or(0) + 1;
                Self {
                    at,
                    refused: 0,
                    refusal: String::new(),
                    without_text: if text.is_some() { 0 } else { before.without_text + 1 },
                    without_date: if is_dated { 0 } else { before.without_date + 1 },
                    were_dated: before.were_dated || is_dated,
                    missed: missed.into_iter().map(|selector| (selector.clone(), times(&selector))).collect(),
                    alike,
                    last_text: text.or(before.last_text),
                    last_title: title,
                    last_address: address,
                }
            }
        }
    }

    fn is_of_today(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| now.duration_since(at).unsigned_abs() <= Self::LASTS)
    }

    /// Whether a text is that of the pages before it, so that it is no article's.
    pub fn repeats(&self, text: u64) -> bool {
        self.alike >= Self::OF_PLAIN_FAULTS && self.last_text == Some(text)
    }

    /// What makes one think that they are not read as they should be.
    pub fn suspicion(&self, now: Timestamp) -> Option<String> {
        if !self.is_of_today(now) {
            return None;
        }
        let Self { refused, refusal, alike, without_text, without_date, .. } = self;
        let missed = self.missed.iter().find(|(_, times)| **times >= Self::OF_PLAIN_FAULTS);
        if *refused >= Self::OF_OTHERS {
            Some(format!("the last {refused} article pages could not be had: {refusal}"))
        } else if let Some((selector, times)) = missed {
            Some(format!(
                "on the last {times} article pages {selector} matches nothing: was the layout changed?"
            ))
        } else if *alike >= Self::OF_PLAIN_FAULTS {
            Some(format!(
                "the last {alike} article pages have one and the same text: is there a wall before them?"
            ))
        } else if *without_text >= Self::OF_OTHERS {
            Some(format!(
                "no text was found on the last {without_text} article pages: say where it stands by selectors.text"
            ))
        } else if self.were_dated && *without_date >= Self::OF_OTHERS {
            Some(format!(
                "the last {without_date} article pages have no time, though those before had: was the layout changed?"
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
    fn page(address: u64, title: u64, text: u64) -> SeenPage {
        SeenPage::Read { address, title, text: Some(text), is_dated: true, missed: vec![] }
    }

    fn well(at: u64) -> SeenPage {
        page(at, at, at)
    }

    fn missing(at: u64, selector: &str) -> SeenPage {
        let missed = vec![selector.to_owned()];
        SeenPage::Read { address: at, title: at, text: Some(at), is_dated: true, missed }
    }

    fn without_text(at: u64) -> SeenPage {
        SeenPage::Read { address: at, title: at, text: None, is_dated: true, missed: vec![] }
    }

    fn undated(at: u64) -> SeenPage {
        SeenPage::Read { address: at, title: at, text: Some(at), is_dated: false, missed: vec![] }
    }

    fn refused(_: u64) -> SeenPage {
        SeenPage::Refused("HTTP status 403".to_owned())
    }

    fn of(pages: Vec<SeenPage>) -> ArticlePages {
        pages.into_iter().fold(ArticlePages::default(), |seen, page| seen.with(page, at(0)))
    }

    fn check(what: &str, pages: Vec<SeenPage>, expected: Option<&str>) {
        let suspicion = of(pages).suspicion(at(0));
        match (&suspicion, expected) {
            (None, None) => (),
            (Some(reason), Some(words)) => assert!(reason.contains(words), "{what}: {reason}"),
            _ => panic!("{what}: {suspicion:?}"),
        }
    }

    #[test]
    fn faults_in_a_row_are_told() {
        let many = |page: fn(u64) -> SeenPage, count: u64| (1..=count).map(page).collect::<Vec<_>>();
        let body: fn(u64) -> SeenPage = |at| missing(at, "selectors.text `.body`");
        let alike: fn(u64) -> SeenPage = |at| page(at, at, 7);
        check("all is well", many(well, 20), None);
        check("twice is chance", many(body, 2), None);
        check(
            "a selector",
            many(body, 3),
            Some("on the last 3 article pages selectors.text `.body` matches nothing"),
        );
        check("another selector", [many(body, 2), vec![missing(9, "selectors.time `b`")]].concat(), None);
        check("a good page ends it", [many(body, 9), vec![well(10)]].concat(), None);
        check("two alike", many(alike, 2), None);
        check("all alike", many(alike, 3), Some("the last 3 article pages have one and the same text"));
        check("one page, again and again", vec![page(1, 1, 7); 9], None);
        check("one article at several addresses", (1..9).map(|at| page(at, 1, 7)).collect(), None);
        check("with others between", vec![page(1, 1, 7), well(2), page(3, 3, 7), well(4)], None);
        check("four pages of pictures", many(without_text, 4), None);
        check("no text", many(without_text, 5), Some("no text was found on the last 5"));
        check("never dated", many(undated, 9), None);
        check(
            "dated before",
            [vec![well(9)], many(undated, 5)].concat(),
            Some("the last 5 article pages have no time"),
        );
        check("four refused", many(refused, 4), None);
        check(
            "all refused",
            many(refused, 5),
            Some("the last 5 article pages could not be had: HTTP status 403"),
        );
        check("one came", [many(refused, 5), vec![well(1)]].concat(), None);
    }

    #[test]
    fn what_was_long_ago_says_nothing() {
        let seen = of(vec![refused(0); 5]);
        assert!(seen.suspicion(at(7)).is_some());
        assert_eq!(seen.suspicion(at(8)), None);
        assert_eq!(seen.with(refused(0), at(8)).suspicion(at(8)), None);
    }

    #[test]
    fn what_all_pages_say_is_no_articles_text() {
        let seen = |count: u64| of((1..=count).map(|at| page(at, at, 7)).collect());
        assert!(!seen(2).repeats(7));
        assert!(seen(3).repeats(7));
        assert!(!seen(3).repeats(8));
    }
}
