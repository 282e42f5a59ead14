//! `qyran bench cadence`: a month of a simulated web, read by our cadence and by plain ones.
//!
//! Sources publish by rhythms of their own, fall silent, move for good, are blocked for hours, answer 404 in storms, are slow,
//! die, and some rise again. Several pollers read the same web in the same month, each at moments of its own; time is a number
//! here. What is compared: the share of publications brought home, how long after publication, and requests. What is lost is
//! late without end. All follow moves alike, after a day in which each poll was led on: what is compared is when they ask.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use model::{Every, Failure, FailureWeight, Pace, Rhythm, SourceKind, SourceState, Standing, Timestamp};
use scheduler::due::{self, Backoff, Seen};
use serde_json::{Value, json};

use crate::global::Global;
use crate::output::object;

/// Entries that a source shows: what falls out of them before anybody looks is lost.
const WINDOW: usize = 20;
const DAY: u64 = 86_400;
/// Sources published for so many days before anybody asks: the first document shows the last of it.
const BEFORE: u64 = 60;

/// Delay from publication, and requests, of several ways to poll
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran bench cadence
  qyran bench cadence --sources 2000 --days 30 --seed 3 -o json

Nothing is fetched: sources, their troubles and the pollers are simulated, each with the same number of sources and the same
bounds (5m to 6h). The fixed poller asks every hour; the other doubles its interval, from 5 minutes on, after each
poll that brings nothing new or fails, and begins anew after one that does.")]
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
    let publications: usize = web.iter().map(Simulated::published_in_the_month).sum();
    let of = |poller: &dyn Fn() -> Box<dyn Poller>| month(&web, args.days, poller);
    let ours = of(&|| Box::new(Ours::default()));
    // As many requests as ours, spread evenly.
    let same = Duration::from_secs(args.days * DAY * args.sources as u64 / ours.requests.max(1) as u64);
    let shown = json!({
        "sources": args.sources,
        "days": args.days,
        "publications": publications,
        "ours": ours.shown(publications),
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
        let mut publications = Vec::new();
        let mut at = 0.0;
        while (at as u64) < end && publications.len() < 60_000 {
            let hour = ((at as u64 + shift) % DAY) / 3600;
            let busy = if (7..22).contains(&hour) { by_day } else { by_night };
            at += -(1.0 - dice.share()).ln() * DAY as f64 / (a_day * busy);
            publications.push(at as u64);
        }
        publications.retain(|at| *at < end);
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
        Self { publications, troubles, moves }
    }

    fn published_in_the_month(&self) -> usize {
        self.publications.iter().filter(|at| **at >= BEFORE * DAY).count()
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

/// How long a source is left alone.
trait Poller {
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
    /// When it was asked last, and is asked next.
    planned: Option<(u64, u64)>,
}

impl Default for Ours {
    fn default() -> Self {
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
            planned: None,
        }
    }
}

impl Poller for Ours {
    fn wait(&mut self, sight: &Sight<'_>, now: u64, key: u64) -> Duration {
        let wait = match *sight {
            Sight::Read { known, fresh } => {
                self.interval = match self.planned {
                    Some((last, planned)) if self.standing.was_read => {
                        let waited = Some(Duration::from_secs(planned - last));
                        let seen = Seen { known, fresh: fresh.len(), on_time: planned == now, waited };
                        due::learn(self.interval, EVERY, seen)
                    }
                    _ => due::first(EVERY, pace(fresh)),
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
                due::in_rhythm(self.interval, EVERY, &self.rhythm, moment(now))
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
                due::after_failure(pace, self.failed, self.backoff, self.interval)
            }
        };
        let wait = due::spread(wait, &key.to_string(), now);
        self.planned = Some((now, now + wait.as_secs().max(1)));
        wait
    }
}

/// The publications a day that the dates of a first document tell of.
fn pace(fresh: &[u64]) -> Option<f64> {
    let (first, last) = (fresh.first()?, fresh.last()?);
    (fresh.len() >= 4 && last > first).then(|| (fresh.len() - 1) as f64 * DAY as f64 / (last - first) as f64)
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

/// Where a poller asks for a source.
#[derive(Default)]
struct Way {
    /// Since when each poll was led on.
    led_on_since: Option<u64>,
    /// It asks where it was led to.
    has_followed: bool,
}

impl Way {
    fn led_on(&mut self, is_led_on: bool, now: u64) {
        self.led_on_since = is_led_on.then(|| self.led_on_since.unwrap_or(now));
        self.has_followed |= self.led_on_since.is_some_and(|since| now - since >= DAY);
    }
}

/// What a poller made of a month.
#[derive(Default)]
struct Month {
    requests: usize,
    /// Seconds from publication to the poll that brought it home.
    delays: Vec<u64>,
}

impl Month {
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

fn month(web: &[Simulated], days: u64, poller: &dyn Fn() -> Box<dyn Poller>) -> Month {
    let mut month = Month::default();
    let mut pollers: Vec<(Box<dyn Poller>, Way, usize)> =
        web.iter().map(|_| (poller(), Way::default(), 0)).collect();
    // All begin within the first five minutes.
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = (0..web.len())
        .map(|number| Reverse((BEFORE * DAY + due_hash(9, number as u64) % 300, number)))
        .collect();
    while let Some(Reverse((now, number))) =
        due.pop().filter(|Reverse((now, _))| *now < (BEFORE + days) * DAY)
    {
        let (Some(source), Some((poller, way, seen))) = (web.get(number), pollers.get_mut(number)) else {
            continue;
        };
        month.requests += 1;
        let sight = match source.trouble_at(now, way.has_followed) {
            Some(trouble) => Sight::Failed(trouble),
            None => {
                let out = source.publications.partition_point(|at| *at <= now);
                let shown = out.saturating_sub(WINDOW);
                let fresh = source.publications.get((*seen).max(shown)..out).unwrap_or(&[]);
                month.delays.extend(fresh.iter().filter(|at| **at >= BEFORE * DAY).map(|at| now - at));
                *seen = out;
                way.led_on(source.moves.is_some_and(|(from, _)| now >= from), now);
                Sight::Read { known: out.min(WINDOW) - fresh.len(), fresh }
            }
        };
        let wait = poller.wait(&sight, now, number as u64).as_secs().max(1);
        due.push(Reverse((now + wait, number)));
    }
    month
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
