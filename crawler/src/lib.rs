//! From a source's address to what it publishes: fetching, robots, reading, extraction.
