//! The lexer: splits a query into tokens with their positions.

use super::error::QueryError;
use super::token::{DEFAULT_NEAR_DISTANCE, MAX_CHARACTERS, MAX_NEAR_DISTANCE, SCHEMES, Token, TokenKind};
use super::tree::MaxDistance;
use crate::text::words::{is_emoji, is_mark};

/// Operators. Words are operators in capitals only; `and` is an ordinary word.
const OPERATORS: &[(&str, TokenKind)] = &[
    ("AND", TokenKind::And),
    ("И", TokenKind::And),
    ("ЖӘНЕ", TokenKind::And),
    ("&", TokenKind::And),
    ("&&", TokenKind::And),
    ("OR", TokenKind::Or),
    ("ИЛИ", TokenKind::Or),
    ("НЕМЕСЕ", TokenKind::Or),
    ("|", TokenKind::Or),
    ("||", TokenKind::Or),
    ("NOT", TokenKind::Not),
    ("НЕ", TokenKind::Not),
    ("ЕМЕС", TokenKind::Not),
];

const FUNCTIONS: &[&str] = &["exact", "case", "forms", "translit"];

/// Opening quotes, and the quotes that close each.
const QUOTES: &[(char, &[char])] = &[
    ('"', &['"', '”', '“']),
    ('«', &['»']),
    ('“', &['”', '“', '"']),
    ('„', &['”', '“', '"']),
    ('”', &['”', '“', '"']),
];

/// A lexer that returns one token at a time, because the syntax of a value depends on its field.
pub(super) struct Lexer {
    characters: Vec<char>,
    position: usize,
    /// Set while the values of a field are expected instead of words.
    pub(super) expects_values: bool,
}

impl Lexer {
    pub(super) fn new(text: &str) -> Result<Self, QueryError> {
        // At most one character above the bound is read, however long the text is.
        let characters: Vec<char> = text.chars().take(MAX_CHARACTERS + 1).collect();
        if characters.len() > MAX_CHARACTERS {
            let message = format!("the query is longer than {MAX_CHARACTERS} characters");
            return Err(QueryError::new(
                "E_LIMIT",
                MAX_CHARACTERS,
                1,
                message,
                "shorten it, or split it into several topics",
            ));
        }
        Ok(Self { characters, position: 0, expects_values: false })
    }

