//! What a source's address leads to: the document, the parts of it, and further pages as far back as is new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crawler::extract::entry_hash;
use crawler::read::{Alarm, Page, Reading, detect_wall, read};
use crawler::{FetchParams, Fetched, read};
use model::{Entry, Failure, FetchRecord, ItemKey, WindowDocument, canonical_url};
use store::{EntryRef, EntryStatus};
use tokio::time::Instant;
use url::Url;

use crate::job::job_run::{JobError, JobRun};
use crate::job::poll_outcome::failure_of;

/// Sitemaps of an index read in one poll: the newest ones; the others have nothing new.
const MAX_CHILDREN: usize = 5;
/// Further pages read in the first poll of a source, and in a search.
const MAX_FIRST: usize = 3;
/// Further pages read where a source has brought nothing known yet: what came out since the last poll.
const MAX_BACK: usize = 10;

/// An entry, with what is known of it.
pub(crate) struct Sighted {
    pub(crate) entry: Entry,
    pub(crate) sighting: EntryRef,
    pub(crate) classify_entries: EntryStatus,
}

/// What a poll read.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) entries: Vec<Sighted>,
    /// Everything that it should have read, it has.
    pub(crate) is_complete: bool,
    /// Why a part could not be had, where one could not.
    pub(crate) failure: Option<Failure>,
    /// What the first document with entries shows, where that was read whole.
    pub(crate) showing: Option<WindowDocument>,
    /// It went back as far as it goes and met nothing known: something may have been missed.
    pub(crate) has_gap: bool,
    keys: BTreeSet<ItemKey>,
}

impl Gathered {
    /// Notes what the first document with entries shows. Of what was cut off, or not understood, nobody can say whether it is there.
    fn note(&mut self, reading: &Reading) {
        if self.keys.is_empty() && !reading.entries.is_empty() && reading.problems.is_empty() {
            let time = |entry: &Entry| entry.published.as_ref().map(|published| published.at);
            let page_window = reading.entries.iter().map(|entry| (key(entry), time(entry)));
            let unordered = reading.unordered.iter().map(|id| ItemKey::new(Some(id), None, "", "")).collect();
            self.showing = Some(WindowDocument::new(page_window, unordered));
        }
    }

    /// Adds a page's entries. True where the oldest is known: what follows is as well.
    pub(crate) async fn add(&mut self, run: &JobRun, entries: Vec<Entry>) -> Result<bool, JobError> {
        let entries: Vec<Entry> = entries.into_iter().filter(|entry| self.keys.insert(key(entry))).collect();
        let sightings: Vec<EntryRef> = entries
            .iter()
            .map(|entry| EntryRef {
                key: key(entry),
                hash: entry_hash(entry, &run.source),
                address: entry.published.as_ref().and(entry.url.as_ref()).map(canonical_url),
            })
            .collect();
        let classify_entries = run.context.store.classify_entries(&run.source.name, &sightings).await;
        let mut classify_entries = classify_entries?;
        if run.knows_by_address {
            know_by_address(run, &entries, &mut classify_entries).await?;
        }
        // The oldest decides: what is pinned stands first, and is known for ever. A page without words tells nothing.
        let meets_known = classify_entries.last().is_some_and(|known| *known != EntryStatus::New);
        let sighted = entries.into_iter().zip(sightings).zip(classify_entries);
        self.entries.extend(sighted.map(|((entry, sighting), classify_entries)| Sighted {
            entry,
            sighting,
            classify_entries,
        }));
        Ok(meets_known)
    }
}

fn key(entry: &Entry) -> ItemKey {
    let text = entry.text.as_deref().or(entry.summary.as_deref()).unwrap_or("");
    let title = entry.title.as_deref().unwrap_or("");
    ItemKey::new(entry.id.as_deref(), entry.url.as_ref(), title, text)
}

/// Each way to read a source names its entries otherwise: what stands at a known address is known, unless several entries do.
async fn know_by_address(
    run: &JobRun,
    entries: &[Entry],
    classify_entries: &mut [EntryStatus],
) -> Result<(), JobError> {
    let mut times: BTreeMap<Url, usize> = BTreeMap::new();
    for url in entries.iter().filter_map(|entry| entry.url.as_ref()) {
        *times.entry(canonical_url(url)).or_default() += 1;
    }
    let is_new = |(_, known): &(&Entry, &mut EntryStatus)| **known == EntryStatus::New;
    let new = entries.iter().zip(classify_entries.iter_mut()).filter(is_new);
    let (addresses, new): (Vec<Url>, Vec<&mut EntryStatus>) = new
        .filter_map(|(entry, known)| Some((canonical_url(entry.url.as_ref()?), known)))
        .filter(|(url, _)| times.get(url) == Some(&1))
        .unzip();
    let known = run.context.store.has_addresses(&run.source.name, &addresses).await;
    let known = known?;
    for (new, _) in new.into_iter().zip(known).filter(|(_, is_known)| *is_known) {
        *new = EntryStatus::Same;
    }
    Ok(())
}

