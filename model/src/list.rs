//! The declared part of a list: a set of values that queries refer to by name.

use serde::{Deserialize, Serialize};

use crate::Name;

/// A named list of values. The query `site:@media` matches any value of the list `media`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct List {
    /// The name, unique among lists.
    pub name: Name,
    /// The values. A query that refers to the list matches any of them.
    pub values: Vec<String>,
}

impl List {
    /// Upper bound on values, since matching may compare each value with an item.
    pub const MAX_VALUES: usize = 10_000;
}
