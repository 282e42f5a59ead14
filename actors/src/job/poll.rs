//! The jobs that read a source's own address, or what it finds for a query.

use std::collections::BTreeSet;
use std::time::Duration;

use crawler::extract::needs_no_page;
use crawler::read::{Alarm, detect_wall};
use crawler::{FetchError, FetchParams, Fetched, read};
use model::{
    Entry, Failure, FailureWeight, FetchRecord, FetchStatus, Finding, Harvest, Host, JobId, PageWork,
    Planned, PollOutcome, Precision, Timestamp, Validators, after,
};
use scheduler::due;
use scheduler::due::Seen;
use store::{EntryStatus, SourceRecord};
use url::Url;

use crate::job::deletions::{note_page_window, note_unchanged};
use crate::job::fallback::in_any_way;
use crate::job::gather::{Sighted, detail_of, gather, read_on_pool, want};
use crate::job::job_run::{JobError, JobRun, finding_of_entry};
use crate::job::poll_outcome;
use crate::job::poll_outcome::{Told, is_on_time};
use crate::job::subscribe::{LATE, Offer, keep_subscribed, rely_on_hub, subscription_of};

/// A host that says, with a status of success, that it is asked too often is left alone for so long.
const BUSY: Duration = Duration::from_secs(60);

/// How reading the source in one way ended: to be stored and settled, or to be followed by another way.
pub(crate) struct Ending {
    pub(crate) harvest: Harvest,
    pub(crate) outcome: PollOutcome,
    /// Jobs that it found.
    pub(crate) found: Vec<Planned>,
    /// The hub that is offered there.
    pub(crate) offer: Offer,
    /// New entries that came out a while ago.
    pub(crate) late: u64,
    /// The turn ended before there was an answer.
    pub(crate) is_cut_short: bool,
}

impl Ending {
    fn without_jobs(harvest: Harvest, outcome: PollOutcome) -> Self {
        Self { harvest, outcome, found: Vec::new(), offer: Offer::Unknown, late: 0, is_cut_short: false }
    }
}

/// Polls the source. Its end is stored and settled, whatever it was.
pub(crate) async fn poll(run: &mut JobRun) -> Result<(), JobError> {
    let record = run.context.store.source(&run.source.name).await?;
    let Some(record) = record else { return end_without_source(run).await };
    run.subscription = subscription_of(run).await?;
    let mut ending = if run.source.fallbacks.is_empty() {
        in_one_way(run, &record).await?
    } else {
        Box::pin(in_any_way(run, &record)).await?
    };
    rely_on_hub(run, &record, &mut ending);
    // What waits may have lost its job.
    if run.subscription.as_ref().is_some_and(|known| known.waiting > 0) {
        let job = JobId::websub(run.source.name.clone(), run.job.host.clone());
        ending.found.push(run.planned(job, run.now()));
    }
    let offer = if run.is_as_declared() { std::mem::take(&mut ending.offer) } else { Offer::Unknown };
    let pace = due::paced(ending.outcome.interval, run.source.every, None, run.now());
    let is_well = ending.outcome.ok;
    Box::pin(finish(run, ending)).await?;
    if is_well {
        // The poll is stored and settled, whatever becomes of this.
        if let Err(error) = Box::pin(keep_subscribed(run, offer, pace)).await {
            tracing::warn!(source = %run.source.name, %error, "whether a hub is to be asked could not be kept");
        }
    }
    Ok(())
}

/// Reads the source in the way in which the visit is to read it.
pub(crate) async fn in_one_way(run: &mut JobRun, record: &SourceRecord) -> Result<Ending, JobError> {
    let cursor = record.validators.as_ref().and_then(|known| known.cursor.as_deref());
    let url = run.address();
    let url = cursor
        .filter(|_| read::is_stream(run.source.kind))
        .map_or(url.clone(), |cursor| read::with_cursor(&url, cursor));
    // Of a source that is searched each search has an answer of its own; of several ways each has.
    let is_of_this = |known: &Validators| known.url.as_ref() == Some(&url) || !run.has_fallbacks();
    let known = record.validators.clone().filter(|known| !run.is_search() && is_of_this(known));
    let asked = known.clone().filter(|known| known.are_usable(run.now()));
    let want = FetchParams { validators: asked, ..want(run) };
    match run.fetch(&url, &want).await {
        Err(error) => Ok(failed(run, record, &url, &error)),
        Ok(fetched) if fetched.is_not_modified() => Ok(unchanged(run, record, &url, &fetched, None)),
        Ok(fetched) => {
            // What stands there instead is not read, however much it looks like what was asked for.
            if let Some(wall) = detect_wall(&url, &fetched.url) {
                return Ok(unreadable(run, record, &fetched, &Alarm::Restricted(wall)));
            }
            let hash = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&fetched.body));
            let same = known.as_ref().is_some_and(|known| known.body_hash.as_ref() == Some(&hash));
            let validators = Validators { body_hash: Some(hash), ..fetched.validators.clone() };
            let validators = known.unwrap_or_default().updated_with(validators, run.now());
            if same {
                Ok(unchanged(run, record, &url, &fetched, Some(validators)))
            } else {
                read_and_keep(run, record, fetched, validators).await
            }
        }
    }
}

