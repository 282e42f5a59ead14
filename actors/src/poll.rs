//! The jobs that read a source's own address, or what it finds for a query.

use std::collections::BTreeSet;

use crawler::extract::{entry_hash, has_its_text};
use crawler::read::{Alarm, Page, Reading, read};
use crawler::{FetchError, Fetched, Want};
use model::{
    Entry, Failure, FailureWeight, FetchRecord, FetchStatus, Finding, Harvest, Host, ItemKey, JobId,
    PageWork, Planned, SourceKind, SourceNews, SourceState, Timestamp, Validators, canonical_url,
};
use scheduler::due::{self, Seen};
use std::time::Duration;
use store::{EntryKnowledge, Sighting, SourceRecord};
use tokio::time::Instant;
use url::Url;

use crate::visit::{Interrupted, Visit, finding_of_entry};

/// Sitemaps of an index read in one poll: the newest ones; the others have nothing new.
const MAX_CHILDREN: usize = 5;
/// Pages of a listing followed in one poll.
const MAX_NEXT: usize = 3;
/// A source that robots rules forbid is asked about again after this.
const DISALLOWED: Duration = Duration::from_secs(86_400);
/// A source that is gone is probed after this.
const GONE: Duration = Duration::from_secs(7 * 86_400);

/// Polls the source. Its end is stored and settled, whatever it was.
pub(crate) async fn poll(visit: &mut Visit) -> Result<(), Interrupted> {
    let storage = |error: store::StoreError| Interrupted::Storage(error.to_string());
    let record = visit.context.store.source(&visit.source.name).await.map_err(storage)?;
    let Some(record) = record else { return end_without_source(visit).await };
    let url = visit.address();
    let xml = visit.source.kind != SourceKind::Listing;
    // Of a source that is searched each search has an answer of its own.
    let validators = record.validators.clone().filter(|_| !visit.is_search());
    let want = Want { xml, validators };
    match visit.fetch(&url, &want).await {
        Err(error) => failed(visit, &record, &url, &error).await,
        Ok(fetched) if fetched.is_not_modified() => unchanged(visit, &record, &url, &fetched, None).await,
        Ok(fetched) => {
            let hash = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&fetched.body));
            let same = want.validators.as_ref().is_some_and(|known| known.body_hash.as_ref() == Some(&hash));
            let validators = Validators { body_hash: Some(hash), ..fetched.validators.clone() };
            if same {
                unchanged(visit, &record, &url, &fetched, Some(validators)).await
            } else {
                read_and_keep(visit, &record, fetched, validators).await
            }
        }
    }
}

/// The source was removed or paused while its job was on the way.
async fn end_without_source(visit: &mut Visit) -> Result<(), Interrupted> {
    visit.keep(visit.harvest(), Some(visit.settlement(None, Vec::new()))).await.map(drop)
}

async fn unchanged(
    visit: &mut Visit,
    record: &SourceRecord,
    url: &Url,
    fetched: &Fetched,
    validators: Option<Validators>,
) -> Result<(), Interrupted> {
    let mut harvest = visit.harvest();
    harvest.fetches.push(visit.record(url, Ok(fetched), 0, String::new()));
    let seen = Seen { known: 1, fresh: 0, on_time: is_on_time(record, harvest.at) };
    let news =
        SourceNews { validators, moved_to: moved_to(visit, fetched), ..good_news(visit, record, seen) };
    finish(visit, harvest, news, Vec::new()).await
}

async fn failed(
    visit: &mut Visit,
    record: &SourceRecord,
    url: &Url,
    error: &FetchError,
) -> Result<(), Interrupted> {
    let mut harvest = visit.harvest();
    harvest.fetches.push(visit.record(url, Err(error), 0, String::new()));
    let failure = error.failure();
    let mut news = bad_news(visit, record, &failure);
    if error.is_gone() {
        news.state = SourceState::Gone;
        news.next_poll = visit.after(GONE);
    }
    match error {
        FetchError::LeaseEnds => news.next_poll = due_now(visit),
        error => {
            let asked = error.retry_after().map(|wait| visit.after(wait));
            news.next_poll = news.next_poll.max(asked.unwrap_or(news.next_poll));
            if let Some(until) = error.deferred_until() {
                news.next_poll = until.max(visit.after(Duration::from_secs(1)));
            }
        }
    }
    finish(visit, harvest, news, Vec::new()).await
}

