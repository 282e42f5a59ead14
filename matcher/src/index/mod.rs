//! The set of topics that items are matched against.
//!
//! Topics are compiled into immutable *segments*: one large segment that holds most topics, and smaller ones that
//! hold later changes. An edit adds a small segment and leaves the others unchanged; small segments are merged in the
//! background. Matching skips the topics of a segment that were edited or removed since it was built.

mod builder;
mod leaf;
mod program;
mod scratch;
mod segment;
mod term_map;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{
    Item, ItemContext, List, Match, Name, Post, PostKind, Source, Span, Topic, Zone, excerpt_around,
};
use rustc_hash::FxHashMap;

use crate::query::{Definitions, Facts, Lists, ORIGINALITY, QueryError, QueryReference, SpanBuffer};
use crate::text::{Analysis, Document};
use segment::{Hit, ParsedTopic, Segment};

/// Upper bound on the characters of an excerpt.
const EXCERPT_CHARS: usize = 300;
/// Size ratio for merging: a segment is merged with the later ones if it is at most this many times as large as they
/// are together. So each topic is compiled only a few times, and segments stay few.
const MERGE_FACTOR: usize = 8;
/// Number of segments above which an edit merges them itself.
const MAX_SEGMENTS: usize = 32;

/// A topic whose query cannot be compiled.
#[derive(Debug, Clone)]
pub struct RejectedTopic {
    /// The topic.
    pub topic: Topic,
    /// The error in its query, or in the rule of one of its tags.
    pub error: QueryError,
}

/// The set of topics that items are matched against. Immutable: a change of topics makes a new index, which shares
/// the unchanged segments.
#[derive(Debug, Clone, Default)]
pub struct TopicIndex {
    analysis: Analysis,
    /// Segments, the largest first.
    segments: Vec<LiveSegment>,
    lists: Lists,
    /// The lists and topics that each topic names, for topics that name any.
    references: Arc<BTreeMap<Name, BTreeSet<QueryReference>>>,
    /// Queries of topics that could not be compiled. Other topics may still name them.
    rejected: Arc<BTreeMap<String, String>>,
}

/// A segment, and the numbers of its topics that were removed or are replaced in a later segment.
#[derive(Debug, Clone)]
struct LiveSegment {
    segment: Arc<Segment>,
    deleted: Arc<HashSet<u32>>,
}

impl LiveSegment {
    fn topics(&self) -> impl Iterator<Item = &Topic> {
        let numbered = (0..).zip(self.segment.topics());
        numbered.filter(|(number, _)| !self.deleted.contains(number)).map(|(_, topic)| topic)
    }

    /// Iterates over the live topics that depend on the originality of an item.
    fn deferred(&self) -> impl Iterator<Item = &Topic> {
        let numbers = self.segment.deferred.iter().filter(|number| !self.deleted.contains(number));
        numbers.filter_map(|number| self.segment.topic(*number))
    }

    /// Returns the topic with this name, if it is live.
    fn find(&self, name: &Name) -> Option<(u32, &Topic)> {
        let number = self.segment.number(name).filter(|number| !self.deleted.contains(number))?;
        Some((number, self.segment.topic(number)?))
    }
}

impl TopicIndex {
    /// Compiles topics that name no lists. Also returns the topics that cannot be compiled.
    pub fn new(topics: Vec<Topic>) -> (Self, Vec<RejectedTopic>) {
        Self::default().with(topics, &[], Vec::new())
    }

    /// Compiles some topics, which may name any list or topic of `definitions`.
    pub fn with_definitions(topics: &[Topic], definitions: &Definitions) -> (Self, Vec<RejectedTopic>) {
        let mut index = Self { lists: definitions.lists.clone(), ..Self::default() };
        let bad = index.compile(topics, |topic| {
            ParsedTopic::parse(topic, &definitions.lists, &|name| definitions.queries.get(name).cloned())
        });
        (index, bad)
    }

