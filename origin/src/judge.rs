//! Reads the log and says what a visitor did wrong.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::server::Exchange;
use crate::site::Behaviour;
use crate::world::World;

/// What a visitor is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// From the end of an exchange with a host to the start of the next.
    pub delay: Duration,
    /// How late the log may notice that a visitor went away.
    pub tolerance: Duration,
}

/// What the log shows.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Judgement {
    /// Requests in all.
    pub requests: usize,
    /// Requests that carried a validator.
    pub conditional: usize,
    /// Requests of fronts and articles without a validator.
    pub unconditional: usize,
    /// The smallest gap of each host.
    pub smallest_gap: BTreeMap<String, Duration>,
    /// The most exchanges under way at once with any one host.
    pub concurrency: usize,
    /// Gaps below the delay.
    pub too_soon: Vec<String>,
    /// Requests that robots.txt forbids.
    pub against_robots: Vec<String>,
    /// Requests for the page of each article, where more than one.
    pub repeated_pages: BTreeMap<String, usize>,
    /// Articles that were out at the end of the log, may be read, and whose page nobody read, although
    /// their site shows them by their pages only.
    pub unread: Vec<String>,
    /// Requests for each article that was out at the end of the log, robots.txt and fronts included.
    pub requests_per_article: f64,
}

impl Judgement {
    /// Everything that is a violation of politeness, in words.
    pub fn violations(&self) -> Vec<String> {
        let mut all = self.too_soon.clone();
        all.extend(self.against_robots.iter().cloned());
        if self.concurrency > 1 {
            all.push(format!("{} exchanges with one host at once", self.concurrency));
        }
        all
    }
}

/// Judges a log of a world.
pub fn judge(world: &World, log: &[Exchange], rules: Rules) -> Judgement {
    let mut judgement = Judgement { requests: log.len(), ..Judgement::default() };
    let mut by_host: HashMap<&str, Vec<&Exchange>> = HashMap::new();
    let mut pages: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in log {
        by_host.entry(&exchange.host).or_default().push(exchange);
        judgement.conditional += usize::from(exchange.conditional);
        judgement.unconditional += usize::from(!exchange.conditional && exchange.path != "/robots.txt");
        if let Some(site) = world.site(&exchange.host)
            && site.forbids(&exchange.path)
        {
            judgement
                .against_robots
                .push(format!("{} {} is forbidden by robots.txt", exchange.host, exchange.path));
        }
        if exchange.status == 200 && exchange.path.starts_with("/news/") {
            let path = exchange.path.split('?').next().unwrap_or("");
            *pages.entry(format!("{}{path}", exchange.host)).or_default() += 1;
        }
    }
    judgement.judge_reading(world, log, &pages);
    judgement.repeated_pages = pages.into_iter().filter(|(_, count)| *count > 1).collect();
    for (host, mut exchanges) in by_host {
        exchanges.sort_by_key(|exchange| exchange.started);
        judgement.judge_host(world, host, &exchanges, rules);
    }
    judgement
}

impl Judgement {
    /// What of everything that was out was read.
    fn judge_reading(&mut self, world: &World, log: &[Exchange], pages: &BTreeMap<String, usize>) {
        let end = log.iter().map(|exchange| exchange.ended).max().unwrap_or_default();
        let mut articles = 0;
        for site in world.sites.iter().filter(|site| site.is_readable()) {
            let published = site.published_after(end);
            articles += published;
            let by_pages = !site.shows_whole_texts() && site.behaviour != Behaviour::MovedAway;
            let wanted = (0..published).filter(|n| by_pages && !site.is_private(*n) && !site.is_missing(*n));
            let pages_of = wanted.map(|number| format!("{}{}", site.name, site.article_path(number)));
            self.unread.extend(pages_of.filter(|page| !pages.contains_key(page)));
        }
        self.requests_per_article = log.len() as f64 / f64::from(articles.max(1));
    }

