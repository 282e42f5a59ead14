//! `bench cadence`: a month of a simulated web, read by our cadence and by plain ones.
//!
//! Sources publish by rhythms of their own, more or less from some day on; they move for good, are blocked for hours, answer 404
//! in storms, are slow, die, and some rise again. Several pollers read the same web in the same month, each at moments of its
//! own; time is a number here. What is compared: the share of publications brought home, how long after publication, and
//! requests. What is lost is late without end. Ours asks hubs, where they are offered, and such a request counts as well. All
//! follow moves alike, after a day in which each poll was led on: what is compared is when they ask.

mod pollers;
mod web;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use model::Subscription;
use serde_json::{Value, json};

use self::pollers::{EVERY, Exponential, Fixed, ItemContext, Ours, Poller, Told};
use self::web::{BEFORE, BEHIND, DAY, Hub, Simulated, due_hash};

/// Entries that a source shows: what falls out of them before anybody looks is lost.
const WINDOW: usize = 20;

/// Delay from publication, and requests, of several ways to poll
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench cadence
  bench cadence --sources 2000 --days 30 --seed 3 -o json

Nothing is fetched: sources, their troubles and the pollers are simulated, each with the same number of sources and the same
bounds (5m to 6h). The fixed poller asks every hour; the other doubles its interval, from 5 minutes on, after each
poll that brings nothing new or fails, and begins anew after one that does. One source in eight
offers a hub, as 3 of 25 feeds that were looked at do.")]
pub(super) struct Args {
    /// How many sources
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    sources: u64,
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=366))]
    days: u64,
    /// Another seed makes another web
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let web: Vec<Simulated> =
        (0..args.sources).map(|number| Simulated::new(args.seed, number, args.days)).collect();
    let days = BEFORE * DAY..(BEFORE + args.days) * DAY;
    let publications: usize = web.iter().map(|source| source.published_in(&days)).sum();
    let of = |poller: &dyn Fn() -> Box<dyn Poller>| month(&web, &days, poller);
    let ours = of(&|| Box::new(Ours::new(true)));
    // As many requests as ours, spread evenly.
    let same = Duration::from_secs(args.days * DAY * args.sources / ours.requests.max(1) as u64);
    let figures = json!({
        "sources": args.sources,
        "days": args.days,
        "publications": publications,
        "ours": ours.figures(publications),
        "ours_without_hubs": of(&|| Box::new(Ours::new(false))).figures(publications),
        "fixed_hourly": of(&|| Box::new(Fixed(Duration::from_secs(3600)))).figures(publications),
        "fixed_as_many_requests": of(&|| Box::new(Fixed(same))).figures(publications),
        "exponential": of(&|| Box::new(Exponential(EVERY.min))).figures(publications),
    });
    crate::report::print(&figures)
}

/// Where a poller asks for a source, and how far it read.
#[derive(Default)]
struct Way {
    /// Since when each poll was led on.
    led_on_since: Option<u64>,
    /// It asks where it was led to.
    has_followed: bool,
    /// The publications that were out at the last poll.
    seen: usize,
    /// Since when its hub tells, and when that is asked again.
    hub_tells: Option<u64>,
    ask_hub_at: u64,
}

impl Way {
    fn led_on(&mut self, is_led_on: bool, now: u64) {
        self.led_on_since = is_led_on.then(|| self.led_on_since.unwrap_or(now));
        let follows = self.led_on_since.is_some_and(|since| now - since >= DAY);
        if follows && !self.has_followed {
            // Another address is another subscription.
            (self.has_followed, self.hub_tells, self.ask_hub_at) = (true, None, now);
        }
    }

    /// Asks a hub where it is time to. True where that was a request.
    fn ask(&mut self, hub: Hub, now: u64) -> bool {
        if now < self.ask_hub_at {
            return false;
        }
        let lease = Subscription::REQUESTED_LEASE.as_secs();
        self.ask_hub_at = now + if hub.is_deaf { Subscription::RETRY_DELAY.as_secs() } else { lease * 2 / 3 };
        self.hub_tells = self.hub_tells.or(Some(now)).filter(|_| !hub.is_deaf);
        true
    }
}

