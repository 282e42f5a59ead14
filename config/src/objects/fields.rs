//! Typed access to the keys of a YAML mapping. Unknown keys and invalid values are reported as problems.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use model::Name;
use url::Url;

use super::codes::LANGUAGES;
use super::tree::{Node, Value};
use super::{CheckError, Reference, SpecChecks};
use crate::{Problem, nearest, parse_duration};

/// The state of parsing one file.
pub(crate) struct Context<'a> {
    /// The parsed file.
    pub(crate) file: &'a Path,
    /// The checks of values that this crate does not interpret.
    pub(crate) judges: SpecChecks<'a>,
    /// The problems found so far.
    pub(crate) problems: Vec<Problem>,
    /// The references to sources found so far.
    pub(crate) references: Vec<Reference>,
}

impl Context<'_> {
    /// Adds a problem on a line of the file.
    pub(crate) fn report(&mut self, line: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.to_path_buf(),
            line: Some(line),
            message: message.into(),
            remedy: remedy.into(),
        });
    }
}

/// A mapping whose keys are parsed one by one.
pub(crate) struct Fields<'a> {
    /// The path of the mapping, for messages: `spec.every`. Empty for the document.
    path: String,
    line: usize,
    entries: HashMap<&'a str, &'a Node>,
    /// The keys requested so far: the keys that the mapping may contain.
    known_keys: Vec<&'static str>,
    /// The keys in the file, in order, with their lines.
    keys: Vec<(&'a str, usize)>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping. Reports a problem for any other kind of node.
    pub(crate) fn open(path: &str, node: &'a Node, context: &mut Context<'_>) -> Option<Self> {
        let subject = if path.is_empty() { "the document" } else { path };
        let Value::Map(map) = &node.value else {
            context.report(
                node.line,
                format!("{subject} must be a mapping, not {}", node.kind()),
                "write `key: value` lines",
            );
            return None;
        };
        let mut fields = Self {
            path: path.to_owned(),
            line: node.line,
            entries: HashMap::new(),
            known_keys: Vec::new(),
            keys: Vec::new(),
        };
        for (key, value) in map {
            let Some(name) = key.as_text() else {
                context.report(
                    key.line,
                    format!("a key of {subject} is {}", key.kind()),
                    "use single values as keys",
                );
                continue;
            };
            if fields.entries.insert(name, value).is_some() {
                context.report(
                    key.line,
                    format!("duplicate key {}", fields.path_of(name)),
                    "remove one of them",
                );
            }
            fields.keys.push((name, key.line));
        }
        Some(fields)
    }

    /// Returns the line on which the mapping starts.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// Returns the line of a key's value, or that of the mapping if the key is absent.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        self.entries.get(key).map_or(self.line, |node| node.line)
    }

    /// Returns the path of a key, for messages.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Returns the node of a key. An empty value (`key:`) counts as absent.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known_keys.push(key);
        let node = *self.entries.get(key)?;
        (node.as_text() != Some("")).then_some(node)
    }

    /// Returns a single value and its line.
    pub(crate) fn text(&mut self, key: &'static str, context: &mut Context<'_>) -> Option<(&'a str, usize)> {
        let node = self.node(key)?;
        if node.as_text().is_none() {
            context.report(
                node.line,
                format!("{} must be a single value, not {}", self.path_of(key), node.kind()),
                "",
            );
        }
        node.as_text().map(|text| (text, node.line))
    }

    /// Returns a single value that is required, and its line.
    pub(crate) fn required(
        &mut self,
        key: &'static str,
        context: &mut Context<'_>,
    ) -> Option<(&'a str, usize)> {
        let text = self.text(key, context);
        if self.entries.get(key).is_none_or(|node| node.as_text() == Some("")) {
            context.report(
                self.line,
                format!("{} is missing", self.path_of(key)),
                format!("add a line `{key}: …`"),
            );
        }
        text
    }

    /// Parses a single value by `parse`. Reports an error of `parse` as the message of a problem.
    pub(crate) fn parse<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        context: &mut Context<'_>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (text, line) = self.text(key, context)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                context.report(line, format!("{}: {error}", self.path_of(key)), "");
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, key: &'static str, context: &mut Context<'_>) -> Option<Duration> {
        self.parse(key, context, parse_duration)
    }

    pub(crate) fn boolean(&mut self, key: &'static str, context: &mut Context<'_>) -> Option<bool> {
        self.parse(key, context, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("{text:?} is not a boolean; use true or false")),
        })
    }

    /// Parses a value that must be one of the words in `choices`.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        context: &mut Context<'_>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let (text, line) = self.text(key, context)?;
        self.parse_choice(key, text, line, context, choices)
    }

    fn parse_choice<T: Copy>(
        &self,
        key: &str,
        text: &str,
        line: usize,
        context: &mut Context<'_>,
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
        context.report(line, format!("invalid value {text:?} for {}", self.path_of(key)), remedy);
        None
    }

    /// Returns a list of single values with their lines. A single value counts as a list of one.
    pub(crate) fn texts(&mut self, key: &'static str, context: &mut Context<'_>) -> Vec<(&'a str, usize)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let list = match &node.value {
            Value::Text(text) => return vec![(text.as_str(), node.line)],
            Value::List(list) => list,
            Value::Map(_) => {
                context.report(
                    node.line,
                    format!("{} must be a list", self.path_of(key)),
                    "write it as `[one, two]`",
                );
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for element in list {
            match element.as_text() {
                Some(text) => texts.push((text, element.line)),
                None => context.report(
                    element.line,
                    format!("{} contains {}", self.path_of(key), element.kind()),
                    "list only single values",
                ),
            }
        }
        texts
    }

    pub(crate) fn choices<T: Copy>(
        &mut self,
        key: &'static str,
        context: &mut Context<'_>,
        choices: &[(&'static str, T)],
    ) -> Vec<T> {
        let texts = self.texts(key, context);
        texts
            .into_iter()
            .filter_map(|(text, line)| self.parse_choice(key, text, line, context, choices))
            .collect()
    }

    /// Parses names of sources and records them as references. The caller that knows all sources checks that they
    /// exist.
    pub(crate) fn sources(&mut self, key: &'static str, context: &mut Context<'_>) -> Vec<Name> {
        let mut names = Vec::new();
        for (text, line) in self.texts(key, context) {
            match Name::new(text) {
                Ok(name) => {
                    let file = context.file.to_path_buf();
                    context.references.push(Reference {
                        file,
                        line,
                        key: self.path_of(key),
                        source: name.clone(),
                    });
                    names.push(name);
                }
                Err(error) => context.report(line, format!("{}: {error}", self.path_of(key)), ""),
            }
        }
        names
    }

    /// Returns a single value, trimmed. Reports a complaint of `check` as a problem.
    pub(crate) fn checked_text(
        &mut self,
        key: &'static str,
        context: &mut Context<'_>,
        check: &dyn Fn(&str) -> Result<(), CheckError>,
    ) -> Option<String> {
        let (text, line) = self.text(key, context)?;
        let text = text.trim();
        if let Err(CheckError { message, remedy }) = check(text) {
            context.report(line, format!("{}: {message}", self.path_of(key)), remedy);
        }
        Some(text.to_owned())
    }

    /// Returns a mapping from names to single values as triples of name, trimmed value and line, in file order. Reports
    /// complaints of `check` about a value as problems.
    pub(crate) fn checked_map(
        &mut self,
        key: &'static str,
        context: &mut Context<'_>,
        check: &dyn Fn(&str) -> Result<(), CheckError>,
    ) -> Vec<(String, String, usize)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let path = self.path_of(key);
        let Some(inner) = Fields::open(&path, node, context) else { return Vec::new() };
        let mut values = Vec::new();
        for (name, line) in &inner.keys {
            let Some(value) = inner.entries.get(name).and_then(|node| node.as_text()) else {
                context.report(*line, format!("{path}.{name} must be a single value"), "");
                continue;
            };
            if let Err(CheckError { message, remedy }) = check(value.trim()) {
                context.report(*line, format!("{path}.{name}: {message}"), remedy);
            }
            values.push(((*name).to_owned(), value.trim().to_owned(), *line));
        }
        values
    }

    /// Parses ISO 639-1 codes.
    pub(crate) fn languages(&mut self, key: &'static str, context: &mut Context<'_>) -> Vec<String> {
        let mut languages = Vec::new();
        for (text, line) in self.texts(key, context) {
            if LANGUAGES.split(' ').any(|code| code == text) {
                languages.push(text.to_owned());
            } else {
                let remedy = match text {
                    "kz" | "kaz" => "use kk for Kazakh",
                    "kg" | "kir" => "use ky for Kyrgyz",
                    "ua" => "use uk for Ukrainian",
                    _ => "use ISO 639-1 codes such as kk, ru, en",
                };
                context.report(
                    line,
                    format!("{}: {text:?} is not a language code", self.path_of(key)),
                    remedy,
                );
            }
        }
        languages
    }

    /// Parses a required HTTP or HTTPS address.
    pub(crate) fn web_address(&mut self, key: &'static str, context: &mut Context<'_>) -> Option<Url> {
        let (text, line) = self.required(key, context)?;
        let (message, remedy) = match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                (format!("unsupported scheme {:?}", url.scheme()), "use an http:// or https:// address")
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                ("the address must not contain a user name or password".to_owned(), "remove them")
            }
            Ok(url) if has_misplaced_query(&url) => (
                "{query} is allowed only in the path and the query string".to_owned(),
                "move it there, or remove it",
            ),
            Ok(url) => return Some(url),
            Err(error) => (
                format!("{text:?} is not a valid address ({error})"),
                "write a full http:// or https:// address",
            ),
        };
        context.report(line, format!("{}: {message}", self.path_of(key)), remedy);
        None
    }

    /// Reports every unknown key: every key in the file that was never requested.
    pub(crate) fn finish(self, context: &mut Context<'_>) {
        for (key, line) in &self.keys {
            if self.known_keys.contains(key) {
                continue;
            }
            let remedy = match nearest(key, self.known_keys.iter().copied()) {
                Some(known_key) => format!("did you mean `{known_key}`?"),
                None => format!("known keys: {}", join_keys(&self.known_keys)),
            };
            context.report(*line, format!("unknown key {}", self.path_of(key)), remedy);
        }
    }
}

/// Returns true if the placeholder `{query}` is in the host or the fragment. It is valid only in the path and the query
/// string.
fn has_misplaced_query(url: &Url) -> bool {
    [url.host_str(), url.fragment()].into_iter().flatten().any(|part| part.contains("query}"))
}

fn join_keys(keys: &[&str]) -> String {
    let mut keys = keys.to_vec();
    keys.dedup();
    keys.join(", ")
}
