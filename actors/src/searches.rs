//! What searched sources are asked for: what topics need, within the budgets of sources and clients.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Client, Name, Source, Tenant, Topic};
use store::{Store, StoreError};

use crate::snapshot::Snapshot;

/// What clients may still have searched for, over all sources; who is not among them may as much as sources allow.
pub(crate) struct Allowances(HashMap<String, usize>);

impl Allowances {
    pub(crate) fn of<'c>(clients: impl Iterator<Item = &'c Client>) -> Self {
        let limited =
            |client: &Client| Some((client.name.to_string(), usize::try_from(client.searches?).ok()?));
        Self(clients.filter_map(limited).collect())
    }

    fn take(&mut self, client: &str) -> bool {
        match self.0.get_mut(client) {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// The searches that a source is asked for, of those that topics need, with whose work each is. Clients take turns as they
/// weigh (those who were given least for their weight first), each with what most of its topics need; a search that several
/// need is made once, costs who chose it first, and is the work of the weightiest.
pub(crate) fn within_budget(
    needed: &BTreeMap<String, Vec<&Topic>>,
    most: usize,
    tenant_of: &dyn Fn(Option<&str>) -> Tenant,
    allowances: &mut Allowances,
) -> BTreeMap<String, Tenant> {
    let mut queues: BTreeMap<Option<&str>, Vec<(Reverse<usize>, &str)>> = BTreeMap::new();
    for (query, topics) in needed {
        let mut of_client: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        for topic in topics {
            *of_client.entry(topic.client.as_deref()).or_default() += 1;
        }
        for (client, topics) in of_client {
            queues.entry(client).or_default().push((Reverse(topics), query));
        }
    }
    // By what each was given, in shares of its weight: whole numbers, so that all nodes agree.
    let mut turns: BTreeSet<(u64, Option<&str>)> = queues.keys().map(|client| (0, *client)).collect();
    let mut queues: BTreeMap<Option<&str>, VecDeque<&str>> = queues
        .into_iter()
        .map(|(client, mut queue)| {
            queue.sort_unstable();
            (client, queue.into_iter().map(|(_, query)| query).collect())
        })
        .collect();
    let mut admitted: BTreeMap<String, Tenant> = BTreeMap::new();
    while admitted.len() < most
        && let Some((given, client)) = turns.pop_first()
    {
        let Some(queue) = queues.get_mut(&client) else { continue };
        let next = std::iter::from_fn(|| queue.pop_front()).find(|query| !admitted.contains_key(*query));
        let Some(query) = next.filter(|_| allowances.take(client.unwrap_or_default())) else { continue };
        let topics = needed.get(query).map_or(&[][..], Vec::as_slice);
        admitted.insert(query.to_owned(), weightiest(topics, tenant_of));
        turns.insert((given + SHARE / u64::from(tenant_of(client).weight.max(1)), client));
    }
    admitted
}

/// One search in shares of a weight.
const SHARE: u64 = 1_000_000;

fn weightiest(topics: &[&Topic], tenant_of: &dyn Fn(Option<&str>) -> Tenant) -> Tenant {
    let clients: BTreeSet<Option<&str>> = topics.iter().map(|topic| topic.client.as_deref()).collect();
    let tenants = clients.into_iter().map(tenant_of);
    let weightiest =
        tenants.max_by(|one, other| (one.weight, &other.client).cmp(&(other.weight, &one.client)));
    weightiest.unwrap_or_else(Tenant::shared)
}

/// A search that is made for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Which source is searched.
    pub source: Name,
    /// What for.
    pub query: String,
    /// Topics that share it, this one included.
    pub topics: usize,
    /// How often it is made.
    pub every: Duration,
}

/// What sources are searched for, for one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Searches {
    /// Searches that are made.
    pub made: Vec<Search>,
    /// Searches that it needs and that are beyond a budget, by source.
    pub left_out: Vec<(Name, String)>,
    /// Sources that its filters admit but that cannot be searched for it, since its query holds no words that they could be
    /// asked for.
    pub unasked: Vec<Name>,
}

