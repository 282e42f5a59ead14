//! The leaves of the grammar: words, phrases and values of fields.

use super::{MAX_LEAVES, MAX_WILDCARDS, Parser};
use crate::query::error::QueryError;
use crate::query::field::{Condition, Field, parse_condition, parse_range};
use crate::query::terms::{self, TermError};
use crate::query::token::{Token, TokenKind};
use crate::query::tree::{Expr, MatchStyle, Phrase, Term};
use crate::query::warn;

impl Parser {
    pub(super) fn value(&mut self, token: &Token) -> Result<Expr, QueryError> {
        let Some(spec) = self.field else {
            return Err(self.unexpected(token, "E_SYNTAX", "expected a field before the value"));
        };
        let condition = match &token.kind {
            TokenKind::Quoted(text) => Condition::Equals(text.trim().to_owned()),
            TokenKind::Bracketed(range) => match range.split_once(" TO ") {
                Some((from, to)) => parse_range(from, to),
                None => {
                    let message = format!("[{range}] is not a range");
                    return Err(invalid_value(token, message, "write [1 TO 5] or 1..5"));
                }
            },
            TokenKind::Value(value) => parse_condition(value, spec),
            _ => return Err(self.unexpected(token, "E_SYNTAX", "expected a value, found an operator")),
        };
        self.count_leaves(token, 1)?;
        let field = Field { spec, condition };
        match field.validation_error() {
            Some(error) => Err(invalid_value(token, error, "correct the value")),
            None => {
                self.warnings.extend(warn::unresolved_reference(token.position, &field));
                self.warnings.extend(warn::unsupported_by_sources(token.position, field.name()));
                Ok(Expr::Field(field))
            }
        }
    }

    pub(super) fn phrase(
        &mut self,
        token: &Token,
        text: &str,
        style: MatchStyle,
    ) -> Result<Expr, QueryError> {
        let words = self.terms(token, text, style)?;
        self.warnings.extend(warn::quotes_fix_forms(token, text, style, self.style.is_some()));
        let phrase = Phrase { style, words, slop: None };
        Ok(match phrase.words.as_slice() {
            [_] => phrase.words.into_iter().next().map_or(Expr::Or(Vec::new()), Expr::Word),
            _ => Expr::Phrase(phrase),
        })
    }

    pub(super) fn word(&mut self, token: &Token, word: &str, style: MatchStyle) -> Result<Expr, QueryError> {
        self.warnings.extend(warn::word_warnings(token.position, word));
        let mut words = self.terms(token, word, style)?;
        Ok(match words.len() {
            1 => Expr::Word(words.remove(0)),
            // A compound is compared in folded form, which would ignore case.
            _ if style == MatchStyle::Case => Expr::Phrase(Phrase { style, words, slop: None }),
            _ => Expr::Word(Term::Compound { whole: terms::normalize(word), parts: words }),
        })
    }

    fn terms(&mut self, token: &Token, text: &str, style: MatchStyle) -> Result<Vec<Term>, QueryError> {
        let words = terms::parse_terms(text, style).map_err(|error: TermError| {
            let (code, message, remedy) = error.describe();
            QueryError::new(code, token.position, token.length, message, remedy)
        })?;
        if style == MatchStyle::Case {
            self.warnings.extend(warn::ignored_characters(token, text, &words));
        }
        let wildcards = words.iter().filter(|word| matches!(word, Term::Wildcard(_))).count();
        self.count_leaves(token, words.len())?;
        self.wildcards += wildcards;
        if self.wildcards > MAX_WILDCARDS {
            let message = format!("the query has more than {MAX_WILDCARDS} wildcards");
            let remedy = "write the words out, or split the query";
            return Err(QueryError::new("E_LIMIT", token.position, token.length, message, remedy));
        }
        Ok(words)
    }

    fn count_leaves(&mut self, token: &Token, count: usize) -> Result<(), QueryError> {
        self.leaves += count;
        if self.leaves > MAX_LEAVES {
            let message = format!("the query has more than {MAX_LEAVES} words");
            let remedy = "split it into several topics";
            return Err(QueryError::new("E_LIMIT", token.position, token.length, message, remedy));
        }
        Ok(())
    }
}

fn invalid_value(token: &Token, message: String, remedy: &str) -> QueryError {
    QueryError::new("E_VALUE", token.position, token.length, message, remedy)
}
