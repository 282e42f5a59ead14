//! Fetches the documents of a source and extracts its entries: fetching, robots.txt, parsing, extraction.
//!
//! [`Door`] is the only access to the network. A caller needs a [`Permit`] for each host it sends
//! requests to. Every hop of every exchange passes the address guard, the robots.txt check and the
//! host's delay; no code path avoids them. The modules [`read`] and [`extract`] parse the responses.
//! They never fail: they return the parsed data and a list of problems.
//!
//! Other crates do the rest: `scheduler` decides the fetch times, `store` decides the retention, and
//! `actors` coordinates the work.

pub mod extract;
pub mod fetch;
pub mod read;
pub mod robots;
pub mod websub;

mod charset;
mod dates;
mod html;
mod plain;

pub use charset::{Decoded, decode};
pub use fetch::{Accept, Door, FetchError, FetchParams, FetchPolicy, Fetched, Permit, Permits};
pub use plain::{plain_text, plain_title};
