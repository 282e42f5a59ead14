//! The query language: parsing, canonical printing, explanation and evaluation.

mod cost;
mod dialect;
mod error;
mod evaluate;
mod explain;
mod field;
mod field_spec;
mod lexer;
mod occurrence;
mod parser;
mod print;
mod references;
mod site_search;
mod terms;
mod token;
mod tree;
mod warn;

pub use dialect::Dialect;
pub use error::{QueryError, Warning};
pub(crate) use evaluate::{SpanBuffer, TermMatcher, View, finds};
pub use explain::{Explanation, LeafResult};
pub use field::Facts;
pub(crate) use field::Field;
pub(crate) use field_spec::ORIGINALITY;
pub use references::{Definitions, Lists, QueryReference};
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
    /// Parses a query. The error carries its position and a remedy.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let (expr, warnings) = parser::parse(text)?;
        Ok(Self { expr, warnings })
    }

    /// Parses the rule of a tag. A rule is evaluated only on matches of its topic, so it may match nearly every item.
    pub fn parse_rule(text: &str) -> Result<Self, QueryError> {
        let (expr, warnings) = parser::parse_rule(text)?;
        Ok(Self { expr, warnings })
    }

    /// Parses a query in the language of another system, with its meaning there. The query prints as TQL.
    pub fn import(text: &str, dialect: Dialect) -> Result<Self, QueryError> {
        let (expr, warnings) = dialect::import(text, dialect)?;
        Ok(Self { expr, warnings })
    }

    /// Builds a query that matches any of the `included` words and phrases, in any form, and none of the `excluded`
    /// ones.
    ///
    /// An error carries the index of the invalid entry if a single entry is invalid; included entries are counted
    /// first.
    pub fn from_word_lists(
        included: &[String],
        excluded: &[String],
    ) -> Result<Self, (Option<usize>, QueryError)> {
        let (expr, warnings) = dialect::from_word_lists(included, excluded)?;
        Ok(Self { expr, warnings })
    }

    /// Returns the lists and topics that the query references.
    pub fn references(&self) -> BTreeSet<QueryReference> {
        references::references(&self.expr)
    }

    /// Returns the query with its references resolved: the values of lists and the queries of topics are inserted into
    /// the tree. `text` is the source of the query, for the positions of errors.
    pub(crate) fn resolve_references(
        self,
        text: &str,
        lists: &Lists,
        query_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, QueryError> {
        if self.references().is_empty() {
            return Ok(self);
        }
        let expr = references::resolve(self.expr, text, lists, query_of)?;
        let warnings =
            self.warnings.into_iter().filter(|warning| !warning.is_unresolved_reference()).collect();
        Ok(Self { expr, warnings })
    }

    /// Returns the warnings: constructs that are legal but probably unintended.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns the spans of the matched words, or `None` if the item does not match.
    pub fn matches(&self, document: &Document, facts: &Facts) -> Option<Vec<Span>> {
        evaluate::matches(&self.expr, document, facts)
    }

    /// Explains why an item matches, or which condition fails first.
    pub fn explain(&self, document: &Document, facts: &Facts) -> Explanation {
        explain::explain(&self.expr, document, facts)
    }

    /// Returns the leaves that are not excluded: each in canonical form, and as a separate query.
    pub fn leaves(&self) -> Vec<(String, Self)> {
        let mut leaves = Vec::new();
        self.expr.collect_included_leaves(None, &mut leaves);
        let query = |expr: Expr| (expr.to_string(), Self { expr, warnings: Vec::new() });
        leaves.into_iter().map(query).collect()
    }

    /// Returns the top-level exclusions: each in canonical form, and the query without it.
    pub fn exclusions(&self) -> Vec<(String, Self)> {
        let Expr::And(parts) = &self.expr else { return Vec::new() };
        let exclusions = parts.iter().enumerate().filter(|(_, part)| matches!(part, Expr::Not(_)));
        let without = |index: usize| {
            let rest = parts.iter().enumerate().filter(|(other, _)| *other != index);
            tree::combine(rest.map(|(_, part)| part.clone()).collect(), Expr::And)
        };
        exclusions
            .map(|(index, part)| (part.to_string(), Self { expr: without(index), warnings: Vec::new() }))
            .collect()
    }

    /// Returns true if the query tests a field of the item.
    pub fn has_fields(&self) -> bool {
        self.expr.any_field(&|_| true)
    }

    /// Returns true if the query tests whether an item is a reprint (`dup:`). This is unknown for some time after the
    /// item is stored.
    pub fn needs_originality(&self) -> bool {
        self.expr.any_field(&|field| field.has_name(ORIGINALITY))
    }

    /// Returns the cost of matching, in units of one plain word. Queries above 10,000 are rejected (`E_COST`).
    pub fn cost(&self) -> u32 {
        cost::cost(&self.expr)
    }

    /// Returns the tree, without the warnings.
    pub(crate) fn into_expr(self) -> Expr {
        self.expr
    }

    /// Returns the plain strings to search a site for, sorted; `None` if no strings cover every match.
    pub fn search_strings(&self) -> Option<Vec<String>> {
        Some(site_search::search_strings(&self.expr)?.into_iter().collect())
    }
}

/// Prints the canonical form. Parsing it gives the same query.
impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.expr.fmt(f)
    }
}

#[cfg(test)]
mod tests;
