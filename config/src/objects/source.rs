//! A source as it is declared.

use std::time::Duration;

use model::{ArticleMode, Category, Every, Name, Pace, Rights, Source, SourceKind};
use serde_json::{Map, Value, json};

use super::client;
use super::codes::COUNTRIES;
use super::fields::{Fields, Notes};
use super::reading::{
    fallbacks, judge_address, pointers, selectors, write_adapter, write_pointers, write_selectors,
};
use crate::{parse_duration, print_duration};

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

/// Intervals outside of this range are mistakes, or rude.
const EVERY_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(90 * 86_400));

pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<Source> {
    let has_kind = spec.required("kind", notes);
    let kinds = SourceKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = has_kind.and_then(|_| spec.choice("kind", notes, &kinds));
    let url = spec.web_address("url", notes);
    judge_address(kind, url.as_ref(), spec, notes);
    let category = spec.choice("category", notes, CATEGORIES).unwrap_or(Category::News);
    let country = spec.read("country", notes, country);
    let languages = spec.languages("languages", notes);
    let timezone = spec.read("timezone", notes, timezone);
    let every = every(Pace::usual(kind.unwrap_or(SourceKind::Feed)), spec, notes);
    let delay = spec.read("delay", notes, delay);
    let article = spec.choice("article", notes, ARTICLES).unwrap_or_default();
    let rights = spec.choice("rights", notes, RIGHTS).unwrap_or_default();
    let selectors = selectors(kind, spec, notes);
    let pointers = pointers(kind, spec, notes);
    let fallbacks = fallbacks(url.as_ref(), spec, notes);
    let token = spec.read("token", notes, token);
    let politeness_group =
        spec.read("politenessGroup", notes, |text| Name::new(text).map(|name| name.to_string()));
    let client = spec.read("client", notes, Name::new);
    let searches = spec.read("searches", notes, client::searches);
    if searches.is_some() && url.as_ref().is_some_and(|url| !model::is_template(url)) {
        notes.add(
            spec.line_of("searches"),
            "spec.searches is for sources that are searched",
            "remove it, or put {query} into spec.url where the query belongs",
        );
    }
    let paused = spec.boolean("paused", notes).unwrap_or(false);
    let retired = spec.boolean("retired", notes).unwrap_or(false);
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

/// A longer one is a slip: nothing would be read.
const LONGEST_DELAY: Duration = Duration::from_secs(86_400);

fn delay(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map_err(|error| error.to_string())? {
        delay if delay > LONGEST_DELAY => Err(format!("{text:?} is longer than a day")),
        delay => Ok(delay),
    }
}

/// It names a variable and a file: two must not come to be the same one.
fn token(text: &str) -> Result<Name, String> {
    let is_kept = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match Name::new(text) {
        Ok(name) if text.chars().all(is_kept) => Ok(name),
        _ => Err(format!("{text:?} is no name of a token; use small Latin letters, digits and hyphens")),
    }
}

fn country(text: &str) -> Result<String, String> {
    if COUNTRIES.split(' ').any(|code| code == text) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a country code; use two small letters of ISO 3166-1 such as kz"))
    }
}

fn timezone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{text:?} is not a time zone; use an IANA name such as Asia/Almaty")),
    }
}

fn every(usual: Every, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Every {
    let Some(node) = spec.node("every") else { return usual };
    let Some(mut fields) = Fields::open("spec.every", node, notes) else { return usual };
    let min = fields.duration("min", notes);
    let max = fields.duration("max", notes);
    fields.close(notes);
    let every = match (min, max) {
        (Some(min), Some(max)) => Every { min, max },
        (Some(min), None) => Every { min, max: min.max(usual.max) },
        (None, Some(max)) => Every { min: max.min(usual.min), max },
        (None, None) => usual,
    };
    if every.min > every.max {
        notes.add(node.line, "spec.every.min is longer than spec.every.max", "swap them");
    }
    if every.min < EVERY_BOUNDS.0 || every.max > EVERY_BOUNDS.1 {
        notes.add(node.line, "spec.every is out of range", "keep it between 1s and 90d");
    }
    every
}

/// The spec as it would be declared: only what differs from the defaults, in the order of the manual.
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
    if *every != Pace::usual(*kind) {
        put("every", json!({"min": print_duration(every.min), "max": print_duration(every.max)}));
    }
    if let Some(delay) = delay {
        put("delay", json!(print_duration(*delay)));
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
        put("fallbacks", fallbacks.iter().map(write_adapter).collect());
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
    json!(choices.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word))
}