/// The source was removed or paused while its job was on the way.
async fn end_without_source(run: &mut JobRun) -> Result<(), JobError> {
    run.keep(run.harvest(), Some(run.settlement(None, Vec::new()))).await.map(drop)
}

fn unchanged(
    run: &mut JobRun,
    record: &SourceRecord,
    url: &Url,
    fetched: &Fetched,
    validators: Option<Validators>,
) -> Ending {
    let mut harvest = run.harvest();
    harvest.fetches.push(run.record(url, Ok(fetched), 0, String::new()));
    note_unchanged(run, record, &mut harvest);
    let on_time = is_on_time(record, harvest.at) && !run.relies_on_hub();
    let seen = Seen { known: 1, fresh: 0, on_time, waited: None };
    let before = record.validators.as_ref().and_then(|validators| validators.fresh_for);
    let fresh_for = fetched.fresh_for.or(before);
    // What made one suspect its layout is there still.
    let suspicion = Some(&record.reason).filter(|_| poll_outcome::is_suspected(record)).cloned();
    let told = Told { seen, a_day: None, fresh_for, rhythm: record.rhythm.as_ref() };
    let outcome = PollOutcome {
        validators: validators.map(|validators| Validators { fresh_for, ..validators }),
        moved_to: moved_to(run, fetched),
        ..poll_outcome::suspected(run, record, suspicion, poll_outcome::good(run, record, told))
    };
    let offer = fetched.hub.clone().map_or(Offer::Unknown, Offer::Hub);
    Ending { offer, ..Ending::without_jobs(harvest, outcome) }
}

fn failed(run: &mut JobRun, record: &SourceRecord, url: &Url, error: &FetchError) -> Ending {
    let mut harvest = run.harvest();
    let line = run.record(url, Err(error), 0, String::new());
    let failure = error.failure();
    host_failed(run, &mut harvest, record, &line, &failure);
    harvest.fetches.push(line);
    let mut outcome = poll_outcome::bad(run, record, &failure);
    match error {
        FetchError::LeaseExpired => outcome.next_poll = due_now(run),
        error => {
            let asked = error.retry_after().map(|wait| run.after(wait));
            outcome.next_poll = outcome.next_poll.max(asked.unwrap_or(outcome.next_poll));
            if let Some(until) = error.deferred_until() {
                outcome.next_poll = until.max(run.after(Duration::from_secs(1)));
            }
        }
    }
    let is_cut_short = matches!(error, FetchError::LeaseExpired);
    Ending { is_cut_short, ..Ending::without_jobs(harvest, outcome) }
}

/// It came, and is no success.
fn unreadable(run: &mut JobRun, record: &SourceRecord, fetched: &Fetched, alarm: &Alarm) -> Ending {
    if matches!(alarm, Alarm::RateLimited(_)) {
        run.permits.rest(BUSY); // the others of this host would be told the same
    }
    let mut harvest = run.harvest();
    let line = run.record(&fetched.url, Ok(fetched), 0, alarm.to_string());
    let line = FetchRecord { status: FetchStatus::Unreadable, ..line };
    let failure = poll_outcome::failure_of(alarm);
    // A page of maintenance, or a login, is the host's; a list of which nothing is left, the source's.
    if matches!(alarm, Alarm::WrongFormat(_) | Alarm::Restricted(_)) {
        host_failed(run, &mut harvest, record, &line, &failure);
    }
    harvest.fetches.push(line);
    let outcome = poll_outcome::bad(run, record, &failure);
    Ending::without_jobs(harvest, outcome)
}

/// Where one source after another of its host fails so, it is the host that does.
fn host_failed(
    run: &mut JobRun,
    harvest: &mut Harvest,
    record: &SourceRecord,
    line: &FetchRecord,
    failure: &Failure,
) {
    if matches!(failure.weight, FailureWeight::Deferred | FailureWeight::Disallowed) {
        return;
    }
    let was_well = record.last_ok.is_some() && record.failures == 0.0 && record.state.is_read();
    run.tell_of_host(harvest, |health| {
        health.failed(&record.source.name, was_well, line, &failure.reason, line.at);
    });
}

