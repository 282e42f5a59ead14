//! The keys of hosts and the encoding of jobs in them.

use model::{Host, JobId, JobKind, Name};
use xxhash_rust::xxh3::xxh3_64;

/// Number of virtual shards. Changing it changes every key.
pub(super) const SHARDS: usize = 64;

/// One of the virtual shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard(usize);

impl Shard {
    pub(super) fn of(host: &Host) -> Self {
        let hash = usize::try_from(xxh3_64(host.as_str().as_bytes()) % SHARDS as u64).unwrap_or(0);
        Self(hash)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    pub(super) fn number(self) -> usize {
        self.0
    }

    /// Returns a key of the shard. Redis Cluster places keys by the hash tag in braces.
    pub(super) fn key(self, space: &str, name: &str) -> String {
        format!("{space}:{{{}}}:{name}", self.0)
    }
}

/// Encodes a job as a member of its host's keys. It has no spaces, since a turn is a space-separated list. `!` sorts
/// before every character of names and queries, so members sort as jobs do.
pub(super) fn member(id: &JobId) -> String {
    match id.kind {
        JobKind::Poll => id.source.to_string(),
        JobKind::Backfill => format!("{}!backfill", id.source),
        JobKind::Pages => format!("{}!pages", id.source),
        JobKind::WebSub => format!("{}!push", id.source),
        JobKind::Search => format!("{}!search!{}", id.source, id.query.replace(char::is_whitespace, "!")),
    }
}

/// Decodes a job of a host.
pub(super) fn parse_member(member: &str, host: &Host) -> JobId {
    let (source, rest) = member.split_once('!').unwrap_or((member, ""));
    let source = Name::from_stored(source.to_owned());
    match rest.split_once('!') {
        Some((_, query)) => JobId::search(source, host.clone(), query.replace('!', " ")),
        None if rest.is_empty() => JobId::poll(source, host.clone()),
        None if rest == "backfill" => JobId::backfill(source, host.clone()),
        None if rest == "push" => JobId::websub(source, host.clone()),
        None => JobId::pages(source, host.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_round_trip_and_sort_as_jobs_do() {
        let host = Host::from_stored("h".to_owned());
        let jobs: Vec<JobId> = ["a", "a-b", "a.b", "a0", "aa", "ә"]
            .iter()
            .flat_map(|name| {
                let (name, host) = (Name::new(name).unwrap(), host.clone());
                let searches = ["a", "a b", "a-b", "ab", "су", "су тасқыны"];
                let searches =
                    searches.map(|text| JobId::search(name.clone(), host.clone(), text.to_owned()));
                let new_job = |constructor: fn(Name, Host) -> JobId| constructor(name.clone(), host.clone());
                [
                    new_job(JobId::poll),
                    new_job(JobId::backfill),
                    new_job(JobId::pages),
                    new_job(JobId::websub),
                ]
                .into_iter()
                .chain(searches)
            })
            .collect();
        assert!(jobs.is_sorted());
        let members: Vec<String> = jobs.iter().map(member).collect();
        assert!(members.is_sorted(), "{members:?}");
        let parsed: Vec<JobId> = members.iter().map(|member| parse_member(member, &host)).collect();
        assert_eq!(parsed, jobs);
    }
}
