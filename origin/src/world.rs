//! The sites of a simulated internet, as a pure function of the seed.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::site::{Behaviour, Kind, Language, Site};

/// A simulated internet.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// The seed of all texts.
    pub seed: u64,
    /// The sites.
    pub sites: Vec<Site>,
}

const NAMES: &[&str] = &[
    "qala", "dala", "tany", "jebe", "altyn", "shyraq", "bulaq", "samal", "arman", "zhuldyz", "vestnik",
    "kurier", "stolitsa", "region", "ekonom", "fakty", "novosti", "obzor", "portal", "golos", "herald",
    "steppe", "silk", "caspian", "summit",
];

impl World {
    /// Returns several dozen sites in three languages. Most of them are healthy; each fault occurs at least once.
    pub fn demo(seed: u64) -> Self {
        use Behaviour::*;
        const FAULTS: &[Behaviour] = &[
            Failing,
            Flaky,
            Slow,
            Stalled,
            Moved,
            MovedAway,
            Gone,
            Forbidden,
            PartlyForbidden,
            RobotsDown,
            Loop,
            Ahead,
            Dateless,
            Luring,
            NoFeed,
            Bomb,
            MissingPages,
        ];
        let mut world = Self { seed, sites: Vec::new() };
        for index in 0..44 {
            // The last two of every five sites are faulty, each with the next fault.
            let fault = (index / 5 * 2 + index % 5 - 3.min(index % 5)) % FAULTS.len();
            let behaviour = if index % 5 < 3 { Healthy } else { FAULTS[fault] };
            let kind = [Kind::Feed, Kind::Listing, Kind::FullFeed, Kind::Sitemap][index % 4];
            let kind = if matches!(behaviour, NoFeed | Luring | Dateless) { Kind::Feed } else { kind };
            world.add(kind, behaviour, 4, Duration::from_millis(2500 + 400 * (index as u64 % 7)));
        }
        world
    }

    /// Returns `count` healthy sites of one kind with `articles` articles each, for benchmarks.
    pub fn uniform(seed: u64, count: usize, kind: Kind, articles: u32, clutter: usize) -> Self {
        let mut world = Self { seed, sites: Vec::new() };
        for _ in 0..count {
            world.add(kind, Behaviour::Healthy, articles, Duration::ZERO);
        }
        world.sites.iter_mut().for_each(|site| site.clutter = clutter);
        world
    }

    /// Returns an empty world; [`World::add`] adds sites.
    pub fn empty(seed: u64) -> Self {
        Self { seed, sites: Vec::new() }
    }

    /// Adds a site. Its name, address and language are derived from its number.
    pub fn add(&mut self, kind: Kind, behaviour: Behaviour, backlog: u32, every: Duration) -> &mut Site {
        let index = self.sites.len();
        let language = [Language::Kazakh, Language::Russian, Language::English][index % 3];
        let round = index / NAMES.len();
        let suffix = if round == 0 { String::new() } else { format!("-{}", round + 1) };
        let number = u32::try_from(index).unwrap_or(0) + 1;
        let [_, high, middle, low] = number.to_be_bytes();
        self.sites.push(Site {
            name: format!("{}{suffix}.sim", NAMES[index % NAMES.len()]),
            address: Ipv4Addr::new(127, 64 + high, middle, low),
            kind,
            language,
            behaviour,
            backlog,
            every,
            crawl_delay: None,
            clutter: 24,
            is_passing: false,
        });
        #[expect(clippy::expect_used, reason = "it was pushed in the line above")]
        self.sites.last_mut().expect("a site was just added")
    }

    /// Returns the site with this host name.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_has_every_fault_and_is_mostly_healthy() {
        use Behaviour::*;
        let world = World::demo(7);
        for fault in [
            Failing,
            Flaky,
            Slow,
            Stalled,
            Moved,
            MovedAway,
            Gone,
            Forbidden,
            PartlyForbidden,
            RobotsDown,
            Loop,
            Ahead,
            Dateless,
            Luring,
            NoFeed,
            Bomb,
            MissingPages,
        ] {
            assert!(world.sites.iter().any(|site| site.behaviour == fault), "{fault:?}");
        }
        assert!(world.sites.iter().filter(|site| site.behaviour == Healthy).count() > world.sites.len() / 2);
        assert_eq!(world, World::demo(7), "the same seed gives the same world");
    }
}
