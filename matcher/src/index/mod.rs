//! The running set of topics: which of them an item matches.
//!
//! Topics are compiled in *segments* that do not change: one that holds nearly all, and smaller ones with what came since.
//! An edit makes a small segment and leaves the others as they are; small ones are put together aside. What was edited or
//! taken out is passed over in the segments that still have it.

mod building;
mod keys;
mod leaf;
mod program;
mod scratch;
mod segment;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Item, Match, Name, Post, PostKind, Sight, Source, Span, Topic, Zone, excerpt_around};
use rustc_hash::FxHashMap;

use crate::query::{Definitions, Facts, Found, Lists, Named, ORIGINALITY, QueryError};
use crate::text::{Analysis, Document};
use segment::{Hit, Parsed, Segment};

/// Characters of an excerpt.
const EXCERPT: usize = 300;
/// A segment is put together with the one before when it is not smaller than this part of it. Each topic is so compiled
/// a few times at most, and segments are few.
const GROWTH: usize = 8;
/// Segments at most.
const MOST_PARTS: usize = 32;

/// A topic whose query cannot be understood.
#[derive(Debug, Clone)]
pub struct BadTopic {
    /// Which topic.
    pub topic: Topic,
    /// What is wrong with its query, or with the rule of a tag.
    pub error: QueryError,
}

/// The running set of topics. Immutable: a change of topics makes a new one, which shares what did not change.
#[derive(Debug, Clone, Default)]
pub struct TopicIndex {
    analysis: Analysis,
    /// The largest first.
    parts: Vec<Part>,
    lists: Lists,
    /// What topics name beside words, where they do.
    names: Arc<BTreeMap<Name, BTreeSet<Named>>>,
    /// Queries of topics that could not be taken in, which others may name all the same.
    refused: Arc<BTreeMap<String, String>>,
}

/// A segment, and which of its topics are no more, or are elsewhere in another wording.
#[derive(Debug, Clone)]
struct Part {
    segment: Arc<Segment>,
    gone: Arc<HashSet<u32>>,
}

impl Part {
    fn live(&self) -> impl Iterator<Item = &Topic> {
        let numbered = (0..).zip(self.segment.topics());
        numbered.filter(|(number, _)| !self.gone.contains(number)).map(|(_, topic)| topic)
    }

    /// Those that ask whether an item is a reprint.
    fn late(&self) -> impl Iterator<Item = &Topic> {
        let numbers = self.segment.late.iter().filter(|number| !self.gone.contains(number));
        numbers.filter_map(|number| self.segment.topic(*number))
    }

    /// The topic of a name, if it is live.
    fn find(&self, name: &Name) -> Option<(u32, &Topic)> {
        let number = self.segment.number(name).filter(|number| !self.gone.contains(number))?;
        Some((number, self.segment.topic(number)?))
    }
}

impl TopicIndex {
    /// An index of topics that name no lists, and those that could not be taken in.
    pub fn new(topics: Vec<Topic>) -> (Self, Vec<BadTopic>) {
        Self::default().with(topics, &[])
    }

    /// An index of some topics out of many that they may name.
    pub fn among(topics: &[Topic], definitions: &Definitions) -> (Self, Vec<BadTopic>) {
        let mut index = Self { lists: definitions.lists.clone(), ..Self::default() };
        let bad = index.take(topics, |topic| {
            Parsed::of(topic, &definitions.lists, &|name| definitions.queries.get(name).cloned())
        });
        (index, bad)
    }

    /// The index of another set of topics and lists, which keeps what is the same.
    pub fn changed(&self, topics: Vec<Topic>, lists: Lists) -> (Self, Vec<BadTopic>) {
        let wanted: HashSet<&Name> = topics.iter().map(|topic| &topic.name).collect();
        let live = self.parts.iter().flat_map(Part::live);
        let refused: Vec<Name> = self.refused.keys().cloned().map(Name::stored).collect();
        let gone: Vec<Name> = live
            .map(|topic| &topic.name)
            .chain(&refused)
            .filter(|name| !wanted.contains(name))
            .cloned()
            .collect();
        let is_new = |topic: &Topic| self.topic(&topic.name) != Some(topic);
        self.edited(topics.into_iter().filter(is_new).collect(), &gone, lists)
    }

