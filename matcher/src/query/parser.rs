//! The recursive-descent parser: each method parses one level of the grammar, from the loosest to the tightest.
//!
//! ```text
//! query = list
//! list  = or { "," or }                       a comma is a loose OR
//! or    = and { OR and }
//! and   = not { [AND] not }                   a space is AND
//! not   = NOT not | near
//! near  = post { NEAR post }                  left-associative
//! post  = prim [ ~n ] [ ^n ]
//! prim  = ( list ) | phrase | word | field:value | ATLEAST/n( list ) | function( list )
//! ```

mod leaves;

use super::cost;
use super::error::{QueryError, Warning};
use super::field_spec::{FieldSpec, FieldType, find_spec};
use super::lexer::Lexer;
use super::print;
use super::terms;
use super::token::{MAX_NEAR_DISTANCE, Token, TokenKind};
use super::tree::{Expr, MatchStyle, MaxDistance, Near, Phrase, Term, combine};
use super::warn;

/// Bounds of a query (product limits).
const MAX_DEPTH: usize = 64;
const MAX_LEAVES: usize = 2_000;
const MAX_WILDCARDS: usize = 200;
/// Upper bound on the count of ATLEAST.
const MAX_COUNT: u32 = 1_000;

/// Parses a query. Fails with `E_UNBOUNDED` if a branch has no word and no selective field.
pub(super) fn parse(text: &str) -> Result<(Expr, Vec<Warning>), QueryError> {
    let (expr, warnings) = parse_rule(text)?;
    if !expr.is_bounded() {
        let message =
            "a branch of the query matches nearly every item: it has only exclusions or broad fields";
        let remedy =
            "add a required word, or a selective field such as site: or author:, to each branch of OR";
        return Err(QueryError::new("E_UNBOUNDED", 0, text.chars().count(), message, remedy));
    }
    Ok((expr, warnings))
}

/// Parses a query that may match nearly every item.
pub(super) fn parse_rule(text: &str) -> Result<(Expr, Vec<Warning>), QueryError> {
    parse_tree(Parser::new(text, true)?)
}

/// Parses the notation of a leaf as it stands, without a replacement by its canonical form. Returns `None` if the text is
/// not a valid query.
pub(super) fn parse_leaf(text: &str) -> Option<Expr> {
    let (expr, _) = parse_tree(Parser::new(text, false).ok()?).ok()?;
    Some(expr)
}

fn parse_tree(mut parser: Parser) -> Result<(Expr, Vec<Warning>), QueryError> {
    if parser.peek()?.is_none() {
        let message = "the query contains no words";
        return Err(QueryError::new("E_EMPTY", 0, 1, message, "write a word to search for"));
    }
    let expr = parser.list()?;
    if let Some(token) = parser.peek()?.cloned() {
        let message = "unmatched closing parenthesis";
        let remedy = "remove it, or add the opening parenthesis";
        return Err(QueryError::new("E_PAREN", token.position, 1, message, remedy));
    }
    cost::check(&expr, parser.lexer.length())?;
    Ok((expr, parser.warnings))
}

struct Parser {
    lexer: Lexer,
    lookahead: Option<Token>,
    /// The end of the last token taken, in characters.
    end: usize,
    depth: usize,
    leaves: usize,
    wildcards: usize,
    /// The style set by the enclosing function, if any.
    style: Option<MatchStyle>,
    /// The field whose value is being parsed, if any.
    field: Option<&'static FieldSpec>,
    warnings: Vec<Warning>,
    /// Set to replace each leaf by its canonical form.
    canonicalizes: bool,
}

impl Parser {
    fn new(text: &str, canonicalizes: bool) -> Result<Self, QueryError> {
        Ok(Self {
            lexer: Lexer::new(text)?,
            lookahead: None,
            end: 0,
            depth: 0,
            leaves: 0,
            wildcards: 0,
            style: None,
            field: None,
            warnings: Vec::new(),
            canonicalizes,
        })
    }

    fn peek(&mut self) -> Result<Option<&Token>, QueryError> {
        if self.lookahead.is_none() {
            self.lookahead = self.lexer.next()?;
        }
        Ok(self.lookahead.as_ref())
    }

    fn peek_kind(&mut self) -> Result<Option<TokenKind>, QueryError> {
        Ok(self.peek()?.map(|token| token.kind.clone()))
    }

