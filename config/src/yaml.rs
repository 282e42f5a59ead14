//! YAML as text: printing plain values, in one style everywhere.

use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::Value;

/// Prints a value as one YAML document without the leading `---`, ending in a line feed.
pub fn print(value: &Value) -> String {
    let mut text = String::new();
    let tree = tree(value);
    let mut emitter = YamlEmitter::new(&mut text);
    // Writing into a string cannot fail; what was written stands if it ever does.
    let _ = emitter.dump(&tree);
    let body = text.strip_prefix("---").unwrap_or(&text).trim_start_matches('\n');
    format!("{}\n", body.trim_end_matches('\n'))
}

fn tree(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(yes) => Yaml::Value(Scalar::Boolean(*yes)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Yaml::Value(Scalar::Integer(whole)),
            None => Yaml::Value(Scalar::FloatingPoint(number.as_f64().unwrap_or(f64::NAN).into())),
        },
        Value::String(text) => string(text),
        Value::Array(list) => Yaml::Sequence(list.iter().map(tree).collect()),
        Value::Object(map) => {
            let mut mapping = Mapping::new();
            for (key, value) in map {
                mapping.insert(string(key), tree(value));
            }
            Yaml::Mapping(mapping)
        }
    }
}

fn string(text: &str) -> Yaml<'_> {
    Yaml::Value(Scalar::String(text.into()))
}
