//! `qyran bench cadence`: a month of a simulated web, read by our cadence and by plain ones.
//!
//! Sources publish by rhythms of their own, more or less from some day on; they move for good, are blocked for hours, answer 404
//! in storms, are slow, die, and some rise again. Several pollers read the same web in the same month, each at moments of its
//! own; time is a number here. What is compared: the share of publications brought home, how long after publication, and
//! requests. What is lost is late without end. Ours asks hubs, where they are offered, and such a request counts as well. All
//! follow moves alike, after a day in which each poll was led on: what is compared is when they ask.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use model::{
    Every, Failure, FailureWeight, Pace, Rhythm, SourceKind, SourceState, Standing, Subscription, Timestamp,
};
use scheduler::due::{self, Backoff, Seen};
use serde_json::{Value, json};

use crate::global::Global;
use crate::output::object;

/// Entries that a source shows: what falls out of them before anybody looks is lost.
const WINDOW: usize = 20;
const DAY: u64 = 86_400;
/// Sources published for so many days before anybody asks: the first document shows the last of it.
const BEFORE: u64 = 60;
/// And go on for so many days behind the month: what came out at its end has time to come home.
const BEHIND: u64 = 1;

/// Delay from publication, and requests, of several ways to poll
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran bench cadence
  qyran bench cadence --sources 2000 --days 30 --seed 3 -o json

Nothing is fetched: sources, their troubles and the pollers are simulated, each with the same number of sources and the same
bounds (5m to 6h). The fixed poller asks every hour; the other doubles its interval, from 5 minutes on, after each
poll that brings nothing new or fails, and begins anew after one that does. One source in eight
offers a hub, as 3 of 25 feeds that were looked at do.")]
pub(super) struct Args {
    /// How many sources
    #[arg(long, value_name = "N", default_value_t = 2000)]
    sources: usize,
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u64,
    /// Another seed makes another web
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let web: Vec<Simulated> =
        (0..args.sources).map(|number| Simulated::new(args.seed, number as u64, args.days)).collect();
    let days = BEFORE * DAY..(BEFORE + args.days) * DAY;
    let publications: usize = web.iter().map(|source| source.published_in(&days)).sum();
    let of = |poller: &dyn Fn() -> Box<dyn Poller>| month(&web, &days, poller);
    let ours = of(&|| Box::new(Ours::new(true)));
    // As many requests as ours, spread evenly.
    let same = Duration::from_secs(args.days * DAY * args.sources as u64 / ours.requests.max(1) as u64);
    let shown = json!({
        "sources": args.sources,
        "days": args.days,
        "publications": publications,
        "ours": ours.shown(publications),
        "ours_without_hubs": of(&|| Box::new(Ours::new(false))).shown(publications),
        "fixed_hourly": of(&|| Box::new(Fixed(Duration::from_secs(3600)))).shown(publications),
        "fixed_as_many_requests": of(&|| Box::new(Fixed(same))).shown(publications),
        "exponential": of(&|| Box::new(Exponential(EVERY.min))).shown(publications),
    });
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "sources")?)
}

/// Bounds of all pollers.
const EVERY: Every = Every { min: Duration::from_secs(300), max: Duration::from_secs(6 * 3600) };

/// A source of the simulated web.
struct Simulated {
    /// When something comes out, in seconds since [`BEFORE`] the month began; rising.
    publications: Vec<u64>,
    /// From, to, and what it answers then.
    troubles: Vec<(u64, u64, Trouble)>,
    /// From when on its address leads to another for good, and until when it does.
    moves: Option<(u64, u64)>,
    /// The hub that it offers.
    hub: Option<Hub>,
}

/// A hub: whoever asks it is told, within a minute, of what comes out, but for one publication in fifty; of four, one never
/// answers.
#[derive(Debug, Clone, Copy)]
struct Hub {
    seed: u64,
    is_deaf: bool,
}

