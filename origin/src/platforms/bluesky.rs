//! The feed of a Bluesky author: the posts before the cursor, or the newest.

use serde_json::{Value, json};

use super::Post;
use crate::pages::SiteView;
use crate::query::Query;

impl SiteView<'_> {
    pub(super) fn author_feed(&self, query: &Query<'_>) -> String {
        // Cursors are opaque to clients; here the cursor ends with a colon and a number.
        let cursor = query.parameter("cursor").and_then(|cursor| cursor.rsplit("%3A").next()?.parse().ok());
        let (posts, from) = self.posts_before(cursor);
        let post = |post: &Post| {
            json!({"post": {
                "uri": format!("at://{}/app.bsky.feed.post/{}", self.did(), post.id()),
                "author": {"did": self.did(), "handle": self.site.name, "displayName": self.channel()},
                "record": self.record(post),
                "replyCount": 0, "repostCount": 0, "likeCount": post.number, "indexedAt": self.date_text(post.number),
            }})
        };
        let mut feed = json!({"feed": posts.iter().map(post).collect::<Vec<_>>()});
        if from > 0 {
            feed["cursor"] = json!(format!("2026-11-21T00:00:00Z::{}", from + 1));
        }
        feed.to_string()
    }

    /// Returns the identifier of the author.
    pub(super) fn did(&self) -> String {
        format!("did:plc:{}", self.channel())
    }

    /// Returns the record of a post in the AT protocol.
    pub(super) fn record(&self, post: &Post) -> Value {
        json!({
            "$type": "app.bsky.feed.post",
            "createdAt": self.date_text(post.number),
            "langs": [self.site.language.code()],
            "text": post.text("\n"),
        })
    }
}
