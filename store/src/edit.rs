//! What a finding changes about an item that is stored already: the same in every store.

use model::Finding;

/// What is stored of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) content_hash: String,
    pub(crate) entry_hash: String,
    pub(crate) whole: bool,
    pub(crate) published_key: String,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// It is the same.
    Nothing,
    /// Its content stays; the entry's fingerprint, or that it is the whole text, is news.
    Marks,
    /// It is another now, known by this time of the source.
    Content {
        /// The key's time.
        published_key: String,
    },
}

/// A summary never replaces a whole text, and what did not change is no edit.
pub(crate) fn edit(known: &Known, finding: &Finding, content_hash: &str) -> Edit {
    let is_poorer = known.whole && !finding.whole;
    if is_poorer || known.content_hash == content_hash {
        let is_news = known.entry_hash != finding.entry_hash || finding.whole && !known.whole;
        return if is_news { Edit::Marks } else { Edit::Nothing };
    }
    // The key's time stays what the source gave first, unless it gave none and the item is younger than its
    // first whole reading: a time learnt from the page is no re-dating.
    let published_key = if known.published_key.is_empty() && !known.whole {
        published_key(finding)
    } else {
        known.published_key.clone()
    };
    Edit::Content { published_key }
}

/// The time of an item's key: as its source gives it, letter by letter.
pub(crate) fn published_key(finding: &Finding) -> String {
    finding.item.published.as_ref().map(|published| published.original.clone()).unwrap_or_default()
}

/// Longer addresses cannot stand in an index of PostgreSQL (2,704 bytes a row); nobody is looked for by them.
const MAX_ADDRESS: usize = 1000;

/// Where an entry without the same identifier is looked for.
pub(crate) fn address(finding: &Finding) -> Option<String> {
    indexed(finding.item.url.as_ref())
}

/// An address as it stands in an index.
pub(crate) fn indexed(url: Option<&url::Url>) -> Option<String> {
    url.map(|url| model::canonical_url(url).to_string()).filter(|address| address.len() <= MAX_ADDRESS)
}
