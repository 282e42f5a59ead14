//! Rights that a publisher reserves beyond robots.txt: by `X-Robots-Tag`, `<meta name=robots>` or the TDM Reservation
//! Protocol.

use serde::{Deserialize, Serialize};

use crate::Rights;

/// A restriction that the publisher of a page imposes on automated use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reservation {
    /// The page must not be listed.
    NoIndex,
    /// No copy of the page may be shown.
    NoArchive,
    /// No part of the text may be shown.
    NoSnippet,
    /// The page must not be used to train models.
    NoAi,
    /// Text and data mining are reserved (W3C TDM Reservation Protocol).
    Tdm,
}

impl Reservation {
    /// Parses a list of directives such as `noindex, noarchive`. Directives addressed to an agent other than `agent`
    /// are ignored. The syntax is Google's: "Robots meta tag, data-nosnippet, and X-Robots-Tag specifications"
    /// (developers.google.com).
    pub fn in_directives(text: &str, agent: &str) -> Vec<Self> {
        let mut reservations = Vec::new();
        let mut applies = true;
        for part in text.split(',') {
            let mut directive = part.trim();
            // An agent's name precedes the first directive for it and applies to the directives that follow.
            if let Some((name, rest)) = directive.split_once(':').filter(|(name, _)| is_agent(name.trim())) {
                applies = name.trim().eq_ignore_ascii_case(agent) || name.trim() == "*";
                directive = rest.trim();
            }
            if applies {
                reservations.extend(Self::of_directive(&directive.to_ascii_lowercase().replace(' ', "")));
            }
        }
        reservations.sort_unstable();
        reservations.dedup();
        reservations
    }

    fn of_directive(directive: &str) -> &'static [Self] {
        match directive {
            "noindex" | "none" => &[Self::NoIndex],
            "noarchive" | "nocache" => &[Self::NoArchive],
            "nosnippet" | "max-snippet:0" => &[Self::NoSnippet],
            "noai" | "noimageai" => &[Self::NoAi],
            _ => &[],
        }
    }

    /// Returns the widest display rights that the reservations allow.
    pub fn most(all: &[Self]) -> Rights {
        let rights = |reservation: &Self| match reservation {
            Self::NoIndex | Self::NoSnippet => Rights::Link,
            Self::NoArchive => Rights::Excerpt,
            // These restrict mining and training, not the display of a text.
            Self::NoAi | Self::Tdm => Rights::Full,
        };
        all.iter().map(rights).min().unwrap_or(Rights::Full)
    }
}

/// Returns true if the text before a colon is the name of an agent, not a directive with a value or part of a date.
fn is_agent(name: &str) -> bool {
    const VALUED_DIRECTIVES: &[&str] =
        &["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];
    let is_token = name == "*" || name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'));
    !name.is_empty()
        && is_token
        && !VALUED_DIRECTIVES.iter().any(|directive| directive.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_apply_to_all_agents_or_to_the_named_one() {
        use Reservation::{NoAi, NoArchive, NoIndex, NoSnippet};
        for (text, expected) in [
            ("noindex, nofollow", vec![NoIndex]),
            ("NOARCHIVE", vec![NoArchive]),
            ("all", vec![]),
            ("googlebot: noindex, nosnippet", vec![]),
            ("qyran: nosnippet, noai", vec![NoSnippet, NoAi]),
            ("googlebot: noindex, *: noarchive", vec![NoArchive]),
            ("unavailable_after: 25 Jun 2010 15:00:00 PST, noarchive", vec![NoArchive]),
            ("unavailable_after: Friday, 25-Jun-2010 15:00:00 PST, noarchive", vec![NoArchive]),
            ("max-snippet:0", vec![NoSnippet]),
            ("max-snippet: 0", vec![NoSnippet]),
            ("max-snippet:50", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(Reservation::in_directives(text, "Qyran"), expected, "{text}");
        }
    }

    #[test]
    fn the_strictest_reservation_decides() {
        assert_eq!(Reservation::most(&[]), Rights::Full);
        assert_eq!(Reservation::most(&[Reservation::Tdm, Reservation::NoArchive]), Rights::Excerpt);
        assert_eq!(Reservation::most(&[Reservation::NoArchive, Reservation::NoIndex]), Rights::Link);
    }
}
