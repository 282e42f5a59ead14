//! The preview of a Telegram channel at `/s/NAME`: the posts before the id `before`, or the newest.

use std::fmt::Write;

use crate::pages::SiteView;
use crate::query::Query;

impl SiteView<'_> {
    pub(super) fn preview(&self, query: &Query<'_>) -> String {
        let (posts, from) = self.posts_before(query.number("before"));
        let name = self.channel();
        let mut page = format!(
            "<!DOCTYPE html><html><body><div class=\"tgme_channel_info\"><div class=\"tgme_channel_info_header_title\">{name}</div></div>\
             <section class=\"tgme_channel_history\">"
        );
        if from > 0 {
            let _ = write!(page, "<a class=\"tme_messages_more\" data-before=\"{}\"></a>", from + 1);
        }
        // The newest post is last.
        for post in posts.iter().rev() {
            let _ = write!(
                page,
                "<div class=\"tgme_widget_message\" data-post=\"{name}/{}\"><div class=\"tgme_widget_message_text\"><b>{}</b><br>{}</div>\
                 <a class=\"tgme_widget_message_date\"><time datetime=\"{}\"></time></a></div>",
                post.id(),
                post.article.title,
                post.article.paragraphs.join("<br>"),
                self.date_text(post.number)
            );
        }
        page.push_str("</section></body></html>");
        page
    }
}
