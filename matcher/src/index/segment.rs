//! Topics compiled together: leaves shared by all of them, and the few words that lead to each.
//!
//! A query is a tree of AND, OR and NOT over *leaves*: words, phrases, neighbourhoods, fields. Equal leaves of different
//! topics are one, and are looked at once for a document. Each topic hangs on *anchors*, the cheapest set of terms of
//! which every match holds one; only topics with an anchor in the document, whose leaf around that anchor holds, are
//! looked at. (The idea is that of Lucene Monitor's presearcher, with the leaf checked first; the figures that led here
//! are in ARCHITECTURE.md.)

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};

use model::{Name, Span, Topic};

use super::building::Building;
use super::keys::bytes_of;
use super::leaf::{Leaves, Look};
use super::program::{Op, Step, parts};
use super::scratch::Scratch;
use super::vocabulary::{Indexed, TermId, Vocabulary};
use crate::query::{Facts, Field, Finder, Found, Lists, Named, Query, QueryError, View};
use crate::text::{Document, Word};

/// A topic with its queries read.
pub(super) struct Parsed {
    pub(super) topic: Topic,
    pub(super) query: Query,
    /// Of its tags, in their order.
    pub(super) rules: Vec<Query>,
    /// What it names beside words.
    pub(super) names: BTreeSet<Named>,
}

impl Parsed {
    /// With all that it names put into it.
    pub(super) fn of(
        topic: &Topic,
        lists: &Lists,
        query_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, QueryError> {
        let query = Query::parse(&topic.query)?;
        let mut names = query.names();
        let query = query.with_named(&topic.query, lists, query_of)?;
        let mut rules = Vec::new();
        for tag in &topic.tags {
            let rule = Query::parse_rule(&tag.query)?;
            names.extend(rule.names());
            rules.push(rule.with_named(&tag.query, lists, query_of)?);
        }
        Ok(Self { topic: topic.clone(), query, rules, names })
    }
}

/// Where a term leads: a topic, and the leaf that the term is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting {
    pub(super) topic: u32,
    pub(super) leaf: Step,
    /// Another term without which the topic does not hold; the same one where there is none.
    pub(super) guard: TermId,
    /// The topic holds where the leaf does, whatever the item is: nothing else of it need be looked at.
    pub(super) settles: bool,
}

/// What is looked at of each candidate.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where its program begins; it ends where the next one's does.
    pub(super) from: u32,
    /// It takes items of any language and source.
    pub(super) is_open: bool,
    pub(super) has_fields: bool,
    /// It, or a rule of its tags, cannot be decided before an item was looked at beside others.
    pub(super) asks_for_originality: bool,
}

/// A topic that is to be looked at.
struct Candidate<'s> {
    number: u32,
    entry: &'s Entry,
    first: Step,
    rest: &'s [Step],
}

