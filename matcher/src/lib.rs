//! The topic query language (TQL), and the text analysis that matching and search share. No I/O.
//!
//! [`Query`] is a parsed query. [`Analysis`] splits a text into the words of a [`Document`]. [`TopicIndex`] holds the
//! compiled topics; it returns the topics that match an item, with the spans of each match. The store does not
//! analyse text: it stores [`Document::search_tokens`], so that search and matching agree.
//!
//! `query/evaluate.rs` defines the meaning of each construct on the words of one document. The index only selects the
//! topics that are worth evaluating.

mod index;
mod morphology;
mod query;
mod text;

pub use index::{RejectedTopic, TopicIndex, field_values, match_from_spans};
pub use query::{
    Definitions, Dialect, Explanation, Facts, LeafResult, Lists, Query, QueryError, QueryReference, Warning,
};
pub use text::{Analysis, Document, sketch};
