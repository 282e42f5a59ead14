//! Bluesky posts in real time, read by Jetstream: a stream of events with a cursor, which includes edits and
//! deletions (github.com/bluesky-social/jetstream, README).

use std::collections::BTreeMap;

use std::time::Duration;

use model::{Entry, Post, PostKind, Precision, Published, PublishedMethod, Timestamp};
use serde_json::Value;
use url::Url;

use super::{Accept, Page, Reader, Reading, address, json};

pub(super) struct Jetstream;

/// The collection of posts; requested by default.
const POST_COLLECTION: &str = "app.bsky.feed.post";
/// The retention of Jetstream servers: older events are unavailable.
const SERVER_RETENTION: Duration = Duration::from_secs(36 * 3600);
/// The overlap of two consecutive requests if the first one received no events.
const QUIET_OVERLAP: Duration = Duration::from_secs(60);

impl Reader for Jetstream {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        match address::segments(declared).as_slice() {
            ["subscribe"] => Ok(address::with_defaults(declared, &[("wantedCollections", POST_COLLECTION)])),
            _ => Err(
                "write the address of a server, such as https://jetstream2.us-east.bsky.network/subscribe"
                    .to_owned(),
            ),
        }
    }

    fn accept(&self) -> Accept {
        Accept::Stream
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        // The last event of a post has its current state.
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        let mut reading = Reading::default();
        let mut last_cursor = None;
        let mut invalid = 0;
        for line in page.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                invalid += 1;
                continue;
            };
            let at = event.get("time_us").and_then(Value::as_i64);
            last_cursor = at.max(last_cursor);
            if let Some(entry) = entry(page, &event)
                && let Some(id) = &entry.id
            {
                entries.insert(id.clone(), entry);
            }
        }
        let request_cursor: Option<i64> =
            address::parameter(page.url, "cursor").and_then(|cursor| cursor.parse().ok());
        let oldest = page.now.checked_sub(SERVER_RETENTION).map_or(i64::MIN, Timestamp::as_microsecond);
        if request_cursor.is_some_and(|cursor| cursor < oldest) {
            reading.problems.push(
                "the cursor is older than the retention of the servers: events may have been missed"
                    .to_owned(),
            );
        }
        if invalid > 0 {
            reading.problems.push(format!("could not parse {invalid} events"));
        }
        reading.entries = entries.into_values().collect();
        let quiet_cursor = || page.now.checked_sub(QUIET_OVERLAP).ok().map(Timestamp::as_microsecond);
        reading.cursor =
            last_cursor.or(request_cursor).or_else(quiet_cursor).map(|cursor| cursor.to_string());
        reading
    }
}

fn entry(page: &Page<'_>, event: &Value) -> Option<Entry> {
    let commit = event.get("commit")?;
    let (author, collection) = (json::text_at(event, "/did")?, json::text_at(commit, "/collection")?);
    if collection != POST_COLLECTION {
        return None;
    }
    let key = json::text_at(commit, "/rkey")?;
    let id = Some(format!("at://{author}/{collection}/{key}"));
    if json::text_at(commit, "/operation")? == "delete" {
        return Some(Entry { id, is_deleted: true, ..Entry::default() });
    }
    let record = commit.get("record")?;
    // The author sets `createdAt`; it cannot be later than the event.
    let event_time =
        event.get("time_us").and_then(Value::as_i64).and_then(|at| Timestamp::from_microsecond(at).ok());
    let created = record.get("createdAt").and_then(|at| json::parse_published(page, at));
    let published = match (created, event_time) {
        (Some(created), Some(limit)) if created.at > limit => {
            Some(Published { at: limit, clamped: true, ..created })
        }
        (None, Some(at)) => Some(Published {
            at,
            precision: Precision::Second,
            method: PublishedMethod::Feed,
            original: at.to_string(),
            clamped: false,
        }),
        (created, _) => created,
    };
    let parent = json::text_at(record, "/reply/parent/uri");
    let kind = if parent.is_some() { PostKind::Comment } else { PostKind::Post };
    Some(Entry {
        id,
        url: Url::parse(&format!("https://bsky.app/profile/{author}/post/{key}")).ok(),
        text: json::text_at(record, "/text")
            .map(|text| json::fold_lines(&text))
            .filter(|text| !text.is_empty()),
        author: Some(author.clone()),
        published,
        language: json::text_at(record, "/langs/0"),
        post: Post {
            kind: Some(kind),
            author_id: Some(author),
            parent,
            thread: json::text_at(record, "/reply/root/uri"),
            ..Post::default()
        },
        ..Entry::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_fixture};
    use model::SourceKind;

    const SERVER: &str = "https://jetstream2.us-east.bsky.network/subscribe";

    fn read(url: &str) -> Reading {
        read_fixture(SourceKind::Jetstream, "jetstream/events.jsonl", url)
    }

    #[test]
    fn the_last_event_of_a_post_wins() {
        let reading = read(SERVER);
        let states: Vec<(&str, bool, Option<&str>)> = reading
            .entries
            .iter()
            .map(|entry| (entry.id.as_deref().unwrap(), entry.is_deleted, entry.text.as_deref()))
            .collect();
        assert_eq!(
            states,
            [
                ("at://did:plc:abc/app.bsky.feed.post/3k1", false, Some("Тенге бүгін әлсіреді")),
                ("at://did:plc:def/app.bsky.feed.post/3k2", false, Some("Ответ из будущего")),
                ("at://did:plc:jkl/app.bsky.feed.post/3k9", true, None),
                ("at://did:plc:mno/app.bsky.feed.post/3k5", true, None),
            ]
        );
        let reply = &reading.entries[1];
        assert_eq!(
            reply.url.as_ref().map(Url::as_str),
            Some("https://bsky.app/profile/did:plc:def/post/3k2")
        );
        assert_eq!(reply.post.kind, Some(PostKind::Comment));
        let published = reply.published.as_ref().unwrap();
        assert_eq!((published.at.to_string().as_str(), published.clamped), ("2026-11-22T10:00:01Z", true));
        assert_eq!(reading.entries[0].language.as_deref(), Some("kk"));
        assert_eq!(reading.cursor.as_deref(), Some("1795341607000000"));
        assert_eq!(reading.problems, ["could not parse 1 events"]);
    }

    /// The fixture time is 10:00 on the 23rd: a cursor of the 20th is older than 36 hours, one of the 22nd is not.
    #[test]
    fn an_expired_cursor_is_reported() {
        let gap = |cursor: &str| read(&format!("{SERVER}?cursor={cursor}")).problems.len() > 1;
        assert!(gap("1795168800000000") && !gap("1795341600000000"));
    }

    /// If no event was received, the next request begins before the end of this one, so that no event between
    /// them is missed.
    #[test]
    fn a_quiet_stream_has_a_cursor() {
        let quiet = |url: &str| crate::read::testing::read_body(SourceKind::Jetstream, b"", url).cursor;
        assert_eq!(quiet(SERVER).as_deref(), Some("1795427940000000"));
        assert_eq!(quiet(&format!("{SERVER}?cursor=17")).as_deref(), Some("17"));
    }

    #[test]
    fn server_addresses_get_the_post_collection() {
        let at = |url| address_of(SourceKind::Jetstream, url);
        assert_eq!(
            at(SERVER).as_deref(),
            Ok(format!("{SERVER}?wantedCollections=app.bsky.feed.post").as_str())
        );
        assert!(at("https://jetstream2.us-east.bsky.network/").is_err());
    }
}
