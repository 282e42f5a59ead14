//! Which host next: due times, leases, tokens and politeness that outlive the process.
