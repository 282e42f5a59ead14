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
    /// Increments of the WebSub subscription's counters.
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
    /// The matching topics.
    pub matches: Vec<Match>,
    /// The item's words in the form in which the full-text index stores them.
    pub search_tokens: String,
    /// Fingerprint of the entry that announced the item. A changed fingerprint means an edit at the source.
    pub entry_hash: String,
    /// True if the text is the whole publication, not a summary.
    pub whole: bool,
}

/// The state of a source after a poll, and the schedule that follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct PollOutcome {
    /// The new state.
    pub state: SourceState,
    /// The reason for the state; empty when live.
    pub reason: String,
    /// Failure points since the last success.
    pub failures: f64,
    /// True if the poll succeeded.
    pub ok: bool,
    /// True if the poll had no verdict: nothing counts against the source.
    pub deferred: bool,
    /// The learned poll interval.
    pub interval: Duration,
    /// The time of the next poll.
    pub next_poll: Timestamp,
    /// The address to which the server permanently redirects.
    pub moved_to: Option<Url>,
    /// Validators of the body that this harvest was read from. `None` keeps the stored ones.
    pub validators: Option<Validators>,
}

/// Validators that make the next request conditional (RFC 9110 §8.8). They are stored unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validators {
    /// The address that returned the validators. They are sent to no other address.
    pub url: Option<Url>,
    /// The `ETag` field.
    pub etag: Option<String>,
    /// The `Last-Modified` field.
    pub last_modified: Option<String>,
    /// Fingerprint of the decoded body. An unchanged body is not parsed again.
    pub body_hash: Option<String>,
    /// The time of the last full response with these validators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Set when the server returned the same validators with a different body. They are no longer used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub are_false: bool,
    /// The freshness lifetime that the server or the document declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_for: Option<Duration>,
    /// The position at which to resume a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Validators {
    /// Maximum age of the last full response for a conditional request. After that, one unconditional request refetches
    /// the body, in case the server wrongly reports it as unchanged.
    pub const MAX_CONDITIONAL_AGE: Duration = Duration::from_secs(86_400);

    /// Returns true if the validators may be sent in a conditional request.
    pub fn are_usable(&self, now: Timestamp) -> bool {
        let age = self.seen_at.map(|seen_at| crate::elapsed(seen_at, now));
        !self.are_false && age.is_none_or(|age| age < Self::MAX_CONDITIONAL_AGE)
    }

    /// Returns the validators to store after a full response with the validators `next`. They are marked as false if
    /// the same address returned the same validators with a different body.
    pub fn updated_with(&self, next: Self, now: Timestamp) -> Self {
        let is_equal = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        let is_repeated = is_equal(&self.etag, &next.etag)
            || (next.etag.is_none()
                && self.etag.is_none()
                && is_equal(&self.last_modified, &next.last_modified));
        let is_same_url = self.url == next.url;
        let is_contradicted =
            is_same_url && is_repeated && self.body_hash.is_some() && self.body_hash != next.body_hash;
        let are_false = is_contradicted || (is_same_url && self.are_false);
        let cursor = next.cursor.clone().or_else(|| self.cursor.clone());
        Self { seen_at: Some(now), are_false, cursor, ..next }
    }
}

/// An entry of a feed, sitemap, listing or other document, as parsed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Entry {
    /// The publisher's identifier.
    pub id: Option<String>,
    /// The address of the publication.
    pub url: Option<Url>,
    /// The title, as plain text.
    pub title: Option<String>,
    /// The summary, as plain text.
    pub summary: Option<String>,
    /// The text of the whole publication, as plain text, if the entry contains it.
    pub text: Option<String>,
    /// The author, as the entry names them.
    pub author: Option<String>,
    /// The publication time.
    pub published: Option<Published>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The start of the day of the last change, if the entry states only the day. Too coarse to detect edits; precise
    /// enough to recognise old entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_on: Option<Timestamp>,
    /// The address of the lead image.
    pub image: Option<Url>,
    /// The declared language.
    pub language: Option<String>,
    /// Metadata of the platform.
    #[serde(default, skip_serializing_if = "Post::is_empty")]
    pub post: Post,
    /// Set when the publisher reports the entry as deleted. All other fields except the identity are then unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
    /// Problems found while parsing the entry.
    pub problems: Vec<String>,
}

impl Entry {
    /// Returns the publication time or, if it is unknown, the time of the last change, which is never earlier.
    pub fn dated(&self) -> Option<Timestamp> {
        let published = self.published.as_ref().map(|published| published.at);
        published.or(self.updated_at).or(self.changed_on)
    }
}

/// An article page that waits to be fetched, with the entry that links to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageWork {
    /// The key of the page's item.
    pub key: ItemKey,
    /// The host or politeness group of the address.
    pub host: Host,
    /// The address of the page.
    pub url: Url,
    /// The entry that links to the page.
    pub entry: Entry,
    /// The entry's fingerprint.
    pub entry_hash: String,
    /// The number of fetch attempts.
    pub tries: u32,
    /// The earliest time of the next attempt.
    pub not_before: Timestamp,
}

/// An entry of a source's fetch history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchRecord {
    /// The time at which the request ended.
    pub at: Timestamp,
    /// The requested address.
    pub url: String,
    /// The result of the request.
    pub status: FetchStatus,
    /// The HTTP status, if there was a response.
    pub http_status: Option<u16>,
    /// Bytes received, before decompression.
    pub bytes: u64,
    /// The duration of the request.
    pub duration: Duration,
    /// The number of entries or items parsed.
    pub items: u64,
    /// The error or a notable observation; empty otherwise.
    pub detail: String,
}

/// The result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchStatus {
    /// The response was parsed.
    Ok,
    /// The server reports that nothing changed.
    NotModified,
    /// The host's robots.txt disallows the address; no request was made.
    RobotsDenied,
    /// No verdict yet; no request was made.
    Deferred,
    /// A 4xx response.
    Http4xx,
    /// 429 Too Many Requests.
    Http429,
    /// A 5xx response.
    Http5xx,
    /// No response within the deadline.
    Timeout,
    /// The host name does not resolve.
    Dns,
    /// The connection failed or broke.
    Connect,
    /// The address guard rejected the address.
    Blocked,
    /// The response exceeds the size limits.
    TooLarge,
    /// Too many redirects, or a redirect without a valid target.
    Redirect,
    /// The response could not be parsed.
    Unreadable,
    /// The host requires a token that is unavailable; no request was made.
    NoToken,
}

impl FetchStatus {
    /// All statuses.
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

    /// Returns the status's identifier.
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

    /// Returns true if the request succeeded.
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Ok | Self::NotModified)
    }
}
