//! Topics compiled together. They share leaves and an inverted index from terms to topics.
//!
//! A query is a tree of AND, OR and NOT over *leaves*: words, phrases, proximity expressions, fields. Equal leaves of
//! different topics are stored once and evaluated once per document. Each topic is indexed under its *anchors*: the
//! cheapest set of terms of which every match contains at least one. A topic is evaluated only if the document has
//! one of its anchors and the leaf of that anchor matches. (The idea is that of Lucene Monitor's presearcher, except
//! that the leaf is checked first. The measurements behind the design are in ARCHITECTURE.md.)

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};

use model::{Name, Span, Topic};

use super::builder::SegmentBuilder;
use super::leaf::{LeafRef, Leaves};
use super::program::{Op, Step, operands};
use super::scratch::Scratch;
use super::term_map::vec_bytes;
use super::vocabulary::{IndexedTerm, TermId, Vocabulary};
use crate::query::{Facts, Field, Lists, Query, QueryError, QueryReference, SpanBuffer, TermMatcher, View};
use crate::text::{Document, Word};

/// A topic with its parsed queries.
pub(super) struct ParsedTopic {
    pub(super) topic: Topic,
    pub(super) query: Query,
    /// The rules of its tags, in the order of the tags.
    pub(super) rules: Vec<Query>,
    /// The lists and other topics that it names.
    pub(super) references: BTreeSet<QueryReference>,
}

impl ParsedTopic {
    /// Parses a topic's query and rules, and expands the lists and topics that they name.
    pub(super) fn parse(
        topic: &Topic,
        lists: &Lists,
        query_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, QueryError> {
        let query = Query::parse(&topic.query)?;
        let mut references = query.references();
        let query = query.resolve_references(&topic.query, lists, query_of)?;
        let mut rules = Vec::new();
        for tag in &topic.tags {
            let rule = Query::parse_rule(&tag.query)?;
            references.extend(rule.references());
            rules.push(rule.resolve_references(&tag.query, lists, query_of)?);
        }
        Ok(Self { topic: topic.clone(), query, rules, references })
    }
}

/// A topic that a term leads to, and the leaf of the topic that contains the term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting {
    pub(super) topic: u32,
    pub(super) leaf: Step,
    /// Another term that every match of the topic contains; the term itself if there is no other.
    pub(super) guard: TermId,
    /// Set if the topic matches every item in which the leaf matches, so that nothing else need be evaluated.
    pub(super) settles: bool,
}

/// The properties of a topic that are read for each candidate.
#[derive(Debug)]
pub(super) struct TopicEntry {
    /// The offset of its program in [`Segment::steps`]. The program ends where the next one begins.
    pub(super) start: u32,
    /// Set if it admits items of any language and source.
    pub(super) is_open: bool,
    pub(super) has_fields: bool,
    /// Set if its query or the rule of a tag depends on the originality of an item.
    pub(super) needs_originality: bool,
}

/// A topic that may match, with the first step of its program.
struct Candidate<'s> {
    number: u32,
    entry: &'s TopicEntry,
    first: Step,
    rest: &'s [Step],
}

