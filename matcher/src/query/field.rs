//! The conditions of queries on the fields of items, and their evaluation.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use model::Timestamp;

use super::evaluate::matches_wildcard;
use super::field_spec::{FieldSpec, FieldType, SELECTIVE_FIELDS, find_spec};
use super::references::ListValues;
use crate::text::fold::{fold, word_matches};
use crate::text::words::words;

/// A condition on a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(super) spec: &'static FieldSpec,
    pub(super) condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// The field has this value.
    Equals(String),
    /// The value is in a range. A missing bound is open.
    Range { from: Option<Bound>, to: Option<Bound> },
    /// The value is in a list. `values` is empty until references are resolved.
    InList { name: String, values: Arc<ListValues> },
}

/// A bound of a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    /// The value as written.
    pub(super) value: String,
    pub(super) is_inclusive: bool,
}

/// The field values of an item, as written.
///
/// Times are dates or RFC 3339 timestamps. Numbers are decimal.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    values: BTreeMap<String, Vec<String>>,
    now: Option<Timestamp>,
}

impl Facts {
    /// Creates an empty set. Ages are measured from `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { values: BTreeMap::new(), now: Some(now) }
    }

    /// Adds a value to a field, given by name or alias. Ignores fields that do not exist in the query language.
    pub fn add(&mut self, field: &str, value: impl Into<String>) {
        if let Ok(spec) = find_spec(field) {
            self.values.entry(spec.name.to_owned()).or_default().push(value.into());
        }
    }

    fn values_of(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Field {
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.spec.name == name
    }

    pub(super) fn name(&self) -> &'static str {
        self.spec.name
    }

    /// Returns the field with a list reference replaced by the literal value `@name`.
    pub(super) fn without_list(self) -> Self {
        match self.condition {
            Condition::InList { name, .. } => {
                Self { condition: Condition::Equals(format!("@{name}")), ..self }
            }
            _ => self,
        }
    }

    /// Returns the upper bound on list values that are compared for an item, beyond the first.
    pub(super) fn max_comparisons(&self) -> usize {
        match (&self.condition, self.spec.field_type) {
            (Condition::InList { values, .. }, FieldType::Host) => values.patterns.len(),
            (Condition::InList { values, .. }, FieldType::Name | FieldType::Code) => values.max_comparisons(),
            (Condition::InList { values, .. }, _) => values.all.len(),
            _ => 0,
        }
    }

    /// Returns the values of an item that the condition is tested on.
    pub(super) fn values_in<'f>(&self, facts: &'f Facts) -> &'f [String] {
        let is_age = self.spec.field_type == FieldType::Age;
        facts.values_of(if is_age { "published" } else { self.spec.name })
    }

    /// Returns true if few items share a value of the field.
    pub(super) fn is_selective(&self) -> bool {
        SELECTIVE_FIELDS.contains(&self.spec.name)
    }

    /// Returns true if an item satisfies the condition. Unknown values do not.
    pub(crate) fn holds(&self, facts: &Facts) -> bool {
        if self.spec.field_type == FieldType::Age {
            let published = facts.values_of("published").first();
            let age = || Some(facts.now?.as_second() - parse_time(published?)?.0);
            return age().is_some_and(|age| self.is_in_range(age as f64, parse_duration));
        }
        facts.values_of(self.spec.name).iter().any(|value| self.is_satisfied_by(value))
    }

    fn is_satisfied_by(&self, value: &str) -> bool {
        match (&self.condition, self.spec.field_type) {
            (Condition::InList { values, .. }, FieldType::Host) => {
                is_host_under(&host(value), &values.hosts)
                    || values.patterns.iter().any(|expected| self.equals(expected, value))
            }
            (Condition::InList { values, .. }, FieldType::Name | FieldType::Code) => {
                values.candidates(value).chain(&values.patterns).any(|expected| self.equals(expected, value))
            }
            (Condition::InList { values, .. }, _) => {
                values.all.iter().any(|expected| self.equals(expected, value))
            }
            (Condition::Equals(expected), _) => self.equals(expected, value),
            (Condition::Range { .. }, FieldType::Number) => {
                parse_number(value).is_some_and(|value| self.is_in_range(value, parse_number))
            }
            (Condition::Range { from, to }, FieldType::Timestamp) => {
                let Some((time, _)) = parse_time(value) else { return false };
                // A date is an interval: `..2026-11-07` ends with the day.
                let is_after_start = from.as_ref().is_none_or(|bound| {
                    parse_time(&bound.value).is_some_and(|(start, length)| {
                        time >= if bound.is_inclusive { start } else { start + length }
                    })
                });
                let is_before_end = to.as_ref().is_none_or(|bound| {
                    parse_time(&bound.value).is_some_and(|(start, length)| {
                        time < if bound.is_inclusive { start + length } else { start }
                    })
                });
                is_after_start && is_before_end
            }
            (Condition::Range { .. }, _) => false,
        }
    }

    /// Returns true if a value of the item equals an expected one, by the rules of the field type.
    fn equals(&self, expected: &str, value: &str) -> bool {
        match self.spec.field_type {
            FieldType::Name if is_pattern(expected) => {
                words(value).any(|cut| matches_wildcard(&fold(expected), &fold(&cut.text)))
            }
            FieldType::Host if is_pattern(expected) => matches_wildcard(&fold(expected), &host(value)),
            FieldType::Tag | FieldType::Code if is_pattern(expected) => {
                let bare = |tag: &str| fold(tag.trim_start_matches(['#', '@']));
                matches_wildcard(&bare(expected), &bare(value))
            }
            FieldType::Host => {
                let (expected, host) = (host(expected), host(value));
                host == expected
                    || host.strip_suffix(expected.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            FieldType::TopLevelDomain => {
                host(value).rsplit('.').next() == Some(fold(expected).trim_start_matches('.'))
            }
            FieldType::Name => contains_words(value, expected),
            FieldType::Address => contains_in_order(&fold(value), &fold(expected)),
            FieldType::Tag => {
                let bare = |tag: &str| fold(tag.trim_start_matches(['#', '@']));
                word_matches(&bare(expected), &bare(value))
            }
            FieldType::Number => {
                let numbers = (parse_number(expected), parse_number(value));
                matches!(numbers, (Some(one), Some(other)) if one == other)
            }
            FieldType::Timestamp => {
                let Some((time, _)) = parse_time(value) else { return false };
                parse_time(expected).is_some_and(|(start, length)| (start..start + length).contains(&time))
            }
            _ => word_matches(&fold(expected), &fold(value)),
        }
    }

    fn is_in_range(&self, value: f64, parse: fn(&str) -> Option<f64>) -> bool {
        let Condition::Range { from, to } = &self.condition else { return false };
        let is_after_start = from.as_ref().is_none_or(|bound| {
            parse(&bound.value).is_some_and(|from| value > from || (bound.is_inclusive && value >= from))
        });
        let is_before_end = to.as_ref().is_none_or(|bound| {
            parse(&bound.value).is_some_and(|to| value < to || (bound.is_inclusive && value <= to))
        });
        is_after_start && is_before_end
    }

    fn is_reversed_range(&self) -> bool {
        let Condition::Range { from: Some(from), to: Some(to) } = &self.condition else { return false };
        let numbers = (parse_number(&from.value), parse_number(&to.value));
        matches!(numbers, (Some(from), Some(to)) if from > to)
    }

    /// Returns the error message if the value is not valid for the field type.
    pub(super) fn validation_error(&self) -> Option<String> {
        let values = match &self.condition {
            Condition::Equals(value) => vec![value],
            Condition::Range { from, to } => from.iter().chain(to).map(|bound| &bound.value).collect(),
            Condition::InList { .. } if self.spec.name == "topic" => {
                return Some("topic: does not accept a list; write topic:(one OR other)".to_owned());
            }
            Condition::InList { name, .. } if name.contains('"') => {
                return Some(format!("\"@{name}\" contains a quote; put the whole value in quotes"));
            }
            Condition::InList { name, .. } if !name.chars().any(char::is_alphanumeric) => {
                return Some(format!("\"@{name}\" contains no letters or digits"));
            }
            Condition::InList { .. } => Vec::new(),
        };
        let is_range = matches!(self.condition, Condition::Range { .. });
        values.into_iter().find_map(|value| match self.spec.field_type {
            FieldType::Number if parse_number(value).is_none() => Some(format!("{value:?} is not a number")),
            FieldType::Timestamp if parse_time(value).is_none() => {
                Some(format!("{value:?} is not a date; write it as 2026-11-30 or 2026-11-30T12:00:00+05:00"))
            }
            FieldType::Age if !is_range || parse_duration(value).is_none() => {
                Some(format!("{value:?} is not a range of durations; write age:<P1D or age:<PT6H"))
            }
            FieldType::OneOf(choices) if !choices.iter().any(|choice| choice.eq_ignore_ascii_case(value)) => {
                Some(format!("{value:?} is not one of {}", choices.join(", ")))
            }
            FieldType::Host if !is_range && !value.contains('.') => {
                Some(format!("{value:?} is not a host; write site:nur.kz, or tld:kz for a whole country"))
            }
            FieldType::Number if self.is_reversed_range() => {
                Some("the start of the range is greater than its end".to_owned())
            }
            FieldType::Number | FieldType::Timestamp | FieldType::Age => None,
            _ if !value.chars().any(char::is_alphanumeric) => {
                Some(format!("{value:?} contains no letters or digits"))
            }
            _ if value.contains('"') => {
                Some(format!("{value:?} contains a quote; put the whole value in quotes"))
            }
            _ if is_range => Some(format!("{}: does not support ranges", self.spec.name)),
            _ => None,
        })
    }
}

/// Parses the value of a field: `>5`, `1..5`, `@list`, or a literal value.
pub(super) fn parse_condition(value: &str, spec: &FieldSpec) -> Condition {
    let bound = |value: &str, is_inclusive| Some(Bound { value: value.to_owned(), is_inclusive });
    // A mention is written with its sign.
    let list = value.strip_prefix('@').filter(|name| !name.is_empty() && spec.name != "mentions");
    if let Some(name) = list {
        return Condition::InList { name: name.to_owned(), values: Arc::default() };
    }
    for (sign, is_inclusive) in [(">=", true), (">", false)] {
        if let Some(from) = value.strip_prefix(sign) {
            return Condition::Range { from: bound(from, is_inclusive), to: None };
        }
    }
    for (sign, is_inclusive) in [("<=", true), ("<", false)] {
        if let Some(to) = value.strip_prefix(sign) {
            return Condition::Range { from: None, to: bound(to, is_inclusive) };
        }
    }
    match value.split_once("..") {
        Some((from, to)) => parse_range(from, to),
        None => Condition::Equals(value.to_owned()),
    }
}

/// Parses a range with inclusive bounds. An empty bound or `*` is open.
pub(super) fn parse_range(from: &str, to: &str) -> Condition {
    let bound = |value: &str| {
        let value = value.trim();
        (!value.is_empty() && value != "*").then(|| Bound { value: value.to_owned(), is_inclusive: true })
    };
    match (bound(from), bound(to)) {
        (None, None) => Condition::Equals("..".to_owned()),
        (from, to) => Condition::Range { from, to },
    }
}

/// Returns true if the text contains the pieces between the asterisks of a pattern, in order.
fn contains_in_order(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|piece| match rest.split_once(piece) {
        Some((_, remainder)) => {
            rest = remainder;
            true
        }
        None => false,
    })
}