impl Hub {
    /// When it tells of a publication by its number, if it does.
    fn tells_at(self, number: usize, published: u64) -> Option<u64> {
        let mut dice = Dice(due_hash(self.seed, number as u64));
        (!self.is_deaf && dice.below(50) > 0).then(|| published + dice.below(60))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// 404 for a while: the address is there again afterwards.
    Missing,
    /// 403 or 429: asked to stay away.
    Blocked,
    /// No answer in time.
    Slow,
    /// The name is gone: until it rises again, or for good.
    Dead,
    /// It moved, and the old address leads nowhere any more.
    Left,
}

impl Simulated {
    fn new(seed: u64, number: u64, days: u64) -> Self {
        let mut dice = Dice(due_hash(seed, number));
        // Publications a day, from one in a week to some hundred: most sources publish little (a power law).
        let share = dice.share();
        let a_day = 0.15 * (1.0 - share * 0.995).powf(-1.25);
        let (begin, end) = (BEFORE * DAY, (BEFORE + days) * DAY);
        let shift = dice.below(DAY);
        // Some publish as much by night as by day, others nearly nothing; fifteen hours are day.
        let contrast = 0.03 + 0.97 * dice.share();
        let by_day = 24.0 / (15.0 + 9.0 * contrast);
        let by_night = contrast * by_day;
        // One in five publishes more, or less, from some day on: up to eight times.
        let turn = if dice.below(5) == 0 { begin + dice.below(end - begin) } else { u64::MAX };
        let later = 8f64.powf(2.0 * dice.share() - 1.0);
        let mut publications = Vec::new();
        let mut at = 0.0;
        while (at as u64) < end + BEHIND * DAY && publications.len() < 60_000 {
            let hour = ((at as u64 + shift) % DAY) / 3600;
            let busy = if (7..22).contains(&hour) { by_day } else { by_night };
            let now_a_day = if (at as u64) < turn { a_day } else { a_day * later };
            at += -(1.0 - dice.share()).ln() * DAY as f64 / (now_a_day * busy);
            publications.push(at as u64);
        }
        publications.retain(|at| *at < end + BEHIND * DAY);
        let mut troubles = Vec::new();
        for (one_in, trouble, longest) in [
            (6, Trouble::Missing, 12 * 3600),
            (10, Trouble::Blocked, DAY),
            (4, Trouble::Slow, 6 * 3600),
            (40, Trouble::Dead, 6 * DAY),
            (60, Trouble::Dead, 100 * DAY),
        ] {
            if dice.below(one_in) == 0 {
                let from = begin + dice.below(end - begin);
                troubles.push((from, from + 600 + dice.below(longest), trouble));
            }
        }
        // What is dead publishes nothing.
        let dead: Vec<(u64, u64)> = troubles
            .iter()
            .filter(|(.., trouble)| *trouble == Trouble::Dead)
            .map(|(from, to, _)| (*from, *to))
            .collect();
        publications.retain(|at| dead.iter().all(|(from, to)| at < from || at >= to));
        // One in twenty moves for good; the old address leads on for two days to three weeks.
        let moves = (dice.below(20) == 0).then(|| {
            let from = begin + dice.below(end - begin);
            (from, from + 2 * DAY + dice.below(19 * DAY))
        });
        let hub = (dice.below(8) == 0).then(|| Hub { seed: dice.next(), is_deaf: dice.below(4) == 0 });
        Self { publications, troubles, moves, hub }
    }

    fn published_in(&self, month: &Range<u64>) -> usize {
        self.publications.iter().filter(|at| month.contains(at)).count()
    }

    /// What whoever asks the address as it was, or the one that it leads to, is answered instead of a document.
    fn trouble_at(&self, now: u64, has_followed: bool) -> Option<Trouble> {
        let has_left = !has_followed && self.moves.is_some_and(|(_, until)| now >= until);
        if has_left {
            return Some(Trouble::Left);
        }
        self.troubles.iter().find(|(from, to, _)| (*from..*to).contains(&now)).map(|(.., trouble)| *trouble)
    }
}

/// What a poll saw.
enum Sight<'p> {
    /// How many entries were known, and when the new ones came out.
    Read {
        known: usize,
        fresh: &'p [u64],
    },
    Failed(Trouble),
}

/// What a subscription at a hub has told since the last poll, as that shows.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    entries: u64,
    /// It did not tell of these, which came out a while before the poll.
    missed: u64,
}

/// How long a source is left alone.
trait Poller {
    /// Whether it asks hubs, where they are offered.
    fn asks_hubs(&self) -> bool {
        false
    }

    /// What a hub that answers told; before [`Poller::wait`] of the same poll.
    fn told(&mut self, _told: Told) {}

    /// The wait after a poll at `now`.
    fn wait(&mut self, sight: &Sight<'_>, now: u64, key: u64) -> Duration;
}

/// The cadence and the states of a node.
struct Ours {
    interval: Duration,
    failed: u32,
    backoff: Backoff,
    standing: Standing,
    rhythm: Rhythm,
    has_hubs: bool,
    /// What its hub is relied on for, where one answers.
    credit: Option<i64>,
    /// When it was read last, and is asked next.
    planned: Option<(u64, u64)>,
}

impl Ours {
    fn new(has_hubs: bool) -> Self {
        let standing = Standing {
            state: SourceState::Candidate,
            failures: 0.0,
            silent_since: moment(0),
            was_read: false,
        };
        let poll = config::Settings::default().poll;
        Self {
            interval: due::first(EVERY, None),
            failed: 0,
            backoff: Backoff { step: poll.backoff, longest: poll.max_backoff },
            standing,
            rhythm: Rhythm::unknown(moment(0)),
            has_hubs,
            credit: None,
            planned: None,
        }
    }
}

impl Poller for Ours {
    fn asks_hubs(&self) -> bool {
        self.has_hubs
    }

