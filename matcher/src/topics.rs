//! The running set of topics: which of them an item matches.
//!
//! Each query names *anchors*: words of which every matching document holds at least one. A
//! document's words lead to the few topics worth evaluating; only queries that hang on a wildcard
//! are always tried.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use model::{Item, Match, Source, Span, Timestamp, Topic, Zone, excerpt_around};

use crate::query::{Expr, Facts, Query, QueryError, Term};
use crate::text::fold::{fold, plain};
use crate::text::{Analysis, Document};

/// Characters of an excerpt.
const EXCERPT: usize = 300;

/// A topic whose query cannot be understood.
#[derive(Debug, Clone)]
pub struct BadTopic {
    /// Which topic.
    pub topic: Topic,
    /// What is wrong with its query.
    pub error: QueryError,
}

/// The running set of topics. Immutable: a change of topics makes a new one.
#[derive(Debug, Default)]
pub struct TopicIndex {
    analysis: Analysis,
    topics: Vec<(Topic, Query)>,
    by_anchor: HashMap<String, Vec<usize>>,
    always: Vec<usize>,
    version: u64,
}

impl TopicIndex {
    /// An index of topics, and those that could not be taken in.
    pub fn new(topics: Vec<Topic>) -> (Self, Vec<BadTopic>) {
        let mut index = Self { version: fingerprint(&topics), ..Self::default() };
        let mut bad = Vec::new();
        for topic in topics {
            match Query::parse(&topic.query) {
                Ok(query) => index.add(topic, query),
                Err(error) => bad.push(BadTopic { topic, error }),
            }
        }
        (index, bad)
    }

    /// A fingerprint of the set: another set has another one.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The analysis that matching uses.
    pub fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// The topics that match an item of a source, in the order of names.
    pub fn matches(&self, item: &Item, source: &Source) -> (Document, Vec<Match>) {
        let document = self.analysis.item(item);
        let mut candidates: BTreeSet<usize> = self.always.iter().copied().collect();
        if !self.by_anchor.is_empty() {
            for (form, _) in &document.forms {
                for key in form.keys() {
                    candidates.extend(self.by_anchor.get(key).into_iter().flatten());
                }
            }
        }
        let facts = std::cell::LazyCell::new(|| facts(item, source, &document));
        let none = Facts::default();
        let of = |query: &Query| if query.has_fields() { &*facts } else { &none };
        let matches = candidates
            .into_iter()
            .filter_map(|index| self.topics.get(index))
            .filter(|(topic, _)| topic.admits(item, source))
            .filter_map(|(topic, query)| Some(found(topic, item, query.matches(&document, of(query))?)))
            .collect();
        (document, matches)
    }

    /// What a source has to be searched for, with the topics that need it. Topics whose queries no search
    /// covers are served by what others find.
    pub fn searches(&self, source: &Source) -> BTreeMap<String, Vec<&Topic>> {
        let mut searches: BTreeMap<String, Vec<&Topic>> = BTreeMap::new();
        for (topic, query) in self.topics.iter().filter(|(topic, _)| topic.admits_source(source)) {
            for text in query.searches().unwrap_or_default() {
                searches.entry(text).or_default().push(topic);
            }
        }
        searches
    }

    fn add(&mut self, topic: Topic, query: Query) {
        let index = self.topics.len();
        match anchors(query.expr()) {
            Some(anchors) => {
                for anchor in anchors {
                    self.by_anchor.entry(anchor).or_default().push(index);
                }
            }
            None => self.always.push(index),
        }
        self.topics.push((topic, query));
    }
}

fn found(topic: &Topic, item: &Item, spans: Vec<Span>) -> Match {
    let zone = |zone| match zone {
        Zone::Title => item.title.as_deref().unwrap_or(""),
        Zone::Text => item.text.as_str(),
    };
    let spans: Vec<Span> = spans
        .into_iter()
        .map(|span| Span { text: zone(span.zone).get(span.start..span.end).unwrap_or("").to_owned(), ..span })
        .collect();
    // An excerpt of the text says more than one of the title, which is shown anyway.
    let best = spans.iter().find(|span| span.zone == Zone::Text);
    let excerpt = match best {
        Some(span) => excerpt_around(&item.text, span.start, span.end, EXCERPT),
        None => excerpt_around(&item.text, 0, 0, EXCERPT),
    };
    Match { topic: topic.name.clone(), spans, excerpt }
}

/// What an item is known by beside its words.
fn facts(item: &Item, source: &Source, document: &Document) -> Facts {
    let mut facts = Facts::at(Timestamp::now());
    let mut add =
        |field: &str, value: Option<String>| value.into_iter().for_each(|value| facts.add(field, value));
    let url = item.url.as_ref().unwrap_or(&source.url);
    add("url", Some(url.to_string()));
    add("site", Some(url.to_string()));
    add("tld", Some(url.to_string()));
    add("source", Some(source.name.to_string()));
    add("sourceType", Some(source.category.as_str().to_owned()));
    add("lang", item.language.clone());
    add("country", source.country.clone());
    add("author", item.author.clone());
    add("published", item.published.as_ref().map(|published| published.at.to_string()));
    add("has", item.image.as_ref().map(|_| "image".to_owned()));
    add("words", Some(document.words.len().to_string()));
    for tag in document.tags() {
        add(if tag.starts_with('#') { "hashtags" } else { "mentions" }, Some(tag.to_owned()));
    }
    facts
}