/// Topics that are matched together. Does not change.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) vocabulary: Vocabulary,
    pub(super) leaves: Leaves,
    pub(super) fields: Vec<Field>,
    /// By name.
    pub(super) topics: Vec<Topic>,
    pub(super) entries: Vec<Entry>,
    /// The programs of all topics, in their order.
    pub(super) steps: Vec<Step>,
    /// By topic, where it has tags: the programs of their rules.
    pub(super) rules: HashMap<u32, Vec<Box<[Step]>>>,
    /// By term: where its postings begin; they end where the next one's do.
    pub(super) anchors: Vec<u32>,
    pub(super) postings: Vec<Posting>,
    /// Topics without anchors.
    pub(super) always: Vec<u32>,
    /// Topics that ask whether an item is a reprint, themselves or a rule of theirs.
    pub(super) late: Vec<u32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Segment {
    pub(super) fn new(mut topics: Vec<Parsed>) -> Self {
        topics.sort_by(|one, other| one.topic.name.cmp(&other.topic.name));
        let mut building = Building::default();
        topics.into_iter().for_each(|topic| building.add(topic));
        building.done()
    }

    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The number of a topic.
    pub(super) fn number(&self, name: &Name) -> Option<u32> {
        let at = self.topics.binary_search_by(|topic| topic.name.cmp(name)).ok()?;
        u32::try_from(at).ok()
    }

    pub(super) fn topic(&self, number: u32) -> Option<&Topic> {
        self.topics.get(number as usize)
    }

    pub(super) fn leaf(&self, step: Step) -> Option<Look<'_>> {
        self.leaves.get(step.number())
    }

    /// What it takes, but for the topics themselves.
    pub(super) fn index_bytes(&self) -> usize {
        self.leaves.heap_bytes()
            + bytes_of(&self.fields)
            + bytes_of(&self.entries)
            + bytes_of(&self.steps)
            + bytes_of(&self.anchors)
            + bytes_of(&self.postings)
            + bytes_of(&self.always)
            + bytes_of(&self.late)
            + self.vocabulary.heap_bytes()
    }

    fn postings(&self, term: TermId) -> &[Posting] {
        let at = |term: usize| self.anchors.get(term).map(|at| *at as usize);
        let range = at(term as usize).zip(at(term as usize + 1));
        range.and_then(|(from, to)| self.postings.get(from..to)).unwrap_or(&[])
    }

    fn program(&self, number: u32) -> &[Step] {
        let at = |number: usize| self.entries.get(number).map(|entry| entry.from as usize);
        let from = at(number as usize).unwrap_or(self.steps.len());
        let to = at(number as usize + 1).unwrap_or(self.steps.len());
        self.steps.get(from..to).unwrap_or(&[])
    }

    /// The beginnings of topics' programs. Each lies somewhere else in memory: read one after the other, and before anything
    /// is decided by them, they are waited for together.
    fn begun(&self, topics: &[u32]) -> Vec<Candidate<'_>> {
        let programs: Vec<(u32, &Entry, &[Step])> = topics
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

    /// Tells each topic that matches, in the order of names. Those that are gone are passed over.
    pub(super) fn each_match<'s>(
        &'s self,
        document: &Document,
        gone: &HashSet<u32>,
        knows_originality: bool,
        admits: impl Fn(&Topic) -> bool,
        facts: &dyn Fn() -> Facts,
        mut tell: impl FnMut(&'s Topic, Hit<'_>),
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
            let looking = Looking { segment: self, scratch, document };
            let (mut held, mut candidates) = (Vec::new(), self.always.clone());
            let postings: Vec<&[Posting]> =
                scratch.terms().iter().map(|term| self.postings(*term)).filter(|of| !of.is_empty()).collect();
            for posting in postings.into_iter().flatten() {
                let leads = scratch.has(posting.guard) && looking.leaf_holds(posting.leaf);
                if leads && !scratch.mark(posting.topic) {
                    if posting.settles { &mut held } else { &mut candidates }.push(posting.topic);
                }
            }
            let holds = |candidate: &Candidate<'_>| {
                let Candidate { number, entry, first, rest } = *candidate;
                if entry.asks_for_originality && !knows_originality {
                    return false;
                }
                let facts = if entry.has_fields { all() } else { &none };
                looking.holds_from(first, rest, facts)
                    && (entry.is_open || self.topic(number).is_some_and(&admits))
            };
            held.extend(self.begun(&candidates).iter().filter(|one| holds(one)).map(|one| one.number));
            held.sort_unstable();
            for number in held.into_iter().filter(|number| !gone.contains(number)) {
                if let Some(topic) = self.topic(number) {
                    tell(topic, Hit { looking, number, facts: &all });
                }
            }
        });
    }
}

/// A topic that matches a document: what is known of that is looked for when it is asked for.
pub(super) struct Hit<'h> {
    looking: Looking<'h>,
    number: u32,
    facts: &'h dyn Fn() -> &'h Facts,
}