    /// The index with these topics added, or edited, and those removed: with them only those are compiled that name them.
    pub fn with(&self, topics: Vec<Topic>, removed: &[Name]) -> (Self, Vec<BadTopic>) {
        self.edited(topics, removed, self.lists.clone())
    }

    fn edited(&self, mut topics: Vec<Topic>, removed: &[Name], lists: Lists) -> (Self, Vec<BadTopic>) {
        topics.extend(self.naming(&topics, removed, &lists));
        let mut index = self.clone();
        topics.iter().map(|topic| &topic.name).chain(removed).for_each(|name| index.remove(name));
        let new: HashMap<&str, &Topic> = topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let rest = index.clone();
        let query_of = |name: &str| -> Option<String> {
            new.get(name).map(|topic| topic.query.clone()).or_else(|| rest.query_of(name))
        };
        let read = |topic: &Topic| Parsed::of(topic, &lists, &query_of);
        let bad = index.take(&topics, read);
        index.lists = lists;
        if !bad.is_empty() {
            let queries = bad.iter().map(|bad| (bad.topic.name.to_string(), bad.topic.query.clone()));
            Arc::make_mut(&mut index.refused).extend(queries);
        }
        // Whoever edits without ever merging pays for it here.
        if index.parts.len() > MOST_PARTS {
            index = index.merged().unwrap_or(index);
        }
        (index, bad)
    }

