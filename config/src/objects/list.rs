//! Parsing and printing of declared lists.

use model::{List, Name};
use serde_json::{Value, json};

use super::fields::{Context, Fields};

/// Upper bound on characters of a value.
const MAX_VALUE_CHARS: usize = 200;

/// Reads the spec of a list. Reports problems to `context`.
pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, context: &mut Context<'_>) -> Option<List> {
    let line = spec.node("values").map_or(spec.line(), |node| node.line);
    let texts = spec.texts("values", context);
    if texts.is_empty() {
        context.report(line, "spec.values is empty", "write `values: [one, two]`");
    }
    if let Some((_, line)) = texts.get(List::MAX_VALUES) {
        context.report(
            *line,
            format!("spec.values has more than {} entries", List::MAX_VALUES),
            "move some of them to another list",
        );
        return None;
    }
    let mut values = Vec::new();
    for (text, line) in texts {
        let value = text.trim();
        // A value must be valid after the colon of a query field.
        let is_field_value = value.chars().any(char::is_alphanumeric) && !value.contains('"');
        if !is_field_value || value.contains('\n') || value.chars().count() > MAX_VALUE_CHARS {
            let remedy = format!(
                "use letters or digits, no quotes, and at most {MAX_VALUE_CHARS} characters on one line"
            );
            context.report(line, format!("spec.values contains the invalid value {value:?}"), remedy);
        }
        values.push(value.to_owned());
    }
    // The order has no meaning. Sorting keeps a reordering from being an edit.
    values.sort();
    values.dedup();
    Some(List { name: name?, values })
}

/// Returns the spec as it would be declared.
pub(crate) fn write(list: &List) -> Value {
    json!({"values": list.values})
}
