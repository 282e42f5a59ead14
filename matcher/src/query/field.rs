//! Fields of an item: what may be asked for, and whether an item has it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use model::Timestamp;

use super::evaluate::fits;
use super::named::Values;
use super::tree::Scope;
use crate::text::fold::{fold, word_stands_for};
use crate::text::words::words;

/// What a field holds, and so what it may be asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Holds {
    /// A part of the item's words.
    Words(Scope),
    /// Exact characters anywhere: Brandwatch's `raw:`.
    Characters,
    /// A host; its subdomains as well.
    Host,
    /// The last label of a host.
    TopLevel,
    /// Words of its own, of which the value's must be there side by side.
    Name,
    /// An address, of which the value is a part.
    Address,
    /// A name behind `#` or `@`.
    Tag,
    /// An identifier or code, the same but for case.
    Code,
    /// One of these.
    OneOf(&'static [&'static str]),
    Number,
    Moment,
    /// Time since publication.
    Age,
    /// What we do not have, and why.
    Nothing(&'static str),
}

/// A field that a query may name.
#[derive(Debug, PartialEq)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// What other systems call it.
    aliases: &'static [&'static str],
    pub(super) holds: Holds,
}

const fn spec(name: &'static str, aliases: &'static [&'static str], holds: Holds) -> Spec {
    Spec { name, aliases, holds }
}

const SOURCE_TYPES: &[&str] = &["news", "social", "messenger", "video", "blog", "forum", "review"];
const TYPES: &[&str] = &["post", "comment", "repost", "story", "article", "review", "video"];
const VISION: &str = "it needs a model that sees pictures";

/// Whether an item is a reprint.
pub(crate) const ORIGINALITY: &str = "dup";

/// All fields, with Brandwatch's names for them.
static SPECS: &[Spec] = &[
    spec("title", &[], Holds::Words(Scope::Title)),
    spec("text", &["body"], Holds::Words(Scope::Text)),
    spec("lead", &["ingress"], Holds::Words(Scope::Lead)),
    spec("ocr", &[], Holds::Words(Scope::Pictures)),
    spec("transcript", &[], Holds::Words(Scope::Speech)),
    spec("raw", &[], Holds::Characters),
    spec("url", &[], Holds::Address),
    spec("links", &[], Holds::Address),
    spec("hashtags", &["tags"], Holds::Tag),
    spec("mentions", &["engagingWith"], Holds::Tag),
    spec("author", &["blogName", "weblogTitle"], Holds::Name),
    spec("channel", &["subreddit"], Holds::Name),
    spec("publication", &[], Holds::Name),
    spec("item", &["itemReview"], Holds::Name),
    spec("site", &[], Holds::Host),
    spec("tld", &["topLevelDomain"], Holds::TopLevel),
    spec("source", &[], Holds::Code),
    spec("sourceType", &["pubType"], Holds::OneOf(SOURCE_TYPES)),
    spec("type", &["engagementType"], Holds::OneOf(TYPES)),
    spec("contentType", &[], Holds::Code),
    spec("lang", &["language"], Holds::Code),
    spec("country", &[], Holds::Code),
    spec("region", &[], Holds::Name),
    spec("city", &[], Holds::Name),
    spec("sentiment", &[], Holds::OneOf(&["positive", "negative", "neutral"])),
    spec("authorGender", &[], Holds::Code),
    spec("has", &["imageType"], Holds::OneOf(&["image", "video", "link", "geo"])),
    spec("is", &[], Holds::OneOf(&["verified", "reply", "repost", "edited"])),
    spec(ORIGINALITY, &[], Holds::OneOf(&["original", "reprint"])),
    spec("authorId", &[], Holds::Code),
    spec("channelId", &[], Holds::Code),
    spec("id", &["guid"], Holds::Code),
    spec("parent", &["parentPostId"], Holds::Code),
    spec("thread", &["rootPostId"], Holds::Code),
    spec("tag", &[], Holds::Code),
    spec("topic", &[], Holds::Code),
    spec("list", &[], Holds::Code),
    spec("likes", &[], Holds::Number),
    spec("comments", &[], Holds::Number),
    spec("shares", &[], Holds::Number),
    spec("views", &[], Holds::Number),
    spec("engagement", &[], Holds::Number),
    spec("reach", &[], Holds::Number),
    spec("followers", &["authorFollowers"], Holds::Number),
    spec("rating", &[], Holds::Number),
    spec("hour", &[], Holds::Number),
    spec("minuteOfDay", &[], Holds::Number),
    spec("latitude", &[], Holds::Number),
    spec("longitude", &[], Holds::Number),
    spec("words", &[], Holds::Number),
    spec("published", &[], Holds::Moment),
    spec("age", &[], Holds::Age),
    spec("brandIds", &[], Holds::Nothing(VISION)),
    spec("objects", &[], Holds::Nothing(VISION)),
];

/// Fields that few items share: a query may hang on one alone.
const NARROW: &[&str] = &[
    "site",
    "author",
    "channel",
    "url",
    "links",
    "id",
    "thread",
    "list",
    "topic",
    "authorId",
    "channelId",
    "parent",
    "hashtags",
    "mentions",
];

/// The field of a name, or the nearest name that there is.
pub(super) fn named(name: &str) -> Result<&'static Spec, Option<&'static str>> {
    let names = |spec: &'static Spec| std::iter::once(&spec.name).chain(spec.aliases).copied();
    let found = SPECS.iter().find(|spec| names(spec).any(|known| known.eq_ignore_ascii_case(name)));
    found.ok_or_else(|| {
        let distance = |known: &str| strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase());
        let nearest = SPECS.iter().flat_map(names).min_by_key(|known| distance(known));
        nearest.filter(|near| distance(near) <= near.len().div_ceil(3))
    })
}

