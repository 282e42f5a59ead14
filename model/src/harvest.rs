//! The result of a fetch on its way to storage.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    ActiveFallback, ArticlePages, Backfill, Host, HostHealth, Item, ItemKey, Match, Name, PageWindow, Post,
    Published, Rhythm, SourceState, SubscriptionDelta, Timestamp, Token,
};

/// The result of one fetch of a source. The store saves it as a whole, in one transaction, or not at all.
#[derive(Debug, Clone)]
pub struct Harvest {
    /// The source that was fetched.
    pub source: Name,
    /// The host whose lease covered the fetch.
    pub host: Host,
    /// The lease's fencing token. The store refuses a token lower than the highest it has seen for the host.
    pub token: Token,
    /// The time of the fetch.
    pub at: Timestamp,
    /// The crawl delay in the host's robots.txt, as last read.
    pub robots_delay: Duration,
    /// The version of the declared objects that the findings were matched against.
    pub objects_version: i64,
    /// Publications with the topics they match.
    pub findings: Vec<Finding>,
    /// Topics that are decided only when near-duplicates are linked. An edit keeps an item's matches of these.
    pub deferred_topics: Arc<[Name]>,
    /// Items that their publisher deleted. The store removes them and does not store them again.
    pub deletions: Vec<ItemKey>,
    /// Items that the source no longer shows although it shows older ones. The store removes them, and stores them
    /// again if they reappear.
    pub missing: Vec<ItemKey>,
    /// Article pages to fetch later. A waiting page with the same key is replaced.
    pub pages: Vec<PageWork>,
    /// Waiting article pages that are finished.
    pub pages_done: Vec<ItemKey>,
    /// The source's state after a poll; `None` for fetches of article pages.
    pub outcome: Option<PollOutcome>,
    /// Changes to the stored record of the source.
    pub updates: SourceUpdates,
    /// WebSub documents that were read.
    pub websub_documents_done: Vec<i64>,
    /// The host's health, if it changed.
    pub host_health: Option<HostHealth>,
    /// Entries for the source's fetch history.
    pub fetches: Vec<FetchRecord>,
}

/// Changes to the stored record of a source. `None` keeps the stored value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceUpdates {
    /// The progress of a backfill.
    pub backfill: Option<Backfill>,
    /// What the fetch adds to the counters of the WebSub subscription.
    pub websub: Option<SubscriptionDelta>,
    /// The hours at which the source publishes.
    pub rhythm: Option<Rhythm>,
    /// The entries that the source's document shows, kept to detect deletions.
    pub page_window: Option<PageWindow>,
    /// The condition of the last article pages.
    pub article_pages: Option<ArticlePages>,
    /// The fallback that replaces the declared way of reading.
    pub active_fallback: Option<ActiveFallback>,
}

impl Harvest {
    /// Returns a harvest without findings, gathered at `at` under the lease of `host` with fencing token `token`.
    pub fn new(source: Name, host: Host, token: Token, at: Timestamp) -> Self {
        Self {
            source,
            host,
            token,
            at,
            robots_delay: Duration::ZERO,
            objects_version: 0,
            findings: Vec::new(),
            deferred_topics: [].into(),
            deletions: Vec::new(),
            missing: Vec::new(),
            pages: Vec::new(),
            pages_done: Vec::new(),
            outcome: None,
            updates: SourceUpdates::default(),
            websub_documents_done: Vec::new(),
            host_health: None,
            fetches: Vec::new(),
        }
    }
}

/// A publication on its way to storage.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The publication.
    pub item: Item,
    /// The topics it matched.
    pub matches: Vec<Match>,
    /// Its words as search sees them.
    pub search_tokens: String,
    /// Fingerprint of the entry it came from: another one means an edit at the source.
    pub entry_hash: String,
    /// The text is the whole publication, not a summary that stands in for it.
    pub whole: bool,
}

/// What a poll told about its source.
#[derive(Debug, Clone, PartialEq)]
pub struct PollOutcome {
    /// How it is doing now.
    pub state: SourceState,
    /// Why, in words; empty when live.
    pub reason: String,
    /// Failure points gathered; a success clears them.
    pub failures: f64,
    /// The poll succeeded.
    pub ok: bool,
    /// There was no verdict yet: nothing counts against the source.
    pub deferred: bool,
    /// The interval learnt so far.
    pub interval: Duration,
    /// When it is polled next.
    pub next_poll: Timestamp,
    /// Where it has moved for good, as its server says.
    pub moved_to: Option<Url>,
    /// Validators of the body that this harvest was read from. `None` keeps the stored ones.
    pub validators: Option<Validators>,
}

