//! The nodes of the cluster and the shards that each of them prefers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use super::Redis;
use super::scripts::Call;
use super::shard::Shard;
use crate::membership::{Beat, NodeView, Order, SILENCE, Spread, name_of};
use crate::schedule::ScheduleError;

/// The shards that a node prefers, as a bit mask.
pub(super) struct Preference(AtomicU64);

impl Preference {
    /// Returns a preference for all shards, until other nodes are known.
    pub(super) fn all() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    pub(super) fn contains(&self, shard: Shard) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << shard.number()) != 0
    }

    fn set(&self, node: &str, working: &[String]) {
        let is_own = |shard: &Shard| preferred_node(*shard, working).is_none_or(|name| name == name_of(node));
        let bits = Shard::all().filter(is_own).fold(0, |bits, shard| bits | 1 << shard.number());
        self.0.store(bits, Ordering::Relaxed);
    }
}

/// Returns the node that prefers a shard, by rendezvous hashing (Thaler and Ravishankar 1998): if one of N nodes
/// joins or leaves, 1/N of the shards move.
pub(super) fn preferred_node(shard: Shard, working: &[String]) -> Option<&str> {
    let weight = |name: &&String| xxh3_64(format!("{name}/{}", shard.number()).as_bytes());
    working.iter().max_by_key(weight).map(String::as_str)
}

impl Redis {
    fn members_key(&self, name: &str) -> String {
        format!("{}:{{members}}:{name}", self.space)
    }

    /// Stores the heartbeat of a node, updates the preferred shards and returns the node's order. An empty `beat`
    /// removes the node.
    pub(super) async fn store_beat(&self, node: &str, beat: &str) -> Result<Order, ScheduleError> {
        let call = Call::new(self.members_key("nodes"))
            .arg(self.members_key(""))
            .arg(self.caller_now(None))
            .arg("s")
            .arg(node)
            .arg(beat)
            .arg(super::length(SILENCE));
        let (order, working): (String, Vec<String>) = self.link.run(&self.scripts.beat, &call).await?;
        self.preference.set(node, &working);
        Ok(Order::parse(&order))
    }

    /// Returns the nodes that sent a heartbeat within the last hour.
    pub(super) async fn read_nodes(&self) -> Result<Vec<NodeView>, ScheduleError> {
        let beats: Vec<(String, String)> =
            self.link.send(redis::cmd("HGETALL").arg(self.members_key("nodes"))).await?;
        let orders: Vec<(String, String)> =
            self.link.send(redis::cmd("HGETALL").arg(self.members_key("orders"))).await?;
        let (seconds, micros): (i64, i64) = self.link.send(&redis::cmd("TIME")).await?;
        let now = seconds * 1000 + micros / 1000;
        let to_local = self.to_caller_clock(now, None);
        let view = |(_, entry): &(String, String)| {
            let (seen, beat) = entry.split_once(' ')?;
            let (seen, beat): (i64, Beat) = (seen.parse().ok()?, serde_json::from_str(beat).ok()?);
            let order = orders.iter().find(|(name, _)| name == name_of(&beat.node));
            Some(NodeView {
                seen: to_local(seen),
                is_alive: now - seen <= super::length(SILENCE),
                order: order.map_or(Order::Work, |(_, order)| Order::parse(order)),
                beat,
            })
        };
        let mut nodes: Vec<NodeView> = beats.iter().filter_map(view).collect();
        nodes.sort_by(|one, other| one.beat.node.cmp(&other.beat.node));
        Ok(nodes)
    }

    /// Stores the order for all nodes of a name.
    pub(super) async fn store_order(&self, name: &str, order: Order) -> Result<(), ScheduleError> {
        let key = self.members_key("orders");
        let command = match order {
            Order::Work => redis::cmd("HDEL").arg(key).arg(name).to_owned(),
            order => redis::cmd("HSET").arg(key).arg(name).arg(order.as_str()).to_owned(),
        };
        self.link.send::<i64>(&command).await.map(drop)
    }

    /// Counts the leased hosts, and the preferred shards and hosts, of each node.
    pub(super) async fn count_spread(&self) -> Result<Vec<Spread>, ScheduleError> {
        let nodes = self.read_nodes().await?;
        let working: Vec<String> = nodes
            .iter()
            .filter(|node| node.is_alive && node.order == Order::Work)
            .map(|node| node.name().to_owned())
            .collect();
        let entry = |node: &str| (node.to_owned(), Spread::of(node));
        let mut spread: BTreeMap<String, Spread> = working.iter().map(|name| entry(name)).collect();
        for shard in Shard::all() {
            let owners: Vec<String> =
                self.link.send(redis::cmd("HVALS").arg(shard.key(&self.space, "own"))).await?;
            for owner in owners {
                let name = name_of(&owner);
                spread.entry(name.to_owned()).or_insert_with(|| Spread::of(name)).held += 1;
            }
            let hosts: u64 = self.link.send(redis::cmd("ZCARD").arg(shard.key(&self.space, "due"))).await?;
            if let Some(entry) = preferred_node(shard, &working).and_then(|name| spread.get_mut(name)) {
                entry.shards += 1;
                entry.preferred += hosts;
            }
        }
        Ok(spread.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("qyran-{number}")).collect()
    }

    #[test]
    fn a_bounded_number_of_shards_moves_when_nodes_join_or_leave() {
        let place = |working: &[String]| -> Vec<String> {
            Shard::all().map(|shard| preferred_node(shard, working).unwrap().to_owned()).collect()
        };
        let (three, four) = (place(&names(3)), place(&names(4)));
        let moved_count = three.iter().zip(&four).filter(|(old, new)| old != new).count();
        assert!(moved_count <= 2 * 64 / 4, "{moved_count} of 64 move to a fourth node");
        assert!(three.iter().zip(&four).all(|(old, new)| old == new || new == "qyran-3"));
        for name in names(3) {
            let count = three.iter().filter(|place| **place == name).count();
            assert!((10..=33).contains(&count), "{name} has {count} of 64");
        }
        assert_eq!(preferred_node(Shard::all().next().unwrap(), &[]), None);
    }
}
