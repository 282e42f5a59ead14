//! The feed of a YouTube channel at `/feeds/videos.xml`: the fifteen newest videos on a single page.

use std::fmt::Write;

use crate::pages::SiteView;

/// The number of videos in the feed.
const VIDEOS: u32 = 15;

impl SiteView<'_> {
    pub(super) fn videos(&self) -> String {
        let name = self.channel();
        let mut feed = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><feed xmlns:yt=\"http://www.youtube.com/xml/schemas/2015\" \
             xmlns:media=\"http://search.yahoo.com/mrss/\" xmlns=\"http://www.w3.org/2005/Atom\"><id>yt:channel:1</id>\
             <yt:channelId>UC1</yt:channelId><title>{name}</title>"
        );
        let numbers = (self.published.saturating_sub(VIDEOS)..self.published).rev();
        for post in numbers.filter_map(|number| self.post(number)) {
            let (id, at) = (post.id(), self.date_text(post.number));
            let link = self.address(&format!("/watch?v={id}"));
            let _ = write!(
                feed,
                "<entry><id>yt:video:{id}</id><yt:videoId>{id}</yt:videoId><title>{title}</title><link rel=\"alternate\" href=\"{link}\"/>\
                 <author><name>{name}</name></author><published>{at}</published><updated>{at}</updated>\
                 <media:group><media:title>{title}</media:title><media:content url=\"{link}\" type=\"application/x-shockwave-flash\" width=\"640\" height=\"390\"/>\
                 <media:thumbnail url=\"{link}&amp;t=1\" width=\"480\" height=\"360\"/><media:description>{text}</media:description>\
                 <media:community><media:statistics views=\"{views}\"/></media:community></media:group></entry>",
                title = post.article.title,
                text = post.article.paragraphs.join("\n"),
                views = post.number,
            );
        }
        feed.push_str("</feed>");
        feed
    }
}