    /// Returns the index of another set of topics and lists. Compiles only the topics that differ.
    pub fn changed(&self, topics: Vec<Topic>, lists: Lists) -> (Self, Vec<RejectedTopic>) {
        let names: HashSet<&Name> = topics.iter().map(|topic| &topic.name).collect();
        let live = self.segments.iter().flat_map(LiveSegment::topics);
        let rejected: Vec<Name> = self.rejected.keys().cloned().map(Name::from_stored).collect();
        let removed: Vec<Name> = live
            .map(|topic| &topic.name)
            .chain(&rejected)
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        let is_new = |topic: &Topic| self.topic(&topic.name) != Some(topic);
        self.apply(topics.into_iter().filter(is_new).collect(), &removed, lists)
    }

    /// Returns the index with these topics added or replaced, the `removed` ones removed, and lists replaced, or removed
    /// where the new list is `None`. Compiles these topics and the ones that name a changed topic or list.
    pub fn with(
        &self,
        topics: Vec<Topic>,
        removed: &[Name],
        lists: Vec<(Name, Option<List>)>,
    ) -> (Self, Vec<RejectedTopic>) {
        let lists = if lists.is_empty() { self.lists.clone() } else { self.lists.with(lists) };
        self.apply(topics, removed, lists)
    }

    fn apply(&self, mut topics: Vec<Topic>, removed: &[Name], lists: Lists) -> (Self, Vec<RejectedTopic>) {
        topics.extend(self.dependents(&topics, removed, &lists));
        let mut index = self.clone();
        topics.iter().map(|topic| &topic.name).chain(removed).for_each(|name| index.remove(name));
        let new: HashMap<&str, &Topic> = topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let rest = index.clone();
        let query_of = |name: &str| -> Option<String> {
            new.get(name).map(|topic| topic.query.clone()).or_else(|| rest.query_of(name))
        };
        let parse = |topic: &Topic| ParsedTopic::parse(topic, &lists, &query_of);
        let bad = index.compile(&topics, parse);
        index.lists = lists;
        if !bad.is_empty() {
            let queries = bad.iter().map(|bad| (bad.topic.name.to_string(), bad.topic.query.clone()));
            Arc::make_mut(&mut index.rejected).extend(queries);
        }
        // Bounds the number of segments for callers that never merge.
        if index.segments.len() > MAX_SEGMENTS {
            index = index.merged().unwrap_or(index);
        }
        (index, bad)
    }