async fn read_and_keep(
    run: &mut JobRun,
    record: &SourceRecord,
    fetched: Fetched,
    validators: Validators,
) -> Result<Ending, JobError> {
    let moved_to = moved_to(run, &fetched);
    let (mut reading, fetched) = read_on_pool(run, fetched).await;
    let mut harvest = run.harvest();
    let detail = detail_of(&reading);
    let line = run.record(&fetched.url, Ok(&fetched), reading.entries.len(), detail);
    // To find nothing is what a search for something rare does.
    let is_empty = |alarm: &Alarm| run.is_search() && matches!(alarm, Alarm::Empty(_));
    if let Some(alarm) = reading.alarm.take().filter(|alarm| !is_empty(alarm)) {
        return Ok(unreadable(run, record, &fetched, &alarm));
    }
    harvest.fetches.push(line);
    let first = fetched.url.clone();
    let fresh_for = fetched.fresh_for.max(reading.fresh_for);
    let offer = fetched.hub.clone().or_else(|| reading.hub.take()).map_or(Offer::None, Offer::Hub);
    // While a fallback stands in, a stream's place is kept.
    let before = record.validators.as_ref().and_then(|known| known.cursor.clone());
    let cursor = reading.cursor.take().or(validators.cursor).or(before);
    let validators = Validators { fresh_for, cursor, ..validators };
    drop(fetched);
    let document = validators.body_hash.clone().unwrap_or_default();
    let has_parts = !reading.children.is_empty();
    let was_read = record.last_ok.is_some();
    // That all results have one title says something of the query.
    let suspicion = reading.suspicion.take().filter(|_| !run.is_search());
    let gathered = gather(run, first, reading, was_read, &mut harvest.fetches).await?;
    // It only leads to others, and none of these could be read: that is no success.
    if let Some(failure) = gathered.failure.as_ref().filter(|_| has_parts && gathered.entries.is_empty()) {
        let outcome = poll_outcome::bad(run, record, failure);
        return Ok(Ending::without_jobs(harvest, outcome));
    }
    if gathered.has_gap
        && let Some(last) = harvest.fetches.last_mut()
    {
        let gap =
            "nothing known was met this far back: publications may have been missed since the last poll";
        last.detail = [last.detail.as_str(), gap]
            .iter()
            .filter(|text| !text.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("; ");
    }
    let on_time = is_on_time(record, harvest.at) && !run.relies_on_hub();
    let dates = gathered.entries.iter().filter_map(|sighted| sighted.entry.published.as_ref());
    let a_day = poll_outcome::pace(dates.map(|published| published.at), harvest.at);
    let new = gathered.entries.iter().filter(|sighted| sighted.classify_entries == EntryStatus::New);
    let late = late_among(new.clone().map(|sighted| &sighted.entry), harvest.at);
    let rhythm = poll_outcome::rhythm(record, new.map(|sighted| &sighted.entry), harvest.at);
    if let Some(showing) = gathered.showing {
        note_page_window(run, record, showing.of_document(document), &mut harvest);
    }
    let seen = sort_entries(run, gathered.entries, &mut harvest, on_time).await;
    let found = found_jobs(run, &harvest);
    // Validators vouch for everything that was read under them: not where a part is missing, and not for
    // an index, whose parts change while it stays the same.
    let validators = (gathered.is_complete && !has_parts && !run.is_search()).then_some(validators);
    let good = poll_outcome::good(run, record, Told { seen, a_day, fresh_for, rhythm: rhythm.as_ref() });
    harvest.updates.rhythm = rhythm.filter(|_| seen.fresh > 0 && !run.is_search());
    let outcome =
        PollOutcome { validators, moved_to, ..poll_outcome::suspected(run, record, suspicion, good) };
    Ok(Ending { harvest, outcome, found, offer, late, is_cut_short: false })
}

/// How many entries came out a while ago, or nobody knows when.
fn late_among<'e>(new: impl Iterator<Item = &'e Entry>, now: Timestamp) -> u64 {
    let is_late = |entry: &&Entry| {
        let published = entry.published.clone().map(|published| published.clamp(now));
        let exact = published.filter(|one| !one.clamped && one.precision == Precision::Second);
        exact.is_none_or(|published| after(published.at, LATE) < now)
    };
    new.filter(is_late).count() as u64
}

