//! Topics compiled together: leaves shared by all of them, and the few words that lead to each.
//!
//! A query is a tree of AND, OR and NOT over *leaves*: words, phrases, neighbourhoods, fields. Equal leaves of different
//! topics are one, and are looked at once for a document. Each topic hangs on *anchors*, the cheapest set of terms of
//! which every match holds one; only topics with an anchor in the document, whose leaf around that anchor holds, are
//! looked at. (The idea is that of Lucene Monitor's presearcher, with the leaf checked first; the figures that led here
//! are in ARCHITECTURE.md.)

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use model::{Name, Span, Topic};

use super::vocabulary::{Indexed, TermId, Vocabulary};
use crate::query::{Expr, Facts, Field, Finder, Query, Scope, View, spans};
use crate::text::{Document, Word};

/// A tree over leaves.
#[derive(Debug)]
enum Node {
    Leaf(u32),
    Field(Box<Field>),
    And(Box<[Self]>),
    Or(Box<[Self]>),
    Not(Box<Self>),
}

/// What stands at places, in one part of the item or in all.
#[derive(Debug)]
struct Leaf {
    expr: Expr<Indexed>,
    /// The one term that it is, wherever it stands.
    term: Option<TermId>,
}

/// Where a term leads: a topic, and the leaf that the term is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Posting {
    topic: u32,
    leaf: u32,
}

/// A topic, compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) topic: Topic,
    node: Node,
    has_fields: bool,
}

/// Topics that are matched together. Does not change.
#[derive(Debug, Default)]
pub(super) struct Segment {
    vocabulary: Vocabulary,
    leaves: Vec<Leaf>,
    topics: Vec<Compiled>,
    numbers: HashMap<Name, u32>,
    /// By term.
    anchors: Vec<Vec<Posting>>,
    /// Topics without anchors.
    always: Vec<u32>,
}

impl Segment {
    pub(super) fn new(topics: impl IntoIterator<Item = (Topic, Query)>) -> Self {
        let mut building = Building::default();
        for (topic, query) in topics {
            building.add(topic, query);
        }
        building.done()
    }

    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn topics(&self) -> &[Compiled] {
        &self.topics
    }

    /// The number of a topic.
    pub(super) fn number(&self, name: &Name) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn topic(&self, number: u32) -> Option<&Topic> {
        self.topics.get(number as usize).map(|compiled| &compiled.topic)
    }

    /// Tells each topic that matches, with a way to its spans.
    pub(super) fn each_match(
        &self,
        document: &Document,
        admits: impl Fn(u32, &Topic) -> bool,
        facts: &dyn Fn() -> Facts,
        mut tell: impl FnMut(&Topic, &dyn Fn() -> Vec<Span>),
    ) {
        if self.topics.is_empty() {
            return;
        }
        SCRATCH.with_borrow_mut(|scratch| scratch.begin(self, document));
        SCRATCH.with_borrow(|scratch| {
            let none = Facts::default();
            let all = std::cell::OnceCell::new();
            let looking = Looking { segment: self, scratch, document };
            let mut seen = scratch.seen.borrow_mut();
            let mut consider = |number: u32| {
                let Some(compiled) = self.topics.get(number as usize) else { return };
                let facts = if compiled.has_fields { all.get_or_init(facts) } else { &none };
                if admits(number, &compiled.topic) && looking.holds(&compiled.node, facts) {
                    tell(&compiled.topic, &|| looking.spans(&compiled.node, facts));
                }
            };
            for term in &scratch.terms {
                for posting in self.anchors.get(*term as usize).into_iter().flatten() {
                    if !looking.leaf_holds(posting.leaf) || seen.mark(posting.topic) {
                        continue;
                    }
                    consider(posting.topic);
                }
            }
            self.always.iter().for_each(|topic| consider(*topic));
        });
    }
}

#[derive(Default)]
struct Building {
    segment: Segment,
    leaves: HashMap<String, u32>,
}

impl Building {
    fn add(&mut self, topic: Topic, query: Query) {
        let number = u32::try_from(self.segment.topics.len()).unwrap_or(u32::MAX);
        let has_fields = query.has_fields();
        let expr = query.into_expr();
        let node = self.node(&expr, None);
        match self.anchors(&node) {
            Some((_, anchors)) => {
                self.segment.anchors.resize_with(self.segment.vocabulary.len(), Vec::new);
                for (term, leaf) in anchors {
                    if let Some(postings) = self.segment.anchors.get_mut(term as usize) {
                        postings.push(Posting { topic: number, leaf });
                    }
                }
            }
            None => self.segment.always.push(number),
        }
        self.segment.numbers.insert(topic.name.clone(), number);
        self.segment.topics.push(Compiled { topic, node, has_fields });
    }

    fn done(mut self) -> Segment {
        self.segment.anchors.resize_with(self.segment.vocabulary.len(), Vec::new);
        for postings in &mut self.segment.anchors {
            postings.sort_unstable();
            postings.dedup();
            postings.shrink_to_fit();
        }
        self.segment
    }