async fn read_and_keep(
    visit: &mut Visit,
    record: &SourceRecord,
    fetched: Fetched,
    validators: Validators,
) -> Result<(), Interrupted> {
    let moved_to = moved_to(visit, &fetched);
    let (mut reading, fetched) = read_on_pool(visit, fetched).await;
    let mut harvest = visit.harvest();
    let detail = detail_of(&reading);
    let mut line = visit.record(&fetched.url, Ok(&fetched), reading.entries.len(), detail);
    // To find nothing is what a search for something rare does.
    let is_empty = |alarm: &Alarm| visit.is_search() && matches!(alarm, Alarm::Empty(_));
    if let Some(alarm) = reading.alarm.take().filter(|alarm| !is_empty(alarm)) {
        line.status = FetchStatus::Unreadable;
        harvest.fetches.push(line);
        let failure = Failure { weight: FailureWeight::Soft, reason: alarm.to_string() };
        let news = SourceNews { state: SourceState::Broken, ..bad_news(visit, record, &failure) };
        return finish(visit, harvest, news, Vec::new()).await;
    }
    harvest.fetches.push(line);
    let first = fetched.url.clone();
    drop(fetched);
    let has_parts = !reading.children.is_empty();
    let complete = follow(visit, first, &mut reading, &mut harvest.fetches).await;
    let on_time = is_on_time(record, harvest.at);
    let seen = sort_entries(visit, reading.entries, &mut harvest, on_time).await?;
    let found = found_jobs(visit, &harvest);
    // Validators vouch for everything that was read under them: not where a part is missing, and not for
    // an index, whose parts change while it stays the same.
    let validators = (complete && !has_parts && !visit.is_search()).then_some(validators);
    let news = SourceNews { validators, moved_to, ..good_news(visit, record, seen) };
    finish(visit, harvest, news, found).await
}

/// Reads the documents that belong to this one: sitemaps of an index, further pages of a listing.
/// `first` was read already, whatever leads back to it. False where one of them could not be read.
async fn follow(
    visit: &mut Visit,
    first: Url,
    reading: &mut Reading,
    fetches: &mut Vec<FetchRecord>,
) -> bool {
    let children = std::mem::take(&mut reading.children);
    let mut queue: Vec<Url> = children.into_iter().take(MAX_CHILDREN).collect();
    queue.extend(reading.next.take());
    let mut followed = BTreeSet::from([visit.address(), first]);
    let mut complete = true;
    while let Some(url) = queue.pop().filter(|_| followed.len() < MAX_CHILDREN + MAX_NEXT + 2) {
        if visit.context.is_draining() {
            return false;
        }
        if !followed.insert(url.clone()) {
            continue;
        }
        let want = Want { xml: visit.source.kind != SourceKind::Listing, validators: None };
        match visit.fetch(&url, &want).await {
            Err(error) => {
                complete = false;
                fetches.push(visit.record(&url, Err(&error), 0, String::new()));
            }
            Ok(fetched) => {
                let (more, fetched) = read_on_pool(visit, fetched).await;
                complete &= !matches!(more.alarm, Some(Alarm::Foreign(_)));
                let detail = detail_of(&more);
                fetches.push(visit.record(&url, Ok(&fetched), more.entries.len(), detail));
                reading.entries.extend(more.entries);
                queue.extend(more.next);
            }
        }
    }
    complete
}

/// What the history tells of a reading: the alarm, or else the problems.
fn detail_of(reading: &Reading) -> String {
    reading.alarm.as_ref().map_or_else(|| reading.problems.join("; "), ToString::to_string)
}

