//! What publishers took back: what stands no more between what a document of theirs shows.

use crawler::read;
use model::{Harvest, ItemKey, Shown};
use store::SourceRecord;

use crate::visit::Visit;

/// Notes what a document showed, and what is gone from it.
pub(crate) fn note_shown(visit: &Visit, record: &SourceRecord, shown: Shown, harvest: &mut Harvest) {
    if tells(visit) {
        let before = record.shown.clone().unwrap_or_default();
        note(visit, &before, before.followed_by(shown), harvest);
    }
}

/// Notes that a document stands as it stood.
pub(crate) fn note_unchanged(visit: &Visit, record: &SourceRecord, harvest: &mut Harvest) {
    let document = record.validators.as_ref().and_then(|known| known.body_hash.as_deref());
    // What was read since, and not wholly, is another document.
    let is_of_this = |shown: &&Shown| document.is_some_and(|document| shown.is_of(document));
    if let Some(before) = record.shown.as_ref().filter(is_of_this).filter(|_| tells(visit)) {
        note(visit, before, before.unchanged(), harvest);
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
    tracing::info!(source = %visit.source.name, count = vanished.len(), "taken back by its publisher");
    if let Some(last) = harvest.fetches.last_mut() {
        let before = if last.detail.is_empty() { String::new() } else { format!("{}; ", last.detail) };
        last.detail = format!("{before}{} taken back by the publisher: removed here as well", vanished.len());
    }
    harvest.vanished = vanished;
}
