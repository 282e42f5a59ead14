//! The seam: what every store promises.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{
    ActiveFallback, ArticlePages, Backfill, Client, FetchRecord, Harvest, Host, HostHealth, HostIncident,
    Item, ItemKey, List, Match, Name, Originality, PageWindow, PageWork, Rhythm, Sight, Similarity, Sketch,
    Source, SourceKind, SourceState, Subscription, Timestamp, Topic, Validators, Watch, WebSubDocument,
};
use url::Url;

use crate::StoreError;

/// A declared source and how it is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// As it is declared.
    pub source: Source,
    /// How it is doing.
    pub state: SourceState,
    /// Why, in words.
    pub reason: String,
    /// Failure points since the last success.
    pub failures: f64,
    /// Failed polls since the last success.
    pub failed_polls: u32,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// The last good poll.
    pub last_ok: Option<Timestamp>,
    /// The last poll.
    pub last_poll: Option<Timestamp>,
    /// The next poll; `None` before the first.
    pub next_poll: Option<Timestamp>,
    /// The interval learnt so far.
    pub interval: Option<Duration>,
    /// At which hours it publishes; `None` while nothing is known of that.
    pub rhythm: Option<Rhythm>,
    /// What its last article pages were like; `None` while none was read.
    pub article_pages: Option<ArticlePages>,
    /// What it showed last, where that tells what is taken back; not told of all sources at once.
    pub page_window: Option<PageWindow>,
    /// What makes the next request conditional.
    pub validators: Option<Validators>,
    /// Where its server says it has moved for good.
    pub moved_to: Option<String>,
    /// Article pages that wait.
    pub pages_waiting: u64,
}

/// What came of asking a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDecision {
    /// It tells until then, or does not, and says why.
    pub tells: Result<Timestamp, String>,
    /// When it is asked again.
    pub ask_again_at: Timestamp,
}

impl HubDecision {
    pub(crate) fn parts(&self) -> (Option<Timestamp>, Option<&str>) {
        match &self.tells {
            Ok(until) => (Some(*until), None),
            Err(reason) => (None, Some(reason)),
        }
    }
}

/// A declared topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicRecord {
    /// As it is declared.
    pub topic: Topic,
    /// Rises with each edit.
    pub version: i64,
    /// Everything stored has been matched against this version.
    pub is_matched: bool,
    /// Where it has not: the row of the last item that was, 0 where none was.
    pub rematched: i64,
    /// Materials it has.
    pub materials: u64,
}

/// Declared objects, by kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    /// What publishes.
    pub sources: Vec<Source>,
    /// What is watched for.
    pub topics: Vec<Topic>,
    /// Who watches.
    pub clients: Vec<Client>,
    /// What queries name together.
    pub lists: Vec<List>,
    /// Topics that are as they were, but name what is edited, and so mean something else: as if they were edited.
    pub touched: Vec<Name>,
    /// The version of the objects that were looked at to tell what is touched. Refused with
    /// [`StoreError::StaleObjects`] where it is another one by now.
    pub seen: Option<i64>,
}

/// Names of declared objects, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectNames {
    /// Of what publishes.
    pub sources: Vec<Name>,
    /// Of what is watched for.
    pub topics: Vec<Name>,
    /// Of who watches.
    pub clients: Vec<Name>,
    /// Of what queries name together.
    pub lists: Vec<Name>,
}

/// What declaring objects changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// New ones, as `Kind/name`.
    pub added: Vec<String>,
    /// Edited ones.
    pub edited: Vec<String>,
    /// Removed ones.
    pub removed: Vec<String>,
}

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    /// Never seen.
    New,
    /// Stored, or waiting for its page, as it is.
    Same,
    /// Stored, and different now.
    Changed,
}

/// An entry as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRef {
    /// Its item's key.
    pub key: ItemKey,
    /// Its fingerprint.
    pub hash: String,
    /// The canonical address of a dated entry: some publishers invent a new identifier each time, and
    /// then address and fingerprint tell that it is known.
    pub address: Option<Url>,
}

/// What saving a harvest did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// The lease was over: nothing was stored.
    pub fenced: bool,
    /// Items stored for the first time.
    pub new_items: u64,
    /// Items changed.
    pub edited_items: u64,
    /// Items that matched a topic for the first time.
    pub new_materials: u64,
    /// Matches stored for the first time.
    pub new_matches: u64,
}

/// An item as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredItem {
    /// Where it stands in the order of storing.
    pub row: i64,
    /// Its public identifier.
    pub id: String,
    /// The item.
    pub item: Item,
    /// Rises with each edit.
    pub version: i64,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Whether it is a reprint; `None` where it was not looked at beside others yet.
    pub originality: Option<Originality>,
}

