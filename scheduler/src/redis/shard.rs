//! Which keys a host's are, and how jobs are written in them.

use model::{Host, JobId, JobKind, Name};
use xxhash_rust::xxh3::xxh3_64;

/// Virtual shards. A change of this number is a change of every key.
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

    /// A key of the shard. What stands in braces is what Redis Cluster places keys by.
    pub(super) fn key(self, space: &str, name: &str) -> String {
        format!("{space}:{{{}}}:{name}", self.0)
    }
}

/// A job in its host's keys. `!` stands before every character of a name, so members sort as jobs do.
pub(super) fn member(id: &JobId) -> String {
    match id.kind {
        JobKind::Poll => id.source.to_string(),
        JobKind::Pages => format!("{}!pages", id.source),
    }
}

pub(super) fn parse_member(member: &str, host: &Host) -> JobId {
    let (source, kind) = match member.split_once('!') {
        None => (member, JobKind::Poll),
        Some((source, _)) => (source, JobKind::Pages),
    };
    JobId { source: Name::stored(source.to_owned()), kind, host: host.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_back_and_sort_as_jobs_do() {
        let host = Host::stored("h".to_owned());
        let jobs: Vec<JobId> = ["a", "a-b", "a.b", "a0", "aa", "ә"]
            .iter()
            .flat_map(|name| [(name, JobKind::Poll), (name, JobKind::Pages)])
            .map(|(name, kind)| JobId { source: Name::new(name).unwrap(), kind, host: host.clone() })
            .collect();
        assert!(jobs.is_sorted());
        let members: Vec<String> = jobs.iter().map(member).collect();
        assert!(members.is_sorted(), "{members:?}");
        let back: Vec<JobId> = members.iter().map(|member| parse_member(member, &host)).collect();
        assert_eq!(back, jobs);
    }
}
