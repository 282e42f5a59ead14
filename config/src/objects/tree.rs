//! YAML as a tree of nodes with line numbers, without interpretation of scalars.
//!
//! Scalars stay text, so `country: no` is Norway and a version is not a number. Aliases are rejected, since a few lines
//! of them can expand to gigabytes.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A value and its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The line on which the value starts, counted from 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the kind of the value, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Upper bound on nesting. Declarations are never nested this deep.
const MAX_DEPTH: usize = 16;

/// Parses the documents of a file. If the text is invalid, returns the documents before the error, and the error's line
/// and reason.
pub(crate) fn parse(text: &str) -> (Vec<Node>, Option<(usize, String)>) {
    let mut documents = Vec::new();
    // The lists and mappings being parsed; for a mapping, with the key whose value comes next.
    let mut stack: Vec<(Node, Option<Node>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => return (documents, Some((error.marker().line().max(1), error.info().to_owned()))),
        };
        let line = span.start.line().max(1);
        let node = match event {
            Event::Alias(_) => {
                return (documents, Some((line, "aliases (*name) are not supported".to_owned())));
            }
            // `client: null` means that the value is absent, as `client:` does. "null" in quotes is a name.
            Event::Scalar(text, ScalarStyle::Plain, ..)
                if matches!(&*text, "null" | "~" | "Null" | "NULL") =>
            {
                Node { line, value: Value::Text(String::new()) }
            }
            Event::Scalar(text, ..) => Node { line, value: Value::Text(text.into_owned()) },
            Event::SequenceStart(..) | Event::MappingStart(..) if stack.len() >= MAX_DEPTH => {
                return (
                    documents,
                    Some((line, format!("values are nested more than {MAX_DEPTH} levels deep"))),
                );
            }
            Event::SequenceStart(..) => {
                stack.push((Node { line, value: Value::List(Vec::new()) }, None));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push((Node { line, value: Value::Map(Vec::new()) }, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some((node, _)) => node,
                None => continue,
            },
            _ => continue,
        };
        match stack.last_mut() {
            None => documents.push(node),
            Some((Node { value: Value::List(list), .. }, _)) => list.push(node),
            Some((Node { value: Value::Map(map), .. }, pending_key)) => match pending_key.take() {
                None => *pending_key = Some(node),
                Some(key) => map.push((key, node)),
            },
            Some(_) => (),
        }
    }
    (documents, None)
}
