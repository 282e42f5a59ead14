//! Parsing and printing of declared clients.

use model::{Client, Name, Source, Tenant};
use serde_json::{Map, Value, json};

use super::fields::{Context, Fields};

/// Reads the spec of a client. Reports problems to `context`.
pub(crate) fn read(name: Option<Name>, spec: &mut Fields<'_>, context: &mut Context<'_>) -> Option<Client> {
    let weight = spec.parse("weight", context, parse_weight).unwrap_or(Client::DEFAULT_WEIGHT);
    let searches = spec.parse("searches", context, parse_searches);
    Some(Client { name: name?, weight, searches })
}

fn parse_weight(text: &str) -> Result<u32, String> {
    let weight =
        text.parse().ok().filter(|weight| (Client::DEFAULT_WEIGHT..=Tenant::MAX_WEIGHT).contains(weight));
    weight.ok_or_else(|| {
        format!("{text:?} is not a valid weight; use a number from 1 to {}", Tenant::MAX_WEIGHT)
    })
}

/// Parses a search budget: of a client over all sources, or of a source over all clients.
pub(super) fn parse_searches(text: &str) -> Result<u32, String> {
    let searches = text.parse().ok().filter(|searches| *searches <= Source::MAX_SEARCHES);
    searches.ok_or_else(|| {
        format!("{text:?} is not a valid number of searches; use a number from 0 to {}", Source::MAX_SEARCHES)
    })
}

/// Returns the spec as it would be declared.
pub(crate) fn write(client: &Client) -> Value {
    let mut spec = Map::new();
    if client.weight != Client::DEFAULT_WEIGHT {
        spec.insert("weight".to_owned(), json!(client.weight));
    }
    if let Some(searches) = client.searches {
        spec.insert("searches".to_owned(), json!(searches));
    }
    Value::Object(spec)
}