impl Hit<'_> {
    /// Where it matches.
    pub(super) fn spans(&self, found: &mut Found) -> Vec<Span> {
        let none = Facts::default();
        let segment = self.looking.segment;
        let has_fields = segment.entries.get(self.number as usize).is_some_and(|entry| entry.has_fields);
        let facts = if has_fields { (self.facts)() } else { &none };
        self.looking.collect(segment.program(self.number), facts, &mut found.words);
        found.spans(self.looking.document)
    }

    /// The topic's tags whose rules hold, in their order.
    pub(super) fn tags(&self) -> Vec<Name> {
        let Looking { segment, .. } = self.looking;
        let (Some(rules), Some(topic)) = (segment.rules.get(&self.number), segment.topic(self.number)) else {
            return Vec::new();
        };
        let held = topic.tags.iter().zip(rules).filter(|(_, rule)| self.looking.holds(rule, (self.facts)()));
        held.map(|(tag, _)| tag.name.clone()).collect()
    }
}

/// A document as a segment sees it.
#[derive(Clone, Copy)]
struct Looking<'a> {
    segment: &'a Segment,
    scratch: &'a Scratch,
    document: &'a Document,
}

impl Looking<'_> {
    fn holds(self, program: &[Step], facts: &Facts) -> bool {
        program.split_first().is_some_and(|(first, rest)| self.holds_from(*first, rest, facts))
    }

    fn holds_from(self, first: Step, rest: &[Step], facts: &Facts) -> bool {
        match first.op() {
            Op::Term | Op::Leaf => self.leaf_holds(first),
            Op::Field => {
                let field = self.segment.fields.get(first.number() as usize);
                field.is_some_and(|field| field.holds(facts))
            }
            Op::And => parts(rest).all(|part| self.holds(part, facts)),
            Op::Or => parts(rest).any(|part| self.holds(part, facts)),
            Op::Not => !self.holds(rest, facts),
        }
    }

    /// Whether a leaf holds; looked at once for a document.
    fn leaf_holds(self, step: Step) -> bool {
        if step.op() == Op::Term {
            return self.scratch.has(step.number());
        }
        self.scratch.leaf(step.number(), || {
            let leaf = self.segment.leaf(step);
            leaf.is_some_and(|leaf| leaf.holds(View::of(&self, &Facts::default())))
        })
    }

    fn collect(self, program: &[Step], facts: &Facts, words: &mut Vec<(u32, u32)>) {
        let Some((first, rest)) = program.split_first() else { return };
        match first.op() {
            Op::Term => {
                let term = Indexed::One(first.number());
                words.extend(self.words(&term).map(|number| (number, number)));
            }
            Op::Leaf => {
                if let Some(leaf) = self.segment.leaf(*first) {
                    leaf.collect(View::of(&self, facts), words);
                }
            }
            Op::Field | Op::Not => (),
            Op::And => parts(rest).for_each(|part| self.collect(part, facts, words)),
            Op::Or => parts(rest)
                .filter(|part| self.holds(part, facts))
                .for_each(|part| self.collect(part, facts, words)),
        }
    }
}

impl Finder for Looking<'_> {
    type Term = Indexed;

    fn document(&self) -> &Document {
        self.document
    }

    fn words(&self, term: &Indexed) -> impl Iterator<Item = u32> {
        let number = self.segment.vocabulary.whole(term);
        let forms = number.into_iter().flat_map(|number| self.scratch.forms_of(number));
        forms.flat_map(|form| self.document.words_of(form))
    }

    fn finds(&self, term: &Indexed, word: &Word) -> bool {
        let number = self.segment.vocabulary.whole(term);
        number.is_none_or(|number| self.scratch.forms_of(number).any(|form| form == word.form))
    }

    fn parts<'t>(&'t self, term: &'t Indexed) -> &'t [Indexed] {
        let Indexed::Compound(number) = term else { return &[] };
        self.segment.vocabulary.compound(*number).map_or(&[], |compound| &compound.parts)
    }

    fn is_any(&self, term: &Indexed) -> bool {
        matches!(term, Indexed::Any)
    }
}
