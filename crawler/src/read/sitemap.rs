//! Streaming parsers for sitemaps, sitemap indexes, Google News sitemaps and text sitemaps.

use model::{Entry, Precision, Published, PublishedMethod};
use quick_xml::events::Event;

use super::{Accept, Alarm, MAX_ENTRIES, Page, Reader, Reading, sanitise};
use crate::dates;
use crate::fetch::gunzip;
use crate::plain::plain_title;

/// Upper bound on the size of one file, in bytes (the bound of the sitemap protocol).
const MAX_BYTES: u64 = 50 << 20;

/// A sitemap in any format: XML, an index, or text.
pub(super) struct Sitemap;

impl Reader for Sitemap {
    fn accept(&self) -> Accept {
        Accept::Xml
    }

    fn read(&self, page: &Page<'_>) -> Reading {
        read(page)
    }
}

fn read(page: &Page<'_>) -> Reading {
    if !page.body.starts_with(&[0x1f, 0x8b]) {
        return read_plain(page);
    }
    match gunzip(page.body, MAX_BYTES.min(page.max_decoded_bytes)) {
        Ok(body) => read_plain(&Page { body: &body, ..page.clone() }),
        Err(error) => Reading { alarm: Some(Alarm::WrongFormat(error.to_string())), ..Reading::default() },
    }
}

fn read_plain(page: &Page<'_>) -> Reading {
    let decoded = page.decoded();
    let start = decoded.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if start.starts_with("http://") || start.starts_with("https://") {
        return read_lines(start);
    }
    let head: String = start.chars().take(512).collect::<String>().to_ascii_lowercase();
    if head.contains("<!doctype html") || head.contains("<html") {
        return Reading {
            alarm: Some(Alarm::WrongFormat("expected a sitemap, got a web page".to_owned())),
            ..Reading::default()
        };
    }
    let mut reading = read_xml(page, &sanitise::sanitise(&decoded.text));
    reading.problems.extend(decoded.problem);
    reading
}

/// Parses a text sitemap, which has one address per line.
fn read_lines(text: &str) -> Reading {
    // Other lines are comments or empty.
    let is_address = |line: &&str| line.starts_with("http://") || line.starts_with("https://");
    let addresses =
        text.lines().map(str::trim).filter(is_address).filter_map(|line| line.parse().ok()).take(MAX_ENTRIES);
    let entries = addresses.map(|url| Entry { url: Some(url), ..Entry::default() }).collect();
    Reading { entries, ..Reading::default() }
}

/// The fields of the `<url>` or `<sitemap>` element that is being parsed.
#[derive(Default)]
struct Record {
    loc: String,
    lastmod: String,
    publication_date: String,
    title: String,
    language: String,
    image: String,
    bare_text: String,
}

fn read_xml(page: &Page<'_>, text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut children: Vec<(Option<model::Timestamp>, url::Url)> = Vec::new();
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut record = Record::default();
    let mut path: Vec<String> = Vec::new();
    let mut is_foreign = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                let name = tag.local_name().as_ref().to_ascii_lowercase();
                if path.is_empty() {
                    is_foreign = !matches!(name.as_str(), "urlset" | "sitemapindex");
                }
                if path.len() < 16 {
                    path.push(name);
                }
            }
            Ok(Event::Text(text)) => record.push_text(&path, &text),
            Ok(Event::CData(text)) => record.push_text(&path, &text),
            Ok(Event::GeneralRef(reference)) => {
                let name: &str = &reference;
                record.push_text(&path, &html_escape::decode_html_entities(&format!("&{name};")));
            }
            Ok(Event::End(tag)) => {
                let name = tag.local_name().as_ref().to_ascii_lowercase();
                match name.as_str() {
                    "url" => reading.entries.extend(std::mem::take(&mut record).into_entry(page)),
                    "sitemap" => children.extend(std::mem::take(&mut record).into_child(page)),
                    _ => (),
                }
                path.pop();
            }
            Ok(Event::Eof) => break,
            Err(error) => {
                reading.problems.push(format!("the sitemap is truncated or malformed: {error}"));
                break;
            }
            Ok(_) => (),
        }
        if reading.entries.len() >= MAX_ENTRIES || children.len() >= MAX_ENTRIES {
            reading.problems.push(format!("only the first {MAX_ENTRIES} entries were read"));
            break;
        }
    }
    if is_foreign && reading.entries.is_empty() && children.is_empty() {
        reading.alarm = Some(Alarm::WrongFormat("not a sitemap".to_owned()));
    }
    children.sort_by_key(|(lastmod, _)| std::cmp::Reverse(*lastmod));
    reading.children = children.into_iter().map(|(_, url)| url).collect();
    reading
}