/// What makes the next request conditional. Kept letter by letter (RFC 9110 §8.8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validators {
    /// The address that gave them; they are put to no other.
    pub url: Option<Url>,
    /// The `ETag` field.
    pub etag: Option<String>,
    /// The `Last-Modified` field.
    pub last_modified: Option<String>,
    /// Fingerprint of the decoded body: an unchanged one need not be read again.
    pub body_hash: Option<String>,
    /// When a whole body was had with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Their server gave them again with another body: nobody asks by them any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub are_false: bool,
    /// For how long its server, or the document itself, said that it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_for: Option<Duration>,
    /// Where a stream goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Validators {
    /// For so long a server's word is taken that nothing changed; then it is asked for the whole once.
    pub const BELIEVED: Duration = Duration::from_secs(86_400);

    /// Whether a request may be made conditional by them.
    pub fn may_be_asked(&self, now: Timestamp) -> bool {
        let age = self.seen_at.map(|seen| Duration::try_from(now.duration_since(seen)).unwrap_or_default());
        !self.are_false && age.is_none_or(|age| age < Self::BELIEVED)
    }

    /// What is known of a source's validators after another whole body came with `next`.
    pub fn followed_by(&self, next: Self, now: Timestamp) -> Self {
        let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        let is_repeated = same(&self.etag, &next.etag)
            || (next.etag.is_none() && self.etag.is_none() && same(&self.last_modified, &next.last_modified));
        let is_of_one = self.url == next.url;
        let lie = is_of_one && is_repeated && self.body_hash.is_some() && self.body_hash != next.body_hash;
        let cursor = next.cursor.clone().or_else(|| self.cursor.clone());
        Self { seen_at: Some(now), are_false: lie || (is_of_one && self.are_false), cursor, ..next }
    }
}

/// An entry of a feed, sitemap or listing, as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Entry {
    /// The publisher's identifier.
    pub id: Option<String>,
    /// Where the publication is.
    pub url: Option<Url>,
    /// Plain text.
    pub title: Option<String>,
    /// Plain text of the summary.
    pub summary: Option<String>,
    /// Plain text of the whole publication, where the entry carries it.
    pub text: Option<String>,
    /// As the entry names them.
    pub author: Option<String>,
    /// When it was published.
    pub published: Option<Published>,
    /// When it was changed.
    pub updated_at: Option<Timestamp>,
    /// Where only the day of its last change is told: its beginning. Too coarse to tell edits; enough to tell what is old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_on: Option<Timestamp>,
    /// The picture that stands for it.
    pub image: Option<Url>,
    /// The language it declares.
    pub language: Option<String>,
    /// What a platform tells of it beside its words.
    #[serde(default, skip_serializing_if = "Post::is_empty")]
    pub post: Post,
    /// Its publisher took it back: nothing else is known of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
    /// What could not be understood.
    pub problems: Vec<String>,
}

impl Entry {
    /// How old it is, as far as it tells: when it was published, or changed last, which was no earlier.
    pub fn dated(&self) -> Option<Timestamp> {
        let published = self.published.as_ref().map(|published| published.at);
        published.or(self.updated_at).or(self.changed_on)
    }
}

/// An article page that waits to be fetched, with the entry that told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageWork {
    /// The item that it is the page of.
    pub key: ItemKey,
    /// The host that it is owed to.
    pub host: Host,
    /// Where.
    pub url: Url,
    /// What is known of it already.
    pub entry: Entry,
    /// The entry's fingerprint.
    pub entry_hash: String,
    /// How often it was tried.
    pub tries: u32,
    /// Not before this.
    pub not_before: Timestamp,
}

/// One line of a source's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchRecord {
    /// When the exchange ended.
    pub at: Timestamp,
    /// What was asked for.
    pub url: String,
    /// How it ended.
    pub status: FetchStatus,
    /// The HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// Bytes on the wire.
    pub bytes: u64,
    /// From the start of the request to its end.
    pub duration: Duration,
    /// Entries or items read.
    pub items: u64,
    /// What went wrong or is worth telling; empty otherwise.
    pub detail: String,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchStatus {
    /// Read.
    Ok,
    /// The server says that nothing changed.
    NotModified,
    /// Robots rules forbid it; nothing was asked.
    RobotsDenied,
    /// No verdict yet; nothing was asked.
    Deferred,
    /// A 4xx answer.
    Http4xx,
    /// 429 Too Many Requests.
    Http429,
    /// A 5xx answer.
    Http5xx,
    /// No answer in time.
    Timeout,
    /// The name does not resolve.
    Dns,
    /// No connection, or it broke.
    Connect,
    /// The address guard refused.
    Blocked,
    /// Larger than the caps.
    TooLarge,
    /// Redirects without end, or to nowhere.
    Redirect,
    /// It came, but could not be read.
    Unreadable,
    /// Its host asks for a token that is not to be had; nothing was asked.
    NoToken,
}

impl FetchStatus {
    /// Every status.
    pub const ALL: [Self; 15] = [
        Self::Ok,
        Self::NotModified,
        Self::RobotsDenied,
        Self::Deferred,
        Self::Http4xx,
        Self::Http429,
        Self::Http5xx,
        Self::Timeout,
        Self::Dns,
        Self::Connect,
        Self::Blocked,
        Self::TooLarge,
        Self::Redirect,
        Self::Unreadable,
        Self::NoToken,
    ];

    /// The status as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotModified => "not_modified",
            Self::RobotsDenied => "robots_denied",
            Self::Deferred => "deferred",
            Self::Http4xx => "http_4xx",
            Self::Http429 => "http_429",
            Self::Http5xx => "http_5xx",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Blocked => "blocked_address",
            Self::TooLarge => "too_large",
            Self::Redirect => "redirect",
            Self::Unreadable => "unreadable",
            Self::NoToken => "no_token",
        }
    }

    /// Whether nothing went wrong.
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Ok | Self::NotModified)
    }
}