/// What a field is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(super) spec: &'static Spec,
    pub(super) test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// This value.
    Is(String),
    /// Between these, either of which may be open.
    Between { from: Option<Edge>, to: Option<Edge> },
    /// One of a list's values, which are put in before it is held against anything.
    Listed { name: String, values: Arc<Values> },
}

/// An end of a range, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edge {
    pub(super) value: String,
    pub(super) is_in: bool,
}

/// What is known of an item beside its words: each field's values, as they are written.
///
/// Moments are dates or RFC 3339; numbers are decimal.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    values: BTreeMap<String, Vec<String>>,
    now: Option<Timestamp>,
}

impl Facts {
    /// Nothing but the moment that ages are counted from.
    pub fn at(now: Timestamp) -> Self {
        Self { values: BTreeMap::new(), now: Some(now) }
    }

    /// Adds a value to a field, by any of its names. Of fields that no query can name nothing is kept.
    pub fn add(&mut self, field: &str, value: impl Into<String>) {
        if let Ok(spec) = named(field) {
            self.values.entry(spec.name.to_owned()).or_default().push(value.into());
        }
    }

    fn of(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Field {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.spec.name == name
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.spec.name
    }

    /// The same, with what would be a list as a name with its sign.
    pub(super) fn without_list(self) -> Self {
        match self.test {
            Test::Listed { name, .. } => Self { test: Test::Is(format!("@{name}")), ..self },
            _ => self,
        }
    }

    /// Values that are gone through for an item, beyond the first.
    pub(super) fn values_tried(&self) -> usize {
        match (&self.test, self.spec.holds) {
            (Test::Listed { values, .. }, Holds::Host) => values.patterns.len(),
            (Test::Listed { values, .. }, Holds::Name | Holds::Code) => values.most_tried(),
            (Test::Listed { values, .. }, _) => values.all.len(),
            _ => 0,
        }
    }

    /// What is known of an item.
    pub(super) fn known<'f>(&self, facts: &'f Facts) -> &'f [String] {
        facts.of(if self.spec.holds == Holds::Age { "published" } else { self.spec.name })
    }

    pub(super) fn is_narrow(&self) -> bool {
        NARROW.contains(&self.spec.name)
    }

    /// Whether an item has what is asked for. What is not known of it, it has not.
    pub(crate) fn holds(&self, facts: &Facts) -> bool {
        if self.spec.holds == Holds::Age {
            let age = || Some(facts.now?.as_second() - moment(facts.of("published").first()?)?.0);
            return age().is_some_and(|age| self.is_within(age as f64, seconds));
        }
        facts.of(self.spec.name).iter().any(|value| self.fits(value))
    }

    fn fits(&self, value: &str) -> bool {
        match (&self.test, self.spec.holds) {
            (Test::Listed { values, .. }, Holds::Host) => {
                is_under(&host(value), &values.hosts)
                    || values.patterns.iter().any(|asked| self.is(asked, value))
            }
            (Test::Listed { values, .. }, Holds::Name | Holds::Code) => {
                values.beginning_in(value).chain(&values.patterns).any(|asked| self.is(asked, value))
            }
            (Test::Listed { values, .. }, _) => values.all.iter().any(|asked| self.is(asked, value)),
            (Test::Is(asked), _) => self.is(asked, value),
            (Test::Between { .. }, Holds::Number) => {
                number(value).is_some_and(|value| self.is_within(value, number))
            }
            (Test::Between { from, to }, Holds::Moment) => {
                let Some((at, _)) = moment(value) else { return false };
                // A day is a length of time: `..2026-11-07` ends when the day does.
                let begins = from.as_ref().is_none_or(|edge| {
                    moment(&edge.value)
                        .is_some_and(|(from, length)| at >= if edge.is_in { from } else { from + length })
                });
                let ends = to.as_ref().is_none_or(|edge| {
                    moment(&edge.value)
                        .is_some_and(|(to, length)| at < if edge.is_in { to + length } else { to })
                });
                begins && ends
            }
            (Test::Between { .. }, _) => false,
        }
    }

    /// Whether a value is one that is asked for.
    fn is(&self, asked: &str, value: &str) -> bool {
        match self.spec.holds {
            Holds::Name if is_pattern(asked) => words(value).any(|cut| fits(&fold(asked), &fold(&cut.text))),
            Holds::Host if is_pattern(asked) => fits(&fold(asked), &host(value)),
            Holds::Tag | Holds::Code if is_pattern(asked) => {
                let bare = |tag: &str| fold(tag.trim_start_matches(['#', '@']));
                fits(&bare(asked), &bare(value))
            }
            Holds::Host => {
                let (asked, host) = (host(asked), host(value));
                host == asked || host.strip_suffix(asked.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            Holds::TopLevel => host(value).rsplit('.').next() == Some(fold(asked).trim_start_matches('.')),
            Holds::Name => has_words(value, asked),
            Holds::Address => holds_in_order(&fold(value), &fold(asked)),
            Holds::Tag => {
                let bare = |tag: &str| fold(tag.trim_start_matches(['#', '@']));
                word_stands_for(&bare(asked), &bare(value))
            }
            Holds::Number => {
                matches!((number(asked), number(value)), (Some(one), Some(other)) if one == other)
            }
            Holds::Moment => {
                let Some((at, _)) = moment(value) else { return false };
                moment(asked).is_some_and(|(from, length)| (from..from + length).contains(&at))
            }
            _ => word_stands_for(&fold(asked), &fold(value)),
        }
    }

    fn is_within(&self, value: f64, read: fn(&str) -> Option<f64>) -> bool {
        let Test::Between { from, to } = &self.test else { return false };
        let begins = from.as_ref().is_none_or(|edge| {
            read(&edge.value).is_some_and(|from| value > from || (edge.is_in && value >= from))
        });
        let ends = to
            .as_ref()
            .is_none_or(|edge| read(&edge.value).is_some_and(|to| value < to || (edge.is_in && value <= to)));
        begins && ends
    }

    fn is_upside_down(&self) -> bool {
        let Test::Between { from: Some(from), to: Some(to) } = &self.test else { return false };
        matches!((number(&from.value), number(&to.value)), (Some(from), Some(to)) if from > to)
    }

    /// What is wrong with its value, in words.
    pub(super) fn objection(&self) -> Option<String> {
        let edges = match &self.test {
            Test::Is(value) => vec![value],
            Test::Between { from, to } => from.iter().chain(to).map(|edge| &edge.value).collect(),
            Test::Listed { .. } => Vec::new(),
        };
        if matches!(self.test, Test::Listed { .. }) && self.spec.name == "topic" {
            return Some("a list names no topics; write topic:(one OR other)".to_owned());
        }
        let is_range = matches!(self.test, Test::Between { .. });
        edges.into_iter().find_map(|value| match self.spec.holds {
            Holds::Number if number(value).is_none() => Some(format!("{value:?} is no number")),
            Holds::Moment if moment(value).is_none() => {
                Some(format!("{value:?} is no date; write it as 2026-11-30 or 2026-11-30T12:00:00+05:00"))
            }
            Holds::Age if !is_range || seconds(value).is_none() => {
                Some(format!("{value:?} is no length of time; write age:<P1D or age:<PT6H"))
            }
            Holds::OneOf(choices) if !choices.iter().any(|choice| choice.eq_ignore_ascii_case(value)) => {
                Some(format!("{value:?} is not one of {}", choices.join(", ")))
            }
            Holds::Host if !is_range && !value.contains('.') => {
                Some(format!("{value:?} is no host; write site:nur.kz, or tld:kz for a whole country"))
            }
            Holds::Number if self.is_upside_down() => Some("the range ends before it begins".to_owned()),
            Holds::Number | Holds::Moment | Holds::Age => None,
            _ if !value.chars().any(char::is_alphanumeric) => Some(format!("{value:?} holds no word")),
            _ if value.contains('"') => {
                Some(format!("{value:?} holds a quote; put the whole value in quotes"))
            }
            _ if is_range => Some(format!("{} has no order to be in a range of", self.spec.name)),
            _ => None,
        })
    }
}

/// Whether the pieces between asterisks stand in a text, in their order.
fn holds_in_order(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|piece| match rest.split_once(piece) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Whether a host is one of these, or under one.
fn is_under(host: &str, hosts: &HashSet<String>) -> bool {
    let mut rest = Some(host);
    while let Some(host) = rest {
        if hosts.contains(host) {
            return true;
        }
        rest = host.split_once('.').map(|(_, rest)| rest);
    }
    false
}

pub(super) fn is_pattern(value: &str) -> bool {
    value.contains(['*', '?'])
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The first second of a moment, and how many it lasts: a date is a day of UTC+5, as everything with days alone is.
fn moment(text: &str) -> Option<(i64, i64)> {
    const DAY: i64 = 86_400;
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some((at.as_second(), 1));
    }
    let midnight: Timestamp = format!("{text}T00:00:00+05:00").parse().ok()?;
    Some((midnight.as_second(), DAY))
}

/// A length of time as ISO 8601 writes it, with months of 30 days and years of 365.
fn seconds(text: &str) -> Option<f64> {
    let rest = text.strip_prefix(['P', 'p'])?;
    let (mut total, mut digits, mut is_time, mut is_any) = (0.0, String::new(), false, false);
    for c in rest.chars() {
        let unit = match (c.to_ascii_uppercase(), is_time) {
            ('0'..='9' | '.', _) => {
                digits.push(c);
                continue;
            }
            ('T', false) => {
                is_time = true;
                continue;
            }
            ('Y', false) => 31_536_000.0,
            ('M', false) => 2_592_000.0,
            ('W', false) => 604_800.0,
            ('D', false) => 86_400.0,
            ('H', true) => 3600.0,
            ('M', true) => 60.0,
            ('S', true) => 1.0,
            _ => return None,
        };
        total += number(&digits)? * unit;
        digits.clear();
        is_any = true;
    }
    (is_any && digits.is_empty()).then_some(total)
}

/// The host of an address, or of what is one already.
pub(super) fn host(text: &str) -> String {
    let text = fold(text);
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or("");
    host.trim_start_matches("www.").trim_end_matches('.').to_owned()
}

/// Whether a name holds these words side by side.
fn has_words(name: &str, asked: &str) -> bool {
    let folded = |text: &str| -> Vec<String> {
        words(text).map(|cut| fold(&cut.text).trim_start_matches('@').to_owned()).collect()
    };
    let (name, asked) = (folded(name), folded(asked));
    !asked.is_empty()
        && name
            .windows(asked.len())
            .any(|window| window.iter().zip(&asked).all(|(word, asked)| word_stands_for(asked, word)))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.spec.name)?;
        match &self.test {
            Test::Is(value) => f.write_str(&quoted(value)),
            Test::Listed { name, .. } => write!(f, "@{name}"),
            Test::Between { from: Some(from), to: None } => {
                write!(f, ">{}{}", if from.is_in { "=" } else { "" }, from.value)
            }
            Test::Between { from: None, to: Some(to) } => {
                write!(f, "<{}{}", if to.is_in { "=" } else { "" }, to.value)
            }
            Test::Between { from, to } => {
                let value =
                    |edge: &Option<Edge>| edge.as_ref().map(|edge| edge.value.clone()).unwrap_or_default();
                write!(f, "{}..{}", value(from), value(to))
            }
        }
    }
}

/// A value that would not be read as one is put in quotes.
fn quoted(value: &str) -> String {
    let is_plain = value
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':' | '%' | '+' | '*' | '?'))
        && value.starts_with(char::is_alphanumeric)
        && !value.contains("..")
        && !value.chars().all(|c| c.is_uppercase());
    if is_plain { value.to_owned() } else { format!("\"{value}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_iso_8601_writes_them() {
        for (text, expected) in [
            ("P1D", Some(86_400.0)),
            ("PT6H", Some(21_600.0)),
            ("P1W", Some(604_800.0)),
            ("P1DT1M", Some(86_460.0)),
            ("P", None),
            ("1D", None),
            ("PT5", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_that_is_not_there_has_a_nearest_one() {
        assert_eq!(named("LANG").unwrap().name, "lang");
        assert_eq!(named("authorFollowers").unwrap().name, "followers");
        assert_eq!(named("titel").unwrap_err(), Some("title"));
        assert_eq!(named("xyzzy").unwrap_err(), None);
    }
}
