//! Removal of items.

use model::{Name, Timestamp};
use store::{Store, StoreError, StoredItem, Suppression};

/// The number of items read or removed in one request.
const PAGE_ITEMS: usize = 500;

/// The items to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovalTarget {
    /// The items with these identifiers.
    Items(Vec<String>),
    /// All items of an author, of a source, or of an author in a source.
    Publications {
        /// The author, compared letter by letter.
        author: Option<String>,
        /// The source.
        source: Option<Name>,
    },
}

/// An error of a removal.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// An item does not exist; nothing was removed.
    #[error("no item {0:?}; nothing was removed")]
    UnknownItem(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RemovalTarget {
    /// Returns the rows of the items.
    pub async fn rows(&self, store: &dyn Store) -> Result<Vec<i64>, RemovalError> {
        match self {
            Self::Items(ids) => {
                let mut rows = Vec::new();
                for id in ids {
                    let item = store.item(id).await?;
                    let (item, _) = item.ok_or_else(|| RemovalError::UnknownItem(id.clone()))?;
                    rows.push(item.row);
                }
                Ok(rows)
            }
            Self::Publications { author, source } => {
                let is_selected = |stored: &&StoredItem| {
                    source.as_ref().is_none_or(|source| stored.item.source == *source)
                        && author.as_ref().is_none_or(|author| stored.item.author.as_ref() == Some(author))
                };
                let (mut rows, mut row) = (Vec::new(), 0);
                loop {
                    let page = store.items(row, PAGE_ITEMS).await?;
                    let Some(last) = page.last() else { return Ok(rows) };
                    row = last.row;
                    rows.extend(page.iter().filter(is_selected).map(|stored| stored.row));
                }
            }
        }
    }

    /// Returns the suppression that keeps future publications out; `None` for single items.
    pub fn suppression(&self, now: Timestamp) -> Option<Suppression> {
        match self {
            Self::Items(_) => None,
            Self::Publications { author, source } => {
                Some(Suppression { source: source.clone(), author: author.clone(), at: now })
            }
        }
    }
}

/// Removes items with their matches. They are not stored again. Returns the number of removed items.
pub async fn remove(store: &dyn Store, rows: &[i64], now: Timestamp) -> Result<u64, StoreError> {
    let mut removed = 0;
    for rows in rows.chunks(PAGE_ITEMS) {
        removed += store.take_down(rows, now).await?;
    }
    Ok(removed)
}
