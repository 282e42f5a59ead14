//! A client as it is declared.

use model::{Client, Name, Source, Tenant};
use serde_json::{Map, Value, json};

use super::fields::{Fields, Notes};

pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, notes: &mut Notes<'_>) -> Option<Client> {
    let weight = spec.read("weight", notes, weight).unwrap_or(Client::LEAST);
    let searches = spec.read("searches", notes, searches);
    Some(Client { name: name?, weight, searches })
}

fn weight(text: &str) -> Result<u32, String> {
    let weight = text.parse().ok().filter(|weight| (Client::LEAST..=Tenant::MOST).contains(weight));
    weight.ok_or_else(|| format!("{text:?} is no weight; use a number from 1 to {}", Tenant::MOST))
}

/// A number of searches: of a client over all sources, of a source over all clients.
pub(super) fn searches(text: &str) -> Result<u32, String> {
    let searches = text.parse().ok().filter(|searches| *searches <= Source::MOST_SEARCHES);
    searches.ok_or_else(|| {
        format!("{text:?} is no number of searches; use a number from 0 to {}", Source::MOST_SEARCHES)
    })
}

/// The spec as it would be declared.
pub(crate) fn write(client: &Client) -> Value {
    let mut spec = Map::new();
    if client.weight != Client::LEAST {
        spec.insert("weight".to_owned(), json!(client.weight));
    }
    if let Some(searches) = client.searches {
        spec.insert("searches".to_owned(), json!(searches));
    }
    Value::Object(spec)
}
