//! A query's text cut into tokens, each with its place.

use super::error::QueryError;
use super::tree::Reach;
use crate::text::words::{is_emoji, is_mark};

/// Longer queries are refused (product limit).
pub(super) const MAX_CHARACTERS: usize = 20_000;
/// Words between two that are near each other, where the query does not say.
const NEAR: u32 = 4;
/// The furthest that is near.
pub(super) const MAX_NEAR: u32 = 100;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Open,
    Close,
    And,
    Or,
    Comma,
    Not,
    Near {
        reach: Reach,
        ordered: bool,
    },
    NotNear {
        reach: Reach,
        ordered: bool,
    },
    /// `ATLEAST/3`, before brackets.
    AtLeast(u32),
    /// `~3`.
    Slop(u32),
    /// `^2`.
    Mark(u32),
    /// Text between quotes.
    Quoted(String),
    /// Text between square brackets.
    Bracketed(String),
    /// Text between braces.
    Braced(String),
    /// `!word` or `=word`.
    Exact(String),
    /// A bare word, with its wildcards.
    Word(String),
    /// `exact`, `case`, `forms` or `translit`, before brackets.
    Function(String),
    /// A field's name; its value follows.
    Field(String),
    /// A field's value, as it is written.
    Value(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// In characters.
    pub(super) at: usize,
    pub(super) length: usize,
}

/// Operators are words in capitals only; `and` is a word to be looked for.
const OPERATORS: &[(&str, Kind)] = &[
    ("AND", Kind::And),
    ("И", Kind::And),
    ("ЖӘНЕ", Kind::And),
    ("&", Kind::And),
    ("&&", Kind::And),
    ("OR", Kind::Or),
    ("ИЛИ", Kind::Or),
    ("НЕМЕСЕ", Kind::Or),
    ("|", Kind::Or),
    ("||", Kind::Or),
    ("NOT", Kind::Not),
    ("НЕ", Kind::Not),
    ("ЕМЕС", Kind::Not),
];

/// What an address begins with.
pub(super) const SCHEMES: &[&str] = &["http://", "https://", "www."];

const FUNCTIONS: &[&str] = &["exact", "case", "forms", "translit"];

/// What closes each kind of quotes.
const QUOTES: &[(char, &[char])] = &[
    ('"', &['"', '”', '“']),
    ('«', &['»']),
    ('“', &['”', '“', '"']),
    ('„', &['”', '“', '"']),
    ('”', &['”', '“', '"']),
];

/// Cuts tokens off, one at a time: what a value looks like depends on its field.
pub(super) struct Lexer {
    characters: Vec<char>,
    at: usize,
    /// Whether values of a field are read rather than words.
    pub(super) reads_values: bool,
}

impl Lexer {
    pub(super) fn new(text: &str) -> Result<Self, QueryError> {
        // A longer text is not even counted.
        let characters: Vec<char> = text.chars().take(MAX_CHARACTERS + 1).collect();
        if characters.len() > MAX_CHARACTERS {
            let message = format!("the query has more than {MAX_CHARACTERS} characters");
            return Err(QueryError::new(
                "E_LIMIT",
                MAX_CHARACTERS,
                1,
                message,
                "shorten it, or split it into several topics",
            ));
        }
        Ok(Self { characters, at: 0, reads_values: false })
    }

    /// In characters.
    pub(super) fn length(&self) -> usize {
        self.characters.len()
    }

    fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.characters.get(self.at + by).copied()
    }

    fn follows(&self, from: usize, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.characters.get(from + offset) == Some(&c))
    }

    fn text(&self, from: usize, to: usize) -> String {
        self.characters.iter().take(to).skip(from).collect()
    }

    /// The next token, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Token>, QueryError> {
        while let Some(c) = self.peek() {
            let start = self.at;
            if let Some(kind) = self.step(c)? {
                return Ok(Some(Token { kind, at: start, length: (self.at - start).max(1) }));
            }
        }
        Ok(None)
    }

    /// One token, or something that is none.
    fn step(&mut self, c: char) -> Result<Option<Kind>, QueryError> {
        if c.is_whitespace() || c.is_control() {
            self.at += 1;
            return Ok(None);
        }
        if self.follows(self.at, "<<<") {
            return self.comment().map(|()| None);
        }
        if let Some((_, ends)) = QUOTES.iter().find(|(begin, _)| *begin == c) {
            return self.enclosed(ends, "quote").map(|text| Some(Kind::Quoted(text)));
        }
        match c {
            '(' => Ok(self.single(Kind::Open)),
            ')' => Ok(self.single(Kind::Close)),
            ',' => Ok(self.single(Kind::Comma)),
            '[' => self.enclosed(&[']'], "]").map(|text| Some(Kind::Bracketed(text))),
            _ if self.reads_values => self.value(),
            '{' => self.enclosed(&['}'], "}").map(|text| Some(Kind::Braced(text))),
            '!' | '=' => self.exact(),
            '~' => self.number().map(Kind::Slop).map(Some),
            '^' => self.number().map(Kind::Mark).map(Some),
            '/' => self.slash(),
            // A dash before a word excludes it; one between two words joins them, as a hyphen does.
            '-' | '–' | '—' if self.begins_word(1) && !self.follows_word() => Ok(self.single(Kind::Not)),
            '-' | '–' | '—' => Ok(self.skip()),
            '&' | '|' => Ok(self.sign()),
            _ if self.is_word_start() => self.word(),
            ']' | '}' | '<' | '>' | ':' | '?' | '*' => Err(self.stray(c)),
            _ => Ok(self.skip()), // other punctuation separates words
        }
    }

    fn skip(&mut self) -> Option<Kind> {
        self.at += 1;
        None
    }

    fn stray(&self, c: char) -> QueryError {
        let remedy = match c {
            '*' | '?' => "write it within a word of at least three letters: банк*",
            ']' | '}' => "remove it, or open one before",
            ':' => "write the field's name before it: title:банк",
            _ => "remove it, or put the words in quotes",
        };
        let code = if matches!(c, '*' | '?') { "E_WILD" } else { "E_CHAR" };
        QueryError::new(code, self.at, 1, format!("{c:?} cannot stand here"), remedy)
    }

    fn comment(&mut self) -> Result<(), QueryError> {
        let start = self.at;
        while self.at < self.characters.len() {
            if self.follows(self.at, ">>>") {
                self.at += 3;
                return Ok(());
            }
            self.at += 1;
        }
        Err(QueryError::new(
            "E_SYNTAX",
            start,
            3,
            "the comment that begins here has no end",
            "close it with >>>",
        ))
    }

    fn follows_word(&self) -> bool {
        self.at.checked_sub(1).and_then(|before| self.characters.get(before)).is_some_and(|c| is_word(*c))
    }

    fn begins_word(&self, by: usize) -> bool {
        self.ahead(by).is_some_and(|c| is_word(c) || is_emoji(c) || "\"«“„(!=[{#@$*".contains(c))
    }

    fn is_word_start(&self) -> bool {
        match self.peek() {
            Some(c) if is_word(c) || is_emoji(c) => true,
            Some('#' | '@' | '$') => self.ahead(1).is_some_and(|c| is_word(c) || is_wild(c)),
            Some('*' | '?') => {
                // `*банк`, but no lone `*`.
                let after = self.characters.iter().skip(self.at).find(|c| !is_wild(**c));
                after.is_some_and(|c| is_word(*c))
            }
            _ => false,
        }
    }

    fn single(&mut self, kind: Kind) -> Option<Kind> {
        self.at += 1;
        Some(kind)
    }

    fn sign(&mut self) -> Option<Kind> {
        let start = self.at;
        while self.peek().is_some_and(|c| matches!(c, '&' | '|')) {
            self.at += 1;
        }
        let sign = self.text(start, self.at);
        OPERATORS.iter().find(|(name, _)| *name == sign).map(|(_, kind)| kind.clone())
    }

    fn enclosed(&mut self, ends: &[char], name: &str) -> Result<String, QueryError> {
        let start = self.at;
        let end = self.characters.iter().skip(start + 1).position(|c| ends.contains(c));
        let Some(length) = end else {
            let message = "the phrase that begins here has no end";
            return Err(QueryError::new("E_PHRASE", start, 1, message, format!("close it with a {name}")));
        };
        let inner = self.text(start + 1, start + 1 + length);
        self.at = start + length + 2;
        if !inner.chars().any(|c| c.is_alphanumeric() || is_emoji(c)) {
            let message = "the phrase holds no word";
            return Err(QueryError::new(
                "E_PHRASE",
                start,
                length + 2,
                message,
                "write words between the quotes",
            ));
        }
        Ok(inner)
    }

    fn exact(&mut self) -> Result<Option<Kind>, QueryError> {
        let (start, sign) = (self.at, self.characters[self.at]);
        self.at += 1;
        if !self.is_word_start() {
            // A sign of exclamation or equality that ends something.
            if self.follows_word_before(start) {
                return Ok(None);
            }
            let message = format!("{sign:?} needs a word behind it");
            return Err(QueryError::new("E_SYNTAX", start, 1, message, "write !банку for exactly this form"));
        }
        let address = self.address();
        Ok(Some(Kind::Exact(address.unwrap_or_else(|| self.take_word()))))
    }

    /// An address is one word, whatever signs it holds.
    fn address(&mut self) -> Option<String> {
        let start = self.at;
        SCHEMES.iter().find(|scheme| self.follows(start, scheme))?;
        let rest = self.characters.iter().skip(start);
        self.at += rest.take_while(|c| !c.is_whitespace() && !"()\",".contains(**c)).count();
        Some(self.text(start, self.at))
    }

    fn follows_word_before(&self, at: usize) -> bool {
        at.checked_sub(1).and_then(|before| self.characters.get(before)).is_some_and(|c| is_word(*c))
    }

    /// The number behind a sign.
    fn number(&mut self) -> Result<u32, QueryError> {
        let (start, sign) = (self.at, self.characters[self.at]);
        self.at += 1;
        match self.digits() {
            Some(number) => Ok(number),
            None => {
                let message = format!("{sign:?} needs a number behind it");
                Err(QueryError::new(
                    "E_SYNTAX",
                    start,
                    1,
                    message,
                    format!("write a number: \"народный банк\"{sign}5"),
                ))
            }
        }
    }

    fn digits(&mut self) -> Option<u32> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then(|| self.text(start, self.at).parse().unwrap_or(u32::MAX))
    }

    /// `/3` and `/+3`: neighbours are one place apart.
    fn slash(&mut self) -> Result<Option<Kind>, QueryError> {
        let start = self.at;
        self.at += 1;
        let ordered = self.peek() == Some('+');
        self.at += usize::from(ordered);
        match self.digits() {
            Some(distance @ 1..) => {
                let reach = self.reach(start, distance - 1)?;
                Ok(Some(Kind::Near { reach, ordered }))
            }
            Some(0) => Err(self.too_far(start)),
            None => {
                self.at = start;
                Err(self.stray('/'))
            }
        }
    }

    fn reach(&self, start: usize, words: u32) -> Result<Reach, QueryError> {
        if words > MAX_NEAR { Err(self.too_far(start)) } else { Ok(Reach::Words(words)) }
    }

    fn too_far(&self, start: usize) -> QueryError {
        let remedy = format!("name a distance from 0 to {MAX_NEAR} words");
        QueryError::new("E_NEAR_RANGE", start, self.at - start, "this distance is out of range", remedy)
    }

    fn word(&mut self) -> Result<Option<Kind>, QueryError> {
        let start = self.at;
        if let Some(name) = self.field_name() {
            return Ok(Some(Kind::Field(name)));
        }
        if let Some(address) = self.address() {
            return Ok(Some(Kind::Word(address)));
        }
        let mut word = self.take_word();
        // `1 000` is one number, as in texts; `2025 100` is two.
        let is_group = (1..=3).contains(&word.len()) && word.chars().all(|c| c.is_ascii_digit());
        while is_group && self.is_group_next(word.len()) {
            word.extend(self.characters.iter().skip(self.at + 1).take(3));
            self.at += 4;
        }
        if let Some((_, kind)) = OPERATORS.iter().find(|(name, _)| *name == word) {
            if *kind == Kind::Not
                && let Some(near) = self.not_near()?
            {
                return Ok(Some(near));
            }
            return Ok(Some(kind.clone()));
        }
        match word.as_str() {
            "NEAR" | "ONEAR" => {
                return self
                    .near(start, word == "ONEAR")
                    .map(|(reach, ordered)| Some(Kind::Near { reach, ordered }));
            }
            "ATLEAST" if self.peek() == Some('/') => {
                let count = self.number()?;
                return Ok(Some(Kind::AtLeast(count)));
            }
            name if FUNCTIONS.contains(&name) && self.peek() == Some('(') => {
                return Ok(Some(Kind::Function(word)));
            }
            _ => (),
        }
        let is_word = word.chars().any(|c| c.is_alphanumeric() || is_emoji(c));
        Ok(is_word.then_some(Kind::Word(word)))
    }

    /// Whether three more digits of a number follow behind a space.
    fn is_group_next(&self, digits: usize) -> bool {
        let is_digit = |by: usize| self.ahead(by).is_some_and(|c| c.is_ascii_digit());
        digits <= 9
            && matches!(self.peek(), Some(' ' | '\u{a0}' | '\u{202f}'))
            && (1..=3).all(is_digit)
            && !self.ahead(4).is_some_and(is_word)
    }

    /// What follows NEAR: `/5`, `/5f`, `/S`, `/P`, or nothing.
    fn near(&mut self, start: usize, ordered: bool) -> Result<(Reach, bool), QueryError> {
        if self.peek() != Some('/') {
            return Ok((Reach::Words(NEAR), ordered));
        }
        self.at += 1;
        match self.peek() {
            Some('S' | 's') => {
                self.at += 1;
                Ok((Reach::Sentence, ordered))
            }
            Some('P' | 'p') => {
                self.at += 1;
                Ok((Reach::Paragraph, ordered))
            }
            _ => match self.digits() {
                Some(words) => {
                    let reach = self.reach(start, words)?;
                    let is_forward = matches!(self.peek(), Some('f' | 'F'));
                    self.at += usize::from(is_forward);
                    Ok((reach, ordered || is_forward))
                }
                None => {
                    let remedy = "write NEAR/5, NEAR/S for a sentence or NEAR/P for a paragraph";
                    Err(QueryError::new(
                        "E_SYNTAX",
                        start,
                        self.at - start,
                        "the distance is missing",
                        remedy,
                    ))
                }
            },
        }
    }

    /// NEAR behind NOT.
    fn not_near(&mut self) -> Result<Option<Kind>, QueryError> {
        let spaces = self.characters.iter().skip(self.at).take_while(|c| c.is_whitespace()).count();
        let start = self.at + spaces;
        let ordered = self.follows(start, "ONEAR");
        let length = if ordered { 5 } else { 4 };
        let is_near = (ordered || self.follows(start, "NEAR"))
            && !self.characters.get(start + length).is_some_and(|c| is_word(*c));
        if !is_near {
            return Ok(None);
        }
        self.at = start + length;
        self.near(start, ordered).map(|(reach, ordered)| Some(Kind::NotNear { reach, ordered }))
    }

    /// `title:`, with its value at once behind it.
    fn field_name(&mut self) -> Option<String> {
        let letters =
            self.characters.iter().skip(self.at).take_while(|c| c.is_alphabetic() || **c == '_').count();
        let after = self.at + letters;
        let is_field = letters > 0
            && self.characters.get(after) == Some(&':')
            && !self.follows(after, "://")
            && self.characters.get(after + 1).is_some_and(|c| !c.is_whitespace());
        if !is_field {
            return None;
        }
        let name = self.text(self.at, after);
        self.at = after + 1;
        Some(name)
    }

    /// Letters and digits, what joins them (`интернет-магазин`, `AT&T`, `kaspi.kz`, `Google+`), and wildcards.
    fn take_word(&mut self) -> String {
        let start = self.at;
        if self.peek().is_some_and(|c| matches!(c, '#' | '@' | '$')) {
            self.at += 1;
        }
        while let Some(c) = self.peek() {
            let before =
                self.at.checked_sub(1).filter(|_| self.at > start).and_then(|at| self.characters.get(at));
            let is_operator = || ["NEAR", "ONEAR", "ATLEAST"].contains(&self.text(start, self.at).as_str());
            let is_number =
                before.is_some_and(char::is_ascii_digit) && self.ahead(1).is_some_and(|c| c.is_ascii_digit());
            // `24/7`, `AC/DC` and `info@bank.kz` are one; a list is written with a space behind its comma.
            let joins = (matches!(c, '-' | '–' | '—' | '‑' | '\'' | '’' | '.' | '&' | '+' | '@')
                || (c == ',' && is_number)
                || (c == '/' && !is_operator()))
                && before.is_some()
                && self.ahead(1).is_some_and(|next| is_word(next) || is_wild(next));
            let ends = c == '+' && self.at > start;
            if !(is_word(c)
                || is_wild(c)
                || is_emoji(c)
                || matches!(c, '\u{fe0f}' | '\u{200d}')
                || joins
                || ends)
            {
                break;
            }
            self.at += 1;
        }
        let word = self.characters.iter().take(self.at).skip(start);
        word.map(|c| if matches!(c, '–' | '—' | '‑') { '-' } else { *c }).collect()
    }

    /// A value of a field: up to a space, a comma or a bracket; or an operator between values.
    fn value(&mut self) -> Result<Option<Kind>, QueryError> {
        let start = self.at;
        if matches!(self.peek(), Some('-')) && self.ahead(1).is_some_and(char::is_alphabetic) {
            return Ok(self.single(Kind::Not));
        }
        while self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | ',')) {
            self.at += 1;
        }
        let value = self.text(start, self.at);
        let operator = OPERATORS.iter().find(|(name, _)| *name == value).map(|(_, kind)| kind.clone());
        Ok(Some(operator.unwrap_or(Kind::Value(value))))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || is_mark(c)
}

fn is_wild(c: char) -> bool {
    matches!(c, '*' | '?')
}
