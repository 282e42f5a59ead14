//! Metadata that platforms attach to a post.

use serde::{Deserialize, Serialize};

/// Metadata that a platform attaches to a post. The counters hold the values of the first fetch: they change all the
/// time, and a changed counter is not an edit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Post {
    /// The kind of post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<PostKind>,
    /// The platform's identifier of the author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_id: Option<String>,
    /// The channel, community or forum section that contains the post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The post that this one replies to or reposts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The first post of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The number of likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likes: Option<u64>,
    /// The number of replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comments: Option<u64>,
    /// The number of reposts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<u64>,
    /// The number of views.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<u64>,
    /// The number of the author's followers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followers: Option<u64>,
}

impl Post {
    /// Returns true if no field is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the sum of likes, replies and reposts; `None` if none of the three is set.
    pub fn engagement(&self) -> Option<u64> {
        let counts: Vec<u64> = [self.likes, self.comments, self.shares].into_iter().flatten().collect();
        (!counts.is_empty()).then(|| counts.into_iter().fold(0, u64::saturating_add))
    }
}

/// The kind of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostKind {
    /// An original post.
    Post,
    /// A reply to another post.
    Comment,
    /// A repost of another post.
    Repost,
    /// A video.
    Video,
}

impl PostKind {
    /// Returns the kind as queries write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Comment => "comment",
            Self::Repost => "repost",
            Self::Video => "video",
        }
    }
}
