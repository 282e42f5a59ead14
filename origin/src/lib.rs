//! A simulated internet on loopback, and the judge of whoever visits it.
