//! The actors of a node.

pub(crate) mod dispatcher;
pub(crate) mod fetcher;
pub(crate) mod host_worker;
pub(crate) mod membership;
pub(crate) mod node;
pub(crate) mod object_sync;
pub(crate) mod storage;
