//! The running system: supervisors, fleets of fetchers, storage.
