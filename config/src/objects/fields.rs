//! Taking a mapping apart: each key asked for once, everything left over or wrong noted.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use model::Name;
use url::Url;

use super::codes::LANGUAGES;
use super::tree::{Node, Value};
use super::{Complaint, Judges, Reference};
use crate::{Problem, nearest, parse_duration};

/// The problems found so far in one file, and the sources that are named there.
pub(crate) struct Notes<'a> {
    pub(crate) file: &'a Path,
    pub(crate) judges: Judges<'a>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) references: Vec<Reference>,
}

impl Notes<'_> {
    pub(crate) fn add(&mut self, line: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.to_path_buf(),
            line: Some(line),
            message: message.into(),
            remedy: remedy.into(),
        });
    }
}

/// A mapping whose keys are taken one by one.
pub(crate) struct Fields<'a> {
    /// Where it stands, for messages: `spec.every`.
    path: String,
    line: usize,
    entries: HashMap<&'a str, &'a Node>,
    asked: Vec<&'static str>,
    order: Vec<(&'a str, usize)>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping; anything else is a problem.
    pub(crate) fn open(path: &str, node: &'a Node, notes: &mut Notes<'_>) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            notes.add(
                node.line,
                format!("{path} must be a mapping, not {}", node.kind()),
                "write `key: value` lines",
            );
            return None;
        };
        let mut fields = Self {
            path: path.to_owned(),
            line: node.line,
            entries: HashMap::new(),
            asked: Vec::new(),
            order: Vec::new(),
        };
        for (key, value) in map {
            let Some(name) = key.as_text() else {
                notes.add(key.line, format!("a key in {path} is {}", key.kind()), "keys are plain words");
                continue;
            };
            if fields.entries.insert(name, value).is_some() {
                notes.add(key.line, format!("{} stands twice", fields.at(name)), "keep one of them");
            }
            fields.order.push((name, key.line));
        }
        Some(fields)
    }

    /// On which line it begins.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// On which line the value of a key stands.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        self.entries.get(key).map_or(self.line, |node| node.line)
    }

    /// Where a key stands, for messages.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The node under a key. An empty value (`key:`) counts as absent.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        let node = *self.entries.get(key)?;
        (node.as_text() != Some("")).then_some(node)
    }

    /// A plain value.
    pub(crate) fn text(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Option<(&'a str, usize)> {
        let node = self.node(key)?;
        if node.as_text().is_none() {
            notes.add(node.line, format!("{} must be a plain value, not {}", self.at(key), node.kind()), "");
        }
        node.as_text().map(|text| (text, node.line))
    }

    /// A plain value that must be there.
    pub(crate) fn required(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Option<(&'a str, usize)> {
        let found = self.text(key, notes);
        if self.entries.get(key).is_none_or(|node| node.as_text() == Some("")) {
            notes.add(self.line, format!("{} is missing", self.at(key)), format!("add a line `{key}: …`"));
        }
        found
    }

    /// A plain value read by `read`; its error is the message.
    pub(crate) fn read<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (text, line) = self.text(key, notes)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(error) => {
                notes.add(line, format!("{}: {error}", self.at(key)), "");
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Option<Duration> {
        self.read(key, notes, parse_duration)
    }

    pub(crate) fn boolean(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Option<bool> {
        self.read(key, notes, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        })
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let (text, line) = self.text(key, notes)?;
        self.chosen(key, text, line, notes, choices)
    }

    fn chosen<T: Copy>(
        &self,
        key: &str,
        text: &str,
        line: usize,
        notes: &mut Notes<'_>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let remedy = match nearest(text, words.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("use one of: {}", words.join(", ")),
        };
        notes.add(line, format!("{} cannot be {text:?}", self.at(key)), remedy);
        None
    }

    /// A list of plain values; a single value counts as a list of one.
    pub(crate) fn texts(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Vec<(&'a str, usize)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let list = match &node.value {
            Value::Text(text) => return vec![(text.as_str(), node.line)],
            Value::List(list) => list,
            Value::Map(_) => {
                notes.add(node.line, format!("{} must be a list", self.at(key)), "write `[one, two]`");
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for part in list {
            match part.as_text() {
                Some(text) => texts.push((text, part.line)),
                None => notes.add(
                    part.line,
                    format!("{} holds {}", self.at(key), part.kind()),
                    "it is a list of plain values",
                ),
            }
        }
        texts
    }

    pub(crate) fn choices<T: Copy>(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
        choices: &[(&'static str, T)],
    ) -> Vec<T> {
        let texts = self.texts(key, notes);
        texts.into_iter().filter_map(|(text, line)| self.chosen(key, text, line, notes, choices)).collect()
    }

    /// Names of sources. Whether those exist is for whoever knows all of them.
    pub(crate) fn sources(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Vec<Name> {
        let mut names = Vec::new();
        for (text, line) in self.texts(key, notes) {
            match Name::new(text) {
                Ok(name) => {
                    let file = notes.file.to_path_buf();
                    notes.references.push(Reference { file, line, key: self.at(key), source: name.clone() });
                    names.push(name);
                }
                Err(error) => notes.add(line, format!("{}: {error}", self.at(key)), ""),
            }
        }
        names
    }

    /// A plain value that somebody else judges.
    pub(crate) fn judged(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
        judge: &dyn Fn(&str) -> Result<(), Complaint>,
    ) -> Option<String> {
        let (text, line) = self.text(key, notes)?;
        let text = text.trim();
        if let Err(Complaint { message, remedy }) = judge(text) {
            notes.add(line, format!("{}: {message}", self.at(key)), remedy);
        }
        Some(text.to_owned())
    }

    /// A mapping of names to plain values that somebody else judges: name, value and line, in their order.
    pub(crate) fn map(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
        judge: &dyn Fn(&str) -> Result<(), Complaint>,
    ) -> Vec<(String, String, usize)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let path = self.at(key);
        let Some(inner) = Fields::open(&path, node, notes) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, line) in &inner.order {
            let Some(value) = inner.entries.get(name).and_then(|node| node.as_text()) else {
                notes.add(*line, format!("{path}.{name} must be a plain value"), "");
                continue;
            };
            if let Err(Complaint { message, remedy }) = judge(value.trim()) {
                notes.add(*line, format!("{path}.{name}: {message}"), remedy);
            }
            found.push(((*name).to_owned(), value.trim().to_owned(), *line));
        }
        found
    }

    /// ISO 639-1 codes.
    pub(crate) fn languages(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Vec<String> {
        let mut languages = Vec::new();
        for (text, line) in self.texts(key, notes) {
            if LANGUAGES.split(' ').any(|code| code == text) {
                languages.push(text.to_owned());
            } else {
                let remedy = match text {
                    "kz" | "kaz" => "Kazakh is kk",
                    "kg" | "kir" => "Kyrgyz is ky",
                    "ua" => "Ukrainian is uk",
                    _ => "use ISO 639-1 codes such as kk, ru, en",
                };
                notes.add(line, format!("{}: {text:?} is not a language code", self.at(key)), remedy);
            }
        }
        languages
    }

    pub(crate) fn web_address(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Option<Url> {
        let (text, line) = self.required(key, notes)?;
        let problem = match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!("{}: the scheme {:?} cannot be fetched", self.at(key), url.scheme())
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                format!("{}: an address must not carry a user name or password", self.at(key))
            }
            Ok(url) if has_misplaced_query(&url) => {
                format!("{}: {{query}} can stand in the path or behind the question mark only", self.at(key))
            }
            Ok(url) => return Some(url),
            Err(error) => format!("{}: {text:?} is not an address ({error})", self.at(key)),
        };
        notes.add(line, problem, "write a full http:// or https:// address");
        None
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn close(self, notes: &mut Notes<'_>) {
        for (key, line) in &self.order {
            if self.asked.contains(key) {
                continue;
            }
            let remedy = match nearest(key, self.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys: {}", known_keys(&self.asked)),
            };
            notes.add(*line, format!("unknown key {}", self.at(key)), remedy);
        }
    }
}

/// What is searched for has a place in the path and in the query of an address; elsewhere it is a slip.
fn has_misplaced_query(url: &Url) -> bool {
    [url.host_str(), url.fragment()].into_iter().flatten().any(|part| part.contains("query}"))
}

fn known_keys(asked: &[&str]) -> String {
    let mut keys = asked.to_vec();
    keys.dedup();
    keys.join(", ")
}
