//! Queries: from text to a tree that can be printed, explained and evaluated.

mod error;
mod evaluate;
mod field;
mod lexer;
mod lower;
mod parser;
mod print;
mod terms;
mod tree;
mod warn;

pub use error::{QueryError, Warning};
pub(crate) use evaluate::{Finder, View, finds, spans};
pub use field::Facts;
pub(crate) use field::Field;
pub(crate) use tree::{Expr, Scope, Term};

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

    /// What is legal but probably not meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the query's words stand, if an item matches.
    pub fn matches(&self, document: &Document, facts: &Facts) -> Option<Vec<Span>> {
        evaluate::matches(&self.expr, document, facts)
    }

    /// Whether it asks for more than words.
    pub fn has_fields(&self) -> bool {
        self.expr.has_fields()
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
