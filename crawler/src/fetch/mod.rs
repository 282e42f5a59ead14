//! The one door to the network.
//!
//! [`Door::fetch`] is the only function of the project that sends a request. It asks a
//! [`Permits`] for the right to talk to each host on the way, and passes every hop through the
//! address guard, robots.txt and the host's delay. A [`Transport`] makes single exchanges and
//! cannot be called without a [`Pass`], which only the door can write.

mod audit;
mod body;
mod door;
mod error;
mod freshness;
mod guard;
mod http;
mod listen;
mod permit;
mod retry_after;
mod token;
mod transport;

pub use audit::{FetchObserver, RobotsOutcome, Rule};
pub(crate) use body::gunzip;
pub use door::{Accept, Door, FetchPolicy, Fetched, TokenFor, Want};
pub use error::FetchError;
pub use guard::AddressGuard;
pub use http::{Http, HttpSettings};
pub use permit::{Busy, Deadline, OneVisit, Permit, Permits};
pub use retry_after::retry_after;
pub use token::{Secret, Tokens};
pub use transport::{Pass, Request, Response, Transport, TransportError};
