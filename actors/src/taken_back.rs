//! What publishers took back: what stands no more between what a document of theirs shows.

use crawler::read;
use model::{Harvest, ItemKey, Showing, Shown};
use store::SourceRecord;

use crate::visit::Visit;

/// Notes what a document showed, and what is gone from it.
pub(crate) fn note_shown(visit: &Visit, record: &SourceRecord, showing: Showing, harvest: &mut Harvest) {
    if tells(visit) {
        let before = record.shown.clone().unwrap_or_default();
        note(visit, &before, before.followed_by(showing, visit.now()), harvest);
    }
}

/// Notes that the document of these validators stands as it stood.
pub(crate) fn note_unchanged(visit: &Visit, record: &SourceRecord, harvest: &mut Harvest) {
    let document = record.validators.as_ref().and_then(|known| known.body_hash.as_deref());
    if let Some((before, document)) = record.shown.as_ref().zip(document).filter(|_| tells(visit)) {
        note(visit, before, before.still(document, visit.now()), harvest);
    }
}

/// Whether what is not there says that it was taken back. Each search has results of its own; a fallback shows something else.
fn tells(visit: &Visit) -> bool {
    !visit.is_search() && visit.is_as_declared() && read::shows_all(visit.source.kind, &visit.address())
}

fn note(visit: &Visit, before: &Shown, (shown, vanished): (Shown, Vec<ItemKey>), harvest: &mut Harvest) {
    harvest.shown = Some(shown).filter(|shown| shown != before);
    if vanished.is_empty() {
        return;
    }
    tracing::info!(source = %visit.source.name, count = vanished.len(), "gone from what it shows");
    if let Some(last) = harvest.fetches.last_mut() {
        let before = if last.detail.is_empty() { String::new() } else { format!("{}; ", last.detail) };
        last.detail = format!("{before}{} gone from what it shows: removed here as well", vanished.len());
    }
    harvest.vanished = vanished;
}