    /// Adds a segment of these topics. Returns the topics that cannot be parsed.
    fn compile(
        &mut self,
        topics: &[Topic],
        parse: impl Fn(&Topic) -> Result<ParsedTopic, QueryError>,
    ) -> Vec<RejectedTopic> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for topic in topics {
            match parse(topic) {
                Ok(parsed) => good.push(parsed),
                Err(error) => bad.push(RejectedTopic { topic: topic.clone(), error }),
            }
        }
        if !good.is_empty() {
            self.push_segment(good);
        }
        bad
    }

    /// Returns the unedited topics that name a changed topic or list, directly or through other topics. Their meaning
    /// changes too, so they must be recompiled.
    fn dependents(&self, topics: &[Topic], removed: &[Name], lists: &Lists) -> Vec<Topic> {
        if self.references.is_empty() {
            return Vec::new();
        }
        let topic = |name: &Name| QueryReference::Topic(name.to_string());
        let mut visited: HashSet<&Name> = topics.iter().map(|topic| &topic.name).chain(removed).collect();
        let mut changed: HashSet<QueryReference> = visited.iter().map(|name| topic(name)).collect();
        changed.extend(self.lists.changed_names(lists).map(|name| QueryReference::List(name.to_owned())));
        let mut dependents = Vec::new();
        loop {
            let is_affected = |(name, references): &(&Name, &BTreeSet<QueryReference>)| {
                !visited.contains(name) && references.iter().any(|named| changed.contains(named))
            };
            let affected: Vec<&Name> =
                self.references.iter().filter(is_affected).map(|(name, _)| name).collect();
            if affected.is_empty() {
                return dependents;
            }
            changed.extend(affected.iter().map(|name| topic(name)));
            dependents.extend(affected.iter().filter_map(|name| self.topic(name)).cloned());
            visited.extend(affected);
        }
    }

    /// Returns the compiled topic of a name.
    pub fn topic(&self, name: &Name) -> Option<&Topic> {
        self.segments.iter().find_map(|live| live.find(name)).map(|(_, topic)| topic)
    }

    fn remove(&mut self, name: &Name) {
        if self.rejected.contains_key(name.as_str()) {
            Arc::make_mut(&mut self.rejected).remove(name.as_str());
        }
        if self.references.contains_key(name) {
            Arc::make_mut(&mut self.references).remove(name);
        }
        for live in &mut self.segments {
            if let Some((number, _)) = live.find(name) {
                Arc::make_mut(&mut live.deleted).insert(number);
            }
        }
    }

    /// Compiles topics into a new last segment.
    fn push_segment(&mut self, topics: Vec<ParsedTopic>) {
        for ParsedTopic { topic, references, .. } in &topics {
            if !references.is_empty() {
                Arc::make_mut(&mut self.references).insert(topic.name.clone(), references.clone());
            }
        }
        self.segments.push(LiveSegment { segment: Arc::new(Segment::new(topics)), deleted: Arc::default() });
    }

    /// Returns the same index with small segments merged. Merging drops deleted topics; a segment of which more than
    /// half is deleted is rebuilt too. Returns `None` if there is nothing to merge. The time grows with the number of
    /// topics in the merged segments, so call it in the background.
    pub fn merged(&self) -> Option<Self> {
        let mut later_topics = 0;
        let mut from = None;
        for (at, live) in self.segments.iter().enumerate().rev() {
            let length = live.segment.len();
            if (later_topics > 0 && length <= later_topics * MERGE_FACTOR) || live.deleted.len() * 2 > length
            {
                from = Some(at);
            }
            later_topics += length - live.deleted.len();
        }
        let (unchanged, small) = self.segments.split_at_checked(from?)?;
        let query_of = |name: &str| self.query_of(name);
        let parse = |topic| ParsedTopic::parse(topic, &self.lists, &query_of).ok();
        // These queries were parsed before. If one cannot be parsed now, nothing is merged.
        let topics: Vec<ParsedTopic> =
            small.iter().flat_map(LiveSegment::topics).map(parse).collect::<Option<_>>()?;
        let mut merged = Self { segments: unchanged.to_vec(), ..self.clone() };
        if !topics.is_empty() {
            merged
                .segments
                .push(LiveSegment { segment: Arc::new(Segment::new(topics)), deleted: Arc::default() });
        }
        Some(merged)
    }

    fn query_of(&self, name: &str) -> Option<String> {
        let compiled = self.topic(&Name::from_stored(name.to_owned())).map(|topic| &topic.query);
        compiled.or_else(|| self.rejected.get(name)).cloned()
    }

    /// Returns the size of the index in bytes, by its own count, without the topics, the texts of their queries, and
    /// the dictionaries.
    pub fn index_bytes(&self) -> usize {
        self.segments.iter().map(|live| live.segment.index_bytes()).sum()
    }

    /// Returns the analysis that matching uses.
    pub fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// Returns the topics that match an item of a source, sorted by name, and the item's words. Ages are counted from
    /// the first sight of the item, so matching it again gives the same result. Skips the topics that depend on
    /// originality while the originality of the item is unknown.
    pub fn matches(&self, item: &Item, source: &Source, sight: ItemContext) -> (Document, Vec<Match>) {
        let document = self.analysis.item(item);
        let mut matches = Vec::new();
        // Many topics match at the same words, so excerpts are cached by range.
        let mut excerpts: FxHashMap<(usize, usize), Arc<str>> = FxHashMap::default();
        let mut buffer = SpanBuffer::default();
        self.each_match((&document, item, source, sight), |topic, hit| {
            let spans = hit.spans(&mut buffer);
            let range = excerpt_range(&spans);
            let excerpt = excerpts.entry(range).or_insert_with(|| excerpt(item, range)).clone();
            let (topic, spans) = (topic.name.clone(), with_text(item, spans));
            matches.push(Match { topic, spans, excerpt, tags: hit.tags() });
        });
        // The matches of each segment are sorted already.
        matches.sort_by(|one: &Match, other| one.topic.cmp(&other.topic));
        (document, matches)
    }

    /// Returns the names of the topics that match a document, in no particular order. Does not compute spans.
    pub fn names(&self, document: &Document, item: &Item, source: &Source, sight: ItemContext) -> Vec<&Name> {
        let mut names = Vec::new();
        self.each_match((document, item, source, sight), |topic, _| names.push(&topic.name));
        names
    }

    /// Returns the topics that match a document, each with its spans. The spans carry no text.
    pub fn matching_spans(
        &self,
        document: &Document,
        item: &Item,
        source: &Source,
        sight: ItemContext,
    ) -> Vec<(&Name, Vec<Span>)> {
        let (mut located, mut buffer) = (Vec::new(), SpanBuffer::default());
        self.each_match((document, item, source, sight), |topic, hit| {
            located.push((&topic.name, hit.spans(&mut buffer)));
        });
        located
    }

    fn each_match<'i>(
        &'i self,
        (document, item, source, sight): (&Document, &Item, &Source, ItemContext),
        mut visit: impl FnMut(&'i Topic, Hit<'_>),
    ) {
        for live in &self.segments {
            live.segment.each_match(
                document,
                &live.deleted,
                sight.originality.is_some(),
                |topic| topic.admits(item, source),
                &|| field_values(item, Some(source), document, sight),
                &mut visit,
            );
        }
    }

    /// Iterates over the topics that depend on the originality of an item, in their query or in the rule of a tag. An
    /// item must be matched against them again once its originality is known.
    pub fn deferred(&self) -> impl Iterator<Item = &Name> {
        self.segments.iter().flat_map(LiveSegment::deferred).map(|topic| &topic.name)
    }

    /// Iterates over the compiled topics.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.segments.iter().flat_map(LiveSegment::topics)
    }

    /// Returns the strings to search a source for on behalf of a topic. The list is empty if no set of strings covers the
    /// query: such a topic only matches items found for other topics. Parses the query.
    pub fn search_strings(&self, topic: &Topic) -> Vec<String> {
        let query_of = |name: &str| self.query_of(name);
        let parsed = ParsedTopic::parse(topic, &self.lists, &query_of).ok();
        parsed.and_then(|parsed| parsed.query.search_strings()).unwrap_or_default()
    }
}