impl StoredItem {
    /// How it came to us.
    pub fn sight(&self) -> Sight {
        Sight { at: self.first_seen, originality: self.originality }
    }
}

/// The originality of an item that is like an earlier one, or is not.
pub(crate) fn originality(is_like_another: bool) -> Originality {
    if is_like_another { Originality::Reprint } else { Originality::Original }
}

/// A match as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMatch {
    /// In the order of storing; rises.
    pub seq: i64,
    /// The item.
    pub item: StoredItem,
    /// Which topic, and where.
    pub found: Match,
    /// When.
    pub matched_at: Timestamp,
}

/// What an item matches now.
#[derive(Debug, Clone, PartialEq)]
pub struct Rematched {
    /// Which item.
    pub row: i64,
    /// The version of it that was looked at.
    pub version: i64,
    /// What it matches.
    pub matches: Vec<Match>,
    /// Topics that could not be decided: what they matched stays.
    pub deferred_topics: Arc<[Name]>,
}

/// Which matches are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaterialQuery {
    /// Of this topic.
    pub topic: Option<Name>,
    /// Of this source.
    pub source: Option<Name>,
    /// With this tag.
    pub tag: Option<Name>,
    /// Of each story only what matched its topic first, among those of the source and with the tag.
    pub one_of_each_story: bool,
    /// Stored after this one.
    pub after_seq: i64,
    /// For each of these, holding one of its search terms.
    pub terms: Vec<Vec<String>>,
    /// At most so many; a page of a longer list.
    pub limit: usize,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Items stored.
    pub items: u64,
    /// Items that matched at least one topic.
    pub materials: u64,
    /// Matches stored.
    pub matches: u64,
    /// Article pages that wait.
    pub pages: u64,
    /// The seq of the match that was stored last; 0 where there is none.
    pub last_seq: i64,
}

/// How a source did for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInterval {
    /// Which source.
    pub source: Name,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; `None`: it lasts.
    pub to: Option<Timestamp>,
    /// The state.
    pub state: SourceState,
    /// Why, in words.
    pub reason: String,
}

/// What a source's server began to say of its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Since when.
    pub at: Timestamp,
    /// Where it has moved for good; `None`: it says so no more.
    pub to: Option<String>,
}

/// Something that an operator changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who, as the machine knows them.
    pub who: String,
    /// What was done: the command.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why; empty where nothing was said.
    pub reason: String,
}

/// Whose publications are not stored any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Of this source; `None`: of any.
    pub source: Option<Name>,
    /// Of this author, letter by letter; `None`: of any.
    pub author: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

impl Suppression {
    /// Whether a publication is among those meant.
    pub(crate) fn covers(&self, item: &Item) -> bool {
        self.source.as_ref().is_none_or(|source| *source == item.source)
            && self.author.as_ref().is_none_or(|author| item.author.as_ref() == Some(author))
    }

    /// As it is kept: what stands for any is empty.
    pub(crate) fn key(&self) -> (&str, &str) {
        (self.source.as_ref().map_or("", Name::as_str), self.author.as_deref().unwrap_or(""))
    }

    /// Refused where it would stand for everything.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.key() {
            ("", "") => Err(StoreError::Refused("a tombstone of everything".to_owned())),
            _ => Ok(()),
        }
    }

    pub(crate) fn kept(source: String, author: String, at: Timestamp) -> Self {
        let source = (!source.is_empty()).then(|| Name::stored(source));
        Self { source, author: (!author.is_empty()).then_some(author), at }
    }
}

/// Of so many items that share a key the first are looked at: what very many share is a phrase, not a text.
pub(crate) const KEPT_OF_A_KEY: usize = 20;

/// An item that may be like another.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which item.
    pub row: i64,
    /// The story that it belongs to: the row of its first item.
    pub story: i64,
    /// Whose it is.
    pub source: Name,
    /// What it is known by, with those of its keys that were asked for.
    pub sketch: Sketch,
}

/// An item that was looked at beside others.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// Which item.
    pub row: i64,
    /// As it was: one that was edited meanwhile waits to be looked at once more.
    pub version: i64,
    /// Whose it is.
    pub source: Name,
    /// When it was first seen.
    pub at: Timestamp,
    /// The story that it belongs to; its own row where it is the first of one.
    pub story: i64,
    /// How it is like the item by which it came to the story.
    pub similarity: Option<Similarity>,
    /// What it is known by.
    pub sketch: Sketch,
}