    /// Takes topics in; tells those that cannot be.
    fn take(
        &mut self,
        topics: &[Topic],
        read: impl Fn(&Topic) -> Result<Parsed, QueryError>,
    ) -> Vec<BadTopic> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for topic in topics {
            match read(topic) {
                Ok(parsed) => good.push(parsed),
                Err(error) => bad.push(BadTopic { topic: topic.clone(), error }),
            }
        }
        if !good.is_empty() {
            self.add(good);
        }
        bad
    }

    /// Topics that name what is changed, or topics that do: they mean something else now.
    fn naming(&self, topics: &[Topic], removed: &[Name], lists: &Lists) -> Vec<Topic> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let topic = |name: &Name| Named::Topic(name.to_string());
        let mut known: HashSet<&Name> = topics.iter().map(|topic| &topic.name).chain(removed).collect();
        let mut changed: HashSet<Named> = known.iter().map(|name| topic(name)).collect();
        changed.extend(self.lists.differing(lists).map(|name| Named::List(name.to_owned())));
        let mut naming = Vec::new();
        loop {
            let is_touched = |(name, names): &(&Name, &BTreeSet<Named>)| {
                !known.contains(name) && names.iter().any(|named| changed.contains(named))
            };
            let touched: Vec<&Name> = self.names.iter().filter(is_touched).map(|(name, _)| name).collect();
            if touched.is_empty() {
                return naming;
            }
            changed.extend(touched.iter().map(|name| topic(name)));
            naming.extend(touched.iter().filter_map(|name| self.topic(name)).cloned());
            known.extend(touched);
        }
    }

    fn topic(&self, name: &Name) -> Option<&Topic> {
        self.parts.iter().find_map(|part| part.find(name)).map(|(_, topic)| topic)
    }

    fn remove(&mut self, name: &Name) {
        if self.refused.contains_key(name.as_str()) {
            Arc::make_mut(&mut self.refused).remove(name.as_str());
        }
        if self.names.contains_key(name) {
            Arc::make_mut(&mut self.names).remove(name);
        }
        for part in &mut self.parts {
            if let Some((number, _)) = part.find(name) {
                Arc::make_mut(&mut part.gone).insert(number);
            }
        }
    }

    /// Puts a segment behind the others.
    fn add(&mut self, new: Vec<Parsed>) {
        for Parsed { topic, names, .. } in &new {
            if !names.is_empty() {
                Arc::make_mut(&mut self.names).insert(topic.name.clone(), names.clone());
            }
        }
        self.parts.push(Part { segment: Arc::new(Segment::new(new)), gone: Arc::default() });
    }

    /// The same index with small segments put together, and without what is gone where that is the most of one; `None`
    /// where nothing is to be done. It takes as long as the topics in them are many, so it is done aside.
    pub fn merged(&self) -> Option<Self> {
        let mut rest = 0;
        let mut from = None;
        for (at, part) in self.parts.iter().enumerate().rev() {
            let length = part.segment.len();
            if (rest > 0 && length <= rest * GROWTH) || part.gone.len() * 2 > length {
                from = Some(at);
            }
            rest += length - part.gone.len();
        }
        let (kept, small) = self.parts.split_at_checked(from?)?;
        let query_of = |name: &str| self.query_of(name);
        let read = |topic| Parsed::of(topic, &self.lists, &query_of).ok();
        // What was read once is read again; all stays as it is should it not be.
        let together: Vec<Parsed> = small.iter().flat_map(Part::live).map(read).collect::<Option<_>>()?;
        let mut merged = Self { parts: kept.to_vec(), ..self.clone() };
        if !together.is_empty() {
            merged.parts.push(Part { segment: Arc::new(Segment::new(together)), gone: Arc::default() });
        }
        Some(merged)
    }

    fn query_of(&self, name: &str) -> Option<String> {
        let taken = self.topic(&Name::stored(name.to_owned())).map(|topic| &topic.query);
        taken.or_else(|| self.refused.get(name)).cloned()
    }

    /// Bytes that it takes, by its own account: without the topics and their queries' texts, and the dictionaries.
    pub fn index_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.segment.index_bytes()).sum()
    }

    /// The analysis that matching uses.
    pub fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// The topics that match an item of a source, in the order of names. Ages are counted from first sight, so that matching
    /// again comes to the same. Topics that ask for its originality are passed over while that is not known.
    pub fn matches(&self, item: &Item, source: &Source, sight: Sight) -> (Document, Vec<Match>) {
        let document = self.analysis.item(item);
        let mut matches = Vec::new();
        // Many topics match at the same words.
        let mut excerpts: FxHashMap<(usize, usize), Arc<str>> = FxHashMap::default();
        let mut found = Found::default();
        self.each_match((&document, item, source, sight), |topic, hit| {
            let spans = hit.spans(&mut found);
            let around = best(&spans);
            let excerpt = excerpts.entry(around).or_insert_with(|| excerpt(item, around)).clone();
            let (topic, spans) = (topic.name.clone(), with_words(item, spans));
            matches.push(Match { topic, spans, excerpt, tags: hit.tags() });
        });
        // Each segment tells them in order already.
        matches.sort_by(|one: &Match, other| one.topic.cmp(&other.topic));
        (document, matches)
    }

    /// The names of the topics that match a document, without saying where; in no order.
    pub fn names(&self, document: &Document, item: &Item, source: &Source, sight: Sight) -> Vec<&Name> {
        let mut names = Vec::new();
        self.each_match((document, item, source, sight), |topic, _| names.push(&topic.name));
        names
    }

    /// The topics that match a document, and where, without the words themselves.
    pub fn located(
        &self,
        document: &Document,
        item: &Item,
        source: &Source,
        sight: Sight,
    ) -> Vec<(&Name, Vec<Span>)> {
        let (mut located, mut found) = (Vec::new(), Found::default());
        self.each_match((document, item, source, sight), |topic, hit| {
            located.push((&topic.name, hit.spans(&mut found)));
        });
        located
    }

    fn each_match<'i>(
        &'i self,
        (document, item, source, sight): (&Document, &Item, &Source, Sight),
        mut tell: impl FnMut(&'i Topic, Hit<'_>),
    ) {
        for part in &self.parts {
            part.segment.each_match(
                document,
                &part.gone,
                sight.originality.is_some(),
                |topic| topic.admits(item, source),
                &|| facts(item, Some(source), document, sight),
                &mut tell,
            );
        }
    }

    /// Topics that ask whether an item is a reprint, themselves or a rule of theirs: whoever learns that matches it against
    /// these again.
    pub fn late(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().flat_map(Part::late).map(|topic| &topic.name)
    }

    /// What a source has to be searched for, with the topics that need it. Topics whose queries no search
    /// covers are served by what others find.
    pub fn searches(&self, source: &Source) -> BTreeMap<String, Vec<&Topic>> {
        let mut searches: BTreeMap<String, Vec<&Topic>> = BTreeMap::new();
        let live = self.parts.iter().flat_map(Part::live);
        let query_of = |name: &str| self.query_of(name);
        for topic in live.filter(|topic| topic.admits_source(source)) {
            // Few sources are searched: what topics are searched for is not kept.
            let parsed = Parsed::of(topic, &self.lists, &query_of).ok();
            for text in parsed.and_then(|parsed| parsed.query.searches()).unwrap_or_default() {
                searches.entry(text).or_default().push(topic);
            }
        }
        searches
    }
}

