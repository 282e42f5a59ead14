//! The differences between stored and declared objects, which `qyran apply` would apply.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Object;

/// An object that differs between the declarations and the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The object is declared but not stored.
    Add {
        /// `Source/name`.
        object: String,
    },
    /// The object is stored but not declared.
    Remove {
        /// `Source/name`.
        object: String,
    },
    /// The stored and the declared object differ.
    Edit {
        /// `Source/name`.
        object: String,
        /// The changed fields, one line each: `spec.every.min: 5m -> 10m`.
        fields: Vec<String>,
    },
}

/// Returns the changes that lead from `stored` to `declared`: additions and edits by kind and name, then removals.
pub fn compare(stored: &[Object], declared: &[Object]) -> Vec<Change> {
    let index = |objects: &[Object]| -> BTreeMap<String, Value> {
        objects.iter().map(|object| (format!("{}/{}", object.kind(), object.name()), object.spec())).collect()
    };
    let (stored, declared) = (index(stored), index(declared));
    let mut changes = Vec::new();
    for (object, spec) in &declared {
        match stored.get(object) {
            None => changes.push(Change::Add { object: object.clone() }),
            Some(stored_spec) if stored_spec != spec => {
                let mut fields = Vec::new();
                collect_changed_fields("spec", Some(stored_spec), Some(spec), &mut fields);
                changes.push(Change::Edit { object: object.clone(), fields });
            }
            Some(_) => (),
        }
    }
    let removed = stored.keys().filter(|object| !declared.contains_key(*object));
    changes.extend(removed.map(|object| Change::Remove { object: object.clone() }));
    changes
}

fn collect_changed_fields(path: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                collect_changed_fields(&format!("{path}.{key}"), old.get(key), new.get(key), lines);
            }
        }
        (old, new) if old == new => (),
        (old, new) => lines.push(format!("{path}: {} -> {}", format_value(old), format_value(new))),
    }
}

fn format_value(value: Option<&Value>) -> String {
    match value {
        None => "(default)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
