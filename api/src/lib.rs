//! HTTP: metrics, probes and WebSub callbacks. The only crate that serves HTTP; it uses axum.
//!
//! [`serve`] runs a router with bounds on connections and times. [`monitoring::router`] and [`websub::router`] are its
//! routers; each reaches the node through a small trait, [`Monitoring`] and [`WebSubCallbacks`].
//!
//! This crate holds no data and makes no decisions.

mod server;

pub mod monitoring;
pub mod websub;

pub use monitoring::{Check, Monitoring};
pub use server::{Server, serve};
pub use websub::{CallbackReply, WebSubCallbacks};