    /// A query's tree over leaves; parts of an item are pushed down to them.
    fn node(&mut self, expr: &Expr, scope: Option<Scope>) -> Node {
        let all = |building: &mut Self, parts: &[Expr]| {
            parts.iter().map(|part| building.node(part, scope)).collect::<Box<[Node]>>()
        };
        match expr {
            Expr::And(parts) => Node::And(all(self, parts)),
            // Words of an OR are leaves of their own: other topics have them too.
            Expr::Or(parts) => Node::Or(all(self, parts)),
            Expr::Not(of) => Node::Not(Box::new(self.node(of, scope))),
            Expr::Field(field) => Node::Field(Box::new(field.clone())),
            Expr::In(scope, of) => self.node(of, Some(*scope)),
            Expr::Preferred(_, of) => self.node(of, scope),
            Expr::Word(_) | Expr::Phrase(_) | Expr::Near(_) | Expr::NotNear(_) | Expr::AtLeast(..) => {
                Node::Leaf(self.leaf(expr, scope))
            }
        }
    }

    fn leaf(&mut self, expr: &Expr, scope: Option<Scope>) -> u32 {
        let scoped = scope.map_or_else(|| expr.clone(), |scope| Expr::In(scope, Box::new(expr.clone())));
        let vocabulary = &mut self.segment.vocabulary;
        let leaves = &mut self.segment.leaves;
        *self.leaves.entry(scoped.to_string()).or_insert_with(|| {
            let number = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
            let expr = scoped.with_terms(&mut |term| vocabulary.indexed(term));
            let term = if let Expr::Word(Indexed::One(term)) = &expr { Some(*term) } else { None };
            leaves.push(Leaf { expr, term });
            number
        })
    }

