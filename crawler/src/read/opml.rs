//! Lists of feeds in OPML 2.0, the exchange format of feed readers.

use quick_xml::events::{BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

/// A feed in an OPML list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The title; may be empty.
    pub title: String,
    /// The address of the feed.
    pub url: String,
    /// The declared language; may be empty.
    pub language: String,
    /// The byte offset in the file.
    pub at: u64,
}

/// Parses the feeds of a list at any nesting level. Fails if the file is malformed or has more than `max_feeds`
/// feeds.
pub fn read_opml(text: &str, max_feeds: usize) -> Result<Vec<Outline>, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut outlines = Vec::new();
    let mut is_opml = false;
    loop {
        let at = reader.buffer_position();
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => {
                is_opml |= tag.local_name().as_ref() == "opml";
                if tag.local_name().as_ref() == "outline" {
                    outlines.extend(Some(outline(&tag, at)).filter(|outline| !outline.url.is_empty()));
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) => (),
            Err(error) => return Err(format!("invalid OPML at byte {at}: {error}")),
        }
        if outlines.len() > max_feeds {
            return Err(format!("more than {max_feeds} feeds in one file"));
        }
    }
    if is_opml { Ok(outlines) } else { Err("not an OPML file: it has no <opml> element".to_owned()) }
}

fn outline(tag: &BytesStart<'_>, at: u64) -> Outline {
    let value = |name: &str| {
        let mut attributes = tag.attributes();
        let mut attributes = attributes.with_checks(false).flatten();
        let attribute = attributes.find(|attribute| attribute.key.as_ref().eq_ignore_ascii_case(name));
        let value = attribute.map(|attribute| attribute.value.into_owned()).unwrap_or_default();
        html_escape::decode_html_entities(&value).trim().to_owned()
    };
    let title = Some(value("title")).filter(|title| !title.is_empty());
    Outline {
        title: title.unwrap_or_else(|| value("text")),
        url: value("xmlUrl"),
        language: value("language").split('-').next().unwrap_or("").to_owned(),
        at,
    }
}

/// Writes an OPML list of feeds, each a title and an address.
pub fn write_opml<'a>(feeds: impl Iterator<Item = (&'a str, &'a str)>) -> std::io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.create_element("opml").with_attribute(("version", "2.0")).write_inner_content(|opml| {
        opml.create_element("head").write_inner_content(|head| {
            head.create_element("title").write_text_content(BytesText::new("Qyran")).map(drop)
        })?;
        opml.create_element("body").write_inner_content(|body| {
            for (title, url) in feeds {
                let outline = body.create_element("outline");
                outline
                    .with_attributes([("type", "rss"), ("text", title), ("title", title), ("xmlUrl", url)])
                    .write_empty()?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_are_read_at_any_level() {
        let text = r#"<?xml version="1.0"?><opml version="1.0"><body><outline text="Қазақстан"><outline text="Tengri &amp; Co" type="rss" xmlUrl="https://tengrinews.kz/news.rss?a=1&amp;b=2"/>
            <outline type="rss" title="Zakon" text="x" language="ru-RU" xmlurl='https://zakon.kz/rss'></outline></outline></body></opml>"#;
        let outlines = read_opml(text, 10).unwrap();
        let fields: Vec<(&str, &str, &str)> = outlines
            .iter()
            .map(|outline| (outline.title.as_str(), outline.url.as_str(), outline.language.as_str()))
            .collect();
        let expected = [
            ("Tengri & Co", "https://tengrinews.kz/news.rss?a=1&b=2", ""),
            ("Zakon", "https://zakon.kz/rss", "ru"),
        ];
        assert_eq!(fields, expected);
        assert!(
            read_opml(text, 1).is_err()
                && read_opml("<rss/>", 9).is_err()
                && read_opml("<opml><outline", 9).is_err()
        );
    }

    #[test]
    fn written_lists_are_read_back() {
        let feeds = [("A & B", "https://a.kz/rss?x=1&y=2"), ("\"қ\"", "https://b.kz/")];
        let xml = write_opml(feeds.into_iter()).unwrap();
        let outlines = read_opml(std::str::from_utf8(&xml).unwrap(), 9).unwrap();
        let fields: Vec<(&str, &str)> =
            outlines.iter().map(|it| (it.title.as_str(), it.url.as_str())).collect();
        assert_eq!(fields, feeds);
    }
}