/// An item of a story.
#[derive(Debug, Clone, PartialEq)]
pub struct Reprint {
    /// The item.
    pub item: StoredItem,
    /// How it is like the item by which it came to the story; `None` for the one that was there first.
    pub similarity: Option<Similarity>,
}

/// Keeps everything that must not be lost.
#[async_trait]
pub trait Store: Send + Sync {
    /// Declares objects. With `prune`, what is not among them is removed.
    async fn declare(&self, objects: &Objects, prune: bool, now: Timestamp) -> Result<Applied, StoreError>;
    /// Removes objects, with the matches of topics. Items stay.
    async fn undeclare(&self, names: &ObjectNames) -> Result<Applied, StoreError>;
    /// Watches a source from now on, or not. False where there is none of that name.
    async fn watch(&self, source: &Name, watch: Watch, now: Timestamp) -> Result<bool, StoreError>;
    /// Changes with every change of the declared objects.
    async fn objects_version(&self) -> Result<i64, StoreError>;
    /// All sources, in the order of names.
    async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError>;
    /// One source.
    async fn source(&self, name: &Name) -> Result<Option<SourceRecord>, StoreError>;
    /// All topics, in the order of names.
    async fn topics(&self) -> Result<Vec<TopicRecord>, StoreError>;
    /// All clients, in the order of names.
    async fn clients(&self) -> Result<Vec<Client>, StoreError>;
    /// All lists, in the order of names.
    async fn lists(&self) -> Result<Vec<List>, StoreError>;

