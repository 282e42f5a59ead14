//! The topic query language (TQL) and the analysis of text it shares with search. Pure.
//!
//! [`Query`] is a parsed query; [`Analysis`] takes a text apart into the words of a [`Document`];
//! [`TopicIndex`] holds the running set of topics and answers "which of them does this item match,
//! and where?". The store never analyses: it is handed [`Document::search_tokens`], so that search
//! and matching agree.
//!
//! This is the core of the language: words in any form, exact forms, phrases, AND OR NOT,
//! parentheses, a wildcard at the end. Fields, proximity and Kazakh word forms have an issue of
//! their own.

mod analysis;
mod query;
mod stem;
mod topics;

pub use analysis::{Analysis, Document};
pub use query::{Query, QueryError, Warning};
pub use topics::{BadTopic, TopicIndex};
