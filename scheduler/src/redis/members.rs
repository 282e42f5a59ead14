//! Who is there, and which shards each node looks after first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use super::Redis;
use super::scripts::Call;
use super::shard::Shard;
use crate::membership::{Beat, NodeView, Order, SILENCE, Spread, name_of};
use crate::schedule::ScheduleError;

/// The shards that a node looks after first, a bit each.
pub(super) struct Preference(AtomicU64);

impl Preference {
    /// Until others are known, all of them.
    pub(super) fn all() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    pub(super) fn holds(&self, shard: Shard) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << shard.number()) != 0
    }

    fn set(&self, node: &str, working: &[String]) {
        let is_ours = |shard: &Shard| preferred(*shard, working).is_none_or(|name| name == name_of(node));
        let bits = Shard::all().filter(is_ours).fold(0, |bits, shard| bits | 1 << shard.number());
        self.0.store(bits, Ordering::Relaxed);
    }
}

/// Rendezvous hashing (Thaler and Ravishankar 1998): of N nodes, one that comes or goes moves 1/N of the shards.
pub(super) fn preferred(shard: Shard, working: &[String]) -> Option<&str> {
    let weight = |name: &&String| xxh3_64(format!("{name}/{}", shard.number()).as_bytes());
    working.iter().max_by_key(weight).map(String::as_str)
}

impl Redis {
    fn members_key(&self, name: &str) -> String {
        format!("{}:{{members}}:{name}", self.space)
    }

    /// Says something of a node (nothing where it leaves), and learns what is asked of it.
    pub(super) async fn beat(&self, node: &str, said: &str) -> Result<Order, ScheduleError> {
        let call = Call::new(self.members_key("nodes"))
            .arg(self.members_key(""))
            .arg(self.told_now(None))
            .arg("s")
            .arg(node)
            .arg(said)
            .arg(super::length(SILENCE));
        let (order, working): (String, Vec<String>) = self.link.run(&self.scripts.beat, &call).await?;
        self.preference.set(node, &working);
        Ok(Order::parse(&order))
    }

    pub(super) async fn members(&self) -> Result<Vec<NodeView>, ScheduleError> {
        let said: Vec<(String, String)> =
            self.link.send(redis::cmd("HGETALL").arg(self.members_key("nodes"))).await?;
        let orders: Vec<(String, String)> =
            self.link.send(redis::cmd("HGETALL").arg(self.members_key("orders"))).await?;
        let (seconds, micros): (i64, i64) = self.link.send(&redis::cmd("TIME")).await?;
        let now = seconds * 1000 + micros / 1000;
        let home = self.home(now, None);
        let view = |(_, said): &(String, String)| {
            let (seen, beat) = said.split_once(' ')?;
            let (seen, beat): (i64, Beat) = (seen.parse().ok()?, serde_json::from_str(beat).ok()?);
            let ordered = orders.iter().find(|(name, _)| name == name_of(&beat.node));
            Some(NodeView {
                seen: home(seen),
                is_alive: now - seen <= super::length(SILENCE),
                order: ordered.map_or(Order::Work, |(_, order)| Order::parse(order)),
                beat,
            })
        };
        let mut nodes: Vec<NodeView> = said.iter().filter_map(view).collect();
        nodes.sort_by(|one, other| one.beat.node.cmp(&other.beat.node));
        Ok(nodes)
    }

    pub(super) async fn give_order(&self, name: &str, order: Order) -> Result<(), ScheduleError> {
        let key = self.members_key("orders");
        let command = match order {
            Order::Work => redis::cmd("HDEL").arg(key).arg(name).to_owned(),
            order => redis::cmd("HSET").arg(key).arg(name).arg(order.as_str()).to_owned(),
        };
        self.link.send::<i64>(&command).await.map(drop)
    }

    pub(super) async fn host_spread(&self) -> Result<Vec<Spread>, ScheduleError> {
        let nodes = self.members().await?;
        let working: Vec<String> = nodes
            .iter()
            .filter(|node| node.is_alive && node.order == Order::Work)
            .map(|node| node.name().to_owned())
            .collect();
        let fresh = |node: &str| (node.to_owned(), Spread::of(node));
        let mut spread: BTreeMap<String, Spread> = working.iter().map(|name| fresh(name)).collect();
        for shard in Shard::all() {
            let owners: Vec<String> =
                self.link.send(redis::cmd("HVALS").arg(shard.key(&self.space, "own"))).await?;
            for owner in owners {
                let name = name_of(&owner);
                spread.entry(name.to_owned()).or_insert_with(|| Spread::of(name)).held += 1;
            }
            let hosts: u64 = self.link.send(redis::cmd("ZCARD").arg(shard.key(&self.space, "due"))).await?;
            if let Some(prefers) = preferred(shard, &working).and_then(|name| spread.get_mut(name)) {
                prefers.shards += 1;
                prefers.preferred += hosts;
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
    fn shards_move_in_bounded_numbers_as_nodes_come_and_go() {
        let place = |working: &[String]| -> Vec<String> {
            Shard::all().map(|shard| preferred(shard, working).unwrap().to_owned()).collect()
        };
        let (three, four) = (place(&names(3)), place(&names(4)));
        let moved = three.iter().zip(&four).filter(|(before, after)| before != after).count();
        assert!(moved <= 2 * 64 / 4, "{moved} of 64 move to a fourth node");
        assert!(three.iter().zip(&four).all(|(before, after)| before == after || after == "qyran-3"));
        for name in names(3) {
            let of_one = three.iter().filter(|place| **place == name).count();
            assert!((10..=33).contains(&of_one), "{name} has {of_one} of 64");
        }
        assert_eq!(preferred(Shard::all().next().unwrap(), &[]), None);
    }
}
