//! From tokens to a tree: each method reads one level of the grammar, from the loosest to the tightest.
//!
//! ```text
//! query = list
//! list  = or { "," or }                       a comma is a loose OR
//! or    = and { OR and }
//! and   = not { [AND] not }                   a space is AND
//! not   = NOT not | near
//! near  = post { NEAR post }                  from left to right
//! post  = prim [ ~n ] [ ^n ]
//! prim  = ( list ) | phrase | word | field:value | ATLEAST/n( list ) | function( list )
//! ```

use std::sync::Arc;

use super::cost;
use super::error::{QueryError, Warning};
use super::field::{self, Edge, Field, Holds, Spec, Test};
use super::lexer::{Kind, Lexer, MAX_NEAR, Token};
use super::terms::{self, Word};
use super::tree::{Expr, Near, Phrase, Reach, Style, Term, joined};
use super::warn;

/// Bounds of a query (product limits).
const MAX_DEPTH: usize = 64;
const MAX_LEAVES: usize = 2_000;
const MAX_WILDCARDS: usize = 200;
/// Occurrences that may be asked for.
const MAX_COUNT: u32 = 1_000;

/// Parses what is looked for: something must be there.
pub(super) fn parse(text: &str) -> Result<(Expr, Vec<Warning>), QueryError> {
    let (expr, warnings) = parse_rule(text)?;
    if !expr.is_bounded() {
        let message = "a branch of this query holds for nearly everything: it only says what must not be there, or \
                       names a field that much has";
        let remedy = "add a word that must be there, or a field like site: or author:, to each branch of OR";
        return Err(QueryError::new("E_UNBOUNDED", 0, text.chars().count(), message, remedy));
    }
    Ok((expr, warnings))
}

/// Parses what may hold for nearly everything.
pub(super) fn parse_rule(text: &str) -> Result<(Expr, Vec<Warning>), QueryError> {
    let mut parser = Parser {
        lexer: Lexer::new(text)?,
        ahead: None,
        end: 0,
        depth: 0,
        leaves: 0,
        wildcards: 0,
        style: None,
        field: None,
        warnings: Vec::new(),
    };
    if parser.peek()?.is_none() {
        let message = "the query holds no word";
        return Err(QueryError::new("E_EMPTY", 0, 1, message, "write a word to look for"));
    }
    let expr = parser.list()?;
    if let Some(stray) = parser.peek()?.cloned() {
        let message = "this bracket closes nothing";
        return Err(QueryError::new("E_PAREN", stray.at, 1, message, "remove it, or open one before"));
    }
    cost::check(&expr, parser.lexer.length())?;
    Ok((expr, parser.warnings))
}

struct Parser {
    lexer: Lexer,
    ahead: Option<Token>,
    /// Where the last token ended.
    end: usize,
    depth: usize,
    leaves: usize,
    wildcards: usize,
    /// Within a function.
    style: Option<Style>,
    /// Within a field's brackets.
    field: Option<&'static Spec>,
    warnings: Vec<Warning>,
}

impl Parser {
    fn peek(&mut self) -> Result<Option<&Token>, QueryError> {
        if self.ahead.is_none() {
            self.ahead = self.lexer.next()?;
        }
        Ok(self.ahead.as_ref())
    }

    fn kind(&mut self) -> Result<Option<Kind>, QueryError> {
        Ok(self.peek()?.map(|token| token.kind.clone()))
    }

    fn take(&mut self) -> Result<Option<Token>, QueryError> {
        self.peek()?;
        if let Some(token) = &self.ahead {
            self.end = token.at + token.length;
        }
        Ok(self.ahead.take())
    }

    fn place(&mut self) -> Result<usize, QueryError> {
        let end = self.lexer.length();
        Ok(self.peek()?.map_or(end, |token| token.at))
    }

