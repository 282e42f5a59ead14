//! Parsing and printing of declared sources.

use std::time::Duration;

use model::{ArticleMode, Category, Every, Name, Pace, Rights, Source, SourceKind};
use serde_json::{Map, Value, json};

use super::client;
use super::codes::COUNTRIES;
use super::fields::{Context, Fields};
use super::reading::{
    check_address, read_fallbacks, read_pointers, read_selectors, write_fallback, write_pointers,
    write_selectors,
};
use crate::{format_duration, parse_duration};

pub(crate) const CATEGORIES: &[(&str, Category)] = &[
    ("news", Category::News),
    ("blog", Category::Blog),
    ("forum", Category::Forum),
    ("review", Category::Review),
    ("social", Category::Social),
];

const ARTICLES: &[(&str, ArticleMode)] =
    &[("auto", ArticleMode::Auto), ("always", ArticleMode::Always), ("never", ArticleMode::Never)];

const RIGHTS: &[(&str, Rights)] =
    &[("link", Rights::Link), ("excerpt", Rights::Excerpt), ("full", Rights::Full)];

/// Limits of a declared poll interval. A shorter interval overloads the host; a longer one is a mistake.
const INTERVAL_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(90 * 86_400));

/// Reads the spec of a source. Reports problems to `context`.
pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, context: &mut Context<'_>) -> Option<Source> {
    let has_kind = spec.required("kind", context);
    let kinds = SourceKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = has_kind.and_then(|_| spec.choice("kind", context, &kinds));
    let url = spec.web_address("url", context);
    check_address(kind, url.as_ref(), spec, context);
    let category = spec.choice("category", context, CATEGORIES).unwrap_or(Category::News);
    let country = spec.parse("country", context, parse_country);
    let languages = spec.languages("languages", context);
    let timezone = spec.parse("timezone", context, parse_timezone);
    let every = read_interval(Pace::default_bounds(kind.unwrap_or(SourceKind::Feed)), spec, context);
    let delay = spec.parse("delay", context, parse_delay);
    let article = spec.choice("article", context, ARTICLES).unwrap_or_default();
    let rights = spec.choice("rights", context, RIGHTS).unwrap_or_default();
    let selectors = read_selectors(kind, spec, context);
    let pointers = read_pointers(kind, spec, context);
    let fallbacks = read_fallbacks(url.as_ref(), spec, context);
    let token = spec.parse("token", context, parse_token_name);
    let politeness_group =
        spec.parse("politenessGroup", context, |text| Name::new(text).map(|name| name.to_string()));
    let client = spec.parse("client", context, Name::new);
    let searches = spec.parse("searches", context, client::parse_searches);
    if searches.is_some() && url.as_ref().is_some_and(|url| !model::has_query_placeholder(url)) {
        context.report(
            spec.line_of("searches"),
            "spec.searches applies only to searched sources",
            "remove it, or put {query} in spec.url in place of the query",
        );
    }
    let paused = spec.boolean("paused", context).unwrap_or(false);
    let retired = spec.boolean("retired", context).unwrap_or(false);
    Some(Source {
        name: name?,
        kind: kind?,
        url: url?,
        category,
        country,
        languages,
        timezone,
        every,
        delay,
        article,
        rights,
        selectors,
        pointers,
        fallbacks,
        token,
        politeness_group,
        client,
        searches,
        paused,
        retired,
    })
}

/// Upper bound on a declared delay. A longer delay is a mistake: the host would hardly be read.
const MAX_DELAY: Duration = Duration::from_secs(86_400);

fn parse_delay(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map_err(|error| error.to_string())? {
        delay if delay > MAX_DELAY => Err(format!("{text:?} is longer than a day; use at most 1d")),
        delay => Ok(delay),
    }
}

