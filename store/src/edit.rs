//! The rules by which a finding edits a stored item. All stores share them.

use model::Finding;

/// The stored values that decide what a finding changes about an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemFingerprint {
    /// The hash of the item's content.
    pub(crate) content_hash: String,
    /// The fingerprint of the entry that the item came from.
    pub(crate) entry_hash: String,
    /// True if the stored text is the whole publication, false if it is a summary.
    pub(crate) whole: bool,
    /// The publication time that identifies the item, as its source wrote it; empty if the source gave none.
    pub(crate) published_key: String,
}

/// The change that a finding makes to a stored item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// No change.
    Unchanged,
    /// The content stays. The entry's fingerprint changes, or the stored text turns out to be the whole one.
    Metadata,
    /// The content changes.
    Content {
        /// The publication time that identifies the item from now on.
        published_key: String,
    },
}

/// Returns the change that a finding makes to a stored item. A summary never replaces a whole text.
pub(crate) fn classify_edit(existing: &ItemFingerprint, finding: &Finding, content_hash: &str) -> Edit {
    let is_poorer = existing.whole && !finding.whole;
    if is_poorer || existing.content_hash == content_hash {
        let changes_metadata = existing.entry_hash != finding.entry_hash || finding.whole && !existing.whole;
        return if changes_metadata { Edit::Metadata } else { Edit::Unchanged };
    }
    // The key keeps the time that the source gave first. Exception: the source gave none and no whole text was
    // stored yet. The time then comes from the article page, and the publication was not re-dated.
    let published_key = if existing.published_key.is_empty() && !existing.whole {
        published_key(finding)
    } else {
        existing.published_key.clone()
    };
    Edit::Content { published_key }
}

/// Returns the publication time that identifies an item, exactly as its source wrote it; empty if the source gave
/// none.
pub(crate) fn published_key(finding: &Finding) -> String {
    finding.item.published.as_ref().map(|published| published.original.clone()).unwrap_or_default()
}

/// Maximum length of an indexed address in bytes. PostgreSQL limits an index row to 2,704 bytes. Longer addresses
/// are not indexed, so no item is looked up by them.
const MAX_ADDRESS_LENGTH: usize = 1000;

/// Returns the address by which the item of an entry with an unknown identifier is looked up.
pub(crate) fn lookup_address(finding: &Finding) -> Option<String> {
    indexed_address(finding.item.url.as_ref())
}

/// Returns the canonical form of a URL as the address indexes hold it; `None` if it is too long to be indexed.
pub(crate) fn indexed_address(url: Option<&url::Url>) -> Option<String> {
    url.map(|url| model::canonical_url(url).to_string()).filter(|address| address.len() <= MAX_ADDRESS_LENGTH)
}
