//! What is posted on Bluesky as it is posted, by Jetstream: a stream of events with a cursor, deletions and edits among them.
//! (github.com/bluesky-social/jetstream, README.)

use std::collections::BTreeMap;

use std::time::Duration;

use model::{Entry, Post, PostKind, Precision, Published, PublishedMethod, Timestamp};
use serde_json::Value;
use url::Url;

use super::{Accept, Page, Reader, Reading, address, json};

pub(super) struct Jetstream;

/// What is listened to, where the address does not say.
const POSTS: &str = "app.bsky.feed.post";
/// What came by longer ago is kept by no server.
const KEPT: Duration = Duration::from_secs(36 * 3600);
/// Where nothing came by at all, the next exchange begins so long before the end of this one.
const OVERLAP: Duration = Duration::from_secs(60);

impl Reader for Jetstream {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        match address::parts(declared).as_slice() {
            ["subscribe"] => Ok(address::with_missing(declared, &[("wantedCollections", POSTS)])),
            _ => {
                Err("write the address of a server such as https://jetstream2.us-east.bsky.network/subscribe"
                    .to_owned())
            }
        }
    }

    fn accept(&self) -> Accept {
        Accept::Stream
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        // The last event of a post says how it is now.
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        let mut reading = Reading::default();
        let mut last = None;
        let mut unread = 0;
        for line in page.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                unread += 1;
                continue;
            };
            let at = event.get("time_us").and_then(Value::as_i64);
            last = at.max(last);
            if let Some(entry) = entry(page, &event)
                && let Some(id) = &entry.id
            {
                entries.insert(id.clone(), entry);
            }
        }
        let asked: Option<i64> =
            address::parameter(page.url, "cursor").and_then(|cursor| cursor.parse().ok());
        let oldest = page.now.checked_sub(KEPT).map_or(i64::MIN, Timestamp::as_microsecond);
        if asked.is_some_and(|asked| asked < oldest) {
            reading
                .problems
                .push("the cursor is older than what servers keep: events may have been missed".to_owned());
        }
        if unread > 0 {
            reading.problems.push(format!("{unread} events could not be read"));
        }
        reading.entries = entries.into_values().collect();
        let begin = || page.now.checked_sub(OVERLAP).ok().map(Timestamp::as_microsecond);
        reading.cursor = last.or(asked).or_else(begin).map(|cursor| cursor.to_string());
        reading
    }
}

fn entry(page: &Page<'_>, event: &Value) -> Option<Entry> {
    let commit = event.get("commit")?;
    let (author, collection) = (json::text(event, "/did")?, json::text(commit, "/collection")?);
    if collection != POSTS {
        return None;
    }
    let key = json::text(commit, "/rkey")?;
    let id = Some(format!("at://{author}/{collection}/{key}"));
    if json::text(commit, "/operation")? == "delete" {
        return Some(Entry { id, is_deleted: true, ..Entry::default() });
    }
    let record = commit.get("record")?;
    // Whoever posts says when; it cannot have been written after it came by.
    let came =
        event.get("time_us").and_then(Value::as_i64).and_then(|at| Timestamp::from_microsecond(at).ok());
    let said = record.get("createdAt").and_then(|at| json::published(page, at));
    let published = match (said, came) {
        (Some(said), Some(came)) if said.at > came => Some(Published { at: came, clamped: true, ..said }),
        (None, Some(came)) => Some(Published {
            at: came,
            precision: Precision::Second,
            method: PublishedMethod::Feed,
            original: came.to_string(),
            clamped: false,
        }),
        (said, _) => said,
    };
    let parent = json::text(record, "/reply/parent/uri");
    let kind = if parent.is_some() { PostKind::Comment } else { PostKind::Post };
    Some(Entry {
        id,
        url: Url::parse(&format!("https://bsky.app/profile/{author}/post/{key}")).ok(),
        text: json::text(record, "/text").map(|text| json::lines(&text)).filter(|text| !text.is_empty()),
        author: Some(author.clone()),
        published,
        language: json::text(record, "/langs/0"),
        post: Post {
            kind: Some(kind),
            author_id: Some(author),
            parent,
            thread: json::text(record, "/reply/root/uri"),
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
    fn posts_edits_and_deletions_by_the_last_event_of_each() {
        let reading = read(SERVER);
        let told: Vec<(&str, bool, Option<&str>)> = reading
            .entries
            .iter()
            .map(|entry| (entry.id.as_deref().unwrap(), entry.is_deleted, entry.text.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("at://did:plc:abc/app.bsky.feed.post/3k1", false, Some("Тенге бүгін әлсіреді")),
                ("at://did:plc:def/app.bsky.feed.post/3k2", false, Some("Ответ из будущего")),
                ("at://did:plc:jkl/app.bsky.feed.post/3k9", true, None),
                ("at://did:plc:mno/app.bsky.feed.post/3k5", true, None),
            ]
        );
        let answer = &reading.entries[1];
        assert_eq!(
            answer.url.as_ref().map(Url::as_str),
            Some("https://bsky.app/profile/did:plc:def/post/3k2")
        );
        assert_eq!(answer.post.kind, Some(PostKind::Comment));
        let published = answer.published.as_ref().unwrap();
        assert_eq!((published.at.to_string().as_str(), published.clamped), ("2026-11-22T10:00:01Z", true));
        assert_eq!(reading.entries[0].language.as_deref(), Some("kk"));
        assert_eq!(reading.cursor.as_deref(), Some("1795341607000000"));
        assert_eq!(reading.problems, ["1 events could not be read"]);
    }

    /// It is 10:00 on the 23rd: a cursor of the 20th is older than 36 hours, one of the day before is not.
    #[test]
    fn what_the_server_has_no_more_is_a_gap() {
        let gap = |cursor: &str| read(&format!("{SERVER}?cursor={cursor}")).problems.len() > 1;
        assert!(gap("1795168800000000") && !gap("1795341600000000"));
    }

    /// Where nothing came by, the next exchange begins before the end of this one: nobody listens in between.
    #[test]
    fn a_quiet_stream_has_a_cursor() {
        let quiet = |url: &str| crate::read::testing::read_body(SourceKind::Jetstream, b"", url).cursor;
        assert_eq!(quiet(SERVER).as_deref(), Some("1795427940000000"));
        assert_eq!(quiet(&format!("{SERVER}?cursor=17")).as_deref(), Some("17"));
    }

    #[test]
    fn servers_are_named_by_their_address() {
        let at = |url| address_of(SourceKind::Jetstream, url);
        assert_eq!(
            at(SERVER).as_deref(),
            Ok(format!("{SERVER}?wantedCollections=app.bsky.feed.post").as_str())
        );
        assert!(at("https://jetstream2.us-east.bsky.network/").is_err());
    }
}
