//! The public web preview of a Telegram channel, `t.me/s/NAME`, which needs no account.
//!
//! A page has about twenty posts, the newest last, and links to the older ones. Identifiers increase by one; a
//! post with several pictures uses several. If a channel has no preview, the server redirects away from `/s/`.

use model::{Entry, Post, PostKind};
use scraper::{ElementRef, Html, Selector};
use std::collections::HashSet;
use std::time::Duration;
use url::Url;

use super::listing::{constant_selector, parse_time, text_of};
use super::{Alarm, Page, Reader, Reading, address};
use crate::html::bounded;
use crate::plain::{fold, plain_text};

pub(super) struct Telegram;

const ADDRESS_HINT: &str = "write the address of a channel, such as https://t.me/s/NAME";

impl Reader for Telegram {
    fn endpoint(&self, declared: &Url) -> Result<Url, String> {
        let mut url = address::replace_host(declared, &["telegram.me", "telegram.dog"], "t.me");
        let (channel, is_preview) = match address::segments(declared).as_slice() {
            ["s", channel] => (*channel, true),
            [channel] => (*channel, false),
            _ => return Err(ADDRESS_HINT.to_owned()),
        };
        // A plus sign marks an invitation, not the name of a channel.
        if channel.starts_with('+') || channel == "joinchat" {
            return Err(format!("{channel} is an invitation to a private chat; {ADDRESS_HINT}"));
        }
        if !is_preview {
            url.set_path(&format!("/s/{channel}"));
        }
        Ok(url)
    }

    /// A rate that t.me accepts according to RSSHub and snscrape; it documents no limit.
    fn delay(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn is_complete_window(&self, address: &Url) -> bool {
        address::has_only_parameters(address, &[])
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        if !page.url.path().starts_with("/s/") {
            return Reading::from_alarm(Alarm::Restricted("the channel has no public preview".to_owned()));
        }
        let decoded = page.decoded();
        let (markup, dropped) = bounded(&decoded.text);
        let tree = Html::parse_document(&markup);
        let mut reading =
            Reading { problems: decoded.problem.into_iter().chain(dropped).collect(), ..Reading::default() };
        reading.title = first(tree.root_element(), &CHANNEL_TITLE).map(text_of);
        let followers = read_followers(&tree);
        let messages: Vec<ElementRef<'_>> = tree.select(&MESSAGE).collect();
        let channel = reading.title.clone();
        let entry = |message: &ElementRef<'_>| entry(page, *message, channel.as_deref(), followers);
        // Readings list the newest entry first.
        reading.entries = messages.iter().rev().filter_map(entry).collect();
        let entry_ids: HashSet<&str> =
            reading.entries.iter().filter_map(|entry| entry.id.as_deref()).collect();
        let all = messages.iter().filter_map(|message| message.value().attr("data-post")).map(str::trim);
        reading.unordered = all.filter(|id| !entry_ids.contains(id)).map(str::to_owned).collect();
        reading.next = tree
            .select(&MORE)
            .find_map(|more| more.value().attr("data-before"))
            .map(|before| address::with_parameters(page.url, &[("before", before)]));
        if messages.is_empty() && tree.select(&CHANNEL).next().is_none() {
            reading.alarm =
                Some(Alarm::WrongFormat("not a channel preview: t.me may have changed its pages".to_owned()));
        } else if reading.entries.is_empty() && !messages.is_empty() && reading.next.is_none() {
            reading.problems.push(format!("none of {} posts has text", messages.len()));
        }
        reading
    }
}

fn entry(
    page: &Page<'_>,
    message: ElementRef<'_>,
    channel: Option<&str>,
    followers: Option<u64>,
) -> Option<Entry> {
    let id = message.value().attr("data-post")?.trim();
    let text = message_text(message);
    if text.is_empty() {
        return None; // A picture, or a service message of the channel.
    }
    let forwarded = first(message, &FORWARDED);
    let reply = first(message, &REPLY).and_then(|reply| reply.value().attr("href"));
    let signature = first(message, &SIGNATURE).map(text_of).filter(|name| !name.is_empty());
    let owner = first(message, &OWNER).map(text_of).filter(|name| !name.is_empty());
    let origin = forwarded.and_then(|element| element.value().attr("href"));
    Some(Entry {
        id: Some(id.to_owned()),
        url: page.url.join(&format!("/{id}")).ok(),
        text: Some(text),
        author: signature.or(owner),
        published: message.select(&TIME).next().and_then(|time| parse_time(time, page)),
        image: first(message, &PHOTO).and_then(background_url).and_then(|url| page.url.join(&url).ok()),
        post: Post {
            kind: Some(if forwarded.is_some() { PostKind::Repost } else { PostKind::Post }),
            channel: channel.map(str::to_owned),
            author_id: id.split('/').next().map(str::to_owned),
            parent: origin.or(reply).map(str::to_owned),
            views: first(message, &VIEWS).and_then(|views| parse_short_number(&text_of(views))),
            followers,
            ..Post::default()
        },
        ..Entry::default()
    })
}

/// Returns the text of a message and of its link preview, without the quoted text of the message it replies to.
fn message_text(message: ElementRef<'_>) -> String {
    let is_quoted = |element: &ElementRef<'_>| {
        let ancestors = element.ancestors().filter_map(ElementRef::wrap);
        ancestors
            .into_iter()
            .any(|above| above.value().classes().any(|class| class.ends_with("message_reply")))
    };
    let own = message.select(&TEXT).filter(|element| !is_quoted(element));
    let preview = message.select(&LINK_PREVIEW).map(|element| plain_text(&element.inner_html()));
    let own = own.map(|element| plain_text(&fix_double_escapes(&element.inner_html())));
    own.chain(preview).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Replaces double-escaped ampersands, which some parts of the preview have since April 2024.
fn fix_double_escapes(markup: &str) -> String {
    markup.replace("&amp;amp;", "&amp;")
}

/// Returns the address in `background-image:url('…')`.
fn background_url(element: ElementRef<'_>) -> Option<String> {
    let style = element.value().attr("style")?;
    let (_, rest) = style.split_once("url(")?;
    Some(rest.split(')').next()?.trim_matches(['\'', '"']).to_owned())
}

fn read_followers(tree: &Html) -> Option<u64> {
    let counters = tree.select(&COUNTER).map(text_of);
    let counter = counters.into_iter().find(|text| text.contains("subscriber"))?;
    parse_short_number(counter.split("subscriber").next()?)
}

/// Parses an abbreviated number; `1.2K` is 1,200.
fn parse_short_number(text: &str) -> Option<u64> {
    let text = fold(text).replace(' ', "");
    let (digits, factor) = match text.chars().last()? {
        'K' => (text.trim_end_matches('K'), 1e3),
        'M' => (text.trim_end_matches('M'), 1e6),
        'B' => (text.trim_end_matches('B'), 1e9),
        _ => (text.as_str(), 1.0),
    };
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    Some((number * factor).round() as u64)
}

fn first<'a>(element: ElementRef<'a>, selector: &Selector) -> Option<ElementRef<'a>> {
    element.select(selector).next()
}

