//! What platforms show of the same articles: previews, timelines, feeds and searches, page by page, the newest first. Each is
//! written after its platform's documents, a file each.

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

use crate::pages::Press;
use crate::site::{Behaviour, Kind};
use crate::text::Article;

/// Posts on a page.
const SHOWN: u32 = 20;

/// What stands behind the question mark of an address.
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl Query<'_> {
    fn said(&self, name: &str) -> Option<&str> {
        self.0
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|pair| pair.1)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.said(name)?.parse().ok()
    }
}

/// A post, as it is by now.
pub(crate) struct Post {
    /// Its article's number; posts are numbered from one.
    number: u32,
    article: Article,
    is_edited: bool,
}

impl Post {
    fn id(&self) -> u32 {
        self.number + 1
    }

    /// Its words, the title first.
    fn words(&self, between: &str) -> String {
        let mut all = vec![self.article.title.clone()];
        all.extend(self.article.paragraphs.iter().cloned());
        all.join(between)
    }
}

impl Press<'_> {
    /// What an address lacks that its platform insists on.
    pub(crate) fn lacks(&self, query: &Query<'_>) -> Option<&'static str> {
        let wanted: &[&str] = match self.site.kind {
            Kind::Bluesky => &["actor"],
            Kind::Youtube => &["channel_id"],
            Kind::Vk => &["v", "domain"],
            Kind::HackerNews => &["tags"],
            Kind::Gdelt => &["query", "mode", "format"],
            _ => &[],
        };
        wanted.iter().copied().find(|name| query.said(name).is_none())
    }

    /// What a platform answers.
    pub(crate) fn platform(&self, query: &Query<'_>) -> (&'static str, String) {
        let (kind, text) = match self.site.kind {
            Kind::Telegram => ("text/html; charset=utf-8", self.preview(query)),
            Kind::Youtube => ("application/xml", self.films()),
            Kind::Reddit => ("application/atom+xml; charset=utf-8", self.submissions(query)),
            Kind::Mastodon => (JSON, self.timeline(query)),
            Kind::Bluesky => (JSON, self.author_feed(query)),
            Kind::Vk => (JSON, self.wall(query)),
            Kind::Discourse => (JSON, self.latest_posts(query)),
            Kind::HackerNews => (JSON, self.hits(query)),
            _ => (JSON, self.found_elsewhere()),
        };
        (kind, if self.site.behaviour == Behaviour::Redesigned { redesigned(kind, &text) } else { text })
    }

    /// What whoever asks too often is told with a status of success, where the platform tells so.
    pub(crate) fn refusal(&self) -> Option<(&'static str, String)> {
        match self.site.kind {
            Kind::Vk => Some((JSON, vk::error(6, "Too many requests per second"))),
            Kind::Gdelt => Some(("text/html", gdelt::REFUSAL.to_owned())),
            _ => None,
        }
    }

    /// What whoever shows no token is told with a status of success, where the platform tells so.
    pub(crate) fn no_entry(&self) -> Option<(&'static str, String)> {
        let told = || (JSON, vk::error(5, "User authorization failed: no access_token passed."));
        (self.site.kind == Kind::Vk).then(told)
    }

    pub(crate) fn channel(&self) -> String {
        self.site.name.split('.').next().unwrap_or("channel").to_owned()
    }

    /// Posts on a page that ends before the post of this number, the newest first.
    fn before(&self, before: Option<u32>) -> (Vec<Post>, u32) {
        let to = before.map_or(self.published, |before| before.saturating_sub(1)).min(self.published);
        let from = to.saturating_sub(SHOWN);
        ((from..to).rev().filter_map(|number| self.post(number)).collect(), from)
    }

    /// Posts on a page that begins behind so many.
    fn behind(&self, behind: u32) -> Vec<Post> {
        let to = self.published.saturating_sub(behind);
        (to.saturating_sub(SHOWN)..to).rev().filter_map(|number| self.post(number)).collect()
    }

    /// A post as it is by now; none where its author took it back.
    pub(crate) fn post(&self, number: u32) -> Option<Post> {
        let mut article = self.write(number);
        let is_changed = self.site.is_changed(number, self.published);
        let is_edited = is_changed && self.site.behaviour == Behaviour::Edits;
        if is_edited && let Some(first) = article.paragraphs.first_mut() {
            first.push_str(" толықтырылды");
        }
        let is_deleted = is_changed && self.site.behaviour == Behaviour::Deletes;
        (!is_deleted).then_some(Post { number, article, is_edited })
    }

    fn said_at(&self, number: u32) -> String {
        self.moment(number).map(|at| at.to_string()).unwrap_or_default()
    }
}

/// How a platform that refuses tells when it may be asked again: in a second.
pub(crate) fn limit(kind: Kind) -> (&'static str, String) {
    // A moment that is told in whole seconds must not lie before a second is over.
    let until = Timestamp::now() + Duration::from_secs(2);
    match kind {
        Kind::Mastodon => ("x-ratelimit-reset", until.to_string()),
        Kind::Bluesky => ("ratelimit-reset", until.as_second().to_string()),
        Kind::Reddit => ("x-ratelimit-reset", "1.0".to_owned()),
        _ => ("retry-after", "1".to_owned()),
    }
}

const JSON: &str = "application/json; charset=utf-8";

/// The same in another form, as after a change that nobody was told of.
fn redesigned(kind: &str, text: &str) -> String {
    match kind {
        JSON => format!("{{\"v2\":{text}}}"),
        _ if text.starts_with("<!DOCTYPE") => text.replace("tgme_", "tgx_"),
        _ => "<!DOCTYPE html><html><body><div id=\"app\"></div></body></html>".to_owned(),
    }
}

/// Text within markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