async fn read_on_pool(visit: &Visit, fetched: Fetched) -> (Reading, Fetched) {
    let (source, now, most) = (visit.source.clone(), visit.now(), visit.context.config.max_decoded);
    let (reading, fetched, took) = visit
        .context
        .pool
        .run(move || {
            let began = Instant::now();
            let page =
                Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now);
            let page = page.of_type(fetched.content_type.as_deref()).at_most(most);
            let reading = read(source.kind, &page);
            (reading, fetched, began.elapsed())
        })
        .await;
    visit.context.metrics.parsed(visit.source.kind, took, reading.entries.len());
    (reading, fetched)
}

/// Sorts entries into what is known, what is stored as it is, and what needs its page.
async fn sort_entries(
    visit: &Visit,
    entries: Vec<Entry>,
    harvest: &mut Harvest,
    on_time: bool,
) -> Result<Seen, Interrupted> {
    let key = |entry: &Entry| {
        let text = entry.text.as_deref().or(entry.summary.as_deref()).unwrap_or("");
        ItemKey::choose(entry.id.as_deref(), entry.url.as_ref(), entry.title.as_deref().unwrap_or(""), text)
    };
    let mut within = BTreeSet::new();
    let entries: Vec<Entry> = entries.into_iter().filter(|entry| within.insert(key(entry))).collect();
    let asked: Vec<Sighting> = entries
        .iter()
        .map(|entry| Sighting {
            key: key(entry),
            hash: entry_hash(entry, &visit.source),
            address: entry.published.as_ref().and(entry.url.as_ref()).map(canonical_url),
        })
        .collect();
    let shared = shared_addresses(&entries);
    let knowledge = visit.context.store.knowledge(&visit.source.name, &asked).await;
    let knowledge = knowledge.map_err(|error| Interrupted::Storage(error.to_string()))?;
    let mut seen = Seen { known: 0, fresh: 0, on_time };
    let mut whole: Vec<(Entry, Option<String>)> = Vec::new();
    for ((entry, Sighting { key, hash, .. }), known) in entries.into_iter().zip(asked).zip(knowledge) {
        match known {
            EntryKnowledge::Same => {
                seen.known += 1;
                continue;
            }
            EntryKnowledge::Changed => seen.known += 1,
            EntryKnowledge::New => seen.fresh += 1,
        }
        match page_of(visit, &entry, &shared) {
            Ok(Some((url, host))) => {
                harvest.pages.push(PageWork {
                    key,
                    host,
                    url,
                    entry,
                    entry_hash: hash,
                    tries: 0,
                    not_before: harvest.at,
                });
            }
            Ok(None) => whole.push((entry, None)),
            Err(note) => whole.push((entry, Some(note))),
        }
    }
    harvest.findings = findings_on_pool(visit, whole).await;
    Ok(seen)
}

/// Pages that several entries of one document lead to: none of these is the page of any of them.
fn shared_addresses(entries: &[Entry]) -> BTreeSet<Url> {
    let mut seen = BTreeSet::new();
    let pages = entries.iter().filter_map(|entry| entry.url.as_ref()).map(without_fragment);
    pages.filter(|page| !seen.insert(page.clone())).collect()
}

fn without_fragment(url: &Url) -> Url {
    let mut page = url.clone();
    page.set_fragment(None);
    page
}

/// The page that an entry needs, if it needs one; a note where it is not asked for.
fn page_of(visit: &Visit, entry: &Entry, shared: &BTreeSet<Url>) -> Result<Option<(Url, Host)>, String> {
    let Some(url) = &entry.url else { return Ok(None) };
    visit.context.door.check_address(url).map_err(|error| format!("the page was not asked for: {error}"))?;
    if has_its_text(entry, &visit.source) {
        return Ok(None);
    }
    let url = without_fragment(url);
    if shared.contains(&url) {
        return Err("the page was not asked for: several entries lead to it".to_owned());
    }
    match visit.roster.host_of(&url) {
        Some(host) => Ok(Some((url, host))),
        None => Err("the page was not asked for: its address names no host".to_owned()),
    }
}