    /// The cheapest terms of which every match holds one, each with its leaf; `None` where there are none.
    fn anchors(&self, node: &Node) -> Option<(f64, Vec<(TermId, u32)>)> {
        match node {
            Node::Leaf(number) => {
                let leaf = self.segment.leaves.get(*number as usize)?;
                let (cost, terms) = self.anchors_of(&leaf.expr)?;
                Some((cost, terms.into_iter().map(|term| (term, *number)).collect()))
            }
            Node::Field(_) | Node::Not(_) => None,
            Node::And(parts) => {
                let all = parts.iter().filter_map(|part| self.anchors(part));
                all.min_by(|one, other| one.0.total_cmp(&other.0))
            }
            Node::Or(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|part| self.anchors(part)).collect();
                let all = all?;
                Some((
                    all.iter().map(|(cost, _)| cost).sum(),
                    all.into_iter().flat_map(|(_, terms)| terms).collect(),
                ))
            }
        }
    }

    fn anchors_of(&self, expr: &Expr<Indexed>) -> Option<(f64, Vec<TermId>)> {
        let cheapest = |all: &mut dyn Iterator<Item = (f64, Vec<TermId>)>| {
            all.min_by(|one, other| one.0.total_cmp(&other.0))
        };
        match expr {
            Expr::Word(term) => self.anchors_of_term(term),
            Expr::Phrase(phrase) => {
                cheapest(&mut phrase.words.iter().filter_map(|term| self.anchors_of_term(term)))
            }
            Expr::Near(near) => {
                cheapest(&mut [&near.left, &near.right].into_iter().filter_map(|part| self.anchors_of(part)))
            }
            Expr::NotNear(near) => self.anchors_of(&near.left),
            Expr::AtLeast(_, of) | Expr::Preferred(_, of) | Expr::In(_, of) => self.anchors_of(of),
            Expr::Or(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|part| self.anchors_of(part)).collect();
                let all = all?;
                Some((
                    all.iter().map(|(cost, _)| cost).sum(),
                    all.into_iter().flat_map(|(_, terms)| terms).collect(),
                ))
            }
            Expr::And(_) | Expr::Field(_) | Expr::Not(_) => None,
        }
    }

    fn anchors_of_term(&self, term: &Indexed) -> Option<(f64, Vec<TermId>)> {
        match term {
            Indexed::One(number) => Some((self.segment.vocabulary.cost(*number), vec![*number])),
            // The whole as one word, or its first part.
            Indexed::Compound { whole, parts } => {
                let (cost, mut terms) = self.anchors_of_term(parts.first()?)?;
                terms.push(*whole);
                Some((cost, terms))
            }
            Indexed::Any => None,
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What is known of the document at hand. Kept from one document to the next, and told apart by an epoch, so that
/// nothing is cleared.
#[derive(Default)]
struct Scratch {
    epoch: u32,
    /// By term: the epoch in which it was found last, and the last of its forms.
    stamps: Vec<(u32, u32)>,
    /// Forms of a term, each with the one before.
    forms: Vec<(u32, u32)>,
    /// The terms that were found.
    terms: Vec<TermId>,
    leaves: RefCell<Vec<u32>>,
    seen: RefCell<Seen>,
}

/// Which topics have been looked at.
#[derive(Default)]
struct Seen {
    epoch: u32,
    stamps: Vec<u32>,
}

impl Seen {
    /// Whether it was marked already.
    fn mark(&mut self, topic: u32) -> bool {
        let Some(stamp) = self.stamps.get_mut(topic as usize) else { return true };
        std::mem::replace(stamp, self.epoch) == self.epoch
    }
}

const NONE: u32 = u32::MAX;
/// Epochs end here: a leaf's memory holds one bit beside them.
const LAST_EPOCH: u32 = u32::MAX >> 2;

impl Scratch {
    fn begin(&mut self, segment: &Segment, document: &Document) {
        if self.epoch >= LAST_EPOCH {
            *self = Self::default();
        }
        self.epoch += 1;
        let longer = |length: usize, needed: usize| length.max(needed);
        self.stamps.resize(longer(self.stamps.len(), segment.vocabulary.len()), (0, NONE));
        let leaves = self.leaves.get_mut();
        leaves.resize(longer(leaves.len(), segment.leaves.len()), 0);
        let seen = self.seen.get_mut();
        seen.epoch = self.epoch;
        seen.stamps.resize(longer(seen.stamps.len(), segment.topics.len()), 0);
        self.terms.clear();
        self.forms.clear();
        segment.vocabulary.each_term(document, |number, term| {
            let Some(stamp) = self.stamps.get_mut(term as usize) else { return };
            let before = if stamp.0 == self.epoch { stamp.1 } else { NONE };
            if before == NONE {
                self.terms.push(term);
            }
            *stamp = (self.epoch, u32::try_from(self.forms.len()).unwrap_or(NONE));
            self.forms.push((number, before));
        });
    }

    /// Whether a term finds anything.
    fn has(&self, term: TermId) -> bool {
        self.stamps.get(term as usize).is_some_and(|stamp| stamp.0 == self.epoch)
    }

    /// The document's forms that a term finds.
    fn forms_of(&self, term: TermId) -> impl Iterator<Item = u32> {
        let last = self.stamps.get(term as usize).filter(|stamp| stamp.0 == self.epoch).map(|stamp| stamp.1);
        let mut next = last.unwrap_or(NONE);
        std::iter::from_fn(move || {
            let (form, before) = *self.forms.get(next as usize)?;
            next = before;
            Some(form)
        })
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
    fn holds(self, node: &Node, facts: &Facts) -> bool {
        match node {
            Node::Leaf(number) => self.leaf_holds(*number),
            Node::Field(field) => field.holds(facts),
            Node::And(parts) => parts.iter().all(|part| self.holds(part, facts)),
            Node::Or(parts) => parts.iter().any(|part| self.holds(part, facts)),
            Node::Not(of) => !self.holds(of, facts),
        }
    }

    /// Whether a leaf holds; looked at once for a document.
    fn leaf_holds(self, number: u32) -> bool {
        let Some(leaf) = self.segment.leaves.get(number as usize) else { return false };
        if let Some(term) = leaf.term {
            return self.scratch.has(term);
        }
        let memory =
            |leaves: &RefCell<Vec<u32>>| leaves.borrow().get(number as usize).copied().unwrap_or_default();
        let known = memory(&self.scratch.leaves);
        if known >> 1 == self.scratch.epoch {
            return known & 1 == 1;
        }
        let none = Facts::default();
        let holds = View::of(&self, &none).holds(&leaf.expr);
        if let Some(memory) = self.scratch.leaves.borrow_mut().get_mut(number as usize) {
            *memory = self.scratch.epoch << 1 | u32::from(holds);
        }
        holds
    }

    fn spans(self, node: &Node, facts: &Facts) -> Vec<Span> {
        let mut words = BTreeSet::new();
        self.collect(node, facts, &mut words);
        spans(self.document, &words)
    }

    fn collect(self, node: &Node, facts: &Facts, words: &mut BTreeSet<(u32, u32)>) {
        match node {
            Node::Leaf(number) => {
                if let Some(leaf) = self.segment.leaves.get(*number as usize) {
                    View::of(&self, facts).collect(&leaf.expr, words);
                }
            }
            Node::Field(_) | Node::Not(_) => (),
            Node::And(parts) => parts.iter().for_each(|part| self.collect(part, facts, words)),
            Node::Or(parts) => parts
                .iter()
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
        let number = match term {
            Indexed::One(number) | Indexed::Compound { whole: number, .. } => *number,
            Indexed::Any => NONE,
        };
        let forms = self.scratch.forms_of(number);
        forms.flat_map(|form| self.document.words_of(form))
    }

    fn finds(&self, term: &Indexed, word: &Word) -> bool {
        match term {
            Indexed::One(number) | Indexed::Compound { whole: number, .. } => {
                self.scratch.forms_of(*number).any(|form| form == word.form)
            }
            Indexed::Any => true,
        }
    }

    fn parts<'t>(&self, term: &'t Indexed) -> &'t [Indexed] {
        if let Indexed::Compound { parts, .. } = term { parts } else { &[] }
    }

    fn is_any(&self, term: &Indexed) -> bool {
        matches!(term, Indexed::Any)
    }
}