/// Sorts entries into what is known, what is stored as it is, and what needs its page.
pub(crate) async fn sort_entries(
    run: &JobRun,
    entries: Vec<Sighted>,
    harvest: &mut Harvest,
    on_time: bool,
) -> Seen {
    let shared = shared_addresses(entries.iter().map(|sighted| &sighted.entry));
    let mut seen = Seen { known: 0, fresh: 0, on_time, waited: None };
    let mut whole: Vec<Whole> = Vec::new();
    for Sighted { entry, sighting, classify_entries } in entries {
        if entry.is_deleted {
            // What was never kept needs no removal.
            harvest.deletions.extend(Some(sighting.key).filter(|_| classify_entries == EntryStatus::Changed));
            continue;
        }
        let is_known = classify_entries == EntryStatus::Changed;
        match classify_entries {
            EntryStatus::Same => {
                seen.known += 1;
                continue;
            }
            EntryStatus::Changed => seen.known += 1,
            EntryStatus::New => seen.fresh += 1,
        }
        match page_of(run, &entry, &shared) {
            Ok(Some((url, host))) => {
                harvest.pages.push(PageWork {
                    key: sighting.key,
                    host,
                    url,
                    entry,
                    entry_hash: sighting.hash,
                    tries: 0,
                    not_before: harvest.at,
                });
            }
            Ok(None) => whole.push(Whole { entry, note: None, is_known }),
            Err(note) => whole.push(Whole { entry, note: Some(note), is_known }),
        }
    }
    harvest.findings = findings_on_pool(run, whole).await;
    seen
}

/// An entry that needs no page.
struct Whole {
    entry: Entry,
    /// Why its page is not asked for, where it might be.
    note: Option<String>,
    is_known: bool,
}

/// Pages that several entries of one document lead to: none of these is the page of any of them.
fn shared_addresses<'e>(entries: impl Iterator<Item = &'e Entry>) -> BTreeSet<Url> {
    let mut seen = BTreeSet::new();
    let pages = entries.filter_map(|entry| entry.url.as_ref()).map(without_fragment);
    pages.filter(|page| !seen.insert(page.clone())).collect()
}

fn without_fragment(url: &Url) -> Url {
    let mut page = url.clone();
    page.set_fragment(None);
    page
}

/// The page that an entry needs, if it needs one; a note where it is not asked for.
fn page_of(run: &JobRun, entry: &Entry, shared: &BTreeSet<Url>) -> Result<Option<(Url, Host)>, String> {
    let Some(url) = &entry.url else { return Ok(None) };
    run.context.door.check_address(url).map_err(|error| format!("the page was not asked for: {error}"))?;
    if needs_no_page(entry, &run.source) || read::is_stream(run.source.kind) {
        return Ok(None);
    }
    let url = without_fragment(url);
    if shared.contains(&url) {
        return Err("the page was not asked for: several entries lead to it".to_owned());
    }
    match run.snapshot.host_of(&url) {
        Some(host) => Ok(Some((url, host))),
        None => Err("the page was not asked for: its address names no host".to_owned()),
    }
}

/// What entries make. Of a stream, which is everybody's, only what matches is kept, and what was.
async fn findings_on_pool(run: &JobRun, entries: Vec<Whole>) -> Vec<Finding> {
    if entries.is_empty() {
        return Vec::new();
    }
    let (source, topics, now) = (run.source.clone(), run.snapshot.topics().clone(), run.now());
    let is_stream = read::is_stream(source.kind);
    let findings = move || {
        let finding = |Whole { entry, note, is_known }: &Whole| {
            let finding = finding_of_entry(&source, entry, note.as_deref(), &topics, now);
            (!is_stream || *is_known || !finding.matches.is_empty()).then_some(finding)
        };
        entries.iter().filter_map(finding).collect()
    };
    run.context.pool.run(findings).await
}

/// One pages job for each host that new pages wait for.
pub(crate) fn found_jobs(run: &JobRun, harvest: &Harvest) -> Vec<Planned> {
    let hosts: BTreeSet<&Host> = harvest.pages.iter().map(|page| &page.host).collect();
    // A single pass takes what its polls found; it stops at its beginning otherwise.
    let due = due_now(run);
    let job = |host: &Host| JobId::pages(run.source.name.clone(), host.clone());
    hosts.into_iter().map(|host| run.planned(job(host), due)).collect()
}

/// What is to be done at once; in a single pass, within it.
fn due_now(run: &JobRun) -> Timestamp {
    run.context.config.pass.as_ref().map_or(run.now(), |pass| pass.due_by)
}

async fn finish(run: &mut JobRun, ending: Ending) -> Result<(), JobError> {
    let Ending { mut harvest, outcome, found, .. } = ending;
    if outcome.ok {
        run.tell_of_host(&mut harvest, model::HostHealth::record_success);
    }
    let settle = run.settlement(Some(outcome.next_poll), found);
    harvest.outcome = Some(outcome);
    run.keep(harvest, Some(settle)).await.map(drop)
}

fn moved_to(run: &JobRun, fetched: &Fetched) -> Option<Url> {
    let has_moved = fetched.moved_permanently && fetched.url != run.address();
    has_moved.then(|| fetched.url.clone()).filter(|_| !run.is_search())
}
