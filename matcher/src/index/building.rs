//! Compiling topics: leaves shared, anchors chosen.

use std::collections::HashMap;

use super::leaf::Look;
use super::program::{Op, Step, enclose, parts};
use super::segment::{Entry, Parsed, Posting, Segment};
use super::vocabulary::{Indexed, TermId};
use crate::query::{Expr, Query, Scope};

/// Terms of which every match holds one, and how often they may be expected.
struct Anchors {
    cost: f64,
    anchors: Vec<Anchor>,
}

/// A term, and the leaf that it is a part of.
struct Anchor {
    term: TermId,
    leaf: Step,
    /// A word that every match has as well.
    guard: Option<TermId>,
    /// Where the leaf holds, so does all that is looked at.
    settles: bool,
}

#[derive(Default)]
pub(super) struct Building {
    segment: Segment,
    leaves: HashMap<String, Step>,
    postings: Vec<(TermId, Posting)>,
}

impl Building {
    pub(super) fn add(&mut self, Parsed { topic, query, rules, names: _ }: Parsed) {
        let number = count(self.segment.topics.len());
        let from = self.segment.steps.len();
        let has_fields = query.has_fields();
        let asks_for_originality =
            query.asks_for_originality() || rules.iter().any(Query::asks_for_originality);
        if asks_for_originality {
            self.segment.late.push(number);
        }
        let mut steps = std::mem::take(&mut self.segment.steps);
        self.write(&query.into_expr(), None, &mut steps);
        let is_open = topic.admits_all();
        match self.anchors(steps.get(from..).unwrap_or(&[])) {
            Some(anchors) => {
                let posting = |Anchor { term, leaf, guard, settles }| {
                    let settles = settles && is_open && !has_fields && !asks_for_originality;
                    let guard = guard.unwrap_or(term);
                    (term, Posting { topic: number, leaf, guard, settles })
                };
                self.postings.extend(anchors.anchors.into_iter().map(posting));
            }
            None => self.segment.always.push(number),
        }
        self.segment.steps = steps;
        self.segment.entries.push(Entry { from: count(from), is_open, has_fields, asks_for_originality });
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

    pub(super) fn done(mut self) -> Segment {
        self.postings.sort_unstable();
        self.postings.dedup();
        let mut segment = self.segment;
        segment.anchors = vec![0; segment.vocabulary.len() + 1];
        for (term, _) in &self.postings {
            if let Some(count) = segment.anchors.get_mut(*term as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut segment.anchors {
            sum += *count;
            *count = sum;
        }
        segment.postings = self.postings.into_iter().map(|(_, posting)| posting).collect();
        segment.vocabulary.close();
        segment.fields.shrink_to_fit();
        segment.topics.shrink_to_fit();
        segment.entries.shrink_to_fit();
        segment.steps.shrink_to_fit();
        segment.leaves.close();
        segment.postings.shrink_to_fit();
        segment
    }

    /// Writes a query's tree over leaves; parts of an item are pushed down to them.
    fn write(&mut self, expr: &Expr, scope: Option<Scope>, steps: &mut Vec<Step>) {
        match expr {
            // Words of an OR are leaves of their own: other topics have them too.
            Expr::And(of) | Expr::Or(of) => {
                let op = if matches!(expr, Expr::And(_)) { Op::And } else { Op::Or };
                enclose(steps, op, |steps| of.iter().for_each(|part| self.write(part, scope, steps)));
            }
            Expr::Not(of) => enclose(steps, Op::Not, |steps| self.write(of, scope, steps)),
            Expr::Field(field) => {
                steps.push(Step::new(Op::Field, count(self.segment.fields.len())));
                self.segment.fields.push(field.clone());
            }
            Expr::In(scope, of) => self.write(of, Some(*scope), steps),
            Expr::Preferred(_, of) => self.write(of, scope, steps),
            Expr::Word(_) | Expr::Phrase(_) | Expr::Near(_) | Expr::NotNear(_) | Expr::AtLeast(..) => {
                steps.push(self.leaf(expr, scope));
            }
        }
    }

    fn leaf(&mut self, expr: &Expr, scope: Option<Scope>) -> Step {
        let scoped = scope.map_or_else(|| expr.clone(), |scope| Expr::In(scope, Box::new(expr.clone())));
        let Segment { vocabulary, leaves, .. } = &mut self.segment;
        *self.leaves.entry(scoped.to_string()).or_insert_with(|| {
            match scoped.with_terms(&mut |term| vocabulary.indexed(term)) {
                Expr::Word(Indexed::One(term)) => Step::new(Op::Term, term),
                other => {
                    leaves.push(other);
                    Step::new(Op::Leaf, count(leaves.len() - 1))
                }
            }
        })
    }

    /// The cheapest terms of which every match of a program holds one; `None` where there are none.
    fn anchors(&self, program: &[Step]) -> Option<Anchors> {
        let (first, rest) = program.split_first()?;
        let anchor = |term, guard| Anchor { term, leaf: *first, guard, settles: true };
        match first.op() {
            Op::Term => {
                let term = first.number();
                Some(Anchors { cost: self.cost(term), anchors: vec![anchor(term, None)] })
            }
            Op::Leaf => {
                let leaf = self.segment.leaf(*first)?;
                let (cost, terms) = self.terms_of_leaf(leaf)?;
                let guard = self.rarest(needed_by(leaf).into_iter().filter(|term| !terms.contains(term)));
                Some(Anchors { cost, anchors: terms.into_iter().map(|term| anchor(term, guard)).collect() })
            }
            Op::Field | Op::Not => None,
            Op::And => {
                let all = parts(rest).filter_map(|part| Some((part, self.anchors(part)?)));
                let cheapest = all.min_by(|(_, one), (_, other)| one.cost.total_cmp(&other.cost));
                let (cheapest, mut anchors) = cheapest?;
                let others = parts(rest).filter(|part| !std::ptr::eq(*part, cheapest));
                let needed: Vec<TermId> = others.flat_map(|part| self.needed_at_once(part)).collect();
                for anchor in &mut anchors.anchors {
                    anchor.guard = self.rarest(needed.iter().copied().chain(anchor.guard));
                    anchor.settles = false;
                }
                Some(anchors)
            }
            Op::Or => {
                let all: Vec<Anchors> = parts(rest).map(|part| self.anchors(part)).collect::<Option<_>>()?;
                Some(Anchors {
                    cost: all.iter().map(|one| one.cost).sum(),
                    anchors: all.into_iter().flat_map(|one| one.anchors).collect(),
                })
            }
        }
    }

    /// Terms that a part of an AND, a leaf, cannot do without.
    fn needed_at_once(&self, part: &[Step]) -> Vec<TermId> {
        match part.first() {
            Some(step) if step.op() == Op::Term => vec![step.number()],
            Some(step) if step.op() == Op::Leaf => {
                self.segment.leaf(*step).map(needed_by).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn rarest(&self, terms: impl Iterator<Item = TermId>) -> Option<TermId> {
        terms.min_by(|one, other| self.cost(*one).total_cmp(&self.cost(*other)))
    }

    /// The cheapest terms of which every occurrence of a leaf holds one.
    fn terms_of_leaf(&self, leaf: Look<'_>) -> Option<(f64, Vec<TermId>)> {
        match leaf {
            Look::Run(words) => self.terms_of_words(words),
            Look::Other(expr) => self.terms_of(expr),
        }
    }

    fn terms_of_words(&self, words: &[Indexed]) -> Option<(f64, Vec<TermId>)> {
        let all = words.iter().filter_map(|term| self.terms_of_word(term));
        all.min_by(|one, other| one.0.total_cmp(&other.0))
    }

    fn terms_of(&self, expr: &Expr<Indexed>) -> Option<(f64, Vec<TermId>)> {
        let cheapest = |all: &mut dyn Iterator<Item = (f64, Vec<TermId>)>| {
            all.min_by(|one, other| one.0.total_cmp(&other.0))
        };
        match expr {
            Expr::Word(term) => self.terms_of_word(term),
            Expr::Phrase(phrase) => self.terms_of_words(&phrase.words),
            Expr::Near(near) => {
                cheapest(&mut [&near.left, &near.right].into_iter().filter_map(|part| self.terms_of(part)))
            }
            Expr::NotNear(near) => self.terms_of(&near.left),
            Expr::AtLeast(_, of) | Expr::Preferred(_, of) | Expr::In(_, of) => self.terms_of(of),
            Expr::Or(of) => {
                let all: Vec<_> = of.iter().map(|part| self.terms_of(part)).collect::<Option<_>>()?;
                let cost = all.iter().map(|(cost, _)| cost).sum();
                Some((cost, all.into_iter().flat_map(|(_, terms)| terms).collect()))
            }
            Expr::And(_) | Expr::Field(_) | Expr::Not(_) => None,
        }
    }

    fn terms_of_word(&self, term: &Indexed) -> Option<(f64, Vec<TermId>)> {
        match term {
            Indexed::One(number) => Some((self.cost(*number), vec![*number])),
            // The whole as one word, or its first part.
            Indexed::Compound(number) => {
                let compound = self.segment.vocabulary.compound(*number)?;
                let (cost, mut terms) = self.terms_of_word(compound.parts.first()?)?;
                terms.push(compound.whole);
                Some((cost, terms))
            }
            Indexed::Any => None,
        }
    }

    fn cost(&self, term: TermId) -> f64 {
        self.segment.vocabulary.cost(term)
    }
}

/// Terms of which every occurrence of a leaf has all.
fn needed_by(leaf: Look<'_>) -> Vec<TermId> {
    match leaf {
        Look::Run(words) => needed_words(words),
        Look::Other(expr) => needed(expr),
    }
}

fn needed_words(words: &[Indexed]) -> Vec<TermId> {
    let one = |term: &Indexed| if let Indexed::One(number) = term { Some(*number) } else { None };
    words.iter().filter_map(one).collect()
}

fn needed(leaf: &Expr<Indexed>) -> Vec<TermId> {
    match leaf {
        Expr::Word(term) => needed_words(std::slice::from_ref(term)),
        Expr::Phrase(phrase) => needed_words(&phrase.words),
        Expr::Near(near) => [needed(&near.left), needed(&near.right)].concat(),
        Expr::NotNear(near) => needed(&near.left),
        Expr::AtLeast(_, of) | Expr::Preferred(_, of) | Expr::In(_, of) => needed(of),
        Expr::Or(_) | Expr::And(_) | Expr::Not(_) | Expr::Field(_) => Vec::new(),
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
