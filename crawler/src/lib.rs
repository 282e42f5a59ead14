//! From a source's address to what it publishes: fetching, robots, reading, extraction.
//!
//! There is one door to the network, [`Door`]. Whoever wants an answer from a host holds a
//! [`Permit`] for it, and every hop of every exchange passes the address guard, robots.txt and
//! the host's delay: there is no other way in. What comes back is read by [`read`] and
//! [`extract`], which never fail: they return what they understood and a list of problems.
//!
//! What is not here: when something is fetched (scheduler), what is kept (store), who waits for
//! whom (actors).

pub mod extract;
pub mod fetch;
pub mod read;
pub mod robots;
pub mod websub;

mod charset;
mod dates;
mod html;
mod plain;
pub mod yardstick;

pub use charset::{Decoded, decode};
pub use fetch::{Accept, Door, FetchError, FetchPolicy, Fetched, Permit, Permits, Want};
pub use plain::{plain_text, plain_title};