/// Topics that are matched together. Immutable.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) vocabulary: Vocabulary,
    pub(super) leaves: Leaves,
    pub(super) fields: Vec<Field>,
    /// Topics, sorted by name. A topic's number is its index here.
    pub(super) topics: Vec<Topic>,
    pub(super) entries: Vec<TopicEntry>,
    /// The programs of all topics, concatenated in the order of the topics.
    pub(super) steps: Vec<Step>,
    /// The programs of the rules of a topic's tags, for topics that have tags.
    pub(super) rules: HashMap<u32, Vec<Box<[Step]>>>,
    /// By term: the offset of its postings. They end where those of the next term begin.
    pub(super) posting_offsets: Vec<u32>,
    pub(super) postings: Vec<Posting>,
    /// Topics without anchors. They are candidates for every document.
    pub(super) unanchored: Vec<u32>,
    /// Topics that depend on the originality of an item.
    pub(super) deferred: Vec<u32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Segment {
    pub(super) fn new(mut topics: Vec<ParsedTopic>) -> Self {
        topics.sort_by(|one, other| one.topic.name.cmp(&other.topic.name));
        let mut builder = SegmentBuilder::default();
        topics.into_iter().for_each(|topic| builder.add(topic));
        builder.finish()
    }

    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// Returns the number of the topic with this name.
    pub(super) fn number(&self, name: &Name) -> Option<u32> {
        let at = self.topics.binary_search_by(|topic| topic.name.cmp(name)).ok()?;
        u32::try_from(at).ok()
    }

    pub(super) fn topic(&self, number: u32) -> Option<&Topic> {
        self.topics.get(number as usize)
    }

    pub(super) fn leaf(&self, step: Step) -> Option<LeafRef<'_>> {
        self.leaves.get(step.number())
    }

    /// Returns the size in bytes, without the topics themselves.
    pub(super) fn index_bytes(&self) -> usize {
        self.leaves.heap_bytes()
            + vec_bytes(&self.fields)
            + vec_bytes(&self.entries)
            + vec_bytes(&self.steps)
            + vec_bytes(&self.posting_offsets)
            + vec_bytes(&self.postings)
            + vec_bytes(&self.unanchored)
            + vec_bytes(&self.deferred)
            + self.vocabulary.heap_bytes()
    }

    fn postings(&self, term: TermId) -> &[Posting] {
        let offset = |term: usize| self.posting_offsets.get(term).map(|offset| *offset as usize);
        let range = offset(term as usize).zip(offset(term as usize + 1));
        range.and_then(|(from, to)| self.postings.get(from..to)).unwrap_or(&[])
    }

    fn program(&self, number: u32) -> &[Step] {
        let start = |number: usize| self.entries.get(number).map(|entry| entry.start as usize);
        let from = start(number as usize).unwrap_or(self.steps.len());
        let to = start(number as usize + 1).unwrap_or(self.steps.len());
        self.steps.get(from..to).unwrap_or(&[])
    }

    /// Loads the first steps of topics. They are scattered in memory: loading all of them before any is evaluated
    /// lets the cache misses overlap.
    fn load_candidates(&self, topics: &[u32]) -> Vec<Candidate<'_>> {
        let programs: Vec<(u32, &TopicEntry, &[Step])> = topics
            .iter()
            .filter_map(|number| Some((*number, self.entries.get(*number as usize)?, self.program(*number))))
            .collect();
        programs
            .into_iter()
            .filter_map(|(number, entry, program)| {
                let (first, rest) = program.split_first()?;
                Some(Candidate { number, entry, first: *first, rest })
            })
            .collect()
    }

    /// Calls `visit` for each topic that matches, sorted by name, except the deleted ones.
    pub(super) fn each_match<'s>(
        &'s self,
        document: &Document,
        deleted: &HashSet<u32>,
        is_originality_known: bool,
        admits: impl Fn(&Topic) -> bool,
        facts: &dyn Fn() -> Facts,
        mut visit: impl FnMut(&'s Topic, Hit<'_>),
    ) {
        if self.topics.is_empty() {
            return;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.begin(document, &self.vocabulary, self.leaves.len(), self.topics.len());
        });
        SCRATCH.with_borrow(|scratch| {
            let none = Facts::default();
            let all = OnceCell::new();
            let all = || -> &Facts { all.get_or_init(facts) };
            let evaluator = Evaluator { segment: self, scratch, document };
            let (mut matching, mut candidates) = (Vec::new(), self.unanchored.clone());
            let postings: Vec<&[Posting]> = scratch
                .terms()
                .iter()
                .map(|term| self.postings(*term))
                .filter(|list| !list.is_empty())
                .collect();
            for posting in postings.into_iter().flatten() {
                let may_match = scratch.has(posting.guard) && evaluator.leaf_matches(posting.leaf);
                if may_match && !scratch.mark(posting.topic) {
                    if posting.settles { &mut matching } else { &mut candidates }.push(posting.topic);
                }
            }
            let matches = |candidate: &Candidate<'_>| {
                let Candidate { number, entry, first, rest } = *candidate;
                if entry.needs_originality && !is_originality_known {
                    return false;
                }
                let facts = if entry.has_fields { all() } else { &none };
                evaluator.matches_from(first, rest, facts)
                    && (entry.is_open || self.topic(number).is_some_and(&admits))
            };
            let candidates = self.load_candidates(&candidates);
            matching.extend(candidates.iter().filter(|one| matches(one)).map(|one| one.number));
            matching.sort_unstable();
            for number in matching.into_iter().filter(|number| !deleted.contains(number)) {
                if let Some(topic) = self.topic(number) {
                    visit(topic, Hit { evaluator, number, facts: &all });
                }
            }
        });
    }
}

/// A topic that matches a document. Its spans and tags are computed on demand.
pub(super) struct Hit<'h> {
    evaluator: Evaluator<'h>,
    number: u32,
    facts: &'h dyn Fn() -> &'h Facts,
}

