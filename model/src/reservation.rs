//! What a publisher reserves beyond robots.txt: in `X-Robots-Tag`, in `<meta name=robots>`, by the TDM reservation protocol.

use serde::{Deserialize, Serialize};

use crate::Rights;

/// What the publisher of a page asks of whoever reads it by program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reservation {
    /// Do not show that it is there.
    NoIndex,
    /// Do not show a copy of it.
    NoArchive,
    /// Do not show a part of its text.
    NoSnippet,
    /// Do not learn from it.
    NoAi,
    /// Text and data mining are reserved (W3C TDM Reservation Protocol).
    Tdm,
}

impl Reservation {
    /// What a list of directives reserves, such as `noindex, noarchive`; what is meant for others' `agent` is not for us.
    /// (developers.google.com: Robots meta tag, data-nosnippet, and X-Robots-Tag specifications.)
    pub fn in_directives(text: &str, agent: &str) -> Vec<Self> {
        let mut found = Vec::new();
        let mut is_ours = true;
        for part in text.split(',') {
            let mut directive = part.trim();
            // An agent's name stands before its first directive, and holds for those behind it.
            if let Some((name, rest)) = directive.split_once(':').filter(|(name, _)| is_agent(name.trim())) {
                is_ours = name.trim().eq_ignore_ascii_case(agent) || name.trim() == "*";
                directive = rest.trim();
            }
            if is_ours {
                found.extend(Self::of_directive(&directive.to_ascii_lowercase().replace(' ', "")));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
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

    /// The most that may be shown of a text under these.
    pub fn most(all: &[Self]) -> Rights {
        let most = |one: &Self| match one {
            Self::NoIndex | Self::NoSnippet => Rights::Link,
            Self::NoArchive => Rights::Excerpt,
            // These say nothing of who reads a text, but of what is learnt from many.
            Self::NoAi | Self::Tdm => Rights::Full,
        };
        all.iter().map(most).min().unwrap_or(Rights::Full)
    }
}

/// Whether what stands before a colon names an agent: not a directive with a value, nor a part of a date.
fn is_agent(name: &str) -> bool {
    const WITH_VALUES: &[&str] =
        &["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];
    let is_token = name == "*" || name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'));
    !name.is_empty() && is_token && !WITH_VALUES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_for_everybody_or_for_one() {
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
    fn the_strictest_decides() {
        assert_eq!(Reservation::most(&[]), Rights::Full);
        assert_eq!(Reservation::most(&[Reservation::Tdm, Reservation::NoArchive]), Rights::Excerpt);
        assert_eq!(Reservation::most(&[Reservation::NoArchive, Reservation::NoIndex]), Rights::Link);
    }
}
