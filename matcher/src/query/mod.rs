//! Queries: from text to a tree that can be printed, explained and evaluated.

mod cost;
mod dialect;
mod error;
mod evaluate;
mod explain;
mod field;
mod lexer;
mod lower;
mod named;
mod parser;
mod print;
mod terms;
mod tree;
mod warn;

pub use dialect::Dialect;
pub use error::{QueryError, Warning};
pub(crate) use evaluate::{Finder, Found, View, finds};
pub use explain::{Explanation, LeafFound};
pub use field::Facts;
pub(crate) use field::{Field, ORIGINALITY};
pub use named::{Definitions, Lists, Named};
pub(crate) use tree::{Expr, Scope, Term};

use std::collections::BTreeSet;

use model::Span;

use crate::text::Document;

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    expr: Expr,
    warnings: Vec<Warning>,
}

impl Query {
    /// Parses a query. The error says where and what to do about it.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let (expr, warnings) = parser::parse(text)?;
        Ok(Self { expr, warnings })
    }

    /// Parses a rule for a tag: it is held against what a topic matches, so it may hold for nearly everything.
    pub fn parse_rule(text: &str) -> Result<Self, QueryError> {
        let (expr, warnings) = parser::parse_rule(text)?;
        Ok(Self { expr, warnings })
    }

    /// Reads a query of another system as it means there; its print is TQL.
    pub fn import(text: &str, dialect: Dialect) -> Result<Self, QueryError> {
        let (expr, warnings) = dialect::read(text, dialect)?;
        Ok(Self { expr, warnings })
    }

    /// A query for any of these words and phrases, in any form, and none of those. The error says which entry it is
    /// about, the wanted ones counted first, if it is about one.
    pub fn of_lists(wanted: &[String], unwanted: &[String]) -> Result<Self, (Option<usize>, QueryError)> {
        let (expr, warnings) = dialect::of_lists(wanted, unwanted)?;
        Ok(Self { expr, warnings })
    }

    /// What it names beside words: lists and other topics.
    pub fn names(&self) -> BTreeSet<Named> {
        named::names(&self.expr)
    }

    /// The same with what it names put into it; `text` is what it was read from.
    pub(crate) fn with_named(
        self,
        text: &str,
        lists: &Lists,
        query_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, QueryError> {
        if self.names().is_empty() {
            return Ok(self);
        }
        let expr = named::put_in(self.expr, text, lists, query_of)?;
        Ok(Self { expr, warnings: self.warnings.into_iter().filter(|one| !one.is_of_names()).collect() })
    }

    /// What is legal but probably not meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the query's words stand, if an item matches.
    pub fn matches(&self, document: &Document, facts: &Facts) -> Option<Vec<Span>> {
        evaluate::matches(&self.expr, document, facts)
    }

    /// Why an item matches, or what it fails by.
    pub fn explain(&self, document: &Document, facts: &Facts) -> Explanation {
        explain::explain(&self.expr, document, facts)
    }

    /// The parts that stand for themselves and are looked for, as they are printed, each as a query of its own.
    pub fn leaves(&self) -> Vec<(String, Self)> {
        let mut leaves = Vec::new();
        self.expr.wanted_leaves(None, &mut leaves);
        let query = |expr: Expr| (expr.to_string(), Self { expr, warnings: Vec::new() });
        leaves.into_iter().map(query).collect()
    }

    /// What is excluded from all of it, as it is printed, each with the query that does without.
    pub fn exclusions(&self) -> Vec<(String, Self)> {
        let Expr::And(parts) = &self.expr else { return Vec::new() };
        let excluded = parts.iter().enumerate().filter(|(_, part)| matches!(part, Expr::Not(_)));
        let without = |at: usize| {
            let rest = parts.iter().enumerate().filter(|(other, _)| *other != at);
            tree::joined(rest.map(|(_, part)| part.clone()).collect(), Expr::And)
        };
        excluded
            .map(|(at, part)| (part.to_string(), Self { expr: without(at), warnings: Vec::new() }))
            .collect()
    }

    /// Whether it asks for more than words.
    pub fn has_fields(&self) -> bool {
        self.expr.has_field(&|_| true)
    }

    /// Whether it asks if an item is a reprint (`dup:`), which is known a while after it was stored.
    pub fn asks_for_originality(&self) -> bool {
        self.expr.has_field(&|field| field.is_named(field::ORIGINALITY))
    }

    /// What it costs a matcher, in units of a plain word that is looked for; more than 10,000 are refused (`E_COST`).
    pub fn cost(&self) -> u32 {
        cost::cost(&self.expr)
    }

    /// What is left when only its meaning is wanted.
    pub(crate) fn into_expr(self) -> Expr {
        self.expr
    }

    /// The plain strings to search a site for, in their order; `None` where none would find everything.
    pub fn searches(&self) -> Option<Vec<String>> {
        Some(lower::lower(&self.expr)?.into_iter().collect())
    }
}

/// The canonical print: parsing it gives the same query.
impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.expr.fmt(f)
    }
}

#[cfg(test)]
mod tests;
