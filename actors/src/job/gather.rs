//! Reads all documents of a poll: the source's document, its children, and further pages until a known entry.

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

/// Maximum sitemaps of an index read in one poll. These are the newest; the others contain nothing new.
const MAX_CHILDREN: usize = 5;
/// Maximum further pages read in the first poll of a source, and in a search.
const MAX_FIRST_POLL_PAGES: usize = 3;
/// Maximum further pages read in a later poll, as long as no known entry appears: they contain the publications since
/// the last poll.
const MAX_CATCH_UP_PAGES: usize = 10;

/// An entry with its status in the store.
pub(crate) struct ClassifiedEntry {
    pub(crate) entry: Entry,
    pub(crate) reference: EntryRef,
    pub(crate) status: EntryStatus,
}

/// The entries of all documents that a poll has read.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) entries: Vec<ClassifiedEntry>,
    /// Set when all documents of the poll were read.
    pub(crate) is_complete: bool,
    /// The first failure to read a further document.
    pub(crate) failure: Option<Failure>,
    /// The entries that the first nonempty document shows, if that was read without problems.
    pub(crate) window_document: Option<WindowDocument>,
    /// Set when reading ended before a known entry was reached: publications may have been missed.
    pub(crate) has_gap: bool,
    keys: BTreeSet<ItemKey>,
}

impl Gathered {
    /// Records the entries that the first nonempty document shows. A document that was truncated or partly unreadable
    /// is not recorded: its entries may be incomplete.
    fn record_window(&mut self, reading: &Reading) {
        if self.keys.is_empty() && !reading.entries.is_empty() && reading.problems.is_empty() {
            let time = |entry: &Entry| entry.published.as_ref().map(|published| published.at);
            let page_window = reading.entries.iter().map(|entry| (key(entry), time(entry)));
            let unordered = reading.unordered.iter().map(|id| ItemKey::new(Some(id), None, "", "")).collect();
            self.window_document = Some(WindowDocument::new(page_window, unordered));
        }
    }

    /// Adds the entries of a document. Returns true if the oldest one is known: then all entries of further pages are
    /// known.
    pub(crate) async fn add(&mut self, run: &JobRun, entries: Vec<Entry>) -> Result<bool, JobError> {
        let entries: Vec<Entry> = entries.into_iter().filter(|entry| self.keys.insert(key(entry))).collect();
        let references: Vec<EntryRef> = entries
            .iter()
            .map(|entry| EntryRef {
                key: key(entry),
                hash: entry_hash(entry, &run.source),
                address: entry.published.as_ref().and(entry.url.as_ref()).map(canonical_url),
            })
            .collect();
        let mut statuses = run.context.store.classify_entries(&run.source.name, &references).await?;
        if run.matches_by_address {
            mark_known_addresses(run, &entries, &mut statuses).await?;
        }
        // The last entry decides: pinned entries come first and are always known. A page without entries decides
        // nothing.
        let is_last_known = statuses.last().is_some_and(|status| *status != EntryStatus::New);
        let classified = entries.into_iter().zip(references).zip(statuses);
        self.entries.extend(classified.map(|((entry, reference), status)| ClassifiedEntry {
            entry,
            reference,
            status,
        }));
        Ok(is_last_known)
    }
}

fn key(entry: &Entry) -> ItemKey {
    let text = entry.text.as_deref().or(entry.summary.as_deref()).unwrap_or("");
    let title = entry.title.as_deref().unwrap_or("");
    ItemKey::new(entry.id.as_deref(), entry.url.as_ref(), title, text)
}

