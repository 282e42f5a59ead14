//! YAML with positions: what the parser saw, nothing interpreted.
//!
//! Scalars stay text, so `country: no` is Norway and a version is not a number. Aliases are refused:
//! a few lines of them can unfold into gigabytes.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// One value and the line it starts on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Counted from 1.
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

    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a plain value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Nesting beyond this is nobody's declaration.
const MAX_DEPTH: usize = 16;

/// The documents of a file, and the line and reason of what stopped the reading, if something did.
pub(crate) fn parse(text: &str) -> (Vec<Node>, Option<(usize, String)>) {
    let mut documents = Vec::new();
    let mut open: Vec<(Node, Option<Node>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => return (documents, Some((error.marker().line().max(1), error.info().to_owned()))),
        };
        let line = span.start.line().max(1);
        let finished = match event {
            Event::Alias(_) => {
                return (documents, Some((line, "aliases (*name) are not supported".to_owned())));
            }
            // `client: null` says that there is none, as `client:` does; "null" in quotes is a name.
            Event::Scalar(text, ScalarStyle::Plain, ..)
                if matches!(&*text, "null" | "~" | "Null" | "NULL") =>
            {
                Node { line, value: Value::Text(String::new()) }
            }
            Event::Scalar(text, ..) => Node { line, value: Value::Text(text.into_owned()) },
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= MAX_DEPTH => {
                return (documents, Some((line, format!("nested deeper than {MAX_DEPTH} levels"))));
            }
            Event::SequenceStart(..) => {
                open.push((Node { line, value: Value::List(Vec::new()) }, None));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((Node { line, value: Value::Map(Vec::new()) }, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, _)) => node,
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(finished),
            Some((Node { value: Value::List(list), .. }, _)) => list.push(finished),
            Some((Node { value: Value::Map(map), .. }, key)) => match key.take() {
                None => *key = Some(finished),
                Some(known) => map.push((known, finished)),
            },
            Some(_) => (),
        }
    }
    (documents, None)
}
