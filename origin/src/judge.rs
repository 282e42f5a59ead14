//! Evaluation of the log: the violations of a visitor.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::server::Exchange;
use crate::site::Behaviour;
use crate::world::World;

/// The rules for a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Minimum time from the end of an exchange with a host to the start of the next.
    pub delay: Duration,
    /// Upper bound on the delay with which the log notices that a visitor has disconnected.
    pub tolerance: Duration,
}

/// The evaluation of a log.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Judgement {
    /// The number of requests.
    pub requests: usize,
    /// The number of requests with a validator.
    pub conditional: usize,
    /// The number of requests without a validator, except for robots.txt.
    pub unconditional: usize,
    /// The smallest gap between two exchanges, by host.
    pub smallest_gap: BTreeMap<String, Duration>,
    /// The largest number of concurrent exchanges with one host.
    pub concurrency: usize,
    /// Gaps shorter than the delay.
    pub too_soon: Vec<String>,
    /// Requests that robots.txt forbids.
    pub against_robots: Vec<String>,
    /// The number of requests for each article page that was requested more than once.
    pub repeated_pages: BTreeMap<String, usize>,
    /// Articles published by the end of the log whose page may be read but was not requested, on sites that publish
    /// full texts only on article pages.
    pub unread: Vec<String>,
    /// The number of requests, including those for robots.txt and fronts, per article published by the end of the log.
    pub requests_per_article: f64,
}

impl Judgement {
    /// Returns a description of each violation of politeness.
    pub fn violations(&self) -> Vec<String> {
        let mut all = self.too_soon.clone();
        all.extend(self.against_robots.iter().cloned());
        if self.concurrency > 1 {
            all.push(format!("{} concurrent exchanges with one host", self.concurrency));
        }
        all
    }
}

/// Evaluates the log of a world.
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
    judgement.judge_coverage(world, log, &pages);
    judgement.repeated_pages = pages.into_iter().filter(|(_, count)| *count > 1).collect();
    for (host, mut exchanges) in by_host {
        exchanges.sort_by_key(|exchange| exchange.started);
        judgement.judge_host(world, host, &exchanges, rules);
    }
    judgement
}

impl Judgement {
    /// Determines the published articles that were not read.
    fn judge_coverage(&mut self, world: &World, log: &[Exchange], pages: &BTreeMap<String, usize>) {
        let end = log.iter().map(|exchange| exchange.ended).max().unwrap_or_default();
        let mut articles = 0;
        for site in world.sites.iter().filter(|site| site.is_readable()) {
            let published = site.published_after(end);
            articles += published;
            let needs_pages = !site.shows_whole_texts() && site.behaviour != Behaviour::MovedAway;
            let readable =
                (0..published).filter(|n| needs_pages && !site.is_private(*n) && !site.is_missing(*n));
            let readable_pages = readable.map(|number| format!("{}{}", site.name, site.article_path(number)));
            self.unread.extend(readable_pages.filter(|page| !pages.contains_key(page)));
        }
        self.requests_per_article = log.len() as f64 / f64::from(articles.max(1));
    }

    fn judge_host(&mut self, world: &World, host: &str, exchanges: &[&Exchange], rules: Rules) {
        let crawl_delay = world.site(host).and_then(|site| site.crawl_delay).unwrap_or_default();
        let delay = rules.delay.max(crawl_delay);
        let mut last_end: Option<Duration> = None;
        let mut has_read_robots = false;
        // The end of the longest wait that a response has requested with Retry-After (RFC 9110 §10.2.3).
        let mut wait_until = Duration::ZERO;
        for (index, exchange) in exchanges.iter().enumerate() {
            let earlier = exchanges.iter().take(index);
            let concurrent =
                1 + earlier.filter(|other| other.ended > exchange.started + rules.tolerance).count();
            self.concurrency = self.concurrency.max(concurrent);
            if let Some(end) = last_end {
                let gap = exchange.started.saturating_sub(end);
                let smallest = self.smallest_gap.entry(host.to_owned()).or_insert(gap);
                *smallest = gap.min(*smallest);
                // The crawl delay applies once robots.txt has been read.
                let retry_after = wait_until.saturating_sub(end);
                let required = if has_read_robots { delay } else { rules.delay }.max(retry_after);
                if gap + rules.tolerance < required {
                    self.too_soon.push(format!(
                        "{host}: gap of {gap:?} before {}, but {required:?} is required",
                        exchange.path
                    ));
                }
            }
            has_read_robots |= exchange.path == "/robots.txt";
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

    /// Control for all uses of the judge: it must detect violations.
    #[test]
    fn the_judge_detects_violations() {
        let mut world = World::empty(1);
        world.add(Kind::Feed, Behaviour::PartlyForbidden, 3, Duration::ZERO).crawl_delay =
            Some(Duration::from_millis(300));
        let host = world.sites[0].name.clone();
        let rules = Rules { delay: Duration::from_millis(100), tolerance: Duration::ZERO };
        let log = |paths: &[(&str, u64, u64)]| -> Vec<Exchange> {
            paths.iter().map(|(path, start, end)| exchange(&host, path, *start, *end)).collect()
        };
        let polite = judge(
            &world,
            &log(&[("/robots.txt", 0, 10), ("/feed.xml", 310, 320), ("/news/1", 620, 700)]),
            rules,
        );
        assert_eq!(polite.violations(), Vec::<String>::new());
        // Of the three articles, one is forbidden, one was read and one was not.
        assert_eq!(
            (polite.unread.clone(), polite.requests_per_article),
            (vec![format!("{host}/news/2")], 1.0)
        );
        for (rule, violating) in [
            ("delay", log(&[("/feed.xml", 0, 10), ("/news/1", 109, 120)])),
            ("crawl-delay", log(&[("/robots.txt", 0, 10), ("/feed.xml", 309, 320)])),
            ("robots", log(&[("/private/0", 0, 10)])),
            ("concurrency", log(&[("/feed.xml", 0, 500), ("/news/1", 100, 600)])),
        ] {
            assert!(
                !judge(&world, &violating, rules).violations().is_empty(),
                "the violation of {rule} was not detected"
            );
        }
        let mut early = log(&[("/feed.xml", 0, 10), ("/news/1", 1200, 1300)]);
        assert!(judge(&world, &early, rules).violations().is_empty());
        early[0].asks_to_wait = Some(Duration::from_secs(2));
        assert_eq!(judge(&world, &early, rules).too_soon.len(), 1, "Retry-After");
        let concurrent = judge(
            &world,
            &log(&[("/feed.xml", 0, 500), ("/news/1", 100, 600), ("/news/2", 200, 300)]),
            rules,
        );
        assert_eq!((polite.concurrency, concurrent.concurrency), (1, 3));
    }
}