    fn judge_host(&mut self, world: &World, host: &str, exchanges: &[&Exchange], rules: Rules) {
        let asked = world.site(host).and_then(|site| site.crawl_delay).unwrap_or_default();
        let delay = rules.delay.max(asked);
        let mut last_end: Option<Duration> = None;
        let mut knows = false;
        // Until when an answer asked to be left alone (RFC 9110 §10.2.3).
        let mut wait_until = Duration::ZERO;
        for (index, exchange) in exchanges.iter().enumerate() {
            let before = exchanges.iter().take(index);
            let under_way =
                1 + before.filter(|other| other.ended > exchange.started + rules.tolerance).count();
            self.concurrency = self.concurrency.max(under_way);
            if let Some(end) = last_end {
                let gap = exchange.started.saturating_sub(end);
                let smallest = self.smallest_gap.entry(host.to_owned()).or_insert(gap);
                *smallest = gap.min(*smallest);
                // robots.txt says how long to wait: once it was read, everybody knows.
                let asked = wait_until.saturating_sub(end);
                let owed = if knows { delay } else { rules.delay }.max(asked);
                if gap + rules.tolerance < owed {
                    self.too_soon
                        .push(format!("{host}: {gap:?} before {} where {owed:?} is owed", exchange.path));
                }
            }
            knows |= exchange.path == "/robots.txt";
            last_end = last_end.max(Some(exchange.ended));
            wait_until = wait_until.max(exchange.ended + exchange.asks_to_wait.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Kind;

    fn exchange(host: &str, path: &str, started: u64, ended: u64) -> Exchange {
        Exchange {
            host: host.to_owned(),
            path: path.to_owned(),
            started: Duration::from_millis(started),
            ended: Duration::from_millis(ended),
            status: 200,
            conditional: false,
            agent: String::new(),
            asks_to_wait: None,
        }
    }

    /// The control of everything the judge is used for: it must see what is wrong.
    #[test]
    fn the_judge_sees_what_is_wrong() {
        let mut world = World::empty(1);
        world.add(Kind::Feed, Behaviour::PartlyForbidden, 3, Duration::ZERO).crawl_delay =
            Some(Duration::from_millis(300));
        let host = world.sites[0].name.clone();
        let rules = Rules { delay: Duration::from_millis(100), tolerance: Duration::ZERO };
        let log = |paths: &[(&str, u64, u64)]| -> Vec<Exchange> {
            paths.iter().map(|(path, start, end)| exchange(&host, path, *start, *end)).collect()
        };
        let good = judge(
            &world,
            &log(&[("/robots.txt", 0, 10), ("/feed.xml", 310, 320), ("/news/1", 620, 700)]),
            rules,
        );
        assert_eq!(good.violations(), Vec::<String>::new());
        // Of three articles one is forbidden, one was read, and one was not.
        assert_eq!((good.unread.clone(), good.requests_per_article), (vec![format!("{host}/news/2")], 1.0));
        for (what, bad) in [
            ("delay", log(&[("/feed.xml", 0, 10), ("/news/1", 109, 120)])),
            ("crawl-delay", log(&[("/robots.txt", 0, 10), ("/feed.xml", 309, 320)])),
            ("robots", log(&[("/private/0", 0, 10)])),
            ("concurrency", log(&[("/feed.xml", 0, 500), ("/news/1", 100, 600)])),
        ] {
            assert!(!judge(&world, &bad, rules).violations().is_empty(), "{what} went unseen");
        }
        let mut hasty = log(&[("/feed.xml", 0, 10), ("/news/1", 1200, 1300)]);
        assert!(judge(&world, &hasty, rules).violations().is_empty());
        hasty[0].asks_to_wait = Some(Duration::from_secs(2));
        assert_eq!(judge(&world, &hasty, rules).too_soon.len(), 1, "Retry-After");
        let crowd = judge(
            &world,
            &log(&[("/feed.xml", 0, 500), ("/news/1", 100, 600), ("/news/2", 200, 300)]),
            rules,
        );
        assert_eq!((good.concurrency, crowd.concurrency), (1, 3));
    }
}
