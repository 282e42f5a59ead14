//! A VK wall, by the method `wall.get`: the posts after `offset`. Errors have a success status.

use serde_json::json;

use super::Post;
use crate::pages::SiteView;
use crate::query::Query;

/// The id of the community; as the owner of a wall it is negative.
const COMMUNITY_ID: i64 = 55;

impl SiteView<'_> {
    pub(super) fn wall(&self, query: &Query<'_>) -> String {
        let posts = self.posts_after_offset(query.number("offset").unwrap_or(0));
        let post = |post: &Post| {
            json!({
                "id": post.id(), "owner_id": -COMMUNITY_ID, "from_id": -COMMUNITY_ID, "post_type": "post",
                "date": self.displayed_date(post.number).map(jiff::Timestamp::as_second),
                "text": post.text("\n"),
                "likes": {"count": post.number}, "comments": {"count": 0}, "reposts": {"count": 0}, "views": {"count": 1},
            })
        };
        json!({"response": {
            "count": self.published,
            "items": posts.iter().map(post).collect::<Vec<_>>(),
            "profiles": [],
            "groups": [{"id": COMMUNITY_ID, "name": self.channel()}],
        }})
        .to_string()
    }
}

/// Returns an error response (dev.vk.com/en/reference/errors).
pub(super) fn error(code: u32, message: &str) -> String {
    json!({"error": {"error_code": code, "error_msg": message, "request_params": []}}).to_string()
}
