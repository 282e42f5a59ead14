//! Queries: from text to a tree that can be printed, explained and evaluated.

mod error;
mod evaluate;
mod lexer;
mod lower;
mod parser;
mod tree;

pub use error::{QueryError, Warning};
pub(crate) use tree::Expr;

use model::Span;

use crate::analysis::{Analysis, Document};

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    expr: Expr,
    warnings: Vec<Warning>,
}

impl Query {
    /// Parses a query. The error says where and what to do about it.
    pub fn parse(text: &str, analysis: &Analysis) -> Result<Self, QueryError> {
        let tokens = lexer::tokens(text)?;
        let (expr, warnings) = parser::parse(text, tokens, analysis)?;
        Ok(Self { expr, warnings })
    }

    /// What is legal but probably not meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the query's words stand, if it matches.
    pub fn matches(&self, document: &Document) -> Option<Vec<Span>> {
        evaluate::matches(&self.expr, document)
    }

    /// The plain strings to search a site for, in their order; `None` where none would find everything.
    pub fn searches(&self) -> Option<Vec<String>> {
        Some(lower::lower(&self.expr)?.into_iter().collect())
    }

    pub(crate) fn expr(&self) -> &Expr {
        &self.expr
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