    fn list(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.or()?];
        while self.kind()? == Some(Kind::Comma) {
            self.take()?;
            if matches!(self.kind()?, None | Some(Kind::Close)) {
                break; // a comma at the end of a list
            }
            parts.push(self.or()?);
        }
        Ok(joined(parts, Expr::Or))
    }

    fn or(&mut self) -> Result<Expr, QueryError> {
        let start = self.place()?;
        let (first, mut mixes) = self.and()?;
        let mut parts = vec![first];
        while self.kind()? == Some(Kind::Or) {
            self.take()?;
            let (part, is_mixed) = self.and()?;
            mixes |= is_mixed;
            parts.push(part);
        }
        let is_or = parts.len() > 1;
        let expr = joined(parts, Expr::Or);
        if is_or && mixes {
            self.warnings.push(warn::mixed(start, &expr));
        }
        Ok(expr)
    }

    /// A conjunction, and whether it has several parts of its own, outside of brackets.
    fn and(&mut self) -> Result<(Expr, bool), QueryError> {
        let mut parts = vec![self.not()?];
        loop {
            match self.kind()? {
                Some(Kind::And) => drop(self.take()?),
                None | Some(Kind::Close | Kind::Comma | Kind::Or) => break,
                Some(_) => (),
            }
            parts.push(self.not()?);
        }
        let is_several = parts.len() > 1;
        Ok((joined(parts, Expr::And), is_several))
    }

    fn not(&mut self) -> Result<Expr, QueryError> {
        if self.kind()? != Some(Kind::Not) {
            return self.near();
        }
        let place = self.place()?;
        self.take()?;
        self.deeper(place)?;
        let inner = self.not()?;
        self.depth -= 1;
        self.warnings.extend(warn::whole_item_excluded(place, &inner));
        Ok(match inner {
            Expr::Not(twice) => *twice,
            other => Expr::Not(Box::new(other)),
        })
    }

    fn near(&mut self) -> Result<Expr, QueryError> {
        let start = self.place()?;
        let mut left = self.post()?;
        let mut links = 0;
        loop {
            let (reach, ordered, is_negated) = match self.kind()? {
                Some(Kind::Near { reach, ordered }) => (reach, ordered, false),
                Some(Kind::NotNear { reach, ordered }) => (reach, ordered, true),
                _ => break,
            };
            // A chain is as deep as it is long.
            links += 1;
            self.deeper(start)?;
            self.take()?;
            self.operand(&left, start)?;
            let place = self.place()?;
            let right = self.post()?;
            self.operand(&right, place)?;
            let near = Box::new(Near { left, right, reach, ordered });
            left = if is_negated { Expr::NotNear(near) } else { Expr::Near(near) };
        }
        self.depth -= links;
        Ok(left)
    }

    fn operand(&self, expr: &Expr, start: usize) -> Result<(), QueryError> {
        if expr.has_places() {
            return Ok(());
        }
        let message = "words are near each other; AND, NOT and fields are nowhere";
        let remedy = "put a word, a phrase or an OR of them on each side of NEAR";
        Err(QueryError::new("E_NEAR_OPERAND", start, self.end.saturating_sub(start), message, remedy))
    }

    fn post(&mut self) -> Result<Expr, QueryError> {
        let start = self.place()?;
        let mut expr = self.prim()?;
        if let Some(Kind::Slop(number)) = self.kind()? {
            self.take()?;
            expr = self.with_slop(expr, number, start)?;
        }
        if let Some(Kind::Mark(weight)) = self.kind()? {
            self.take()?;
            expr = Expr::Preferred(weight, Box::new(expr));
        }
        Ok(expr)
    }

    /// `"a b"~5`, `word~1`, `(a AND b)~5`.
    fn with_slop(&self, expr: Expr, number: u32, start: usize) -> Result<Expr, QueryError> {
        let length = self.end.saturating_sub(start);
        match expr {
            Expr::Word(Term::Forms { form, .. } | Term::Exact(form)) => terms::fuzzy(form, number)
                .map(Expr::Word)
                .map_err(|(message, remedy)| QueryError::new("E_FUZZY", start, length, message, remedy)),
            _ if number > MAX_NEAR => {
                let remedy = format!("name a distance from 0 to {MAX_NEAR} words");
                Err(QueryError::new("E_NEAR_RANGE", start, length, "this distance is out of range", remedy))
            }
            Expr::Phrase(phrase) => Ok(Expr::Phrase(Phrase { slop: Some(number), ..phrase })),
            // A hyphenated word is a phrase of its parts.
            Expr::Word(Term::Compound { parts, .. }) => {
                let is_exact = parts.iter().any(|part| matches!(part, Term::Exact(_)));
                let style = if is_exact { Style::Exact } else { Style::Forms };
                Ok(Expr::Phrase(Phrase { style, words: parts, slop: Some(number) }))
            }
            Expr::And(parts) => {
                let mut parts = parts.into_iter();
                let first = parts.next().filter(Expr::has_places);
                let chain = parts.try_fold(first, |left, right| {
                    let (left, true) = (left?, right.has_places()) else { return None };
                    let reach = Reach::Words(number);
                    Some(Some(Expr::Near(Box::new(Near { left, right, reach, ordered: false }))))
                });
                chain.flatten().ok_or_else(|| {
                    let message = "only words, phrases and ORs of them can be near each other";
                    QueryError::new(
                        "E_NEAR_OPERAND",
                        start,
                        length,
                        message,
                        "take NOT and fields out of the brackets",
                    )
                })
            }
            other => {
                let message = format!("{other} has no distance");
                let remedy = "write ~ behind a word, a phrase, or brackets around an AND";
                Err(QueryError::new("E_SYNTAX", start, length, message, remedy))
            }
        }
    }

    fn prim(&mut self) -> Result<Expr, QueryError> {
        let Some(token) = self.take()? else {
            let message = "the query ends where a word is expected";
            let remedy = "write a word or phrase after the operator";
            return Err(QueryError::new("E_SYNTAX", self.lexer.length(), 1, message, remedy));
        };
        match &token.kind {
            Kind::Open => self.brackets(&token),
            Kind::Close => {
                Err(self.misplaced(&token, "E_PAREN", "a bracket closes where a word is expected"))
            }
            _ if self.reads_values() => self.value(&token),
            Kind::Quoted(text) => self.phrase(&token, text, self.style.unwrap_or(Style::Exact)),
            Kind::Bracketed(text) => self.phrase(&token, text, self.style.unwrap_or(Style::Forms)),
            Kind::Braced(text) => self.phrase(&token, text, Style::Case),
            Kind::Exact(word) => self.word(&token, word, Style::Exact),
            Kind::Word(word) => self.word(&token, word, self.style.unwrap_or(Style::Forms)),
            Kind::Function(name) => self.function(name),
            Kind::AtLeast(count) => self.at_least(&token, *count),
            Kind::Field(name) => self.field(&token, name),
            _ => Err(self.misplaced(&token, "E_SYNTAX", "an operator stands where a word is expected")),
        }
    }

    fn reads_values(&self) -> bool {
        self.field.is_some_and(|spec| !matches!(spec.holds, Holds::Words(_)))
    }

    fn misplaced(&self, token: &Token, code: &'static str, message: &str) -> QueryError {
        QueryError::new(
            code,
            token.at,
            token.length,
            message,
            "write a word or phrase before it, or remove it",
        )
    }

    /// What stands in brackets, the first of which has been read.
    fn brackets(&mut self, open: &Token) -> Result<Expr, QueryError> {
        self.deeper(open.at)?;
        let inner = self.list()?;
        if self.kind()? != Some(Kind::Close) {
            let message = "the bracket that opens here is never closed";
            return Err(QueryError::new("E_PAREN", open.at, 1, message, "add a )"));
        }
        self.take()?;
        self.depth -= 1;
        Ok(inner)
    }

    /// Brackets that have to follow.
    fn bracketed(&mut self, name: &str) -> Result<Expr, QueryError> {
        let place = self.place()?;
        match self.take()? {
            Some(open) if open.kind == Kind::Open => self.brackets(&open),
            _ => {
                let remedy = format!("write {name}(…)");
                Err(QueryError::new("E_SYNTAX", place, 1, "brackets are missing here", remedy))
            }
        }
    }

    fn deeper(&mut self, place: usize) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("the query is nested deeper than {MAX_DEPTH} levels");
            return Err(QueryError::new("E_LIMIT", place, 1, message, "flatten it"));
        }
        Ok(())
    }

    fn function(&mut self, name: &str) -> Result<Expr, QueryError> {
        let style = match name {
            "exact" => Style::Exact,
            "case" => Style::Case,
            "forms" => Style::Forms,
            _ => Style::Sound,
        };
        let outer = self.style.replace(style);
        let inner = self.bracketed(name);
        self.style = outer;
        inner
    }

    fn at_least(&mut self, token: &Token, count: u32) -> Result<Expr, QueryError> {
        if !(1..=MAX_COUNT).contains(&count) {
            let remedy = format!("name a number from 1 to {MAX_COUNT}");
            return Err(QueryError::new(
                "E_VALUE",
                token.at,
                token.length,
                "this number is out of range",
                remedy,
            ));
        }
        let start = self.place()?;
        let of = self.bracketed("ATLEAST/3")?;
        if !of.has_places() {
            let message = "words occur so often; AND, NOT and fields do not occur";
            let length = self.end.saturating_sub(start);
            let remedy = "put a word, a phrase or an OR of them into the brackets";
            return Err(QueryError::new("E_NEAR_OPERAND", start, length, message, remedy));
        }
        Ok(Expr::AtLeast(count, Box::new(of)))
    }

    fn field(&mut self, token: &Token, name: &str) -> Result<Expr, QueryError> {
        let refused = |message: String, remedy: String| {
            Err(QueryError::new("E_FIELD", token.at, token.length, message, remedy))
        };
        let spec = match field::named(name) {
            Ok(spec) => spec,
            Err(nearest) => {
                let remedy = match nearest {
                    Some(near) => format!("did you mean {near}:?"),
                    None => {
                        "put it in quotes to look for the words, or name a field like title:, site: or lang:"
                            .to_owned()
                    }
                };
                return refused(format!("there is no field {name:?}"), remedy);
            }
        };
        if self.field.is_some() {
            return refused(
                format!("{name}: stands within another field"),
                "take it out of the brackets".to_owned(),
            );
        }
        if let Holds::Nothing(reason) = spec.holds {
            return refused(format!("{name}: cannot be asked for: {reason}"), "leave it out".to_owned());
        }
        self.field = Some(spec);
        let outer = self.style;
        let expr = match spec.holds {
            Holds::Words(scope) => {
                self.warnings.extend(warn::not_given(token.at, spec.name));
                self.post().map(|of| Expr::In(scope, Box::new(of)))
            }
            Holds::Characters => {
                self.field = None;
                self.style = Some(Style::Case);
                self.prim()
            }
            _ => {
                self.lexer.reads_values = true;
                let value = self.prim();
                self.lexer.reads_values = false;
                value
            }
        };
        self.field = None;
        self.style = outer;
        expr
    }

    fn value(&mut self, token: &Token) -> Result<Expr, QueryError> {
        let Some(spec) = self.field else {
            return Err(self.misplaced(token, "E_SYNTAX", "a value without a field"));
        };
        let test = match &token.kind {
            Kind::Quoted(text) => Test::Is(text.trim().to_owned()),
            Kind::Bracketed(range) => match range.split_once(" TO ") {
                Some((from, to)) => between(from, to),
                None => {
                    return Err(bad_value(token, format!("[{range}] is no range"), "write [1 TO 5] or 1..5"));
                }
            },
            Kind::Value(value) => test(value, spec),
            _ => {
                return Err(self.misplaced(
                    token,
                    "E_SYNTAX",
                    "an operator stands where a value is expected",
                ));
            }
        };
        self.count(token, 1)?;
        let field = Field { spec, test };
        match field.objection() {
            Some(objection) => Err(bad_value(token, objection, "correct it")),
            None => {
                self.warnings.extend(warn::names_what_is_not_here(token.at, &field));
                self.warnings.extend(warn::not_given(token.at, field.name()));
                Ok(Expr::Field(field))
            }
        }
    }

    fn phrase(&mut self, token: &Token, text: &str, style: Style) -> Result<Expr, QueryError> {
        let words = self.terms(token, text, style)?;
        self.warnings.extend(warn::quotes_fix_forms(token, text, style, self.style.is_none()));
        let phrase = Phrase { style, words, slop: None };
        Ok(match phrase.words.as_slice() {
            [_] => phrase.words.into_iter().next().map_or(Expr::Or(Vec::new()), Expr::Word),
            _ => Expr::Phrase(phrase),
        })
    }

    fn word(&mut self, token: &Token, word: &str, style: Style) -> Result<Expr, QueryError> {
        self.warnings.extend(warn::about_word(token.at, word));
        let mut words = self.terms(token, word, style)?;
        Ok(match words.len() {
            1 => Expr::Word(words.remove(0)),
            // Exact characters may not be joined otherwise.
            _ if style == Style::Case => Expr::Phrase(Phrase { style, words, slop: None }),
            _ => Expr::Word(Term::Compound { whole: terms::mended(word), parts: words }),
        })
    }

    fn terms(&mut self, token: &Token, text: &str, style: Style) -> Result<Vec<Term>, QueryError> {
        let words = terms::words(text, style).map_err(|word: Word| {
            let (code, message, remedy) = word.complaint();
            QueryError::new(code, token.at, token.length, message, remedy)
        })?;
        if style == Style::Case {
            self.warnings.extend(warn::signs_dropped(token, text, &words));
        }
        let wildcards = words.iter().filter(|word| matches!(word, Term::Wildcard(_))).count();
        self.count(token, words.len())?;
        self.wildcards += wildcards;
        if self.wildcards > MAX_WILDCARDS {
            let message = format!("the query holds more than {MAX_WILDCARDS} wildcards");
            return Err(QueryError::new(
                "E_LIMIT",
                token.at,
                token.length,
                message,
                "name the words, or split the query",
            ));
        }
        Ok(words)
    }

    fn count(&mut self, token: &Token, leaves: usize) -> Result<(), QueryError> {
        self.leaves += leaves;
        if self.leaves > MAX_LEAVES {
            let message = format!("the query holds more than {MAX_LEAVES} words");
            return Err(QueryError::new(
                "E_LIMIT",
                token.at,
                token.length,
                message,
                "split it into several topics",
            ));
        }
        Ok(())
    }
}