    fn told(&mut self, told: Told) {
        let before = self.credit.unwrap_or(0);
        self.credit = Some(Subscription::credit_after(before, told.entries, told.missed));
    }

    fn wait(&mut self, sight: &Sight<'_>, now: u64, key: u64) -> Duration {
        let wait = match *sight {
            Sight::Read { known, fresh } => {
                self.interval = match self.planned {
                    Some((last, planned)) if self.standing.was_read => {
                        let waited = Some(Duration::from_secs(planned - last));
                        let seen = Seen {
                            known,
                            fresh: fresh.len(),
                            on_time: planned == now && self.credit.is_none_or(|credit| credit <= 0),
                            waited,
                        };
                        due::learn(self.interval, EVERY, seen)
                    }
                    _ => due::first(EVERY, pace(fresh, now)),
                };
                let published = fresh.iter().map(|at| moment(*at));
                self.rhythm = self.rhythm.clone().with(published, moment(now));
                self.failed = 0;
                self.standing = Standing {
                    state: SourceState::Live,
                    failures: 0.0,
                    silent_since: moment(now),
                    was_read: true,
                };
                let paced = due::paced(self.interval, EVERY, Some(&self.rhythm), moment(now));
                match self.credit {
                    Some(1..) => due::while_told(self.interval, EVERY).max(paced),
                    _ => paced,
                }
            }
            Sight::Failed(trouble) => {
                let (weight, shows) = match trouble {
                    Trouble::Missing => (FailureWeight::Soft, None),
                    Trouble::Blocked => (FailureWeight::Soft, Some(SourceState::Restricted)),
                    Trouble::Slow => (FailureWeight::Temporary, None),
                    Trouble::Dead | Trouble::Left => (FailureWeight::Hard, None),
                };
                let failure = Failure { weight, shows, reason: String::new() };
                let (state, failures) = self.standing.after(&failure, moment(now));
                self.standing = Standing { state, failures, ..self.standing };
                self.failed += 1;
                let pace = Pace::of(SourceKind::Feed, state);
                let usual = due::paced(self.interval, EVERY, None, moment(now));
                due::after_failure(pace, self.failed, self.backoff, usual)
            }
        };
        let wait = due::drift(wait, &key.to_string(), now);
        let last = match (sight, self.planned) {
            (Sight::Failed(_), Some((last, _))) => last,
            _ => now,
        };
        self.planned = Some((last, now + wait.as_secs().max(1)));
        wait
    }
}

/// The publications a day that the dates of a first document tell of.
fn pace(fresh: &[u64], now: u64) -> Option<f64> {
    let newer = fresh.len() / 2;
    let since = now - fresh.iter().rev().nth(newer)?;
    (fresh.len() >= 4 && since > 0).then(|| newer as f64 * DAY as f64 / since as f64)
}

/// Asks after the same time, whatever happens.
struct Fixed(Duration);

impl Poller for Fixed {
    fn wait(&mut self, _sight: &Sight<'_>, _now: u64, _key: u64) -> Duration {
        self.0
    }
}

/// Doubles its interval after each poll that brings nothing, and begins anew after one that does.
struct Exponential(Duration);

impl Poller for Exponential {
    fn wait(&mut self, sight: &Sight<'_>, _now: u64, _key: u64) -> Duration {
        self.0 = match sight {
            Sight::Read { fresh: [_, ..], .. } => EVERY.min,
            _ => (self.0 * 2).min(EVERY.max),
        };
        self.0
    }
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
        let lease = Subscription::LEASE.as_secs();
        self.ask_hub_at = now + if hub.is_deaf { Subscription::RETRY.as_secs() } else { lease * 2 / 3 };
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

    fn shown(mut self, publications: usize) -> Value {
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
        return poller.wait(&Sight::Failed(trouble), now, key);
    }
    let out = source.publications.partition_point(|at| *at <= now);
    let shown = out.saturating_sub(WINDOW);
    let (mut told, mut fresh) = (Told::default(), Vec::new());
    for (number, at) in source.publications.iter().copied().enumerate().take(out).skip(way.seen) {
        let hub = source.hub.filter(|_| way.hub_tells.is_some_and(|since| since <= at));
        let pushed = hub.and_then(|hub| hub.tells_at(number, at)).filter(|pushed| *pushed <= now);
        if pushed.is_some() {
            told.entries += 1;
        } else if number >= shown {
            fresh.push(at);
            told.missed += u64::from(hub.is_some() && now - at > 300);
        }
        if month.days.contains(&at) && (pushed.is_some() || number >= shown) {
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
    poller.wait(&Sight::Read { known, fresh: &fresh }, now, key)
}

fn moment(second: u64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + i64::try_from(second).unwrap_or(0))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn due_hash(seed: u64, number: u64) -> u64 {
    Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number).next()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// From 0 to 1, 1 left out.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
