//! Values that queries name together: the declared part of a list.

use serde::{Deserialize, Serialize};

use crate::Name;

/// A list: what `site:@media` stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct List {
    /// Unique among lists.
    pub name: Name,
    /// Any of these will do.
    pub values: Vec<String>,
}

impl List {
    /// Values at most: each may be held against an item.
    pub const MOST: usize = 10_000;
}
