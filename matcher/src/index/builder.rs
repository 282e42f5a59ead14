//! Building a segment: topics are compiled to programs, equal leaves are shared, and anchors are chosen.

use std::collections::HashMap;

use super::leaf::LeafRef;
use super::program::{Op, Step, operands, push_operator};
use super::segment::{ParsedTopic, Posting, Segment, TopicEntry};
use super::vocabulary::{IndexedTerm, TermId};
use crate::query::{Expr, Query, Scope};

/// Terms of which every match contains at least one.
struct AnchorSet {
    /// The expected frequency of the terms.
    cost: f64,
    anchors: Vec<Anchor>,
}

/// A term, and the leaf that contains it.
struct Anchor {
    term: TermId,
    leaf: Step,
    /// Another term that every match contains.
    guard: Option<TermId>,
    /// Set if the whole expression matches when the leaf does.
    settles: bool,
}

#[derive(Default)]
pub(super) struct SegmentBuilder {
    segment: Segment,
    /// Steps of leaves by their canonical text.
    leaf_steps: HashMap<String, Step>,
    postings: Vec<(TermId, Posting)>,
}

impl SegmentBuilder {
    pub(super) fn add(&mut self, ParsedTopic { topic, query, rules, references: _ }: ParsedTopic) {
        let number = to_u32(self.segment.topics.len());
        let from = self.segment.steps.len();
        let has_fields = query.has_fields();
        let needs_originality = query.needs_originality() || rules.iter().any(Query::needs_originality);
        if needs_originality {
            self.segment.deferred.push(number);
        }
        let mut steps = std::mem::take(&mut self.segment.steps);
        self.write(&query.into_expr(), None, &mut steps);
        let is_open = topic.admits_all();
        match self.choose_anchors(steps.get(from..).unwrap_or(&[])) {
            Some(set) => {
                let posting = |Anchor { term, leaf, guard, settles }| {
                    let settles = settles && is_open && !has_fields && !needs_originality;
                    let guard = guard.unwrap_or(term);
                    (term, Posting { topic: number, leaf, guard, settles })
                };
                self.postings.extend(set.anchors.into_iter().map(posting));
            }
            None => self.segment.unanchored.push(number),
        }
        self.segment.steps = steps;
        self.segment.entries.push(TopicEntry { start: to_u32(from), is_open, has_fields, needs_originality });
        self.add_rules(number, rules);
        self.segment.topics.push(topic);
    }

    fn add_rules(&mut self, topic: u32, rules: Vec<Query>) {
        if rules.is_empty() {
            return;
        }
        let program = |rule: Query| {
            let mut steps = Vec::new();
            self.write(&rule.into_expr(), None, &mut steps);
            steps.into_boxed_slice()
        };
        let programs = rules.into_iter().map(program).collect();
        self.segment.rules.insert(topic, programs);
    }

