//! A list as it is declared.

use model::{List, Name};
use serde_json::{Value, json};

use super::fields::{Fields, Notes};

/// Characters of a value at most.
const LONGEST: usize = 200;

pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<List> {
    let line = spec.node("values").map_or(spec.line(), |node| node.line);
    let texts = spec.texts("values", notes);
    if texts.is_empty() {
        notes.add(line, "spec.values is empty", "write `values: [one, two]`");
    }
    if let Some((_, line)) = texts.get(List::MOST) {
        notes.add(*line, format!("spec.values holds more than {}", List::MOST), "make another list of some");
        return None;
    }
    let mut values = Vec::new();
    for (text, line) in texts {
        let value = text.trim();
        // A value is looked for as it would be behind the field's colon.
        let is_one = value.chars().any(char::is_alphanumeric) && !value.contains('"');
        if !is_one || value.contains('\n') || value.chars().count() > LONGEST {
            let remedy = format!(
                "a value has letters or digits, no quotes, and at most {LONGEST} characters in one line"
            );
            notes.add(line, format!("spec.values holds {value:?}"), remedy);
        }
        values.push(value.to_owned());
    }
    // Their order says nothing.
    values.sort();
    values.dedup();
    Some(List { name: name?, values })
}

/// The spec as it would be declared.
pub(crate) fn write(list: &List) -> Value {
    json!({"values": list.values})
}
