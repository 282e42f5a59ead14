//! Declared sources, read from the store when an item first needs them.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Name, Source};
use store::{Store, StoreError, StoredItem};

/// A cache of declared sources by name. `None` marks a source that is not declared.
#[derive(Debug, Default)]
pub(crate) struct SourceCache(HashMap<Name, Option<Arc<Source>>>);

impl SourceCache {
    /// Returns the sources of some items.
    pub(crate) async fn of_items(
        &mut self,
        store: &dyn Store,
        items: &[StoredItem],
    ) -> Result<HashMap<Name, Arc<Source>>, StoreError> {
        let mut sources = HashMap::new();
        for name in items.iter().map(|stored| &stored.item.source) {
            if sources.contains_key(name) {
                continue;
            }
            let source = match self.0.get(name) {
                Some(source) => source.clone(),
                None => {
                    let source = store.source(name).await?.map(|record| Arc::new(record.source));
                    self.0.insert(name.clone(), source.clone());
                    source
                }
            };
            sources.extend(source.map(|source| (name.clone(), source)));
        }
        Ok(sources)
    }
}