/// Parses the name of a token, which is also the name of a file and, in upper case, of an environment variable. The
/// restricted alphabet keeps two names from mapping to the same variable or file.
fn parse_token_name(text: &str) -> Result<Name, String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match Name::new(text) {
        Ok(name) if text.chars().all(is_allowed) => Ok(name),
        _ => Err(format!("{text:?} is not a token name; use lower-case Latin letters, digits and hyphens")),
    }
}

fn parse_country(text: &str) -> Result<String, String> {
    if COUNTRIES.split(' ').any(|code| code == text) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a country code; use a lower-case ISO 3166-1 code such as kz"))
    }
}

fn parse_timezone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{text:?} is not a time zone; use an IANA name such as Asia/Almaty")),
    }
}

/// Reads the bounds of the poll interval. `defaults` fill in a missing bound, as far as the declared one allows.
fn read_interval(defaults: Every, spec: &mut Fields<'_>, context: &mut Context<'_>) -> Every {
    let Some(node) = spec.node("every") else { return defaults };
    let Some(mut fields) = Fields::open("spec.every", node, context) else { return defaults };
    let min = fields.duration("min", context);
    let max = fields.duration("max", context);
    fields.finish(context);
    let every = match (min, max) {
        (Some(min), Some(max)) => Every { min, max },
        (Some(min), None) => Every { min, max: min.max(defaults.max) },
        (None, Some(max)) => Every { min: max.min(defaults.min), max },
        (None, None) => defaults,
    };
    if every.min > every.max {
        context.report(node.line, "spec.every.min is longer than spec.every.max", "swap them");
    }
    if every.min < INTERVAL_LIMITS.0 || every.max > INTERVAL_LIMITS.1 {
        context.report(node.line, "spec.every is out of range", "use intervals from 1s to 90d");
    }
    every
}

/// Returns the spec as it would be declared: only values that differ from the defaults, in the order of the manual.
pub(crate) fn write(source: &Source) -> Value {
    let Source {
        name: _,
        kind,
        url,
        category,
        country,
        languages,
        timezone,
        every,
        delay,
        article,
        rights,
        selectors,
        pointers,
        fallbacks,
        token,
        politeness_group,
        client,
        searches,
        paused,
        retired,
    } = source;
    let mut spec = Map::new();
    let mut put = |key: &str, value: Value| spec.insert(key.to_owned(), value);
    put("kind", json!(kind.as_str()));
    put("url", json!(url.as_str()));
    put("category", word(CATEGORIES, *category));
    if let Some(country) = country {
        put("country", json!(country));
    }
    if !languages.is_empty() {
        put("languages", json!(languages));
    }
    if let Some(timezone) = timezone {
        put("timezone", json!(timezone));
    }
    if *every != Pace::default_bounds(*kind) {
        put("every", json!({"min": format_duration(every.min), "max": format_duration(every.max)}));
    }
    if let Some(delay) = delay {
        put("delay", json!(format_duration(*delay)));
    }
    if *article != ArticleMode::default() {
        put("article", word(ARTICLES, *article));
    }
    if *rights != Rights::default() {
        put("rights", word(RIGHTS, *rights));
    }
    write_selectors(selectors, &mut put);
    write_pointers(pointers, &mut put);
    if !fallbacks.is_empty() {
        put("fallbacks", fallbacks.iter().map(write_fallback).collect());
    }
    if let Some(token) = token {
        put("token", json!(token));
    }
    if let Some(group) = politeness_group {
        put("politenessGroup", json!(group));
    }
    if let Some(client) = client {
        put("client", json!(client));
    }
    if let Some(searches) = searches {
        put("searches", json!(searches));
    }
    if *paused {
        put("paused", json!(true));
    }
    if *retired {
        put("retired", json!(true));
    }
    Value::Object(spec)
}

fn word<T: PartialEq + Copy>(choices: &[(&'static str, T)], value: T) -> Value {
    json!(choices.iter().find(|(_, choice)| *choice == value).map_or("", |(word, _)| word))
}