/// The smallest set of words of which every matching document holds one; `None` where there is none.
fn anchors(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Word(term) => anchors_of(term),
        Expr::Phrase(phrase) => phrase.words.iter().filter_map(anchors_of).min_by_key(Vec::len),
        Expr::Near(near) => [&near.left, &near.right].into_iter().filter_map(anchors).min_by_key(Vec::len),
        Expr::NotNear(near) => anchors(&near.left),
        Expr::AtLeast(_, of) | Expr::Preferred(_, of) | Expr::In(_, of) => anchors(of),
        Expr::Field(_) | Expr::Not(_) => None,
        Expr::And(parts) => parts.iter().filter_map(anchors).min_by_key(Vec::len),
        Expr::Or(parts) => {
            let all: Option<Vec<Vec<String>>> = parts.iter().map(anchors).collect();
            all.map(|all| all.concat())
        }
    }
}

/// Keys of which every form that a term finds has one, in plain letters.
fn anchors_of(term: &Term) -> Option<Vec<String>> {
    match term {
        Term::Forms { form, asked, .. } => Some(asked.iter().chain([form]).map(|word| plain(word)).collect()),
        Term::Exact(form) => Some(vec![plain(form)]),
        Term::Case(characters) => Some(vec![plain(&fold(characters))]),
        // The whole, or its parts, of which the first will do.
        Term::Compound { whole, parts } => {
            let mut keys = anchors_of(parts.first()?)?;
            keys.push(plain(whole));
            Some(keys)
        }
        Term::Wildcard(_) | Term::Fuzzy { .. } | Term::Sound { .. } | Term::Any => None,
    }
}

fn fingerprint(topics: &[Topic]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for topic in topics {
        format!("{topic:?}").hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Name;

    fn topic(name: &str, query: &str) -> Topic {
        Topic {
            name: Name::new(name).unwrap(),
            query: query.to_owned(),
            client: None,
            languages: Vec::new(),
            categories: Vec::new(),
            sources: Vec::new(),
            exclude_sources: Vec::new(),
        }
    }

    fn source() -> Source {
        let spec = r#"{"name":"s","kind":"feed","url":"https://a.kz/","category":"news","languages":[],"every":{"min":{"secs":60,"nanos":0},"max":{"secs":60,"nanos":0}},"article":"auto","rights":"full","selectors":{},"paused":false,"country":null,"timezone":null,"delay":null,"politeness_group":null}"#;
        serde_json::from_str(spec).unwrap()
    }

    fn item(title: &str, text: &str) -> Item {
        let entry = format!(
            r#"{{"source":"s","key":"k","title":{title:?},"text":{text:?},"language":"ru","problems":[]}}"#
        );
        serde_json::from_str(&entry).unwrap()
    }

    fn check(index: &TopicIndex, title: &str, text: &str) -> Vec<String> {
        let (_, matches) = index.matches(&item(title, text), &source());
        matches.into_iter().map(|found| found.topic.to_string()).collect()
    }

    #[test]
    fn the_index_agrees_with_trying_every_topic() {
        let queries = [
            "банк",
            "!банку",
            "банк NOT реклама",
            "ипоте*",
            "(ипоте* OR банк) биржа",
            "\"народный банк\"",
            "биржа OR ставка",
        ];
        let topics: Vec<Topic> =
            queries.iter().enumerate().map(|(n, query)| topic(&format!("t{n}"), query)).collect();
        let (index, bad) = TopicIndex::new(topics.clone());
        assert!(bad.is_empty());
        for text in [
            "банки",
            "дай банку",
            "реклама банка",
            "ипотечный кредит на бирже",
            "Народный банк",
            "ставки на биржах",
            "ничего",
        ] {
            let document = index.analysis().document("", text, None);
            let tried: Vec<String> = topics
                .iter()
                .filter(|topic| {
                    Query::parse(&topic.query).unwrap().matches(&document, &Facts::default()).is_some()
                })
                .map(|topic| topic.name.to_string())
                .collect();
            assert_eq!(check(&index, "", text), tried, "{text}");
        }
    }

    #[test]
    fn filters_spans_excerpt_and_bad_queries() {
        let mut kazakh_only = topic("kk", "банк");
        kazakh_only.languages = vec!["kk".into()];
        let mut elsewhere = topic("else", "банк");
        elsewhere.exclude_sources = vec![Name::new("s").unwrap()];
        let (index, bad) =
            TopicIndex::new(vec![topic("a", "банк"), kazakh_only, elsewhere, topic("bad", "(")]);
        assert_eq!(bad[0].topic.name.as_str(), "bad");
        assert_eq!(check(&index, "О банках", "Текст про банк"), ["a"]);
        let (_, matches) = index.matches(&item("О банках", "Текст про банк"), &source());
        let spans: Vec<(Zone, &str)> =
            matches[0].spans.iter().map(|span| (span.zone, span.text.as_str())).collect();
        assert_eq!(spans, [(Zone::Title, "банках"), (Zone::Text, "банк")]);
        assert_eq!(matches[0].excerpt, "Текст про банк");
    }
}
