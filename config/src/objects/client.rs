//! A client as it is declared.

use model::{Client, Name, Tenant};
use serde_json::{Map, Value, json};

use super::fields::{Fields, Notes};

pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<Client> {
    let weight = spec.read("weight", notes, weight).unwrap_or(Client::LEAST);
    Some(Client { name: name?, weight })
}

fn weight(text: &str) -> Result<u32, String> {
    let weight = text.parse().ok().filter(|weight| (Client::LEAST..=Tenant::MOST).contains(weight));
    weight.ok_or_else(|| format!("{text:?} is no weight; use a number from 1 to {}", Tenant::MOST))
}

/// The spec as it would be declared.
pub(crate) fn write(client: &Client) -> Value {
    let mut spec = Map::new();
    if client.weight != Client::LEAST {
        spec.insert("weight".to_owned(), json!(client.weight));
    }
    Value::Object(spec)
}
