//! What `apply` would change.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Object;

/// One object that differs between what is declared and what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Declared and not stored.
    Add {
        /// `Source/name`.
        object: String,
    },
    /// Stored and not declared.
    Remove {
        /// `Source/name`.
        object: String,
    },
    /// Stored otherwise than declared.
    Edit {
        /// `Source/name`.
        object: String,
        /// `spec.every.min: 5m -> 10m`, a line a field.
        fields: Vec<String>,
    },
}

/// What it takes to get from `stored` to `declared`, in the order of names.
pub fn compare(stored: &[Object], declared: &[Object]) -> Vec<Change> {
    let index = |objects: &[Object]| -> BTreeMap<String, Value> {
        objects.iter().map(|object| (format!("{}/{}", object.kind(), object.name()), object.spec())).collect()
    };
    let (stored, declared) = (index(stored), index(declared));
    let mut changes = Vec::new();
    for (object, spec) in &declared {
        match stored.get(object) {
            None => changes.push(Change::Add { object: object.clone() }),
            Some(before) if before != spec => {
                let mut fields = Vec::new();
                differing("spec", Some(before), Some(spec), &mut fields);
                changes.push(Change::Edit { object: object.clone(), fields });
            }
            Some(_) => (),
        }
    }
    let gone = stored.keys().filter(|object| !declared.contains_key(*object));
    changes.extend(gone.map(|object| Change::Remove { object: object.clone() }));
    changes
}

fn differing(path: &str, before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<String>) {
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                differing(&format!("{path}.{key}"), one.get(key), other.get(key), lines);
            }
        }
        (one, other) if one == other => (),
        (one, other) => lines.push(format!("{path}: {} -> {}", shown(one), shown(other))),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "(default)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
