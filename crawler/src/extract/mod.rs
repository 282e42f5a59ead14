//! From an article page to its title, text, author, time and language.
//!
//! The text comes from the source's selectors where it has them, else from trafilatura (the best of
//! ten Rust crates on every set we could measure), behind a guard on depth and size. Everything
//! else about the page is ours: see `metadata.rs` for what it says about itself.

mod article;
mod item;
mod jsonld;
mod language;
mod metadata;
mod published;

pub use article::{Article, extract};
pub use item::{entry_hash, has_its_text, item_of};
pub use language::language_of;
