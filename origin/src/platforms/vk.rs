//! A wall, by the method `wall.get`: posts behind `offset`. Errors come with a status of success.

use serde_json::json;

use super::{Post, Query};
use crate::pages::Press;

/// The number of the community; owners of walls that are communities have it with a minus sign.
const COMMUNITY: i64 = 55;

impl Press<'_> {
    pub(super) fn wall(&self, query: &Query<'_>) -> String {
        let posts = self.behind(query.number("offset").unwrap_or(0));
        let post = |post: &Post| {
            json!({
                "id": post.id(), "owner_id": -COMMUNITY, "from_id": -COMMUNITY, "post_type": "post",
                "date": self.moment(post.number).map(jiff::Timestamp::as_second),
                "text": post.words("\n"),
                "likes": {"count": post.number}, "comments": {"count": 0}, "reposts": {"count": 0}, "views": {"count": 1},
            })
        };
        json!({"response": {
            "count": self.published,
            "items": posts.iter().map(post).collect::<Vec<_>>(),
            "profiles": [],
            "groups": [{"id": COMMUNITY, "name": self.channel()}],
        }})
        .to_string()
    }
}

/// A refusal (dev.vk.com/en/reference/errors).
pub(super) fn error(code: u32, message: &str) -> String {
    json!({"error": {"error_code": code, "error_msg": message, "request_params": []}}).to_string()
}
