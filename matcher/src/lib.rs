//! The topic query language (TQL) and the analysis of text it shares with search. Pure.
//!
//! [`Query`] is a parsed query; [`Analysis`] takes a text apart into the words of a [`Document`];
//! [`TopicIndex`] holds the running set of topics and answers "which of them does this item match,
//! and where?". The store never analyses: it is handed [`Document::search_tokens`], so that search
//! and matching agree.
//!
//! What each construct means is in `query/evaluate.rs`, which goes through the words of one document; the index only
//! chooses the topics that are worth it.

mod index;
mod morphology;
mod query;
mod text;

pub use index::{BadTopic, TopicIndex, facts, found};
pub use query::{
    Definitions, Dialect, Explanation, Facts, LeafFound, Lists, Named, Query, QueryError, Warning,
};
pub use text::{Analysis, Document, sketch};
