//! A query's text cut into tokens, each with its place.

use super::error::QueryError;

/// Longer queries are refused (product limit).
const MAX_CHARACTERS: usize = 20_000;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Open,
    Close,
    And,
    Or,
    Comma,
    Not,
    /// Text between quotes.
    Phrase(String),
    /// `!word` or `=word`.
    Exact(String),
    /// A bare word, with its wildcard if it has one.
    Word(String),
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

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() > MAX_CHARACTERS {
        let message = format!("the query has {} characters", characters.len());
        return Err(QueryError::new(
            "E_LIMIT",
            MAX_CHARACTERS,
            1,
            message,
            format!("shorten it to {MAX_CHARACTERS}"),
        ));
    }
    let mut lexer = Lexer { characters: &characters, at: 0, tokens: Vec::new() };
    while let Some(c) = lexer.peek() {
        lexer.step(c)?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    characters: &'a [char],
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn step(&mut self, c: char) -> Result<(), QueryError> {
        match c {
            c if c.is_whitespace() || c.is_control() => self.at += 1,
            '(' => self.single(Kind::Open),
            ')' => self.single(Kind::Close),
            ',' => self.single(Kind::Comma),
            '"' => self.phrase(&['"'])?,
            '«' => self.phrase(&['»'])?,
            '“' | '„' => self.phrase(&['”', '“'])?,
            '!' | '=' => self.exact()?,
            // A dash before a word excludes it; one between two words joins them, as a hyphen does.
            '-' | '–' | '—' if self.begins_word(self.at + 1) && !self.follows_word() => {
                self.single(Kind::Not);
            }
            '-' | '–' | '—' => self.at += 1,
            _ if is_word(c) || matches!(c, '&' | '|') => self.word()?,
            '[' | '{' | '~' | '^' | '#' | '@' | '<' | '>' | ':' | '?' | '*' | '/' => {
                let remedy = if c == '*' {
                    "write it at the end of a word: банк*"
                } else {
                    "this sign is not part of the language yet"
                };
                return Err(QueryError::new(
                    "E_CHAR",
                    self.at,
                    1,
                    format!("{c:?} cannot stand here"),
                    remedy,
                ));
            }
            _ => self.at += 1, // other punctuation separates words
        }
        Ok(())
    }

    fn follows_word(&self) -> bool {
        self.at.checked_sub(1).and_then(|before| self.characters.get(before)).is_some_and(|c| is_word(*c))
    }

    fn begins_word(&self, at: usize) -> bool {
        self.characters.get(at).is_some_and(|c| is_word(*c) || matches!(c, '"' | '«' | '“' | '(' | '!' | '='))
    }

    fn single(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, at: self.at, length: 1 });
        self.at += 1;
    }

    fn phrase(&mut self, ends: &[char]) -> Result<(), QueryError> {
        let start = self.at;
        let end = self.characters.iter().skip(start + 1).position(|c| ends.contains(c));
        let Some(length) = end else {
            let message = "the phrase that begins here has no end";
            return Err(QueryError::new("E_PHRASE", start, 1, message, "close it with a quote"));
        };
        let inner: String = self.characters.iter().skip(start + 1).take(length).collect();
        if !inner.chars().any(char::is_alphanumeric) {
            return Err(QueryError::new(
                "E_PHRASE",
                start,
                length + 2,
                "the phrase holds no word",
                "write words between the quotes",
            ));
        }
        self.tokens.push(Token { kind: Kind::Phrase(inner), at: start, length: length + 2 });
        self.at = start + length + 2;
        Ok(())
    }

    fn exact(&mut self) -> Result<(), QueryError> {
        let start = self.at;
        self.at += 1;
        let word = self.take_word();
        if word.is_empty() {
            let message = format!("{:?} needs a word behind it", self.characters[start]);
            return Err(QueryError::new("E_SYNTAX", start, 1, message, "write !банку for exactly this form"));
        }
        self.tokens.push(Token { kind: Kind::Exact(word), at: start, length: self.at - start });
        Ok(())
    }

    fn word(&mut self) -> Result<(), QueryError> {
        let start = self.at;
        let mut word = self.take_word();
        if word.is_empty() {
            // A run of & or |.
            word = self.characters.iter().skip(start).take_while(|c| matches!(c, '&' | '|')).collect();
            self.at += word.chars().count();
        }
        if let Some((_, kind)) = OPERATORS.iter().find(|(name, _)| *name == word) {
            self.tokens.push(Token { kind: kind.clone(), at: start, length: self.at - start });
            return Ok(());
        }
        if !word.chars().any(char::is_alphanumeric) {
            return Ok(());
        }
        if self.peek() == Some('*') {
            word.push('*');
            self.at += 1;
            if self.peek().is_some_and(is_word) {
                let remedy = "a wildcard stands at the end of a word: банк*";
                return Err(QueryError::new(
                    "E_WILD",
                    start,
                    self.at - start,
                    "the wildcard stands inside of a word",
                    remedy,
                ));
            }
        }
        self.tokens.push(Token { kind: Kind::Word(word), at: start, length: self.at - start });
        Ok(())
    }

    /// Letters and digits, and what joins them: `интернет-магазин`, `AT&T`, `д'Артаньян`, `qyran.kz`.
    fn take_word(&mut self) -> String {
        let start = self.at;
        while let Some(c) = self.peek() {
            let joins = matches!(c, '-' | '–' | '—' | '\'' | '’' | '.' | '&')
                && self.at > start
                && self.characters.get(self.at + 1).is_some_and(|next| is_word(*next));
            if !is_word(c) && !joins {
                break;
            }
            self.at += 1;
        }
        let word = self.characters.iter().take(self.at).skip(start);
        word.map(|c| if matches!(c, '–' | '—') { '-' } else { *c }).collect()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || is_mark(c)
}

/// Combining accents belong to the letter before them.
fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}