/// Marks new entries with a known address as known, unless several entries share the address. Each way to read a
/// source uses other entry identifiers.
async fn mark_known_addresses(
    run: &JobRun,
    entries: &[Entry],
    statuses: &mut [EntryStatus],
) -> Result<(), JobError> {
    let mut counts: BTreeMap<Url, usize> = BTreeMap::new();
    for url in entries.iter().filter_map(|entry| entry.url.as_ref()) {
        *counts.entry(canonical_url(url)).or_default() += 1;
    }
    let is_new = |(_, status): &(&Entry, &mut EntryStatus)| **status == EntryStatus::New;
    let new = entries.iter().zip(statuses.iter_mut()).filter(is_new);
    let (addresses, new): (Vec<Url>, Vec<&mut EntryStatus>) = new
        .filter_map(|(entry, status)| Some((canonical_url(entry.url.as_ref()?), status)))
        .filter(|(url, _)| counts.get(url) == Some(&1))
        .unzip();
    let are_known = run.context.store.has_addresses(&run.source.name, &addresses).await?;
    for (status, _) in new.into_iter().zip(are_known).filter(|(_, is_known)| *is_known) {
        *status = EntryStatus::Same;
    }
    Ok(())
}

/// Continues from the source's document: reads its children, or the further pages until one contains a known entry.
/// `first` is the address of the document and is not read again, even if a page links back to it. `was_read` is true
/// if an earlier poll of the source succeeded.
pub(crate) async fn gather(
    run: &mut JobRun,
    first: Url,
    mut reading: Reading,
    was_read: bool,
    fetches: &mut Vec<FetchRecord>,
) -> Result<Gathered, JobError> {
    let mut gathered = Gathered { is_complete: true, ..Gathered::default() };
    let mut visited = BTreeSet::from([run.address(), first]);
    let mut children: VecDeque<Url> =
        std::mem::take(&mut reading.children).into_iter().take(MAX_CHILDREN).collect();
    let max_pages = if was_read && !run.is_search() { MAX_CATCH_UP_PAGES } else { MAX_FIRST_POLL_PAGES };
    let mut pages = 0;
    gathered.record_window(&reading);
    let mut is_known_reached = gathered.add(run, reading.entries).await?;
    let mut next = reading.next.take();
    loop {
        let next_page = next.take().filter(|_| !is_known_reached);
        gathered.has_gap |= next_page.is_some() && was_read && pages >= max_pages;
        // If reading ends here, no later poll continues: it finds the entries of this one and stops.
        let leaves_gap = was_read && children.is_empty();
        let Some(url) = children.pop_front().or_else(|| next_page.filter(|_| pages < max_pages)) else {
            break;
        };
        if run.context.is_draining() {
            gathered.is_complete = false;
            gathered.has_gap |= leaves_gap;
            break;
        }
        if !visited.insert(url.clone()) {
            continue;
        }
        pages += 1;
        match run.fetch(&url, &fetch_params(run)).await {
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
                gathered.record_window(&more);
                is_known_reached = gathered.add(run, more.entries).await?;
            }
        }
    }
    Ok(gathered)
}

/// Returns the request parameters for a document of the source.
pub(crate) fn fetch_params(run: &JobRun) -> FetchParams {
    FetchParams {
        accept: read::accept(run.source.kind),
        token: read::token_of(&run.source),
        ..FetchParams::default()
    }
}

/// Returns the detail of a history record: the alarm of the reading, or else its problems.
pub(crate) fn detail_of(reading: &Reading) -> String {
    reading.alarm.as_ref().map_or_else(|| reading.problems.join("; "), ToString::to_string)
}

/// Reads a fetched document on the CPU pool.
pub(crate) async fn read_on_pool(run: &JobRun, fetched: Fetched) -> (Reading, Fetched) {
    let (source, now, max_decoded) = (run.source.clone(), run.now(), run.context.config.max_decoded);
    let (reading, fetched, duration) = run
        .context
        .pool
        .run(move || {
            let started_at = Instant::now();
            let page =
                Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now)
                    .with_pointers(&source.pointers);
            let page = page.of_type(fetched.content_type.as_deref()).at_most(max_decoded);
            let reading = read(source.kind, &page);
            (reading, fetched, started_at.elapsed())
        })
        .await;
    run.context.metrics.record_parse(run.source.kind, duration, reading.entries.len());
    (reading, fetched)
}
