//! The feed of an author: posts below the cursor, or the newest.

use serde_json::{Value, json};

use super::{Post, Query};
use crate::pages::Press;

impl Press<'_> {
    pub(super) fn author_feed(&self, query: &Query<'_>) -> String {
        // A cursor is nobody's business but the server's; here a number behind a colon.
        let cursor = query.said("cursor").and_then(|cursor| cursor.rsplit("%3A").next()?.parse().ok());
        let (posts, from) = self.before(cursor);
        let post = |post: &Post| {
            json!({"post": {
                "uri": format!("at://{}/app.bsky.feed.post/{}", self.did(), post.id()),
                "author": {"did": self.did(), "handle": self.site.name, "displayName": self.channel()},
                "record": self.record(post),
                "replyCount": 0, "repostCount": 0, "likeCount": post.number, "indexedAt": self.said_at(post.number),
            }})
        };
        let mut feed = json!({"feed": posts.iter().map(post).collect::<Vec<_>>()});
        if from > 0 {
            feed["cursor"] = json!(format!("2026-11-21T00:00:00Z::{}", from + 1));
        }
        feed.to_string()
    }

    pub(super) fn did(&self) -> String {
        format!("did:plc:{}", self.channel())
    }

    /// What its author wrote, in the words of the protocol.
    pub(super) fn record(&self, post: &Post) -> Value {
        json!({
            "$type": "app.bsky.feed.post",
            "createdAt": self.said_at(post.number),
            "langs": [self.site.language.code()],
            "text": post.words("\n"),
        })
    }
}
