//! The only access to the network.
//!
//! [`Door::fetch`] is the only function of the project that sends requests to sources. It gets a
//! [`Permit`] from a [`Permits`] for each host of a redirect chain, and checks the address guard,
//! robots.txt and the host's delay at every hop. A [`Transport`] makes a single exchange. Calling it
//! requires a [`Pass`], which only the door can create.

mod audit;
mod body;
mod door;
mod error;
mod freshness;
mod guard;
mod http;
mod permit;
mod retry_after;
mod token;
mod transport;
mod websocket;

pub use audit::{FetchObserver, RobotsOutcome, Rule};
pub(crate) use body::gunzip;
pub use door::{Accept, Door, FetchParams, FetchPolicy, Fetched, OriginToken};
pub use error::FetchError;
pub use guard::AddressGuard;
pub use http::{Http, HttpSettings};
pub use permit::{Deadline, ManualVisitPermits, Permit, PermitUnavailable, Permits};
pub use retry_after::retry_after;
pub use token::{Secret, TokenReader};
pub use transport::{Pass, Request, Response, Transport, TransportError};
