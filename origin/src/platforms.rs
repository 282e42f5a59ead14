//! What platforms show of the same articles: previews and timelines, page by page, the newest first.

use std::fmt::Write;

use serde_json::json;

use crate::pages::Press;

/// Posts on a page.
const SHOWN: u32 = 20;

impl Press<'_> {
    /// A channel's preview: posts before `before`, or the newest.
    pub(crate) fn preview(&self, before: Option<u32>) -> String {
        let (from, to) = self.page(before);
        let name = self.channel();
        let mut page = format!(
            "<!DOCTYPE html><html><body><div class=\"tgme_channel_info\"><div class=\"tgme_channel_info_header_title\">{name}</div></div>\
             <section class=\"tgme_channel_history\">"
        );
        if from > 0 {
            // Posts are numbered from one.
            let _ = write!(page, "<a class=\"tme_messages_more\" data-before=\"{}\"></a>", from + 1);
        }
        for number in from..to {
            let article = self.write(number);
            let at = self.moment(number).map(|at| at.to_string()).unwrap_or_default();
            let _ = write!(
                page,
                "<div class=\"tgme_widget_message\" data-post=\"{name}/{}\"><div class=\"tgme_widget_message_text\"><b>{}</b><br>{}</div>\
                 <a class=\"tgme_widget_message_date\"><time datetime=\"{at}\"></time></a></div>",
                number + 1,
                article.title,
                article.paragraphs.join("<br>")
            );
        }
        page.push_str("</section></body></html>");
        page
    }

    /// A server's timeline: statuses below `max_id`, or the newest.
    pub(crate) fn timeline(&self, max_id: Option<u32>) -> String {
        let (from, to) = self.page(max_id);
        let status = |number: u32| {
            let article = self.write(number);
            let id = number + 1;
            json!({
                "id": id.to_string(),
                "uri": self.address(&format!("/users/{}/statuses/{id}", self.channel())),
                "url": self.address(&format!("/@{}/{id}", self.channel())),
                "created_at": self.moment(number).map(|at| at.to_string()),
                "edited_at": null, "in_reply_to_id": null, "reblog": null, "spoiler_text": "",
                "language": self.site.language.code(),
                "content": format!("<p>{}</p><p>{}</p>", article.title, article.paragraphs.join("</p><p>")),
                "account": {"id": "1", "acct": self.channel(), "followers_count": 10},
                "favourites_count": number, "replies_count": 0, "reblogs_count": 0, "media_attachments": [],
            })
        };
        json!((from..to).rev().map(status).collect::<Vec<_>>()).to_string()
    }

    pub(crate) fn channel(&self) -> String {
        self.site.name.split('.').next().unwrap_or("channel").to_owned()
    }

    /// Numbers of the articles on a page that ends before the post of this number.
    fn page(&self, before: Option<u32>) -> (u32, u32) {
        let to = before.map_or(self.published, |before| before.saturating_sub(1)).min(self.published);
        (to.saturating_sub(SHOWN), to)
    }
}