/// Builds a match from spans: adds the text of each span, and an excerpt around the best one.
pub fn match_from_spans(topic: Name, item: &Item, spans: Vec<Span>) -> Match {
    let excerpt = excerpt(item, excerpt_range(&spans));
    Match { topic, spans: with_text(item, spans), excerpt, tags: Vec::new() }
}

/// Returns the range of the text to cut an excerpt around: the first span in the text. Spans in the title do not
/// count, because the title is shown anyway.
fn excerpt_range(spans: &[Span]) -> (usize, usize) {
    let best = spans.iter().find(|span| span.zone == Zone::Text);
    best.map_or((0, 0), |span| (span.start, span.end))
}

fn excerpt(item: &Item, (start, end): (usize, usize)) -> Arc<str> {
    excerpt_around(&item.text, start, end, EXCERPT_CHARS).into()
}

fn with_text(item: &Item, spans: Vec<Span>) -> Vec<Span> {
    let zone = |zone| match zone {
        Zone::Title => item.title.as_deref().unwrap_or(""),
        Zone::Text => item.text.as_str(),
    };
    let text = |span: &Span| zone(span.zone).get(span.start..span.end).unwrap_or("").to_owned();
    spans.into_iter().map(|span| Span { text: text(&span), ..span }).collect()
}

/// Returns the field values of an item that queries test besides its words. Facts about the source are missing if
/// the source is no longer declared.
pub fn field_values(item: &Item, source: Option<&Source>, document: &Document, sight: ItemContext) -> Facts {
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
    for (field, value) in post_facts(&item.post) {
        add(field, value);
    }
    for tag in document.tags() {
        add(if tag.starts_with('#') { "hashtags" } else { "mentions" }, Some(tag.to_owned()));
    }
    facts
}

/// Returns the metadata that a platform gives for a post, by field name.
fn post_facts(post: &Post) -> [(&'static str, Option<String>); 12] {
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