/// What sources are searched for, for one topic.
pub async fn searches_of(store: &dyn Store, topic: &Topic) -> Result<Searches, StoreError> {
    let (snapshot, records) = Snapshot::load(store, Arc::default()).await?;
    let mut found = Searches::default();
    let admits = |source: &Source| source.is_searched() && topic.admits_source(source);
    for record in records.iter().filter(|record| !record.state.is_stopped() && admits(&record.source)) {
        let source = &record.source;
        let needed = snapshot.topics.searches(source);
        let of_topic =
            needed.into_iter().filter(|(_, topics)| topics.iter().any(|one| one.name == topic.name));
        let before = found.made.len() + found.left_out.len();
        for (query, topics) in of_topic {
            if snapshot.has_search(&source.name, &query) {
                let (source, every, topics) = (source.name.clone(), source.every.min, topics.len());
                found.made.push(Search { source, query, topics, every });
            } else {
                found.left_out.push((source.name.clone(), query));
            }
        }
        if found.made.len() + found.left_out.len() == before {
            found.unasked.push(source.name.clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(needs: &[(&str, &str)]) -> Vec<(String, Topic)> {
        let topic = |(n, (client, query)): (usize, &(&str, &str))| {
            let name = Name::new(format!("t{n}").as_str()).unwrap();
            let client = (!client.is_empty()).then(|| (*client).to_owned());
            ((*query).to_owned(), Topic { client, ..Topic::new(name, (*query).to_owned()) })
        };
        needs.iter().enumerate().map(topic).collect()
    }

    /// Queries of clients (`client query`, one a topic), the budget, what clients may: what is asked for.
    fn check(needs: &[(&str, &str)], most: usize, may: &[(&str, usize)], expected: &[&str]) {
        let topics = topics(needs);
        let mut needed: BTreeMap<String, Vec<&Topic>> = BTreeMap::new();
        for (query, topic) in &topics {
            needed.entry(query.clone()).or_default().push(topic);
        }
        let tenant = |client: Option<&str>| match client {
            None => Tenant::shared(),
            Some(name) => Tenant { client: name.to_owned(), weight: if name == "big" { 3 } else { 1 } },
        };
        let mut allowances = Allowances(may.iter().map(|(name, most)| ((*name).to_owned(), *most)).collect());
        let admitted = within_budget(&needed, most, &tenant, &mut allowances);
        assert_eq!(
            admitted.keys().map(String::as_str).collect::<Vec<_>>(),
            expected,
            "{needs:?} {most} {may:?}"
        );
        for (query, tenant) in admitted.iter().filter(|_| needs.iter().any(|(client, _)| *client == "big")) {
            let is_of_big = needs.iter().any(|(client, other)| *client == "big" && other == query);
            assert_eq!(
                tenant.client == "big",
                is_of_big,
                "{query} is the work of the weightiest that needs it"
            );
        }
    }

    #[test]
    fn budgets_are_shared_as_clients_weigh() {
        let flood: Vec<(&str, &str)> =
            ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"].map(|query| ("flood", query)).into();
        let with = |more: &[(&'static str, &'static str)]| [flood.as_slice(), more].concat();
        // All fit.
        check(&with(&[("small", "z")]), 9, &[], &["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "z"]);
        // A client with many topics leaves room for one with few, whatever the letters.
        check(&with(&[("small", "z")]), 4, &[], &["a1", "a2", "a3", "z"]);
        // Three to one.
        check(
            &with(&[("big", "z1"), ("big", "z2"), ("big", "z3"), ("big", "z4")]),
            4,
            &[],
            &["a1", "z1", "z2", "z3"],
        );
        // What most topics need comes first; what two clients need is made once.
        check(&[("x", "one"), ("x", "two"), ("x", "two")], 1, &[], &["two"]);
        check(&with(&[("small", "a1"), ("small", "z")]), 3, &[], &["a1", "a2", "z"]);
        // A client's own budget, over all sources.
        check(&flood, 8, &[("flood", 2)], &["a1", "a2"]);
        check(&flood, 8, &[("flood", 0)], &[]);
        check(&flood, 0, &[], &[]);
    }
}