    /// Returns the length of the query in characters.
    pub(super) fn length(&self) -> usize {
        self.characters.len()
    }

    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, offset: usize) -> Option<char> {
        self.characters.get(self.position + offset).copied()
    }

    fn starts_with(&self, from: usize, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.characters.get(from + offset) == Some(&c))
    }

    fn text(&self, from: usize, to: usize) -> String {
        self.characters.iter().take(to).skip(from).collect()
    }

    /// Returns the next token, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token>, QueryError> {
        while let Some(c) = self.peek() {
            let start = self.position;
            if let Some(kind) = self.scan(c)? {
                return Ok(Some(Token { kind, position: start, length: (self.position - start).max(1) }));
            }
        }
        Ok(None)
    }

    /// Scans one token, or skips characters that form none.
    fn scan(&mut self, c: char) -> Result<Option<TokenKind>, QueryError> {
        if c.is_whitespace() || c.is_control() {
            self.position += 1;
            return Ok(None);
        }
        if self.starts_with(self.position, "<<<") {
            return self.skip_comment().map(|()| None);
        }
        if let Some((_, closing)) = QUOTES.iter().find(|(opening, _)| *opening == c) {
            return self.enclosed(closing, "quote").map(|text| Some(TokenKind::Quoted(text)));
        }
        match c {
            '(' => Ok(self.single(TokenKind::Open)),
            ')' => Ok(self.single(TokenKind::Close)),
            ',' => Ok(self.single(TokenKind::Comma)),
            '[' => self.enclosed(&[']'], "]").map(|text| Some(TokenKind::Bracketed(text))),
            _ if self.expects_values => self.value(),
            '{' => self.enclosed(&['}'], "}").map(|text| Some(TokenKind::Braced(text))),
            '!' | '=' => self.exact(),
            '~' => self.number().map(TokenKind::Slop).map(Some),
            '^' => self.number().map(TokenKind::Weight).map(Some),
            '/' => self.slash(),
            // A dash before a word excludes it. A dash between two words joins them, as a hyphen does.
            '-' | '–' | '—' if self.begins_operand(1) && !self.is_after_word(self.position) => {
                Ok(self.single(TokenKind::Not))
            }
            '-' | '–' | '—' => Ok(self.skip()),
            '&' | '|' => Ok(self.symbol()),
            _ if self.begins_word() => self.word(),
            ']' | '}' | '<' | '>' | ':' | '?' | '*' => Err(self.unexpected(c)),
            _ => Ok(self.skip()), // other punctuation separates words
        }
    }

    fn skip(&mut self) -> Option<TokenKind> {
        self.position += 1;
        None
    }

    fn unexpected(&self, c: char) -> QueryError {
        let remedy = match c {
            '*' | '?' => "attach it to a word of at least three letters: банк*",
            ']' | '}' => "remove it, or add the opening bracket",
            ':' => "write the name of a field before it: title:банк",
            _ => "remove it, or put the words in quotes",
        };
        let code = if matches!(c, '*' | '?') { "E_WILD" } else { "E_CHAR" };
        QueryError::new(code, self.position, 1, format!("unexpected {c:?}"), remedy)
    }

    fn skip_comment(&mut self) -> Result<(), QueryError> {
        let start = self.position;
        while self.position < self.characters.len() {
            if self.starts_with(self.position, ">>>") {
                self.position += 3;
                return Ok(());
            }
            self.position += 1;
        }
        Err(QueryError::new("E_SYNTAX", start, 3, "unclosed comment", "close it with >>>"))
    }

    fn is_after_word(&self, position: usize) -> bool {
        position.checked_sub(1).and_then(|index| self.characters.get(index)).is_some_and(|c| is_word(*c))
    }

    /// Returns true if the character at this offset can begin an operand: a word, a phrase or parentheses.
    fn begins_operand(&self, offset: usize) -> bool {
        self.peek_at(offset).is_some_and(|c| is_word(c) || is_emoji(c) || "\"«“„(!=[{#@$*".contains(c))
    }

    fn begins_word(&self) -> bool {
        match self.peek() {
            Some(c) if is_word(c) || is_emoji(c) => true,
            Some('#' | '@' | '$') => self.peek_at(1).is_some_and(|c| is_word(c) || is_wild(c)),
            Some('*' | '?') => {
                // `*банк`, but not a separate `*`.
                let next = self.characters.iter().skip(self.position).find(|c| !is_wild(**c));
                next.is_some_and(|c| is_word(*c))
            }
            _ => false,
        }
    }

    fn single(&mut self, kind: TokenKind) -> Option<TokenKind> {
        self.position += 1;
        Some(kind)
    }

    /// Scans an operator of `&` and `|`.
    fn symbol(&mut self) -> Option<TokenKind> {
        let start = self.position;
        while self.peek().is_some_and(|c| matches!(c, '&' | '|')) {
            self.position += 1;
        }
        let symbol = self.text(start, self.position);
        OPERATORS.iter().find(|(name, _)| *name == symbol).map(|(_, kind)| kind.clone())
    }

    /// Scans the text up to a closing character, which `name` names in errors.
    fn enclosed(&mut self, closing: &[char], name: &str) -> Result<String, QueryError> {
        let start = self.position;
        let end = self.characters.iter().skip(start + 1).position(|c| closing.contains(c));
        let Some(length) = end else {
            let remedy = format!("add the closing {name}");
            return Err(QueryError::new("E_PHRASE", start, 1, "unclosed phrase", remedy));
        };
        let inner = self.text(start + 1, start + 1 + length);
        self.position = start + length + 2;
        if !inner.chars().any(|c| c.is_alphanumeric() || is_emoji(c)) {
            let message = "the phrase contains no words";
            let remedy = "write words between the quotes";
            return Err(QueryError::new("E_PHRASE", start, length + 2, message, remedy));
        }
        Ok(inner)
    }

    fn exact(&mut self) -> Result<Option<TokenKind>, QueryError> {
        let (start, sign) = (self.position, self.characters[self.position]);
        self.position += 1;
        if !self.begins_word() {
            // An exclamation mark or equals sign at the end of a word.
            if self.is_after_word(start) {
                return Ok(None);
            }
            let message = format!("expected a word after {sign:?}");
            return Err(QueryError::new("E_SYNTAX", start, 1, message, "write !банку for exactly this form"));
        }
        let address = self.address();
        Ok(Some(TokenKind::Exact(address.unwrap_or_else(|| self.take_word()))))
    }

    /// Scans a web address, which is one word regardless of its punctuation.
    fn address(&mut self) -> Option<String> {
        let start = self.position;
        SCHEMES.iter().find(|scheme| self.starts_with(start, scheme))?;
        let rest = self.characters.iter().skip(start);
        self.position += rest.take_while(|c| !c.is_whitespace() && !"()\",".contains(**c)).count();
        Some(self.text(start, self.position))
    }

    /// Scans a sign and the number after it.
    fn number(&mut self) -> Result<u32, QueryError> {
        let (start, sign) = (self.position, self.characters[self.position]);
        self.position += 1;
        self.digits().ok_or_else(|| {
            let message = format!("expected a number after {sign:?}");
            let remedy = format!("write a number: \"народный банк\"{sign}5");
            QueryError::new("E_SYNTAX", start, 1, message, remedy)
        })
    }

    fn digits(&mut self) -> Option<u32> {
        let start = self.position;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.position += 1;
        }
        (self.position > start).then(|| self.text(start, self.position).parse().unwrap_or(u32::MAX))
    }

    /// Scans `/3` or `/+3`. The number counts positions: adjacent words are one apart.
    fn slash(&mut self) -> Result<Option<TokenKind>, QueryError> {
        let start = self.position;
        self.position += 1;
        let ordered = self.peek() == Some('+');
        self.position += usize::from(ordered);
        match self.digits() {
            Some(distance @ 1..) => {
                let reach = self.reach(start, distance - 1)?;
                Ok(Some(TokenKind::Near { reach, ordered }))
            }
            Some(0) => Err(self.distance_error(start)),
            None => {
                self.position = start;
                Err(self.unexpected('/'))
            }
        }
    }

    fn reach(&self, start: usize, words: u32) -> Result<MaxDistance, QueryError> {
        if words > MAX_NEAR_DISTANCE {
            Err(self.distance_error(start))
        } else {
            Ok(MaxDistance::Words(words))
        }
    }

    fn distance_error(&self, start: usize) -> QueryError {
        let remedy = format!("use a distance from 0 to {MAX_NEAR_DISTANCE} words");
        let message = "the distance is out of range";
        QueryError::new("E_NEAR_RANGE", start, self.position - start, message, remedy)
    }

    fn word(&mut self) -> Result<Option<TokenKind>, QueryError> {
        let start = self.position;
        if let Some(name) = self.field_name() {
            return Ok(Some(TokenKind::Field(name)));
        }
        if let Some(address) = self.address() {
            return Ok(Some(TokenKind::Word(address)));
        }
        let mut word = self.take_word();
        // `1 000` is one number, as in texts; `2025 100` is two.
        let is_group = (1..=3).contains(&word.len()) && word.chars().all(|c| c.is_ascii_digit());
        while is_group && self.is_digit_group_next(word.len()) {
            word.extend(self.characters.iter().skip(self.position + 1).take(3));
            self.position += 4;
        }
        if let Some((_, kind)) = OPERATORS.iter().find(|(name, _)| *name == word) {
            if *kind == TokenKind::Not
                && let Some(not_near) = self.not_near()?
            {
                return Ok(Some(not_near));
            }
            return Ok(Some(kind.clone()));
        }
        match word.as_str() {
            "NEAR" | "ONEAR" => {
                return self
                    .near(start, word == "ONEAR")
                    .map(|(reach, ordered)| Some(TokenKind::Near { reach, ordered }));
            }
            "ATLEAST" if self.peek() == Some('/') => {
                let count = self.number()?;
                return Ok(Some(TokenKind::AtLeast(count)));
            }
            name if FUNCTIONS.contains(&name) && self.peek() == Some('(') => {
                return Ok(Some(TokenKind::Function(word)));
            }
            _ => (),
        }
        let is_word = word.chars().any(|c| c.is_alphanumeric() || is_emoji(c));
        Ok(is_word.then_some(TokenKind::Word(word)))
    }

    /// Returns true if a space and a group of three more digits follow. `digits` is the length of the number so far.
    fn is_digit_group_next(&self, digits: usize) -> bool {
        let is_digit = |offset: usize| self.peek_at(offset).is_some_and(|c| c.is_ascii_digit());
        digits <= 9
            && matches!(self.peek(), Some(' ' | '\u{a0}' | '\u{202f}'))
            && (1..=3).all(is_digit)
            && !self.peek_at(4).is_some_and(is_word)
    }

    /// Scans the distance after NEAR: `/5`, `/5f`, `/S`, `/P`, or nothing.
    fn near(&mut self, start: usize, ordered: bool) -> Result<(MaxDistance, bool), QueryError> {
        if self.peek() != Some('/') {
            return Ok((MaxDistance::Words(DEFAULT_NEAR_DISTANCE), ordered));
        }
        self.position += 1;
        match self.peek() {
            Some('S' | 's') => {
                self.position += 1;
                Ok((MaxDistance::Sentence, ordered))
            }
            Some('P' | 'p') => {
                self.position += 1;
                Ok((MaxDistance::Paragraph, ordered))
            }
            _ => match self.digits() {
                Some(words) => {
                    let reach = self.reach(start, words)?;
                    let is_forward = matches!(self.peek(), Some('f' | 'F'));
                    self.position += usize::from(is_forward);
                    Ok((reach, ordered || is_forward))
                }
                None => {
                    let message = "expected a distance after NEAR/";
                    let remedy = "write NEAR/5, NEAR/S for a sentence or NEAR/P for a paragraph";
                    Err(QueryError::new("E_SYNTAX", start, self.position - start, message, remedy))
                }
            },
        }
    }

    /// Scans a NEAR or ONEAR that follows NOT, if there is one.
    fn not_near(&mut self) -> Result<Option<TokenKind>, QueryError> {
        let spaces = self.characters.iter().skip(self.position).take_while(|c| c.is_whitespace()).count();
        let start = self.position + spaces;
        let ordered = self.starts_with(start, "ONEAR");
        let length = if ordered { 5 } else { 4 };
        let is_near = (ordered || self.starts_with(start, "NEAR"))
            && !self.characters.get(start + length).is_some_and(|c| is_word(*c));
        if !is_near {
            return Ok(None);
        }
        self.position = start + length;
        self.near(start, ordered).map(|(reach, ordered)| Some(TokenKind::NotNear { reach, ordered }))
    }

    /// Scans the name of a field, such as `title:`. The value must follow without a space.
    fn field_name(&mut self) -> Option<String> {
        let rest = self.characters.iter().skip(self.position);
        let letters = rest.take_while(|c| c.is_alphabetic() || **c == '_').count();
        let colon = self.position + letters;
        let is_field = letters > 0
            && self.characters.get(colon) == Some(&':')
            && !self.starts_with(colon, "://")
            && self.characters.get(colon + 1).is_some_and(|c| !c.is_whitespace());
        if !is_field {
            return None;
        }
        let name = self.text(self.position, colon);
        self.position = colon + 1;
        Some(name)
    }

    /// Takes letters and digits, the signs that join them (`интернет-магазин`, `AT&T`, `kaspi.kz`, `Google+`), and
    /// wildcards.
    fn take_word(&mut self) -> String {
        let start = self.position;
        if self.peek().is_some_and(|c| matches!(c, '#' | '@' | '$')) {
            self.position += 1;
        }
        while let Some(c) = self.peek() {
            let previous = self
                .position
                .checked_sub(1)
                .filter(|_| self.position > start)
                .and_then(|index| self.characters.get(index));
            let is_operator =
                || ["NEAR", "ONEAR", "ATLEAST"].contains(&self.text(start, self.position).as_str());
            let is_number = previous.is_some_and(char::is_ascii_digit)
                && self.peek_at(1).is_some_and(|c| c.is_ascii_digit());
            // `24/7`, `AC/DC` and `info@bank.kz` are one word. A comma joins only digits; in lists, a space
            // follows it.
            let is_joiner = (matches!(c, '-' | '–' | '—' | '‑' | '\'' | '’' | '.' | '&' | '+' | '@')
                || (c == ',' && is_number)
                || (c == '/' && !is_operator()))
                && previous.is_some()
                && self.peek_at(1).is_some_and(|next| is_word(next) || is_wild(next));
            let is_final_plus = c == '+' && self.position > start;
            if !(is_word(c)
                || is_wild(c)
                || is_emoji(c)
                || matches!(c, '\u{fe0f}' | '\u{200d}')
                || is_joiner
                || is_final_plus)
            {
                break;
            }
            self.position += 1;
        }
        let word = self.characters.iter().take(self.position).skip(start);
        word.map(|c| if matches!(c, '–' | '—' | '‑') { '-' } else { *c }).collect()
    }

    /// Scans a value of a field, up to a space, a comma or a parenthesis, or an operator between values.
    fn value(&mut self) -> Result<Option<TokenKind>, QueryError> {
        let start = self.position;
        if matches!(self.peek(), Some('-')) && self.peek_at(1).is_some_and(char::is_alphabetic) {
            return Ok(self.single(TokenKind::Not));
        }
        while self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | ',')) {
            self.position += 1;
        }
        let value = self.text(start, self.position);
        let operator = OPERATORS.iter().find(|(name, _)| *name == value).map(|(_, kind)| kind.clone());
        Ok(Some(operator.unwrap_or(TokenKind::Value(value))))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || is_mark(c)
}

fn is_wild(c: char) -> bool {
    matches!(c, '*' | '?')
}