fn bad_value(token: &Token, message: String, remedy: &str) -> QueryError {
    QueryError::new("E_VALUE", token.at, token.length, message, remedy)
}

/// A value as it is written: `>5`, `1..5`, `@list`, or itself.
fn test(value: &str, spec: &Spec) -> Test {
    let edge = |value: &str, is_in| Some(Edge { value: value.to_owned(), is_in });
    // A mention is written with its sign.
    let list = value.strip_prefix('@').filter(|name| !name.is_empty() && spec.name != "mentions");
    if let Some(name) = list {
        return Test::Listed { name: name.to_owned(), values: Arc::default() };
    }
    for (sign, is_in) in [(">=", true), (">", false)] {
        if let Some(from) = value.strip_prefix(sign) {
            return Test::Between { from: edge(from, is_in), to: None };
        }
    }
    for (sign, is_in) in [("<=", true), ("<", false)] {
        if let Some(to) = value.strip_prefix(sign) {
            return Test::Between { from: None, to: edge(to, is_in) };
        }
    }
    match value.split_once("..") {
        Some((from, to)) => between(from, to),
        None => Test::Is(value.to_owned()),
    }
}

/// A range with both its ends.
fn between(from: &str, to: &str) -> Test {
    let edge = |value: &str| {
        let value = value.trim();
        (!value.is_empty() && value != "*").then(|| Edge { value: value.to_owned(), is_in: true })
    };
    match (edge(from), edge(to)) {
        (None, None) => Test::Is("..".to_owned()),
        (from, to) => Test::Between { from, to },
    }
}