/// Returns true if a host or one of its parent domains is in the set.
fn is_host_under(host: &str, hosts: &HashSet<String>) -> bool {
    let mut rest = Some(host);
    while let Some(host) = rest {
        if hosts.contains(host) {
            return true;
        }
        rest = host.split_once('.').map(|(_, parent)| parent);
    }
    false
}

/// Returns true if a value contains wildcards.
pub(super) fn is_pattern(value: &str) -> bool {
    value.contains(['*', '?'])
}

fn parse_number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Parses a timestamp or date. Returns its first second and its length in seconds. A date is a day in UTC+5, as for all
/// dates without a time.
fn parse_time(text: &str) -> Option<(i64, i64)> {
    const DAY: i64 = 86_400;
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some((time.as_second(), 1));
    }
    let midnight: Timestamp = format!("{text}T00:00:00+05:00").parse().ok()?;
    Some((midnight.as_second(), DAY))
}

/// Parses an ISO 8601 duration. Returns seconds; months have 30 days and years 365.
fn parse_duration(text: &str) -> Option<f64> {
    let rest = text.strip_prefix(['P', 'p'])?;
    let (mut total, mut digits, mut is_time, mut has_component) = (0.0, String::new(), false, false);
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
        total += parse_number(&digits)? * unit;
        digits.clear();
        has_component = true;
    }
    (has_component && digits.is_empty()).then_some(total)
}

