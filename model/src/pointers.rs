//! JSON pointers of a source that publishes JSON.

use serde::{Deserialize, Serialize};

/// The locations of a publication's fields in a JSON document, as JSON pointers (RFC 6901). `items` and `next` start at
/// the root of the document, all others at an item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pointers {
    /// The list of publications. Defaults to the document itself.
    pub items: Option<String>,
    /// The publisher's identifier.
    pub id: Option<String>,
    /// The address, which may be relative.
    pub url: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The text, plain or HTML.
    pub text: Option<String>,
    /// A summary.
    pub summary: Option<String>,
    /// The publication time: a date, or seconds or milliseconds since 1970.
    pub time: Option<String>,
    /// The time of the last change.
    pub updated: Option<String>,
    /// The author.
    pub author: Option<String>,
    /// The address of an image.
    pub image: Option<String>,
    /// The language.
    pub language: Option<String>,
    /// The number of likes.
    pub likes: Option<String>,
    /// The number of replies.
    pub comments: Option<String>,
    /// The number of reposts.
    pub shares: Option<String>,
    /// The number of views.
    pub views: Option<String>,
    /// The address of the document with older publications.
    pub next: Option<String>,
}

impl Pointers {
    /// Returns the key and value of each pointer, in the order of the manual.
    pub fn all(&self) -> [(&'static str, &Option<String>); 16] {
        [
            ("items", &self.items),
            ("id", &self.id),
            ("url", &self.url),
            ("title", &self.title),
            ("text", &self.text),
            ("summary", &self.summary),
            ("time", &self.time),
            ("updated", &self.updated),
            ("author", &self.author),
            ("image", &self.image),
            ("language", &self.language),
            ("likes", &self.likes),
            ("comments", &self.comments),
            ("shares", &self.shares),
            ("views", &self.views),
            ("next", &self.next),
        ]
    }

    /// Returns true if no pointer is declared.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
