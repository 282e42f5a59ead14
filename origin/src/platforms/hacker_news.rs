//! The search by date that Algolia keeps for Hacker News: pages from zero.

use serde_json::json;

use super::{Post, Query, SHOWN};
use crate::pages::Press;

impl Press<'_> {
    pub(super) fn hits(&self, query: &Query<'_>) -> String {
        let page = query.number("page").unwrap_or(0);
        let posts = self.behind(page.saturating_mul(SHOWN));
        let hit = |post: &Post| {
            json!({
                "objectID": post.id().to_string(), "title": post.article.title, "author": self.channel(),
                "points": post.number, "num_comments": 0, "story_text": post.article.paragraphs.join("<p>"),
                "created_at": self.said_at(post.number), "_tags": ["story"],
            })
        };
        json!({
            "hits": posts.iter().map(hit).collect::<Vec<_>>(),
            "page": page, "nbPages": self.published.div_ceil(SHOWN), "hitsPerPage": SHOWN, "nbHits": self.published,
        })
        .to_string()
    }
}
