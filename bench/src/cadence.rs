//! `bench cadence`: delays and requests of poll strategies over a simulated month.
//!
//! Each source publishes in its own rhythm, and some change their rhythm on some day. Some sources move for good, block
//! requests for hours, answer 404 for a while, are slow, or die. Some of the dead ones return. All pollers read the
//! same sources in the same month. Time is simulated.
//!
//! Three figures are compared: the share of publications that were found, their delay from publication, and the number
//! of requests. A publication that is never found counts as delayed without end. Only Qyran subscribes to hubs,
//! and a request to a hub counts as well. All pollers follow a move alike, one day after the first redirect.

mod pollers;
mod web;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use model::Subscription;
use serde_json::{Value, json};

use self::pollers::{BOUNDS, Exponential, Fixed, PollResult, Poller, PushCounts, Qyran};
use self::web::{DAY, DAYS_AFTER, DAYS_BEFORE, Hub, SimulatedSource, hash};

/// The number of newest entries in the document of a source. Older entries can no longer be found.
const ENTRIES_PER_DOCUMENT: usize = 20;

/// Measure the delay from publication and the requests of several poll strategies
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench cadence
  bench cadence --sources 2000 --days 30 --seed 3

Nothing is fetched: the sources and the pollers are simulated. All pollers have the same sources and the same
bounds (5m to 6h). The fixed poller polls every hour. The exponential poller starts at 5 minutes, doubles its
interval after each poll that fails or finds nothing new, and starts over after each other poll. One source in
eight offers a hub, as do 3 of 25 real feeds.")]
pub(super) struct Args {
    /// Number of sources
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2000,
        value_parser = clap::value_parser!(u64).range(1..=100_000)
    )]
    sources: u64,
    /// Number of simulated days
    #[arg(
        long,
        value_name = "N",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=366)
    )]
    days: u64,
    /// Seed of the simulated sources
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let sources: Vec<SimulatedSource> =
        (0..args.sources).map(|number| SimulatedSource::new(args.seed, number, args.days)).collect();
    let month = DAYS_BEFORE * DAY..(DAYS_BEFORE + args.days) * DAY;
    let publications: usize = sources.iter().map(|source| source.publications_in(&month)).sum();
    let totals = |new_poller: &dyn Fn() -> Box<dyn Poller>| simulate(&sources, &month, new_poller);
    let qyran = totals(&|| Box::new(Qyran::new(true)));
    // As many requests as Qyran makes, spread evenly.
    let even = Duration::from_secs(args.days * DAY * args.sources / qyran.requests.max(1) as u64);
    let figures = json!({
        "sources": args.sources,
        "days": args.days,
        "publications": publications,
        "ours": qyran.figures(publications),
        "ours_without_hubs": totals(&|| Box::new(Qyran::new(false))).figures(publications),
        "fixed_hourly": totals(&|| Box::new(Fixed(Duration::from_secs(3600)))).figures(publications),
        "fixed_as_many_requests": totals(&|| Box::new(Fixed(even))).figures(publications),
        "exponential": totals(&|| Box::new(Exponential(BOUNDS.min))).figures(publications),
    });
    crate::report::print(&figures)
}

/// The state of one poller at one source, apart from its strategy.
#[derive(Default)]
struct Progress {
    /// The start of the current run of polls that were all redirected.
    redirected_since: Option<u64>,
    /// True if the poller has replaced the address by the one that it was redirected to.
    has_followed: bool,
    /// The number of publications before the last poll.
    seen_count: usize,
    /// The start of the subscription at the hub.
    subscribed_since: Option<u64>,
    /// The time of the next request to the hub.
    next_hub_request: u64,
}

impl Progress {
    /// Records the redirect of a poll, or that there was none. Follows redirects after one day of them.
    fn record_redirect(&mut self, is_redirected: bool, now: u64) {
        self.redirected_since = is_redirected.then(|| self.redirected_since.unwrap_or(now));
        let follows = self.redirected_since.is_some_and(|since| now - since >= DAY);
        if follows && !self.has_followed {
            // The new address needs a new subscription.
            (self.has_followed, self.subscribed_since, self.next_hub_request) = (true, None, now);
        }
    }

