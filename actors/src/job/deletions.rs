//! Detection of deletions by publishers: an entry that is missing between entries the document still shows.

use crawler::read;
use model::{Harvest, ItemKey, PageWindow, WindowDocument};
use store::SourceRecord;

use crate::job::job_run::JobRun;

/// Updates the page window with the entries a document shows, and adds the deleted entries to the harvest.
pub(crate) fn update_page_window(
    run: &JobRun,
    record: &SourceRecord,
    document: WindowDocument,
    harvest: &mut Harvest,
) {
    if shows_deletions(run) {
        let previous = record.page_window.clone().unwrap_or_default();
        record_window(run, &previous, previous.updated_with(document, run.now()), harvest);
    }
}

/// Updates the page window after a poll whose document has not changed.
pub(crate) fn update_unchanged_window(run: &JobRun, record: &SourceRecord, harvest: &mut Harvest) {
    let document = record.validators.as_ref().and_then(|validators| validators.body_hash.as_deref());
    let window = record.page_window.as_ref().zip(document).filter(|_| shows_deletions(run));
    if let Some((previous, document)) = window {
        record_window(run, previous, previous.still(document, run.now()), harvest);
    }
}

/// Returns true if a missing entry means that it was deleted. This does not hold for searches, which have different
/// results, nor for fallbacks, which show other entries.
fn shows_deletions(run: &JobRun) -> bool {
    !run.is_search() && run.is_as_declared() && read::is_complete_window(run.source.kind, &run.address())
}

fn record_window(
    run: &JobRun,
    previous: &PageWindow,
    (page_window, missing): (PageWindow, Vec<ItemKey>),
    harvest: &mut Harvest,
) {
    harvest.updates.page_window = Some(page_window).filter(|page_window| page_window != previous);
    if missing.is_empty() {
        return;
    }
    tracing::info!(source = %run.source.name, count = missing.len(), "entries deleted at the source");
    if let Some(last) = harvest.fetches.last_mut() {
        let prefix = if last.detail.is_empty() { String::new() } else { format!("{}; ", last.detail) };
        last.detail = format!("{prefix}deleted entries that the source no longer shows: {}", missing.len());
    }
    harvest.missing = missing;
}
