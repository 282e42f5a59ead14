//! The search by date in Hacker News, as provided by Algolia: pages are numbered from zero.

use serde_json::json;

use super::{PAGE_SIZE, Post};
use crate::pages::SiteView;
use crate::query::Query;

impl SiteView<'_> {
    pub(super) fn hits(&self, query: &Query<'_>) -> String {
        let page = query.number("page").unwrap_or(0);
        let posts = self.posts_after_offset(page.saturating_mul(PAGE_SIZE));
        let hit = |post: &Post| {
            json!({
                "objectID": post.id().to_string(), "title": post.article.title, "author": self.channel(),
                "points": post.number, "num_comments": 0, "story_text": post.article.paragraphs.join("<p>"),
                "created_at": self.date_text(post.number), "_tags": ["story"],
            })
        };
        json!({
            "hits": posts.iter().map(hit).collect::<Vec<_>>(),
            "page": page, "nbPages": self.published.div_ceil(PAGE_SIZE), "hitsPerPage": PAGE_SIZE, "nbHits": self.published,
        })
        .to_string()
    }
}