/// Returns the folded host of a web address or bare host, without `www.`.
pub(super) fn host(text: &str) -> String {
    let text = fold(text);
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or("");
    host.trim_start_matches("www.").trim_end_matches('.').to_owned()
}

/// Returns true if a name contains the expected words side by side.
fn contains_words(name: &str, expected: &str) -> bool {
    let folded = |text: &str| -> Vec<String> {
        words(text).map(|cut| fold(&cut.text).trim_start_matches('@').to_owned()).collect()
    };
    let (name, expected) = (folded(name), folded(expected));
    let matches_window =
        |window: &[String]| window.iter().zip(&expected).all(|(word, expected)| word_matches(expected, word));
    !expected.is_empty() && name.windows(expected.len()).any(matches_window)
}

impl Field {
    /// Returns the notations of the condition, the preferred one first.
    pub(super) fn notations(&self) -> Vec<String> {
        let value =
            |bound: &Option<Bound>| bound.as_ref().map_or("", |bound| bound.value.as_str()).to_owned();
        let sign = |bound: &Bound| if bound.is_inclusive { "=" } else { "" };
        let range = |from: &str, to: &str| {
            let open = |bound: &str| if bound.is_empty() { "*" } else { bound }.to_owned();
            format!("[{} TO {}]", open(from), open(to))
        };
        let notations = match &self.condition {
            Condition::Equals(value) if needs_quotes(value) => {
                vec![format!("\"{value}\""), format!("«{value}»"), value.clone()]
            }
            Condition::Equals(value) => vec![value.clone(), format!("\"{value}\""), format!("«{value}»")],
            Condition::InList { name, .. } => vec![format!("@{name}")],
            Condition::Range { from: Some(from), to: None } => {
                vec![format!(">{}{}", sign(from), from.value), range(&from.value, "")]
            }
            Condition::Range { from: None, to: Some(to) } => {
                vec![format!("<{}{}", sign(to), to.value), range("", &to.value)]
            }
            Condition::Range { from, to } => {
                let (from, to) = (value(from), value(to));
                vec![format!("{from}..{to}"), range(&from, &to)]
            }
        };
        notations.into_iter().map(|notation| format!("{}:{notation}", self.spec.name)).collect()
    }
}

/// Returns true for a value that a reader may mistake for an operator or for several values.
fn needs_quotes(value: &str) -> bool {
    let is_plain = value
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':' | '%' | '+' | '*' | '?'))
        && value.starts_with(char::is_alphanumeric)
        && !value.contains("..")
        && !value.chars().all(char::is_uppercase);
    !is_plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_as_iso_8601() {
        for (text, expected) in [
            ("P1D", Some(86_400.0)),
            ("PT6H", Some(21_600.0)),
            ("P1W", Some(604_800.0)),
            ("P1DT1M", Some(86_460.0)),
            ("P", None),
            ("1D", None),
            ("PT5", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn unknown_field_names_have_a_nearest_name() {
        assert_eq!(find_spec("LANG").unwrap().name, "lang");
        assert_eq!(find_spec("authorFollowers").unwrap().name, "followers");
        assert_eq!(find_spec("titel").unwrap_err(), Some("title"));
        assert_eq!(find_spec("xyzzy").unwrap_err(), None);
    }
}