/// What a poller made of a month.
struct Month {
    days: Range<u64>,
    requests: usize,
    /// Seconds from publication to the poll that brought it home.
    delays: Vec<u64>,
}

impl Month {
    /// A request was made.
    fn asked(&mut self, now: u64) {
        self.requests += usize::from(self.days.contains(&now));
    }

    fn figures(mut self, publications: usize) -> Value {
        self.delays.sort_unstable();
        // Of all publications: what never came home is late without end.
        let at = |share: f64| self.delays.get((publications as f64 * share) as usize).copied();
        let rounded = |value: f64| (value * 10_000.0).round() / 10_000.0;
        json!({
            "brought_home": rounded(self.delays.len() as f64 / publications.max(1) as f64),
            "requests": self.requests,
            "mean_delay_seconds": self.delays.iter().sum::<u64>() / self.delays.len().max(1) as u64,
            "median_delay_seconds": at(0.5),
            "p99_delay_seconds": at(0.99),
            "requests_per_publication": rounded(self.requests as f64 / self.delays.len().max(1) as f64),
        })
    }
}

fn month(web: &[Simulated], days: &Range<u64>, poller: &dyn Fn() -> Box<dyn Poller>) -> Month {
    let mut month = Month { days: days.clone(), requests: 0, delays: Vec::new() };
    let mut pollers: Vec<(Box<dyn Poller>, Way)> = web.iter().map(|_| (poller(), Way::default())).collect();
    // All begin within the first five minutes.
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = (0..web.len())
        .map(|number| Reverse((days.start + due_hash(9, number as u64) % 300, number)))
        .collect();
    while let Some(Reverse((now, number))) =
        due.pop().filter(|Reverse((now, _))| *now < days.end + BEHIND * DAY)
    {
        let (Some(source), Some((poller, way))) = (web.get(number), pollers.get_mut(number)) else {
            continue;
        };
        let wait = poll(source, poller.as_mut(), way, now, number as u64, &mut month);
        due.push(Reverse((now + wait.as_secs().max(1), number)));
    }
    month
}

/// One poll, and how long is waited for the next.
fn poll(
    source: &Simulated,
    poller: &mut dyn Poller,
    way: &mut Way,
    now: u64,
    key: u64,
    month: &mut Month,
) -> Duration {
    month.asked(now);
    if let Some(trouble) = source.trouble_at(now, way.has_followed) {
        return poller.wait(&ItemContext::Failed(trouble), now, key);
    }
    let out = source.publications.partition_point(|at| *at <= now);
    let figures = out.saturating_sub(WINDOW);
    let (mut told, mut fresh) = (Told::default(), Vec::new());
    for (number, at) in source.publications.iter().copied().enumerate().take(out).skip(way.seen) {
        let hub = source.hub.filter(|_| way.hub_tells.is_some_and(|since| since <= at));
        let pushed = hub.and_then(|hub| hub.tells_at(number, at)).filter(|pushed| *pushed <= now);
        if pushed.is_some() {
            told.entries += 1;
        } else if number >= figures {
            fresh.push(at);
            told.missed += u64::from(hub.is_some() && now - at > 300);
        }
        if month.days.contains(&at) && (pushed.is_some() || number >= figures) {
            month.delays.push(pushed.unwrap_or(now) - at);
        }
    }
    way.seen = out;
    way.led_on(source.moves.is_some_and(|(from, _)| now >= from), now);
    if let Some(hub) = source.hub.filter(|_| poller.asks_hubs()) {
        if way.hub_tells.is_some() {
            poller.told(told);
        }
        if way.ask(hub, now) {
            month.asked(now);
        }
    }
    let known = out.min(WINDOW) - fresh.len();
    poller.wait(&ItemContext::Read { known, fresh: &fresh }, now, key)
}