/// A match, with the words of its spans and an excerpt around the best.
pub fn found(topic: Name, item: &Item, spans: Vec<Span>) -> Match {
    let excerpt = excerpt(item, best(&spans));
    Match { topic, spans: with_words(item, spans), excerpt, tags: Vec::new() }
}

/// The range of the text around which an excerpt says most: one of the title says little, which is shown anyway.
fn best(spans: &[Span]) -> (usize, usize) {
    let best = spans.iter().find(|span| span.zone == Zone::Text);
    best.map_or((0, 0), |span| (span.start, span.end))
}

fn excerpt(item: &Item, (start, end): (usize, usize)) -> Arc<str> {
    excerpt_around(&item.text, start, end, EXCERPT).into()
}

fn with_words(item: &Item, spans: Vec<Span>) -> Vec<Span> {
    let zone = |zone| match zone {
        Zone::Title => item.title.as_deref().unwrap_or(""),
        Zone::Text => item.text.as_str(),
    };
    let words = |span: &Span| zone(span.zone).get(span.start..span.end).unwrap_or("").to_owned();
    spans.into_iter().map(|span| Span { text: words(&span), ..span }).collect()
}

/// What an item is known by beside its words; of a source that is no longer declared little is.
pub fn facts(item: &Item, source: Option<&Source>, document: &Document, sight: Sight) -> Facts {
    let mut facts = Facts::at(sight.at);
    let mut add =
        |field: &str, value: Option<String>| value.into_iter().for_each(|value| facts.add(field, value));
    if let Some(url) = item.url.as_ref().or(source.map(|source| &source.url)) {
        ["url", "site", "tld"].into_iter().for_each(|field| add(field, Some(url.to_string())));
    }
    add("source", Some(item.source.to_string()));
    add("sourceType", source.map(|source| source.category.as_str().to_owned()));
    add("lang", item.language.clone());
    add("country", source.and_then(|source| source.country.clone()));
    add("author", item.author.clone());
    add("published", item.published.as_ref().map(|published| published.at.to_string()));
    add("has", item.image.as_ref().map(|_| "image".to_owned()));
    add(ORIGINALITY, sight.originality.map(|originality| originality.as_str().to_owned()));
    add("words", Some(document.words.len().to_string()));
    for (field, value) in facts_of_post(&item.post) {
        add(field, value);
    }
    for tag in document.tags() {
        add(if tag.starts_with('#') { "hashtags" } else { "mentions" }, Some(tag.to_owned()));
    }
    facts
}

/// What a platform told of a post, by the fields' names.
fn facts_of_post(post: &Post) -> [(&'static str, Option<String>); 12] {
    let number = |count: Option<u64>| count.map(|count| count.to_string());
    let is = match post.kind {
        Some(PostKind::Comment) => Some("reply"),
        Some(PostKind::Repost) => Some("repost"),
        _ => None,
    };
    [
        ("type", post.kind.map(|kind| kind.as_str().to_owned())),
        ("is", is.map(str::to_owned)),
        ("authorId", post.author_id.clone()),
        ("channel", post.channel.clone()),
        ("parent", post.parent.clone()),
        ("thread", post.thread.clone()),
        ("likes", number(post.likes)),
        ("comments", number(post.comments)),
        ("shares", number(post.shares)),
        ("views", number(post.views)),
        ("engagement", number(post.engagement())),
        ("followers", number(post.followers)),
    ]
}

#[cfg(test)]
mod tests;
