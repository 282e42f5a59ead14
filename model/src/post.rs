//! What platforms tell of a post beside its words.

use serde::{Deserialize, Serialize};

/// What a platform tells of a post beside its words. Counters are those of the first sight: they change all the time, and
/// a change of them is no edit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Post {
    /// What sort of post it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<PostKind>,
    /// The platform's own identifier of whoever wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_id: Option<String>,
    /// The channel, community or part of a forum that it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The post that it answers or repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The post that its conversation began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// How many liked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likes: Option<u64>,
    /// How often it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comments: Option<u64>,
    /// How often it was repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<u64>,
    /// How often it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<u64>,
    /// How many follow its author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followers: Option<u64>,
}

impl Post {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Likes, answers and repetitions together; `None` where none is known.
    pub fn engagement(&self) -> Option<u64> {
        let known: Vec<u64> = [self.likes, self.comments, self.shares].into_iter().flatten().collect();
        (!known.is_empty()).then(|| known.into_iter().fold(0, u64::saturating_add))
    }
}

/// What sort of post it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostKind {
    /// Somebody's own.
    Post,
    /// An answer to another.
    Comment,
    /// Another's, shown again.
    Repost,
    /// A film.
    Video,
}

impl PostKind {
    /// The kind as queries name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Comment => "comment",
            Self::Repost => "repost",
            Self::Video => "video",
        }
    }
}
