//! The list of articles that GDELT found: addresses, here of the site's own pages, all on one page.

use serde_json::json;

use crate::pages::Press;

/// What it tells whoever asks more often than once in five seconds, with a status of success.
pub(super) const REFUSAL: &str =
    "Please limit requests to one every 5 seconds or contact us for larger queries.";

impl Press<'_> {
    pub(super) fn found_elsewhere(&self) -> String {
        let article = |number: u32| {
            json!({
                "url": self.address(&self.site.article_path(number)), "title": self.write(number).title,
                "seendate": "20261123T061500Z", "domain": self.site.name, "socialimage": "",
            })
        };
        json!({"articles": (0..self.published).rev().map(article).collect::<Vec<_>>()}).to_string()
    }
}
