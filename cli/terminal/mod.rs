//! The terminal: tables, JSON, progress, errors, signals.

pub(crate) mod failure;
pub(crate) mod live;
pub(crate) mod message;
pub(crate) mod output;
pub(crate) mod stop;