impl Hit<'_> {
    /// Returns the spans of the match. Reuses the memory of `buffer`.
    pub(super) fn spans(&self, buffer: &mut SpanBuffer) -> Vec<Span> {
        let none = Facts::default();
        let segment = self.evaluator.segment;
        let has_fields = segment.entries.get(self.number as usize).is_some_and(|entry| entry.has_fields);
        let facts = if has_fields { (self.facts)() } else { &none };
        self.evaluator.collect(segment.program(self.number), facts, &mut buffer.words);
        buffer.spans(self.evaluator.document)
    }

    /// Returns the topic's tags whose rules match, in the order of the tags.
    pub(super) fn tags(&self) -> Vec<Name> {
        let Evaluator { segment, .. } = self.evaluator;
        let (Some(rules), Some(topic)) = (segment.rules.get(&self.number), segment.topic(self.number)) else {
            return Vec::new();
        };
        let rules = topic.tags.iter().zip(rules);
        let matching = rules.filter(|(_, rule)| self.evaluator.matches(rule, (self.facts)()));
        matching.map(|(tag, _)| tag.name.clone()).collect()
    }
}

/// Evaluates programs of a segment against a document.
#[derive(Clone, Copy)]
struct Evaluator<'a> {
    segment: &'a Segment,
    scratch: &'a Scratch,
    document: &'a Document,
}

impl Evaluator<'_> {
    fn matches(self, program: &[Step], facts: &Facts) -> bool {
        program.split_first().is_some_and(|(first, rest)| self.matches_from(*first, rest, facts))
    }

    fn matches_from(self, first: Step, rest: &[Step], facts: &Facts) -> bool {
        match first.op() {
            Op::Term | Op::Leaf => self.leaf_matches(first),
            Op::Field => {
                let field = self.segment.fields.get(first.number() as usize);
                field.is_some_and(|field| field.holds(facts))
            }
            Op::And => operands(rest).all(|operand| self.matches(operand, facts)),
            Op::Or => operands(rest).any(|operand| self.matches(operand, facts)),
            Op::Not => !self.matches(rest, facts),
        }
    }

    /// Returns true if a leaf matches. Evaluates each leaf once per document.
    fn leaf_matches(self, step: Step) -> bool {
        if step.op() == Op::Term {
            return self.scratch.has(step.number());
        }
        self.scratch.leaf(step.number(), || {
            let leaf = self.segment.leaf(step);
            leaf.is_some_and(|leaf| leaf.matches(View::of(&self, &Facts::default())))
        })
    }

    fn collect(self, program: &[Step], facts: &Facts, words: &mut Vec<(u32, u32)>) {
        let Some((first, rest)) = program.split_first() else { return };
        match first.op() {
            Op::Term => {
                let term = IndexedTerm::Single(first.number());
                words.extend(self.words(&term).map(|number| (number, number)));
            }
            Op::Leaf => {
                if let Some(leaf) = self.segment.leaf(*first) {
                    leaf.collect(View::of(&self, facts), words);
                }
            }
            Op::Field | Op::Not => (),
            Op::And => operands(rest).for_each(|operand| self.collect(operand, facts, words)),
            Op::Or => operands(rest)
                .filter(|operand| self.matches(operand, facts))
                .for_each(|operand| self.collect(operand, facts, words)),
        }
    }
}

impl TermMatcher for Evaluator<'_> {
    type Term = IndexedTerm;

    fn document(&self) -> &Document {
        self.document
    }

    fn words(&self, term: &IndexedTerm) -> impl Iterator<Item = u32> {
        let number = self.segment.vocabulary.whole(term);
        let forms = number.into_iter().flat_map(|number| self.scratch.forms_of(number));
        forms.flat_map(|form| self.document.words_of(form))
    }

    fn finds(&self, term: &IndexedTerm, word: &Word) -> bool {
        let number = self.segment.vocabulary.whole(term);
        number.is_none_or(|number| self.scratch.forms_of(number).any(|form| form == word.form))
    }

    fn parts<'t>(&'t self, term: &'t IndexedTerm) -> &'t [IndexedTerm] {
        let IndexedTerm::Compound(number) = term else { return &[] };
        self.segment.vocabulary.compound(*number).map_or(&[], |compound| &compound.parts)
    }

    fn is_any(&self, term: &IndexedTerm) -> bool {
        matches!(term, IndexedTerm::Any)
    }
}
