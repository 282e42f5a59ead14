//! Extracts title, text, author, time and language of an article page.
//!
//! The text comes from the selectors of the source if it declares any, or else from trafilatura (the
//! best of ten Rust crates on every data set measured), behind limits on depth and size. All other
//! fields are extracted by this module: `metadata.rs` collects the metadata of the page.

mod article;
mod item;
mod jsonld;
mod language;
mod metadata;
mod published;

pub use article::{Article, extract};
pub use item::{entry_hash, item_of, needs_no_page};
pub use language::language_of;