async fn findings_on_pool(visit: &Visit, entries: Vec<(Entry, Option<String>)>) -> Vec<Finding> {
    if entries.is_empty() {
        return Vec::new();
    }
    let (source, topics, now) = (visit.source.clone(), visit.roster.topics.clone(), visit.now());
    let findings = move || {
        entries
            .iter()
            .map(|(entry, note)| finding_of_entry(&source, entry, note.as_deref(), &topics, now))
            .collect()
    };
    visit.context.pool.run(findings).await
}

/// One pages job for each host that new pages wait for.
fn found_jobs(visit: &Visit, harvest: &Harvest) -> Vec<Planned> {
    let hosts: BTreeSet<&Host> = harvest.pages.iter().map(|page| &page.host).collect();
    // A single pass takes what its polls found; it stops at its beginning otherwise.
    let due = due_now(visit);
    let delay = visit.source.delay.unwrap_or(visit.context.config.delay);
    let job = |host: &Host| JobId::pages(visit.source.name.clone(), host.clone());
    hosts
        .into_iter()
        .map(|host| Planned {
            id: job(host),
            due,
            delay,
            robots_delay: Duration::ZERO,
            tenant: visit.roster.tenant_of(&visit.source),
        })
        .collect()
}

/// What is to be done at once; in a single pass, within it.
fn due_now(visit: &Visit) -> Timestamp {
    visit.context.config.pass.as_ref().map_or(visit.now(), |pass| pass.due_by)
}

async fn finish(
    visit: &mut Visit,
    mut harvest: Harvest,
    news: SourceNews,
    found: Vec<Planned>,
) -> Result<(), Interrupted> {
    let settle = visit.settlement(Some(news.next_poll), found);
    harvest.news = Some(news);
    visit.keep(harvest, Some(settle)).await.map(drop)
}

fn good_news(visit: &Visit, record: &SourceRecord, seen: Seen) -> SourceNews {
    let every = visit.source.every;
    // What one search brings says little about the next: each is made as often as the source allows.
    let learnt = due::learn(record.interval.unwrap_or(every.min), every, seen);
    let interval = if visit.is_search() { every.min } else { learnt };
    let round = visit.now().as_second().unsigned_abs();
    SourceNews {
        state: SourceState::Live,
        reason: String::new(),
        failures: 0.0,
        ok: true,
        deferred: false,
        interval,
        next_poll: visit.after(due::spread(interval, visit.source.name.as_str(), round)),
        moved_to: None,
        validators: None,
    }
}

fn bad_news(visit: &Visit, record: &SourceRecord, failure: &Failure) -> SourceNews {
    let config = &visit.context.config;
    let points = record.failures + failure.weight.points();
    // Of a source that is searched, other searches' failures say nothing of how long this one should wait.
    let failed = if visit.is_search() { 0 } else { record.failed_polls };
    let interval = record.interval.unwrap_or(visit.source.every.min);
    let wait = match failure.weight {
        FailureWeight::Disallowed => DISALLOWED,
        _ => due::backoff(failed + 1, config.backoff, config.max_backoff, interval),
    };
    SourceNews {
        state: SourceNews::state_after(failure, points, record.state),
        reason: failure.reason.clone(),
        failures: points,
        ok: false,
        deferred: failure.weight == FailureWeight::Deferred,
        interval,
        next_poll: visit.after(due::spread(wait, visit.source.name.as_str(), u64::from(record.failed_polls))),
        moved_to: None,
        validators: None,
    }
}

/// Polls that come late say little about the source: the lateness is ours.
fn is_on_time(record: &SourceRecord, now: Timestamp) -> bool {
    let (Some(planned), Some(interval)) = (record.next_poll, record.interval) else { return false };
    now.duration_since(planned).unsigned_abs() <= interval / 2
}

fn moved_to(visit: &Visit, fetched: &Fetched) -> Option<Url> {
    let has_moved = fetched.moved_permanently && fetched.url != visit.address();
    has_moved.then(|| fetched.url.clone()).filter(|_| !visit.is_search())
}
