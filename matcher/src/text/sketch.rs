//! What tells that an item is another's reprint: its words, without what differs between typesetters.

use model::{Item, Sketch};

use super::fold::fold;
use super::words;

/// What an item is known by beside others.
pub fn sketch(item: &Item) -> Sketch {
    let of = |text: &str| words::words(text).map(|cut| fold(&cut.text)).collect::<Vec<String>>();
    Sketch::of(&of(item.title.as_deref().unwrap_or("")), &of(&item.text))
}