constant_selector!(CHANNEL, ".tgme_channel_info, .tgme_channel_history");
constant_selector!(CHANNEL_TITLE, ".tgme_channel_info_header_title");
constant_selector!(COUNTER, ".tgme_channel_info_counter");
constant_selector!(MESSAGE, ".tgme_widget_message[data-post]");
constant_selector!(TEXT, ".tgme_widget_message_text");
constant_selector!(LINK_PREVIEW, ".link_preview_title, .link_preview_description");
constant_selector!(TIME, ".tgme_widget_message_date time[datetime]");
constant_selector!(OWNER, ".tgme_widget_message_owner_name");
constant_selector!(SIGNATURE, ".tgme_widget_message_from_author");
constant_selector!(FORWARDED, ".tgme_widget_message_forwarded_from_name");
constant_selector!(REPLY, ".tgme_widget_message_reply[href]");
constant_selector!(PHOTO, ".tgme_widget_message_photo_wrap[style]");
constant_selector!(VIEWS, ".tgme_widget_message_views");
constant_selector!(MORE, "a.tme_messages_more[data-before]");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{address_of, read_fixture};
    use model::SourceKind;

    #[test]
    fn a_preview_is_read_post_by_post() {
        let reading = read_fixture(SourceKind::Telegram, "telegram/preview.html", "https://t.me/s/qala_news");
        assert_eq!((reading.alarm.as_ref(), reading.title.as_deref()), (None, Some("Қала жаңалықтары")));
        let [reply, forwarded, first] = reading.entries.as_slice() else { panic!("{reading:?}") };
        assert_eq!(first.id.as_deref(), Some("qala_news/101"));
        assert_eq!(first.url.as_ref().map(Url::as_str), Some("https://t.me/qala_news/101"));
        assert_eq!(
            first.text.as_deref(),
            Some("Әкімдік жаңа мектеп ашты\nТолығырақ: A&B\nМектеп ашылды\nАлматыда 600 орындық мектеп")
        );
        assert_eq!(
            first.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-23T04:15:00Z")
        );
        assert_eq!((first.post.views, first.post.followers), (Some(1200), Some(34_500)));
        assert_eq!((first.author.as_deref(), first.post.kind), (Some("А. Нұрлан"), Some(PostKind::Post)));
        assert_eq!(
            (forwarded.post.kind, forwarded.post.parent.as_deref(), forwarded.post.views),
            (Some(PostKind::Repost), Some("https://t.me/other/5"), Some(2_000_000))
        );
        assert_eq!(
            (reply.text.as_deref(), reply.post.parent.as_deref()),
            (Some("Түзету: орын саны 650"), Some("https://t.me/qala_news/101"))
        );
        assert_eq!(
            reading.next.as_ref().map(Url::as_str),
            Some("https://t.me/s/qala_news?before=101"),
            "the page with older posts"
        );
    }

    #[test]
    fn other_pages_raise_alarms() {
        let alarm = |url: &str, body: &str| {
            super::super::testing::read_body(SourceKind::Telegram, body.as_bytes(), url).alarm
        };
        assert!(matches!(alarm("https://t.me/qala_news", "<p>x"), Some(Alarm::Restricted(_))));
        assert!(matches!(alarm("https://t.me/s/qala_news", "<p>x"), Some(Alarm::WrongFormat(_))));
    }

    #[test]
    fn channel_addresses_become_preview_addresses() {
        let at = |url| address_of(SourceKind::Telegram, url);
        assert_eq!(at("https://t.me/qala_news").as_deref(), Ok("https://t.me/s/qala_news"));
        assert_eq!(at("https://telegram.me/s/qala_news").as_deref(), Ok("https://t.me/s/qala_news"));
        assert_eq!(
            at("https://t.me/s/qala_news?q=банк").as_deref(),
            Ok("https://t.me/s/qala_news?q=%D0%B1%D0%B0%D0%BD%D0%BA")
        );
        for bad in ["https://t.me/", "https://t.me/+AbCd", "https://t.me/a/b/c"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn short_numbers_are_parsed() {
        for (text, expected) in [
            ("1.2K", Some(1200)),
            ("987", Some(987)),
            ("3M", Some(3_000_000)),
            ("x", None),
            ("", None),
            ("nanK", None),
        ] {
            assert_eq!(parse_short_number(text), expected, "{text}");
        }
    }
}