/// Reads on from a document that was read: the parts of it, or the pages before it until one holds something known.
/// `first` was read already, whatever leads back to it; `was_read`: the source was read before.
pub(crate) async fn gather(
    run: &mut JobRun,
    first: Url,
    mut reading: Reading,
    was_read: bool,
    fetches: &mut Vec<FetchRecord>,
) -> Result<Gathered, JobError> {
    let mut gathered = Gathered { is_complete: true, ..Gathered::default() };
    let mut followed = BTreeSet::from([run.address(), first]);
    let mut parts: VecDeque<Url> =
        std::mem::take(&mut reading.children).into_iter().take(MAX_CHILDREN).collect();
    let most = if was_read && !run.is_search() { MAX_BACK } else { MAX_FIRST };
    let mut pages = 0;
    gathered.note(&reading);
    let mut meets_known = gathered.add(run, reading.entries).await?;
    let mut next = reading.next.take();
    loop {
        let onward = next.take().filter(|_| !meets_known);
        gathered.has_gap |= onward.is_some() && was_read && pages >= most;
        // What ends here is not gone back to: the next poll meets what this one stored.
        let leaves_gap = was_read && parts.is_empty();
        let Some(url) = parts.pop_front().or_else(|| onward.filter(|_| pages < most)) else { break };
        if run.context.is_draining() {
            gathered.is_complete = false;
            gathered.has_gap |= leaves_gap;
            break;
        }
        if !followed.insert(url.clone()) {
            continue;
        }
        pages += 1;
        match run.fetch(&url, &want(run)).await {
            Err(error) => {
                gathered.is_complete = false;
                gathered.has_gap |= leaves_gap;
                fetches.push(run.record(&url, Err(&error), 0, String::new()));
                gathered.failure.get_or_insert(error.failure());
            }
            Ok(fetched) => {
                let (mut more, fetched) = read_on_pool(run, fetched).await;
                if let Some(wall) = detect_wall(&url, &fetched.url) {
                    more = Reading { alarm: Some(Alarm::Restricted(wall)), ..Reading::default() };
                }
                let is_bad = |alarm: &&Alarm| !matches!(alarm, Alarm::Empty(_));
                if let Some(alarm) = more.alarm.as_ref().filter(is_bad) {
                    gathered.failure.get_or_insert(failure_of(alarm));
                }
                gathered.is_complete &= matches!(more.alarm, None | Some(Alarm::Empty(_)));
                let detail = detail_of(&more);
                fetches.push(run.record(&url, Ok(&fetched), more.entries.len(), detail));
                next = more.next.take();
                gathered.note(&more);
                meets_known = gathered.add(run, more.entries).await?;
            }
        }
    }
    Ok(gathered)
}

/// What a part of the source is asked for as.
pub(crate) fn want(run: &JobRun) -> FetchParams {
    FetchParams {
        accept: read::accept(run.source.kind),
        token: read::token_of(&run.source),
        ..FetchParams::default()
    }
}

/// What the history tells of a reading: the alarm, or else the problems.
pub(crate) fn detail_of(reading: &Reading) -> String {
    reading.alarm.as_ref().map_or_else(|| reading.problems.join("; "), ToString::to_string)
}

pub(crate) async fn read_on_pool(run: &JobRun, fetched: Fetched) -> (Reading, Fetched) {
    let (source, now, most) = (run.source.clone(), run.now(), run.context.config.max_decoded);
    let (reading, fetched, took) = run
        .context
        .pool
        .run(move || {
            let began = Instant::now();
            let page =
                Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now)
                    .with_pointers(&source.pointers);
            let page = page.of_type(fetched.content_type.as_deref()).at_most(most);
            let reading = read(source.kind, &page);
            (reading, fetched, began.elapsed())
        })
        .await;
    run.context.metrics.parsed(run.source.kind, took, reading.entries.len());
    (reading, fetched)
}
