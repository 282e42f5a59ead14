//! The declared sources, with the hosts at which they are read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crawler::read;
use model::{Host, Name, Source, Watch};
use store::SourceRecord;
use url::Url;

/// The declared sources by name, politeness group and host.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceSet {
    by_name: HashMap<Name, Arc<Source>>,
    /// The politeness groups that sources declare for the host at which they are read. The last by name counts.
    groups: HashMap<Host, BTreeMap<Name, Host>>,
    /// The number of active sources at each host, before grouping.
    active: HashMap<Host, usize>,
    /// The hosts of each group.
    members: HashMap<Host, BTreeMap<Host, usize>>,
}

impl SourceSet {
    pub(crate) fn new<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Self {
        let mut set = Self::default();
        for source in sources {
            set.insert(source.clone());
        }
        set
    }

    pub(crate) fn get(&self, name: &Name) -> Option<&Arc<Source>> {
        self.by_name.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.by_name.keys()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.by_name.values()
    }

    /// Adds a source, or replaces the one of the same name.
    pub(crate) fn insert(&mut self, source: Source) {
        self.remove(&source.name);
        if let Some(host) = own_host(&source) {
            if let Some(group) = &source.politeness_group {
                let group = Host::group(group);
                self.groups.entry(host.clone()).or_default().insert(source.name.clone(), group.clone());
                *self.members.entry(group).or_default().entry(host.clone()).or_default() += 1;
            }
            if source.watch() == Watch::On {
                *self.active.entry(host).or_default() += 1;
            }
        }
        self.by_name.insert(source.name.clone(), Arc::new(source));
    }

    pub(crate) fn remove(&mut self, name: &Name) {
        let Some(source) = self.by_name.remove(name) else { return };
        let Some(host) = own_host(&source) else { return };
        if let Some(group) = &source.politeness_group {
            let group = Host::group(group);
            if let Some(sources) = self.groups.get_mut(&host) {
                sources.remove(name);
                if sources.is_empty() {
                    self.groups.remove(&host);
                }
            }
            decrement(self.members.entry(group).or_default(), &host);
        }
        if source.watch() == Watch::On
            && let Some(count) = self.active.get_mut(&host)
        {
            *count -= 1;
            if *count == 0 {
                self.active.remove(&host);
            }
        }
    }

    /// Returns the politeness host of a host: the group that a source at it declares, or the host itself.
    pub(crate) fn politeness_host(&self, host: Host) -> Host {
        let group = self.groups.get(&host).and_then(|sources| sources.values().next_back());
        group.cloned().unwrap_or(host)
    }

    /// Returns the number of active sources at a politeness host.
    pub(crate) fn count_at(&self, host: &Host) -> usize {
        let at = |host: &Host| self.active.get(host).copied().unwrap_or(0);
        let own = if self.politeness_host(host.clone()) == *host { at(host) } else { 0 };
        let members = self.members.get(host).into_iter().flat_map(BTreeMap::keys);
        own + members.filter(|member| self.politeness_host((*member).clone()) == *host).map(at).sum::<usize>()
    }

    /// Returns the groups that sources declare for a host, to detect that a change moves other sources.
    pub(crate) fn group_of(&self, source: &Source) -> Option<(Host, Host)> {
        let host = own_host(source)?;
        let group = self.politeness_host(host.clone());
        Some((host, group))
    }
}

fn decrement(counts: &mut BTreeMap<Host, usize>, host: &Host) {
    if let Some(count) = counts.get_mut(host) {
        *count -= 1;
        if *count == 0 {
            counts.remove(host);
        }
    }
}

/// Returns the URL at which a source is read. Searches of one source share a host, so the query does not matter.
pub(crate) fn read_url(source: &Source) -> Url {
    read::address_of(source, "")
}

fn own_host(source: &Source) -> Option<Host> {
    Host::from_url(&read_url(source))
}

/// Returns the politeness host of each source.
pub fn hosts_of(records: &[SourceRecord]) -> HashMap<Name, Host> {
    let set = SourceSet::new(records.iter().map(|record| &record.source));
    let host = |record: &SourceRecord| {
        let host = own_host(&record.source)?;
        Some((record.source.name.clone(), set.politeness_host(host)))
    };
    records.iter().filter_map(host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::SourceKind;

    fn source(name: &str, host: &str, group: Option<&str>) -> Source {
        let url = format!("https://{host}/rss").parse().unwrap();
        let source = Source::new(Name::new(name).unwrap(), SourceKind::Feed, url);
        Source { politeness_group: group.map(str::to_owned), ..source }
    }

    fn host(name: &str) -> Host {
        Host::from_stored(name.to_owned())
    }

    #[test]
    fn a_group_covers_every_source_at_its_hosts() {
        let mut set = SourceSet::default();
        set.insert(source("a", "one.kz", None));
        assert_eq!((set.politeness_host(host("one.kz")), set.count_at(&host("one.kz"))), (host("one.kz"), 1));
        set.insert(source("b", "one.kz", Some("g")));
        set.insert(source("c", "two.kz", Some("g")));
        let group = Host::group("g");
        assert_eq!(set.politeness_host(host("one.kz")), group);
        assert_eq!((set.count_at(&group), set.count_at(&host("one.kz"))), (3, 0));
        set.remove(&Name::new("b").unwrap());
        assert_eq!((set.count_at(&group), set.count_at(&host("one.kz"))), (1, 1));
    }

    #[test]
    fn a_replaced_or_stopped_source_counts_once_or_not() {
        let mut set = SourceSet::default();
        set.insert(source("a", "one.kz", None));
        set.insert(source("a", "two.kz", None));
        assert_eq!((set.count_at(&host("one.kz")), set.count_at(&host("two.kz"))), (0, 1));
        set.insert(source("a", "two.kz", None).watched(Watch::Paused));
        assert_eq!((set.count_at(&host("two.kz")), set.names().count()), (0, 1));
    }
}
