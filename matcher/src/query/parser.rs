//! Tokens to a tree. Binding from tight to loose: NOT, AND (a space is one), OR, comma (an OR too).

use unicode_segmentation::UnicodeSegmentation;

use super::error::{QueryError, Warning};
use super::lexer::{Kind, Token};
use super::tree::Expr;
use crate::analysis::{Analysis, fold};

/// Limits of the product: beyond them a query is a program.
const MAX_LEAVES: usize = 2000;
const MAX_DEPTH: usize = 64;
/// A wildcard needs this many letters before it, or it matches half the language.
const MIN_PREFIX: usize = 3;

pub(super) fn parse(
    text: &str,
    tokens: Vec<Token>,
    analysis: &Analysis,
) -> Result<(Expr, Vec<Warning>), QueryError> {
    let end = text.chars().count();
    let mut parser = Parser { tokens, at: 0, depth: 0, leaves: 0, end, analysis, warnings: Vec::new() };
    if parser.tokens.is_empty() {
        return Err(QueryError::new("E_EMPTY", 0, 1, "the query holds no word", "write what to watch for"));
    }
    let expr = parser.list()?;
    if let Some(stray) = parser.tokens.get(parser.at) {
        return Err(QueryError::new(
            "E_PAREN",
            stray.at,
            1,
            "this bracket closes nothing",
            "remove it, or open one before",
        ));
    }
    bounded(&expr, end)?;
    Ok((expr, parser.warnings))
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    leaves: usize,
    end: usize,
    analysis: &'a Analysis,
    warnings: Vec<Warning>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |token| token.at)
    }

    fn list(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.or()?];
        while self.peek() == Some(&Kind::Comma) {
            self.at += 1;
            if self.peek().is_none() || self.peek() == Some(&Kind::Close) {
                break; // a comma at the end of a list
            }
            parts.push(self.or()?);
        }
        Ok(joined(parts, Expr::Or))
    }

    fn or(&mut self) -> Result<Expr, QueryError> {
        let start = self.place();
        let mut parts = vec![self.and()?];
        while self.peek() == Some(&Kind::Or) {
            self.at += 1;
            parts.push(self.and()?);
        }
        if parts.len() > 1
            && parts.iter().any(|part| matches!(part, Expr::And(_)))
            && self.has_bare_and(start)
        {
            self.warn_mixed(start, &parts);
        }
        Ok(joined(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.not()?];
        loop {
            match self.peek() {
                Some(Kind::And) => self.at += 1,
                None | Some(Kind::Close | Kind::Comma | Kind::Or) => break,
                Some(_) => (),
            }
            parts.push(self.not()?);
        }
        Ok(joined(parts, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, QueryError> {
        if self.peek() != Some(&Kind::Not) {
            return self.primary();
        }
        let place = self.place();
        self.at += 1;
        self.deeper(place)?;
        let inner = self.not()?;
        self.depth -= 1;
        Ok(match inner {
            Expr::Not(twice) => *twice,
            other => Expr::Not(Box::new(other)),
        })
    }

    fn primary(&mut self) -> Result<Expr, QueryError> {
        let Some(token) = self.tokens.get(self.at).cloned() else {
            let message = "the query ends where a word is expected";
            return Err(QueryError::new(
                "E_SYNTAX",
                self.end,
                1,
                message,
                "write a word or phrase after the operator",
            ));
        };
        self.at += 1;
        match &token.kind {
            Kind::Open => self.brackets(&token),
            Kind::Phrase(text) => self.phrase(&token, text),
            Kind::Exact(word) => self.leaf(&token, word, true),
            Kind::Word(word) => self.leaf(&token, word, false),
            Kind::Close => Err(QueryError::new(
                "E_PAREN",
                token.at,
                1,
                "a bracket closes where a word is expected",
                "write a word before it, or remove it",
            )),
            _ => Err(QueryError::new(
                "E_SYNTAX",
                token.at,
                token.length,
                "an operator stands where a word is expected",
                "write a word or phrase before it",
            )),
        }
    }

    fn brackets(&mut self, open: &Token) -> Result<Expr, QueryError> {
        self.deeper(open.at)?;
        let inner = self.list()?;
        if self.peek() != Some(&Kind::Close) {
            return Err(QueryError::new(
                "E_PAREN",
                open.at,
                1,
                "the bracket that opens here is never closed",
                "add a )",
            ));
        }
        self.at += 1;
        self.depth -= 1;
        Ok(inner)
    }

    fn deeper(&mut self, place: usize) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("the query is nested deeper than {MAX_DEPTH} levels");
            return Err(QueryError::new("E_LIMIT", place, 1, message, "flatten it"));
        }
        Ok(())
    }

    fn phrase(&mut self, token: &Token, text: &str) -> Result<Expr, QueryError> {
        let words: Vec<Expr> = text.unicode_words().map(|word| Expr::Exact(fold(word))).collect();
        self.count(token, words.len())?;
        Ok(joined(words, Expr::Phrase))
    }

    fn leaf(&mut self, token: &Token, word: &str, exact: bool) -> Result<Expr, QueryError> {
        self.warn_homoglyphs(token, word);
        if let Some(beginning) = word.strip_suffix('*') {
            let beginning = fold(beginning);
            let plain = beginning.unicode_words().next() == Some(beginning.as_str());
            if beginning.chars().count() < MIN_PREFIX || !plain {
                let remedy = format!("write at least {MIN_PREFIX} letters of one word before the *");
                return Err(QueryError::new(
                    "E_WILD",
                    token.at,
                    token.length,
                    "the wildcard is too wide",
                    remedy,
                ));
            }
            self.count(token, 1)?;
            return Ok(Expr::Prefix(beginning));
        }
        // What the analysis cuts into several words is looked for as a phrase of them.
        let parts: Vec<Expr> = word
            .unicode_words()
            .map(|part| {
                let form = fold(part);
                if exact { Expr::Exact(form) } else { Expr::Word { stem: self.analysis.stem(&form), form } }
            })
            .collect();
        self.count(token, parts.len())?;
        if parts.is_empty() {
            return Err(QueryError::new(
                "E_CHAR",
                token.at,
                token.length,
                "this is no word",
                "write letters or digits",
            ));
        }
        Ok(joined(parts, Expr::Phrase))
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

    /// Whether two words stand side by side, or an AND between them, outside of inner brackets.
    fn has_bare_and(&self, start: usize) -> bool {
        let (mut depth, mut words) = (0, 0);
        for token in self.tokens.iter().take(self.at).skip_while(|token| token.at < start) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                Kind::Or | Kind::Comma if depth == 0 => words = 0,
                Kind::Word(_) | Kind::Exact(_) | Kind::Phrase(_) if depth == 0 => words += 1,
                _ => (),
            }
            if words > 1 {
                return true;
            }
        }
        false
    }

    fn warn_mixed(&mut self, position: usize, parts: &[Expr]) {
        let read = Expr::Or(parts.to_vec());
        self.warnings.push(Warning {
            code: "W_MIXED",
            position,
            message: format!("AND and OR are mixed; read as: {read}"),
        });
    }

    fn warn_homoglyphs(&mut self, token: &Token, word: &str) {
        let latin = word.chars().any(|c| c.is_ascii_alphabetic());
        let cyrillic = word.chars().any(|c| ('\u{400}'..='\u{52f}').contains(&c));
        if latin && cyrillic {
            let message = format!("{word:?} mixes Latin and Cyrillic letters that look alike");
            self.warnings.push(Warning { code: "W_HOMOGLYPH", position: token.at, message });
        }
        if matches!(word, "and" | "or" | "not" | "или" | "немесе" | "және") {
            let message = format!("{word:?} is looked for as a word; operators are written in capitals");
            self.warnings.push(Warning { code: "W_CASE", position: token.at, message });
        }
    }
}

/// One part stands for itself; parts of the same kind are one level.
fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let kind = std::mem::discriminant(&join(Vec::new()));
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        let same = std::mem::discriminant(&part) == kind;
        match part {
            Expr::And(inner) | Expr::Or(inner) if same => flat.extend(inner),
            other => flat.push(other),
        }
    }
    join(flat)
}

/// Every branch must hold a word that is looked for, or it would match nearly everything.
fn bounded(expr: &Expr, end: usize) -> Result<(), QueryError> {
    if is_bounded(expr) {
        return Ok(());
    }
    let message = "a branch of this query only says what must not be there";
    Err(QueryError::new("E_UNBOUNDED", 0, end, message, "add a word that must be there"))
}

fn is_bounded(expr: &Expr) -> bool {
    match expr {
        Expr::Not(_) => false,
        Expr::And(parts) => parts.iter().any(is_bounded),
        Expr::Or(parts) => parts.iter().all(is_bounded),
        _ => true,
    }
}