    /// What is known of entries, in their order.
    async fn classify_entries(
        &self,
        source: &Name,
        entries: &[EntryRef],
    ) -> Result<Vec<EntryStatus>, StoreError>;
    /// Stores harvests in one transaction: all of them, less those whose lease was over. Refused as a
    /// whole with [`StoreError::StaleObjects`] unless the objects are still at `objects_version`. Of a
    /// source that is no longer declared only publications are stored.
    async fn save(&self, harvests: &Arc<[Harvest]>, objects_version: i64) -> Result<Vec<Saved>, StoreError>;
    /// Article pages of a source that wait for a host, the newest publications first.
    async fn pages(
        &self,
        source: &Name,
        host: &Host,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<PageWork>, StoreError>;
    /// When the first page of a source that waits for a host may be fetched.
    async fn next_page(&self, source: &Name, host: &Host) -> Result<Option<Timestamp>, StoreError>;
    /// Every source and host with waiting pages, and when the first of them may be fetched.
    async fn page_queues(&self) -> Result<Vec<(Name, Host, Timestamp)>, StoreError>;
    /// Hosts whose robots.txt asks for a delay, as their last harvest knew: for a schedule that is built anew.
    async fn robots_delays(&self) -> Result<Vec<(Host, Duration)>, StoreError>;
    /// How sources, or one, did between `since` and `until`: by source, in the order of time. What was ever noted stays.
    async fn availability(
        &self,
        source: Option<&Name>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError>;
    /// The subscription of a source at a hub.
    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError>;
    /// The subscription that a hub calls so.
    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError>;
    /// A hub is going to be asked. What was counted stays; what another one promised does not. False where that cannot be
    /// kept: its source is gone.
    async fn subscribe(&self, asked: &Subscription) -> Result<bool, StoreError>;
    /// What came of it.
    async fn record_hub_decision(&self, id: &str, answer: &HubDecision) -> Result<(), StoreError>;
    /// Keeps a document that a hub pushed until it is read. False where `most` of its source wait already, or it has no
    /// subscription.
    async fn enqueue_websub_document(&self, push: &WebSubDocument, most: usize) -> Result<bool, StoreError>;
    /// The newest document of a source that waits to be read and came before another one, or before now; it counts as begun. That
    /// it was read is written with harvests.
    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError>;
    /// Sources of which documents wait.
    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError>;
    /// How far the past of a source was read: what is under way, or the last that ended. Steps are written with harvests.
    async fn backfill(&self, source: &Name) -> Result<Option<Backfill>, StoreError>;
    /// What is under way, in the order of sources.
    async fn backfills(&self) -> Result<Vec<(Name, Backfill)>, StoreError>;
    /// Begins to read the past of a source, or ends it, instead of what was known of that.
    async fn set_backfill(&self, source: &Name, backfill: &Backfill) -> Result<(), StoreError>;
    /// Which of a source's fallbacks stands in for it, or did last. It is written with harvests.
    async fn active_fallback(&self, source: &Name) -> Result<Option<ActiveFallback>, StoreError>;
    /// Whether something of a source is stored, or waits for its page, at these canonical addresses, whatever else identifies it.
    async fn known_addresses(&self, source: &Name, addresses: &[Url]) -> Result<Vec<bool>, StoreError>;
    /// How a host is doing, beyond what each of its sources tells. It is written with harvests.
    async fn host_health(&self, host: &Host) -> Result<HostHealth, StoreError>;
    /// Incidents of hosts between `since` and `until`, in the order of time. What was ever noted stays.
    async fn incidents(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HostIncident>, StoreError>;
    /// Ends the incident of a host that nobody looks after any more.
    async fn end_incident(&self, host: &Host, now: Timestamp) -> Result<(), StoreError>;
    /// What a source's server said of moves for good, the latest first: the last 100.
    async fn moves(&self, source: &Name) -> Result<Vec<Move>, StoreError>;
    /// The last fetches of a source, the newest first.
    async fn history(&self, source: &Name, limit: usize) -> Result<Vec<FetchRecord>, StoreError>;

    /// Matches, in the order of storing.
    async fn materials(&self, query: &MaterialQuery) -> Result<Vec<StoredMatch>, StoreError>;
    /// One item with its matches.
    async fn item(&self, id: &str) -> Result<Option<(StoredItem, Vec<StoredMatch>)>, StoreError>;
    /// Items in the order of storing, after a row.
    async fn items(&self, after_row: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError>;
    /// Replaces what these topics matched among these items, but for topics that have another version by now, and items
    /// that were edited meanwhile.
    async fn rematch(
        &self,
        topics: &[(Name, i64)],
        items: &[Rematched],
        now: Timestamp,
    ) -> Result<u64, StoreError>;
    /// Everything stored has been matched against these versions of topics.
    async fn set_matched(&self, topics: &[(Name, i64)]) -> Result<(), StoreError>;
    /// Items up to a row have been matched against these versions of topics: matching goes on behind it.
    async fn set_rematched(&self, topics: &[(Name, i64)], row: i64) -> Result<(), StoreError>;
    /// These topics are to be matched again from the beginning.
    async fn set_unmatched(&self, topics: &[Name]) -> Result<(), StoreError>;
    /// Items that were not looked at beside others yet, the first stored first.
    async fn unlinked(&self, limit: usize) -> Result<Vec<StoredItem>, StoreError>;
    /// Items that share one of these keys and were first seen after `since`: the first twenty of each key.
    async fn candidates(&self, keys: &[i64], since: Timestamp) -> Result<Vec<Candidate>, StoreError>;
    /// Links items to their stories, for good. Keys of items that were first seen before `forget` are forgotten: nothing is
    /// linked to these any more. Refused with [`StoreError::StaleObjects`] unless the objects are still at `objects_version`:
    /// topics that ask for reprints were decided by those.
    async fn link(
        &self,
        linked: &[Linked],
        forget: Timestamp,
        objects_version: i64,
    ) -> Result<(), StoreError>;
    /// The items of the story that an item belongs to, by time of publication; none where it was not looked at yet.
    async fn story(&self, row: i64, limit: usize) -> Result<Vec<Reprint>, StoreError>;
    /// How many stories there are among a topic's materials: one that no other is like is a story of its own.
    async fn story_count(&self, topic: &Name) -> Result<u64, StoreError>;
    /// How many sources there are of each kind and in each state.
    async fn source_counts(&self) -> Result<Vec<(SourceKind, SourceState, u64)>, StoreError>;
    /// How much there is.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// Removes items that were first seen longer ago than `keep`, a batch of them. How many went. A caller whose
    /// clock is ahead of the server's is not believed.
    async fn retain(&self, keep: Duration, now: Timestamp) -> Result<u64, StoreError>;
    /// Removes these items with what they matched; what identifies them, and where they stood, stays known, so that they are
    /// not stored again.
    /// How many went.
    async fn take_down(&self, rows: &[i64], now: Timestamp) -> Result<u64, StoreError>;
    /// Stores nothing of a source, an author, or an author in a source from now on. What is stored already is not touched.
    async fn suppress(&self, suppression: &Suppression) -> Result<(), StoreError>;
    /// Stores it again from now on. False where there is no such tombstone.
    async fn lift_suppression(&self, suppression: &Suppression) -> Result<bool, StoreError>;
    /// Whose publications are not stored, in the order of sources and authors.
    async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError>;
    /// Writes down what an operator changed.
    async fn audit(&self, record: &AuditRecord) -> Result<(), StoreError>;
    /// What operators changed, the latest first.
    async fn audit_trail(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;

    /// Writes a consistent copy to a file that does not exist yet.
    async fn backup(&self, path: &Path) -> Result<(), StoreError>;
}
