//! The latest posts of a Discourse forum at `/posts.json`: the posts up to the id `before`, or the newest.

use serde_json::json;

use super::Post;
use crate::pages::SiteView;
use crate::query::Query;

impl SiteView<'_> {
    pub(super) fn latest_posts(&self, query: &Query<'_>) -> String {
        let (posts, _) = self.posts_before(query.number("before").map(|number| number + 1));
        let post = |post: &Post| {
            let id = post.id();
            json!({
                "id": id, "username": self.channel(), "user_id": 1, "created_at": self.date_text(post.number),
                "cooked": format!("<p>{}</p>", post.article.paragraphs.join("</p><p>")),
                "post_number": 1, "reply_count": 0, "reads": post.number, "topic_id": id, "topic_slug": "x",
                "topic_title": post.article.title, "actions_summary": [],
            })
        };
        json!({"latest_posts": posts.iter().map(post).collect::<Vec<_>>()}).to_string()
    }
}
