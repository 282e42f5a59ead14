//! Where things stand in JSON.

use serde::{Deserialize, Serialize};

/// Where things stand in JSON, as pointers (RFC 6901): `items` from the document's root, the others from each item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pointers {
    /// The list of publications; the document itself where absent.
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
    /// When it was published: a date, or seconds or milliseconds since 1970.
    pub time: Option<String>,
    /// When it was changed.
    pub updated: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// A picture's address.
    pub image: Option<String>,
    /// The language.
    pub language: Option<String>,
    /// How many liked it.
    pub likes: Option<String>,
    /// How often it was answered.
    pub comments: Option<String>,
    /// How often it was repeated.
    pub shares: Option<String>,
    /// How often it was seen.
    pub views: Option<String>,
    /// The address of what came before, from the document's root.
    pub next: Option<String>,
}

impl Pointers {
    /// Names and values of all, in the order of the manual.
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

    /// Whether nothing was declared.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
