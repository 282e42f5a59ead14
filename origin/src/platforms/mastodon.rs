//! The timeline of a Mastodon account: the statuses below `max_id`, or the newest.

use serde_json::json;

use super::Post;
use crate::pages::SiteView;
use crate::query::Query;

impl SiteView<'_> {
    pub(super) fn timeline(&self, query: &Query<'_>) -> String {
        let (posts, _) = self.posts_before(query.number("max_id"));
        let status = |post: &Post| {
            let id = post.id();
            json!({
                "id": id.to_string(),
                "uri": self.address(&format!("/users/{}/statuses/{id}", self.channel())),
                "url": self.address(&format!("/@{}/{id}", self.channel())),
                "created_at": self.date_text(post.number),
                "edited_at": post.is_edited.then(|| self.date_text(post.number + 2)),
                "in_reply_to_id": null, "reblog": null, "spoiler_text": "",
                "language": self.site.language.code(),
                "content": format!("<p>{}</p>", post.text("</p><p>")),
                "account": {"id": "1", "acct": self.channel(), "followers_count": 10},
                "favourites_count": post.number, "replies_count": 0, "reblogs_count": 0, "media_attachments": [],
            })
        };
        json!(posts.iter().map(status).collect::<Vec<_>>()).to_string()
    }
}
