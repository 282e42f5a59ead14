//! The budgets of searches: which of the searches that topics need a source performs, and for whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use model::{Client, Tenant, Topic};

/// The searches that clients may still use, over all sources. A client without an entry is limited by the sources
/// only.
pub(crate) struct ClientBudgets(HashMap<String, usize>);

impl ClientBudgets {
    pub(crate) fn new<'c>(clients: impl Iterator<Item = &'c Client>) -> Self {
        let limited =
            |client: &Client| Some((client.name.to_string(), usize::try_from(client.searches?).ok()?));
        Self(clients.filter_map(limited).collect())
    }

    fn take(&mut self, client: &str) -> bool {
        match self.0.get_mut(client) {
            None => true,
            Some(0) => false,
            Some(remaining) => {
                *remaining -= 1;
                true
            }
        }
    }
}

/// Selects the searches of a source among those that topics need, with the tenant of each.
///
/// Clients take turns: the next turn goes to the client with the fewest searches in proportion to its weight, and
/// takes the search that most of its topics need. A search that several clients need is performed once, uses the
/// budget of the client that selected it, and is charged to the client with the largest weight.
pub(crate) fn within_budget(
    needed: &BTreeMap<String, Vec<&Topic>>,
    limit: usize,
    tenant_of: &dyn Fn(Option<&str>) -> Tenant,
    budgets: &mut ClientBudgets,
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
    // The shares are whole numbers, so that all nodes agree.
    let mut turns: BTreeSet<(u64, Option<&str>)> = queues.keys().map(|client| (0, *client)).collect();
    let mut queues: BTreeMap<Option<&str>, VecDeque<&str>> = queues
        .into_iter()
        .map(|(client, mut queue)| {
            queue.sort_unstable();
            (client, queue.into_iter().map(|(_, query)| query).collect())
        })
        .collect();
    let mut admitted: BTreeMap<String, Tenant> = BTreeMap::new();
    while admitted.len() < limit
        && let Some((share, client)) = turns.pop_first()
    {
        let Some(queue) = queues.get_mut(&client) else { continue };
        let next = std::iter::from_fn(|| queue.pop_front()).find(|query| !admitted.contains_key(*query));
        let Some(query) = next.filter(|_| budgets.take(client.unwrap_or_default())) else { continue };
        let topics = needed.get(query).map_or(&[][..], Vec::as_slice);
        admitted.insert(query.to_owned(), heaviest_tenant(topics, tenant_of));
        turns.insert((share + SEARCH_SHARE / u64::from(tenant_of(client).weight.max(1)), client));
    }
    admitted
}

/// The share of one search. It is divided by the weight of the client.
const SEARCH_SHARE: u64 = 1_000_000;

/// Returns the tenant with the largest weight among the clients of some topics; of equal ones, the first by name.
fn heaviest_tenant(topics: &[&Topic], tenant_of: &dyn Fn(Option<&str>) -> Tenant) -> Tenant {
    let clients: BTreeSet<Option<&str>> = topics.iter().map(|topic| topic.client.as_deref()).collect();
    let tenants = clients.into_iter().map(tenant_of);
    let heaviest = tenants.max_by(|one, other| (one.weight, &other.client).cmp(&(other.weight, &one.client)));
    heaviest.unwrap_or_else(Tenant::shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Name;

    fn topics(needs: &[(&str, &str)]) -> Vec<(String, Topic)> {
        let topic = |(n, (client, query)): (usize, &(&str, &str))| {
            let name = Name::new(format!("t{n}").as_str()).unwrap();
            let client = (!client.is_empty()).then(|| (*client).to_owned());
            ((*query).to_owned(), Topic { client, ..Topic::new(name, (*query).to_owned()) })
        };
        needs.iter().enumerate().map(topic).collect()
    }

    /// Asserts the searches that are selected for topics (client, query) within the budget of a source and of
    /// clients.
    fn check(needs: &[(&str, &str)], limit: usize, client_limits: &[(&str, usize)], expected: &[&str]) {
        let topics = topics(needs);
        let mut needed: BTreeMap<String, Vec<&Topic>> = BTreeMap::new();
        for (query, topic) in &topics {
            needed.entry(query.clone()).or_default().push(topic);
        }
        let tenant = |client: Option<&str>| match client {
            None => Tenant::shared(),
            Some(name) => Tenant { client: name.to_owned(), weight: if name == "big" { 3 } else { 1 } },
        };
        let mut budgets =
            ClientBudgets(client_limits.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect());
        let admitted = within_budget(&needed, limit, &tenant, &mut budgets);
        assert_eq!(
            admitted.keys().map(String::as_str).collect::<Vec<_>>(),
            expected,
            "{needs:?} {limit} {client_limits:?}"
        );
        for (query, tenant) in admitted.iter().filter(|_| needs.iter().any(|(client, _)| *client == "big")) {
            let is_of_big = needs.iter().any(|(client, other)| *client == "big" && other == query);
            assert_eq!(
                tenant.client == "big",
                is_of_big,
                "{query} must be charged to the client with the largest weight"
            );
        }
    }

    #[test]
    fn budgets_are_shared_in_proportion_to_client_weights() {
        let flood: Vec<(&str, &str)> =
            ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"].map(|query| ("flood", query)).into();
        let with = |more: &[(&'static str, &'static str)]| [flood.as_slice(), more].concat();
        // All searches fit into the budget.
        check(&with(&[("small", "z")]), 9, &[], &["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "z"]);
        // A client with many topics does not displace one with few, even if its queries sort first.
        check(&with(&[("small", "z")]), 4, &[], &["a1", "a2", "a3", "z"]);
        // A client with weight 3 gets three searches for each one of a client with weight 1.
        check(
            &with(&[("big", "z1"), ("big", "z2"), ("big", "z3"), ("big", "z4")]),
            4,
            &[],
            &["a1", "z1", "z2", "z3"],
        );
        // The search that most topics need comes first. A search that two clients need is performed once.
        check(&[("x", "one"), ("x", "two"), ("x", "two")], 1, &[], &["two"]);
        check(&with(&[("small", "a1"), ("small", "z")]), 3, &[], &["a1", "a2", "z"]);
        // The budget of a client limits it over all sources.
        check(&flood, 8, &[("flood", 2)], &["a1", "a2"]);
        check(&flood, 8, &[("flood", 0)], &[]);
        check(&flood, 0, &[], &[]);
    }
}
