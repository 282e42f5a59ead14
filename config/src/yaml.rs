//! Printing of values as YAML, in one style for all commands.

use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::Value;

/// Prints a value as one YAML document without the leading `---`, ending in a line feed.
pub fn print(value: &Value) -> String {
    let mut text = String::new();
    let tree = to_yaml(value);
    let mut emitter = YamlEmitter::new(&mut text);
    // Writing to a string cannot fail.
    let _ = emitter.dump(&tree);
    let body = text.strip_prefix("---").unwrap_or(&text).trim_start_matches('\n');
    format!("{}\n", body.trim_end_matches('\n'))
}

fn to_yaml(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(boolean) => Yaml::Value(Scalar::Boolean(*boolean)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Yaml::Value(Scalar::Integer(integer)),
            None => Yaml::Value(Scalar::FloatingPoint(number.as_f64().unwrap_or(f64::NAN).into())),
        },
        Value::String(text) => string(text),
        Value::Array(list) => Yaml::Sequence(list.iter().map(to_yaml).collect()),
        Value::Object(map) => {
            let mut mapping = Mapping::new();
            for (key, value) in map {
                mapping.insert(string(key), to_yaml(value));
            }
            Yaml::Mapping(mapping)
        }
    }
}

fn string(text: &str) -> Yaml<'_> {
    Yaml::Value(Scalar::String(text.into()))
}