impl Record {
    fn push_text(&mut self, path: &[String], text: &str) {
        let parent = path.len().checked_sub(2).and_then(|at| path.get(at)).map(String::as_str);
        let field = match (parent, path.last().map(String::as_str)) {
            (Some("image"), Some("loc")) => &mut self.image,
            (_, Some("loc")) => &mut self.loc,
            (_, Some("lastmod")) => &mut self.lastmod,
            (_, Some("publication_date")) => &mut self.publication_date,
            (Some("news"), Some("title")) => &mut self.title,
            (_, Some("language")) => &mut self.language,
            (_, Some("url" | "sitemap")) => &mut self.bare_text,
            _ => return,
        };
        if field.len() < 8192 {
            field.push_str(text);
        }
    }

    /// Returns the address: that of the `loc` element, or the bare text in files that omit the element.
    fn address(&self, page: &Page<'_>) -> Option<url::Url> {
        let text = if self.loc.trim().is_empty() { &self.bare_text } else { &self.loc };
        let text = text.trim();
        if text.is_empty() { None } else { page.url.join(text).ok() }
    }

    fn into_child(self, page: &Page<'_>) -> Option<(Option<model::Timestamp>, url::Url)> {
        let lastmod = dates::parse(&self.lastmod, &page.zone).map(|moment| moment.at);
        Some((lastmod, self.address(page)?))
    }

    fn into_entry(self, page: &Page<'_>) -> Option<Entry> {
        let url = self.address(page)?;
        let published = dates::parse(&self.publication_date, &page.zone).map(|moment| Published {
            at: moment.at,
            precision: moment.precision,
            method: PublishedMethod::Sitemap,
            original: self.publication_date.trim().to_owned(),
            clamped: false,
        });
        let title = plain_title(&self.title);
        let lastmod = dates::parse(&self.lastmod, &page.zone);
        let is_exact = |moment: &dates::Moment| moment.precision == Precision::Second;
        Some(Entry {
            url: Some(url),
            title: (!title.is_empty()).then_some(title),
            published,
            updated_at: lastmod.filter(is_exact).map(|moment| moment.at),
            changed_on: lastmod.filter(|moment| !is_exact(moment)).map(|moment| moment.at),
            image: page.url.join(self.image.trim()).ok().filter(|_| !self.image.trim().is_empty()),
            language: Some(self.language.trim().to_ascii_lowercase()).filter(|language| !language.is_empty()),
            ..Entry::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Selectors, SourceKind};
    use std::io::Write;
    use url::Url;

    fn check(body: &[u8]) -> Reading {
        let url = Url::parse("https://news.kz/sitemap.xml").unwrap();
        let selectors = Selectors::default();
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        super::super::read(SourceKind::Sitemap, &Page::new(&url, body, &selectors, None, now))
    }

    const NEWS: &str = "<?xml version=\"1.0\"?><urlset xmlns=\"x\" xmlns:news=\"n\"><url><loc>https://news.kz/a?x=1&amp;y=2</loc>
        <news:news><news:publication><news:name>N</news:name><news:language>kk</news:language></news:publication>
        <news:publication_date>2026-11-03T14:05+05:00</news:publication_date><news:title>Банк &amp; биржа</news:title></news:news></url>
        <url><loc> /b </loc><lastmod>2026-11-02</lastmod></url></urlset>";

    #[test]
    fn news_sitemaps_give_titles_and_exact_dates() {
        let reading = check(NEWS.as_bytes());
        let entry = &reading.entries[0];
        assert_eq!(entry.url.as_ref().map(Url::as_str), Some("https://news.kz/a?x=1&y=2"));
        assert_eq!(entry.title.as_deref(), Some("Банк & биржа"));
        assert_eq!(entry.language.as_deref(), Some("kk"));
        assert_eq!(
            entry.published.as_ref().map(|p| p.at.to_string()).as_deref(),
            Some("2026-11-03T09:05:00Z")
        );
        assert_eq!(reading.entries[1].url.as_ref().map(Url::as_str), Some("https://news.kz/b"));
    }

    #[test]
    fn indexes_list_the_newest_first_and_tolerate_a_missing_loc() {
        let index = "<sitemapindex><sitemap><loc>/old.xml</loc><lastmod>2020-01-01</lastmod></sitemap>
            <sitemap><loc>/new.xml</loc><lastmod>2026-11-01</lastmod></sitemap><sitemap>https://news.kz/bare.xml</sitemap></sitemapindex>";
        let children: Vec<String> =
            check(index.as_bytes()).children.iter().map(ToString::to_string).collect();
        assert_eq!(
            children,
            ["https://news.kz/new.xml", "https://news.kz/old.xml", "https://news.kz/bare.xml"]
        );
    }

    #[test]
    fn gzip_text_and_malformed_sitemaps_are_read() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(NEWS.as_bytes()).unwrap();
        assert_eq!(check(&encoder.finish().unwrap()).entries.len(), 2);
        assert_eq!(check(b"https://news.kz/1\nhttps://news.kz/2\n").entries.len(), 2);
        assert_eq!(check(b"<urlset><url><loc>/1</loc></url><url><loc>/2</lo").entries.len(), 1);
        assert!(check(b"<html><body>").alarm.is_some());
        assert!(check(b"<rss><channel/></rss>").alarm.is_some());
    }
}
