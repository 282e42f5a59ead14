//! The feed of a Reddit community at `/r/NAME/new/.rss`: the submissions older than `after`, or the newest.

use std::fmt::Write;

use super::escape;
use crate::pages::SiteView;
use crate::query::Query;

impl SiteView<'_> {
    pub(super) fn submissions(&self, query: &Query<'_>) -> String {
        // A name is a number with a prefix for its kind; the submissions after it are older.
        let after = query.parameter("after").and_then(|name| name.strip_prefix("t3_")?.parse().ok());
        let name = self.channel();
        let mut feed = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><id>/r/{name}/new/.rss</id><title>{name}</title>"
        );
        for post in self.posts_before(after).0 {
            let (id, at) = (post.id(), self.date_text(post.number));
            let link = self.address(&format!("/r/{name}/comments/{id}/x/"));
            let content = format!(
                "<!-- SC_OFF --><div class=\"md\"><p>{}</p></div><!-- SC_ON --> submitted by <a href=\"{link}\"> /u/{name} </a> \
                 <span><a href=\"{link}\">[link]</a></span> <span><a href=\"{link}\">[comments]</a></span>",
                post.text("</p><p>")
            );
            let _ = write!(
                feed,
                "<entry><author><name>/u/{name}</name></author><content type=\"html\">{}</content><id>t3_{id}</id><link href=\"{link}\"/>\
                 <updated>{at}</updated><published>{at}</published><title>{}</title></entry>",
                escape(&content),
                post.article.title
            );
        }
        feed.push_str("</feed>");
        feed
    }
}