    pub(super) fn finish(mut self) -> Segment {
        self.postings.sort_unstable();
        self.postings.dedup();
        let mut segment = self.segment;
        segment.posting_offsets = vec![0; segment.vocabulary.len() + 1];
        for (term, _) in &self.postings {
            if let Some(count) = segment.posting_offsets.get_mut(*term as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut segment.posting_offsets {
            sum += *count;
            *count = sum;
        }
        segment.postings = self.postings.into_iter().map(|(_, posting)| posting).collect();
        segment.vocabulary.freeze();
        segment.fields.shrink_to_fit();
        segment.topics.shrink_to_fit();
        segment.entries.shrink_to_fit();
        segment.steps.shrink_to_fit();
        segment.leaves.shrink_to_fit();
        segment.postings.shrink_to_fit();
        segment
    }

    /// Appends the steps of a query's tree. Scopes are pushed down to the leaves.
    fn write(&mut self, expr: &Expr, scope: Option<Scope>, steps: &mut Vec<Step>) {
        match expr {
            // Each word of an OR is a separate leaf, because other topics share it.
            Expr::And(parts) | Expr::Or(parts) => {
                let op = if matches!(expr, Expr::And(_)) { Op::And } else { Op::Or };
                push_operator(steps, op, |steps| {
                    parts.iter().for_each(|part| self.write(part, scope, steps))
                });
            }
            Expr::Not(part) => push_operator(steps, Op::Not, |steps| self.write(part, scope, steps)),
            Expr::Field(field) => {
                steps.push(Step::new(Op::Field, to_u32(self.segment.fields.len())));
                self.segment.fields.push(field.clone());
            }
            Expr::In(scope, inner) => self.write(inner, Some(*scope), steps),
            Expr::Preferred(_, inner) => self.write(inner, scope, steps),
            Expr::Word(_) | Expr::Phrase(_) | Expr::Near(_) | Expr::NotNear(_) | Expr::AtLeast(..) => {
                steps.push(self.leaf_step(expr, scope));
            }
        }
    }

    /// Returns the step of a leaf. Equal leaves have the same step.
    fn leaf_step(&mut self, expr: &Expr, scope: Option<Scope>) -> Step {
        let scoped = scope.map_or_else(|| expr.clone(), |scope| Expr::In(scope, Box::new(expr.clone())));
        let Segment { vocabulary, leaves, .. } = &mut self.segment;
        *self.leaf_steps.entry(scoped.to_string()).or_insert_with(|| {
            match scoped.with_terms(&mut |term| vocabulary.intern(term)) {
                Expr::Word(IndexedTerm::Single(term)) => Step::new(Op::Term, term),
                other => {
                    leaves.push(other);
                    Step::new(Op::Leaf, to_u32(leaves.len() - 1))
                }
            }
        })
    }

    /// Returns the cheapest terms of which every match of a program contains at least one. Returns `None` if the
    /// program can match without any particular term.
    fn choose_anchors(&self, program: &[Step]) -> Option<AnchorSet> {
        let (first, rest) = program.split_first()?;
        let anchor = |term, guard| Anchor { term, leaf: *first, guard, settles: true };
        match first.op() {
            Op::Term => {
                let term = first.number();
                Some(AnchorSet { cost: self.cost(term), anchors: vec![anchor(term, None)] })
            }
            Op::Leaf => {
                let leaf = self.segment.leaf(*first)?;
                let (cost, terms) = self.anchor_terms_of_leaf(leaf)?;
                let guard =
                    self.rarest(required_terms(leaf).into_iter().filter(|term| !terms.contains(term)));
                Some(AnchorSet { cost, anchors: terms.into_iter().map(|term| anchor(term, guard)).collect() })
            }
            Op::Field | Op::Not => None,
            Op::And => {
                let all = operands(rest).filter_map(|operand| Some((operand, self.choose_anchors(operand)?)));
                let cheapest = all.min_by(|(_, one), (_, other)| one.cost.total_cmp(&other.cost));
                let (cheapest, mut set) = cheapest?;
                let others = operands(rest).filter(|operand| !std::ptr::eq(*operand, cheapest));
                let required: Vec<TermId> =
                    others.flat_map(|operand| self.required_terms_of_operand(operand)).collect();
                for anchor in &mut set.anchors {
                    anchor.guard = self.rarest(required.iter().copied().chain(anchor.guard));
                    anchor.settles = false;
                }
                Some(set)
            }
            Op::Or => {
                let all: Vec<AnchorSet> =
                    operands(rest).map(|operand| self.choose_anchors(operand)).collect::<Option<_>>()?;
                Some(AnchorSet {
                    cost: all.iter().map(|one| one.cost).sum(),
                    anchors: all.into_iter().flat_map(|one| one.anchors).collect(),
                })
            }
        }
    }

    /// Returns the terms that every match of an operand contains, if the operand is a single leaf.
    fn required_terms_of_operand(&self, operand: &[Step]) -> Vec<TermId> {
        match operand.first() {
            Some(step) if step.op() == Op::Term => vec![step.number()],
            Some(step) if step.op() == Op::Leaf => {
                self.segment.leaf(*step).map(required_terms).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn rarest(&self, terms: impl Iterator<Item = TermId>) -> Option<TermId> {
        terms.min_by(|one, other| self.cost(*one).total_cmp(&self.cost(*other)))
    }

    /// Returns the cheapest terms of which every occurrence of a leaf contains at least one, and their cost.
    fn anchor_terms_of_leaf(&self, leaf: LeafRef<'_>) -> Option<(f64, Vec<TermId>)> {
        match leaf {
            LeafRef::Run(words) => self.anchor_terms_of_words(words),
            LeafRef::Other(expr) => self.anchor_terms_of_expr(expr),
        }
    }

    fn anchor_terms_of_words(&self, words: &[IndexedTerm]) -> Option<(f64, Vec<TermId>)> {
        let all = words.iter().filter_map(|term| self.anchor_terms_of_word(term));
        all.min_by(|one, other| one.0.total_cmp(&other.0))
    }

    fn anchor_terms_of_expr(&self, expr: &Expr<IndexedTerm>) -> Option<(f64, Vec<TermId>)> {
        let cheapest = |all: &mut dyn Iterator<Item = (f64, Vec<TermId>)>| {
            all.min_by(|one, other| one.0.total_cmp(&other.0))
        };
        match expr {
            Expr::Word(term) => self.anchor_terms_of_word(term),
            Expr::Phrase(phrase) => self.anchor_terms_of_words(&phrase.words),
            Expr::Near(near) => cheapest(
                &mut [&near.left, &near.right].into_iter().filter_map(|part| self.anchor_terms_of_expr(part)),
            ),
            Expr::NotNear(near) => self.anchor_terms_of_expr(&near.left),
            Expr::AtLeast(_, inner) | Expr::Preferred(_, inner) | Expr::In(_, inner) => {
                self.anchor_terms_of_expr(inner)
            }
            Expr::Or(parts) => {
                let all: Vec<_> =
                    parts.iter().map(|part| self.anchor_terms_of_expr(part)).collect::<Option<_>>()?;
                let cost = all.iter().map(|(cost, _)| cost).sum();
                Some((cost, all.into_iter().flat_map(|(_, terms)| terms).collect()))
            }
            Expr::And(_) | Expr::Field(_) | Expr::Not(_) => None,
        }
    }

    fn anchor_terms_of_word(&self, term: &IndexedTerm) -> Option<(f64, Vec<TermId>)> {
        match term {
            IndexedTerm::Single(number) => Some((self.cost(*number), vec![*number])),
            // An occurrence is either the whole as one word, or begins with the first part.
            IndexedTerm::Compound(number) => {
                let compound = self.segment.vocabulary.compound(*number)?;
                let (cost, mut terms) = self.anchor_terms_of_word(compound.parts.first()?)?;
                terms.push(compound.whole);
                Some((cost, terms))
            }
            IndexedTerm::Any => None,
        }
    }

    fn cost(&self, term: TermId) -> f64 {
        self.segment.vocabulary.cost(term)
    }
}

/// Returns the terms that every occurrence of a leaf contains.
fn required_terms(leaf: LeafRef<'_>) -> Vec<TermId> {
    match leaf {
        LeafRef::Run(words) => required_terms_of_words(words),
        LeafRef::Other(expr) => required_terms_of_expr(expr),
    }
}

fn required_terms_of_words(words: &[IndexedTerm]) -> Vec<TermId> {
    let single = |term: &IndexedTerm| if let IndexedTerm::Single(id) = term { Some(*id) } else { None };
    words.iter().filter_map(single).collect()
}

fn required_terms_of_expr(leaf: &Expr<IndexedTerm>) -> Vec<TermId> {
    match leaf {
        Expr::Word(term) => required_terms_of_words(std::slice::from_ref(term)),
        Expr::Phrase(phrase) => required_terms_of_words(&phrase.words),
        Expr::Near(near) => {
            [required_terms_of_expr(&near.left), required_terms_of_expr(&near.right)].concat()
        }
        Expr::NotNear(near) => required_terms_of_expr(&near.left),
        Expr::AtLeast(_, inner) | Expr::Preferred(_, inner) | Expr::In(_, inner) => {
            required_terms_of_expr(inner)
        }
        Expr::Or(_) | Expr::And(_) | Expr::Not(_) | Expr::Field(_) => Vec::new(),
    }
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
