//! The feed of an author: posts below the cursor, or the newest.

use serde_json::{Value, json};

use super::{Post, Query};
use crate::pages::Press;

impl Press<'_> {
    pub(super) fn author_feed(&self, query: &Query<'_>) -> String {
        let (posts, from) = self.before(query.number("cursor"));
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
            feed["cursor"] = json!((from + 1).to_string());
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
