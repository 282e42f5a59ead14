//! The same articles in the formats of platforms: previews, timelines, feeds and searches, page by page, the newest
//! first. Each platform has its own file, written after the platform's documentation.

mod bluesky;
mod discourse;
mod gdelt;
mod hacker_news;
pub(crate) mod jetstream;
mod mastodon;
mod reddit;
mod telegram;
mod vk;
mod youtube;

use std::time::Duration;

use jiff::Timestamp;

use crate::pages::SiteView;
use crate::query::Query;
use crate::site::{Behaviour, Kind};
use crate::text::Article;

/// The number of posts on a page.
const PAGE_SIZE: u32 = 20;

/// The current version of a post.
pub(crate) struct Post {
    /// The number of its article; posts are numbered from one.
    number: u32,
    article: Article,
    is_edited: bool,
}

impl Post {
    fn id(&self) -> u32 {
        self.number + 1
    }

    /// Returns the title and the paragraphs, joined by a separator.
    fn text(&self, separator: &str) -> String {
        let mut parts = vec![self.article.title.clone()];
        parts.extend(self.article.paragraphs.iter().cloned());
        parts.join(separator)
    }
}

impl SiteView<'_> {
    /// Returns the name of a required parameter that the query lacks.
    pub(crate) fn missing_parameter(&self, query: &Query<'_>) -> Option<&'static str> {
        let required: &[&str] = match self.site.kind {
            Kind::Bluesky => &["actor"],
            Kind::Youtube => &["channel_id"],
            Kind::Vk => &["v", "domain"],
            Kind::HackerNews => &["tags"],
            Kind::Gdelt => &["query", "mode", "format"],
            _ => &[],
        };
        required.iter().copied().find(|name| query.parameter(name).is_none())
    }

    /// Returns the content type and text of a page of the platform.
    pub(crate) fn platform(&self, query: &Query<'_>) -> (&'static str, String) {
        let (kind, text) = match self.site.kind {
            Kind::Telegram => ("text/html; charset=utf-8", self.preview(query)),
            Kind::Youtube => ("application/xml", self.videos()),
            Kind::Reddit => ("application/atom+xml; charset=utf-8", self.submissions(query)),
            Kind::Mastodon => (JSON, self.timeline(query)),
            Kind::Bluesky => (JSON, self.author_feed(query)),
            Kind::Vk => (JSON, self.wall(query)),
            Kind::Discourse => (JSON, self.latest_posts(query)),
            Kind::HackerNews => (JSON, self.hits(query)),
            _ => (JSON, self.article_list()),
        };
        (kind, if self.site.behaviour == Behaviour::Redesigned { redesigned(kind, &text) } else { text })
    }

    /// Returns the body of a rate-limit response, for platforms that send one with a success status.
    pub(crate) fn rate_limit_response(&self) -> Option<(&'static str, String)> {
        match self.site.kind {
            Kind::Vk => Some((JSON, vk::error(6, "Too many requests per second"))),
            Kind::Gdelt => Some(("text/html", gdelt::RATE_LIMIT_MESSAGE.to_owned())),
            _ => None,
        }
    }

    /// Returns the body of the response to a request without a token, for platforms that send one with a success
    /// status.
    pub(crate) fn unauthorized_response(&self) -> Option<(&'static str, String)> {
        let response = || (JSON, vk::error(5, "User authorization failed: no access_token passed."));
        (self.site.kind == Kind::Vk).then(response)
    }

    /// Returns the account name, derived from the host name.
    pub(crate) fn channel(&self) -> String {
        self.site.name.split('.').next().unwrap_or("channel").to_owned()
    }

    /// Returns the page of posts with ids below `id`, the newest first, and the number of its first article.
    fn posts_before(&self, id: Option<u32>) -> (Vec<Post>, u32) {
        let to = id.map_or(self.published, |id| id.saturating_sub(1)).min(self.published);
        let from = to.saturating_sub(PAGE_SIZE);
        ((from..to).rev().filter_map(|number| self.post(number)).collect(), from)
    }

    /// Returns the page of posts after the newest `offset` ones.
    fn posts_after_offset(&self, offset: u32) -> Vec<Post> {
        let to = self.published.saturating_sub(offset);
        (to.saturating_sub(PAGE_SIZE)..to).rev().filter_map(|number| self.post(number)).collect()
    }

    /// Returns the current version of a post; `None` if it has been deleted.
    pub(crate) fn post(&self, number: u32) -> Option<Post> {
        let mut article = self.compose(number);
        let is_changed = self.site.is_changed(number, self.published);
        let is_edited = is_changed && self.site.behaviour == Behaviour::Edits;
        if is_edited && let Some(first) = article.paragraphs.first_mut() {
            first.push_str(" толықтырылды");
        }
        let is_deleted = is_changed && self.site.behaviour == Behaviour::Deletes;
        (!is_deleted).then_some(Post { number, article, is_edited })
    }

    fn date_text(&self, number: u32) -> String {
        self.displayed_date(number).map(|at| at.to_string()).unwrap_or_default()
    }
}

/// Returns the header field with which a platform announces the next permitted request, in one second.
pub(crate) fn rate_limit_header(kind: Kind) -> (&'static str, String) {
    // Two seconds, because a time in whole seconds must not be less than one second ahead.
    let until = Timestamp::now() + Duration::from_secs(2);
    match kind {
        Kind::Mastodon => ("x-ratelimit-reset", until.to_string()),
        Kind::Bluesky => ("ratelimit-reset", until.as_second().to_string()),
        Kind::Reddit => ("x-ratelimit-reset", "1.0".to_owned()),
        _ => ("retry-after", "1".to_owned()),
    }
}

const JSON: &str = "application/json; charset=utf-8";

/// Returns the text in another format, as after an unannounced redesign.
fn redesigned(kind: &str, text: &str) -> String {
    match kind {
        JSON => format!("{{\"v2\":{text}}}"),
        _ if text.starts_with("<!DOCTYPE") => text.replace("tgme_", "tgx_"),
        _ => "<!DOCTYPE html><html><body><div id=\"app\"></div></body></html>".to_owned(),
    }
}

/// Escapes text for markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