    /// Subscribes at a hub, or renews the subscription, if a request is due. Returns true if a request was made.
    fn subscribe(&mut self, hub: Hub, now: u64) -> bool {
        if now < self.next_hub_request {
            return false;
        }
        let lease = Subscription::REQUESTED_LEASE.as_secs();
        let wait = if hub.never_answers { Subscription::RETRY_DELAY.as_secs() } else { lease * 2 / 3 };
        self.next_hub_request = now + wait;
        self.subscribed_since = self.subscribed_since.or(Some(now)).filter(|_| !hub.never_answers);
        true
    }
}

/// The requests and finds of one strategy in the simulated month.
struct Totals {
    month: Range<u64>,
    requests: usize,
    /// Seconds from each publication to the poll or push that found it.
    delays: Vec<u64>,
}

impl Totals {
    /// Counts a request, if it was made within the month.
    fn count_request(&mut self, now: u64) {
        self.requests += usize::from(self.month.contains(&now));
    }

    fn figures(mut self, publications: usize) -> Value {
        self.delays.sort_unstable();
        // Shares are those of all publications: one that was never found is delayed without end.
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

/// Polls all sources for a month with one strategy.
fn simulate(
    sources: &[SimulatedSource],
    month: &Range<u64>,
    new_poller: &dyn Fn() -> Box<dyn Poller>,
) -> Totals {
    let mut totals = Totals { month: month.clone(), requests: 0, delays: Vec::new() };
    let mut pollers: Vec<(Box<dyn Poller>, Progress)> =
        sources.iter().map(|_| (new_poller(), Progress::default())).collect();
    // All sources are polled for the first time within five minutes.
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = (0..sources.len())
        .map(|number| Reverse((month.start + hash(9, number as u64) % 300, number)))
        .collect();
    while let Some(Reverse((now, number))) =
        due.pop().filter(|Reverse((now, _))| *now < month.end + DAYS_AFTER * DAY)
    {
        let (Some(source), Some((poller, progress))) = (sources.get(number), pollers.get_mut(number)) else {
            continue;
        };
        let wait = poll(source, poller.as_mut(), progress, now, number as u64, &mut totals);
        due.push(Reverse((now + wait.as_secs().max(1), number)));
    }
    totals
}

/// Polls a source once. Returns the wait until the next poll.
fn poll(
    source: &SimulatedSource,
    poller: &mut dyn Poller,
    progress: &mut Progress,
    now: u64,
    key: u64,
    totals: &mut Totals,
) -> Duration {
    totals.count_request(now);
    if let Some(trouble) = source.trouble_at(now, progress.has_followed) {
        return poller.wait(&PollResult::Failed(trouble), now, key);
    }
    let publication_count = source.publications.partition_point(|at| *at <= now);
    let first_entry = publication_count.saturating_sub(ENTRIES_PER_DOCUMENT);
    let (mut pushes, mut new_entries) = (PushCounts::default(), Vec::new());
    for (number, at) in
        source.publications.iter().copied().enumerate().take(publication_count).skip(progress.seen_count)
    {
        let hub = source.hub.filter(|_| progress.subscribed_since.is_some_and(|since| since <= at));
        let push_time = hub.and_then(|hub| hub.push_time(number, at)).filter(|time| *time <= now);
        if push_time.is_some() {
            pushes.entries += 1;
        } else if number >= first_entry {
            new_entries.push(at);
            pushes.missed += u64::from(hub.is_some() && now - at > 300);
        }
        if totals.month.contains(&at) && (push_time.is_some() || number >= first_entry) {
            totals.delays.push(push_time.unwrap_or(now) - at);
        }
    }
    progress.seen_count = publication_count;
    progress.record_redirect(source.moves.is_some_and(|(from, _)| now >= from), now);
    if let Some(hub) = source.hub.filter(|_| poller.uses_hubs()) {
        if progress.subscribed_since.is_some() {
            poller.count_pushes(pushes);
        }
        if progress.subscribe(hub, now) {
            totals.count_request(now);
        }
    }
    let old_entries = publication_count.min(ENTRIES_PER_DOCUMENT) - new_entries.len();
    poller.wait(&PollResult::Read { old_entries, new_entries: &new_entries }, now, key)
}
