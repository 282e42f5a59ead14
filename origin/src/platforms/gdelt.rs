//! The article list of GDELT: addresses, here of the site's own pages, all on one page.

use serde_json::json;

use crate::pages::SiteView;

/// The response, with a success status, to more than one request in five seconds.
pub(super) const RATE_LIMIT_MESSAGE: &str =
    "Please limit requests to one every 5 seconds or contact us for larger queries.";

impl SiteView<'_> {
    pub(super) fn article_list(&self) -> String {
        let article = |number: u32| {
            json!({
                "url": self.address(&self.site.article_path(number)), "title": self.compose(number).title,
                "seendate": "20261123T061500Z", "domain": self.site.name, "socialimage": "",
            })
        };
        json!({"articles": (0..self.published).rev().map(article).collect::<Vec<_>>()}).to_string()
    }
}
