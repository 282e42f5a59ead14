//! What publishers took back: what stands no more between what a document of theirs shows.

use crawler::read;
use model::{Harvest, ItemKey, PageWindow, WindowDocument};
use store::SourceRecord;

use crate::job::job_run::JobRun;

/// Notes what a document showed, and what is gone from it.
pub(crate) fn note_page_window(
    run: &JobRun,
    record: &SourceRecord,
    showing: WindowDocument,
    harvest: &mut Harvest,
) {
    if tells(run) {
        let before = record.page_window.clone().unwrap_or_default();
        note(run, &before, before.updated_with(showing, run.now()), harvest);
    }
}

/// Notes that the document of these validators stands as it stood.
pub(crate) fn note_unchanged(run: &JobRun, record: &SourceRecord, harvest: &mut Harvest) {
    let document = record.validators.as_ref().and_then(|known| known.body_hash.as_deref());
    if let Some((before, document)) = record.page_window.as_ref().zip(document).filter(|_| tells(run)) {
        note(run, before, before.still(document, run.now()), harvest);
    }
}

/// Whether what is not there says that it was taken back. Each search has results of its own; a fallback shows something else.
fn tells(run: &JobRun) -> bool {
    !run.is_search() && run.is_as_declared() && read::is_complete_window(run.source.kind, &run.address())
}

fn note(
    run: &JobRun,
    before: &PageWindow,
    (page_window, missing): (PageWindow, Vec<ItemKey>),
    harvest: &mut Harvest,
) {
    harvest.updates.page_window = Some(page_window).filter(|page_window| page_window != before);
    if missing.is_empty() {
        return;
    }
    tracing::info!(source = %run.source.name, count = missing.len(), "gone from what it shows");
    if let Some(last) = harvest.fetches.last_mut() {
        let before = if last.detail.is_empty() { String::new() } else { format!("{}; ", last.detail) };
        last.detail = format!("{before}{} gone from what it shows: removed here as well", missing.len());
    }
    harvest.missing = missing;
}