    fn take(&mut self) -> Result<Option<Token>, QueryError> {
        self.peek()?;
        if let Some(token) = &self.lookahead {
            self.end = token.position + token.length;
        }
        Ok(self.lookahead.take())
    }

    /// Returns the position of the next token, or the end of the query.
    fn position(&mut self) -> Result<usize, QueryError> {
        let end = self.lexer.length();
        Ok(self.peek()?.map_or(end, |token| token.position))
    }

    fn list(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.or()?];
        while self.peek_kind()? == Some(TokenKind::Comma) {
            self.take()?;
            if matches!(self.peek_kind()?, None | Some(TokenKind::Close)) {
                break; // a trailing comma
            }
            parts.push(self.or()?);
        }
        Ok(combine(parts, Expr::Or))
    }

    fn or(&mut self) -> Result<Expr, QueryError> {
        let start = self.position()?;
        let (first, mut has_and) = self.and()?;
        let mut parts = vec![first];
        while self.peek_kind()? == Some(TokenKind::Or) {
            self.take()?;
            let (part, is_and) = self.and()?;
            has_and |= is_and;
            parts.push(part);
        }
        let is_or = parts.len() > 1;
        let expr = combine(parts, Expr::Or);
        if is_or && has_and {
            self.warnings.push(warn::mixed_operators(start, &expr));
        }
        Ok(expr)
    }

    /// Parses a conjunction. The flag is set if it has several operands outside of parentheses.
    fn and(&mut self) -> Result<(Expr, bool), QueryError> {
        let mut parts = vec![self.not()?];
        loop {
            match self.peek_kind()? {
                Some(TokenKind::And) => drop(self.take()?),
                None | Some(TokenKind::Close | TokenKind::Comma | TokenKind::Or) => break,
                Some(_) => (),
            }
            parts.push(self.not()?);
        }
        let has_several = parts.len() > 1;
        Ok((combine(parts, Expr::And), has_several))
    }

    fn not(&mut self) -> Result<Expr, QueryError> {
        if self.peek_kind()? != Some(TokenKind::Not) {
            return self.near();
        }
        let position = self.position()?;
        self.take()?;
        self.enter_level(position)?;
        let inner = self.not()?;
        self.depth -= 1;
        self.warnings.extend(warn::excluded_word(position, &inner));
        Ok(match inner {
            Expr::Not(twice) => *twice,
            other => Expr::Not(Box::new(other)),
        })
    }

    fn near(&mut self) -> Result<Expr, QueryError> {
        let start = self.position()?;
        let mut left = self.post()?;
        let mut links = 0;
        loop {
            let (reach, ordered, is_negated) = match self.peek_kind()? {
                Some(TokenKind::Near { reach, ordered }) => (reach, ordered, false),
                Some(TokenKind::NotNear { reach, ordered }) => (reach, ordered, true),
                _ => break,
            };
            // Each link of a chain is a level of the tree.
            links += 1;
            self.enter_level(start)?;
            self.take()?;
            self.check_operand(&left, start)?;
            let position = self.position()?;
            let right = self.post()?;
            self.check_operand(&right, position)?;
            let near = Box::new(Near { left, right, reach, ordered });
            left = if is_negated { Expr::NotNear(near) } else { Expr::Near(near) };
        }
        self.depth -= links;
        Ok(left)
    }

    /// Fails with `E_NEAR_OPERAND` if an operand of NEAR has no positions.
    fn check_operand(&self, expr: &Expr, start: usize) -> Result<(), QueryError> {
        if expr.has_positions() {
            return Ok(());
        }
        let message = "NEAR does not accept AND, NOT or fields";
        let remedy = "use a word, a phrase or an OR of them on each side of NEAR";
        Err(QueryError::new("E_NEAR_OPERAND", start, self.end.saturating_sub(start), message, remedy))
    }

    fn post(&mut self) -> Result<Expr, QueryError> {
        let start = self.position()?;
        let mut expr = self.prim()?;
        if let Some(TokenKind::Slop(number)) = self.peek_kind()? {
            self.take()?;
            expr = self.with_slop(expr, number, start)?;
        }
        if self.canonicalizes {
            expr = print::canonical(expr).ok_or_else(|| {
                let message = "the characters cannot be written as one word or phrase";
                let remedy = "separate the words by spaces, and quote them";
                QueryError::new("E_SYNTAX", start, self.end.saturating_sub(start), message, remedy)
            })?;
        }
        if let Some(TokenKind::Weight(weight)) = self.peek_kind()? {
            self.take()?;
            expr = Expr::Preferred(weight, Box::new(expr));
        }
        Ok(expr)
    }

    /// Applies `~n`: `"a b"~5`, `word~1`, `(a AND b)~5`.
    fn with_slop(&self, expr: Expr, number: u32, start: usize) -> Result<Expr, QueryError> {
        let length = self.end.saturating_sub(start);
        match expr {
            Expr::Word(Term::Forms { form, .. } | Term::Exact(form)) => terms::fuzzy(form, number)
                .map(Expr::Word)
                .map_err(|(message, remedy)| QueryError::new("E_FUZZY", start, length, message, remedy)),
            _ if number > MAX_NEAR_DISTANCE => {
                let message = "the distance is out of range";
                let remedy = format!("use a distance from 0 to {MAX_NEAR_DISTANCE} words");
                Err(QueryError::new("E_NEAR_RANGE", start, length, message, remedy))
            }
            Expr::Phrase(phrase) => Ok(Expr::Phrase(Phrase { slop: Some(number), ..phrase })),
            // A hyphenated word is a phrase of its parts.
            Expr::Word(Term::Compound { parts, .. }) => {
                let is_exact = parts.iter().any(|part| matches!(part, Term::Exact(_)));
                let style = if is_exact { MatchStyle::Exact } else { MatchStyle::Forms };
                Ok(Expr::Phrase(Phrase { style, words: parts, slop: Some(number) }))
            }
            // Each link of the chain is a level of the tree.
            Expr::And(parts) if self.depth + parts.len() > MAX_DEPTH => {
                let message = format!("~ accepts at most {} operands here", MAX_DEPTH - self.depth);
                Err(QueryError::new("E_LIMIT", start, length, message, "split the query"))
            }
            Expr::And(parts) => {
                let mut parts = parts.into_iter();
                let first = parts.next().filter(Expr::has_positions);
                let chain = parts.try_fold(first, |left, right| {
                    let (left, true) = (left?, right.has_positions()) else { return None };
                    let reach = MaxDistance::Words(number);
                    Some(Some(Expr::Near(Box::new(Near { left, right, reach, ordered: false }))))
                });
                chain.flatten().ok_or_else(|| {
                    let message = "~ accepts only words, phrases and ORs of them";
                    let remedy = "move NOT and fields out of the parentheses";
                    QueryError::new("E_NEAR_OPERAND", start, length, message, remedy)
                })
            }
            other => {
                let message = format!("{other} does not accept ~");
                let remedy = "write ~ after a word, a phrase, or an AND in parentheses";
                Err(QueryError::new("E_SYNTAX", start, length, message, remedy))
            }
        }
    }

    fn prim(&mut self) -> Result<Expr, QueryError> {
        let Some(token) = self.take()? else {
            let message = "unexpected end of the query";
            let remedy = "write a word or phrase after the operator";
            return Err(QueryError::new("E_SYNTAX", self.lexer.length(), 1, message, remedy));
        };
        match &token.kind {
            TokenKind::Open => self.group(&token),
            TokenKind::Close => {
                Err(self.unexpected(&token, "E_PAREN", "expected a word, found a closing parenthesis"))
            }
            _ if self.expects_values() => self.value(&token),
            TokenKind::Quoted(text) => self.phrase(&token, text, self.style.unwrap_or(MatchStyle::Exact)),
            TokenKind::Bracketed(text) => self.phrase(&token, text, self.style.unwrap_or(MatchStyle::Forms)),
            TokenKind::Braced(text) => self.phrase(&token, text, MatchStyle::Case),
            TokenKind::Exact(word) => self.word(&token, word, MatchStyle::Exact),
            TokenKind::Word(word) => self.word(&token, word, self.style.unwrap_or(MatchStyle::Forms)),
            TokenKind::Function(name) => self.function(name),
            TokenKind::AtLeast(count) => self.at_least(&token, *count),
            TokenKind::Field(name) => self.field(&token, name),
            _ => Err(self.unexpected(&token, "E_SYNTAX", "expected a word, found an operator")),
        }
    }

    fn expects_values(&self) -> bool {
        self.field.is_some_and(|spec| !matches!(spec.field_type, FieldType::Words(_)))
    }

    fn unexpected(&self, token: &Token, code: &'static str, message: &str) -> QueryError {
        let remedy = "write a word or phrase before it, or remove it";
        QueryError::new(code, token.position, token.length, message, remedy)
    }

    /// Parses the content of parentheses, after the opening one.
    fn group(&mut self, open: &Token) -> Result<Expr, QueryError> {
        self.enter_level(open.position)?;
        let inner = self.list()?;
        if self.peek_kind()? != Some(TokenKind::Close) {
            return Err(QueryError::new("E_PAREN", open.position, 1, "unclosed parenthesis", "add a )"));
        }
        self.take()?;
        self.depth -= 1;
        Ok(inner)
    }

    /// Parses the parentheses that must follow `name`.
    fn arguments(&mut self, name: &str) -> Result<Expr, QueryError> {
        let position = self.position()?;
        match self.take()? {
            Some(open) if open.kind == TokenKind::Open => self.group(&open),
            _ => {
                let remedy = format!("write {name}(…)");
                Err(QueryError::new("E_SYNTAX", position, 1, "expected an opening parenthesis", remedy))
            }
        }
    }

    fn enter_level(&mut self, position: usize) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("the query is nested deeper than {MAX_DEPTH} levels");
            return Err(QueryError::new("E_LIMIT", position, 1, message, "flatten it"));
        }
        Ok(())
    }

    fn function(&mut self, name: &str) -> Result<Expr, QueryError> {
        let style = match name {
            "exact" => MatchStyle::Exact,
            "case" => MatchStyle::Case,
            "forms" => MatchStyle::Forms,
            _ => MatchStyle::Sound,
        };
        let outer = self.style.replace(style);
        let inner = self.arguments(name);
        self.style = outer;
        inner
    }

    fn at_least(&mut self, token: &Token, count: u32) -> Result<Expr, QueryError> {
        if !(1..=MAX_COUNT).contains(&count) {
            let message = "the count is out of range";
            let remedy = format!("use a count from 1 to {MAX_COUNT}");
            return Err(QueryError::new("E_VALUE", token.position, token.length, message, remedy));
        }
        let start = self.position()?;
        let inner = self.arguments("ATLEAST/3")?;
        if !inner.has_positions() {
            let message = "ATLEAST does not accept AND, NOT or fields";
            let length = self.end.saturating_sub(start);
            let remedy = "use a word, a phrase or an OR of them in the parentheses";
            return Err(QueryError::new("E_NEAR_OPERAND", start, length, message, remedy));
        }
        Ok(Expr::AtLeast(count, Box::new(inner)))
    }

    fn field(&mut self, token: &Token, name: &str) -> Result<Expr, QueryError> {
        let error = |message: String, remedy: String| {
            Err(QueryError::new("E_FIELD", token.position, token.length, message, remedy))
        };
        let spec = match find_spec(name) {
            Ok(spec) => spec,
            Err(suggestion) => {
                let remedy = match suggestion {
                    Some(suggestion) => format!("did you mean {suggestion}:?"),
                    None => "quote it to search for the words, or use a field such as title:, site: or lang:"
                        .to_owned(),
                };
                return error(format!("unknown field {name:?}"), remedy);
            }
        };
        if self.field.is_some() {
            return error(
                format!("field {name:?} is inside another field"),
                "move it out of the parentheses".to_owned(),
            );
        }
        if let FieldType::Unsupported(reason) = spec.field_type {
            return error(format!("field {name:?} is not supported: {reason}"), "remove it".to_owned());
        }
        self.field = Some(spec);
        let outer = self.style;
        let expr = match spec.field_type {
            FieldType::Words(scope) => {
                self.warnings.extend(warn::unsupported_by_sources(token.position, spec.name));
                self.post().map(|inner| Expr::In(scope, Box::new(inner)))
            }
            FieldType::Raw => {
                self.field = None;
                self.style = Some(MatchStyle::Case);
                self.prim()
            }
            _ => {
                self.lexer.expects_values = true;
                let value = self.prim();
                self.lexer.expects_values = false;
                value
            }
        };
        self.field = None;
        self.style = outer;
        expr
    }
}
