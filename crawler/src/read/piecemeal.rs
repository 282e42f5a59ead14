//! Parses a malformed feed entry by entry, so that a bad entry does not affect the others.

use super::sanitise::sanitise;
use super::{Page, Reading, lenient};

/// Upper bound on the entries of a feed; each one costs a parse of the feed's head.
const MAX_ENTRIES: usize = 1000;
/// Upper bound on the text before the first entry, in bytes; a longer text is not the head of a feed.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Upper bound on the reported problems of a feed.
const MAX_PROBLEMS: usize = 5;

/// Parses the entries of a decoded text that begin at `starts`, each as a feed of its head and that one entry.
/// Returns `None` if no entry can be parsed.
pub(super) fn read(page: &Page<'_>, text: &str, starts: &[usize]) -> Option<Reading> {
    let head = text.get(..*starts.first()?).filter(|head| head.len() <= MAX_HEAD_BYTES)?;
    let tail = end_tags(head)?;
    let mut whole = Reading::default();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        let entry = first_entry(text.get(*start..end).unwrap_or(""));
        // Each entry is sanitised alone, so that elements an earlier entry left open have no effect on it.
        let reading = lenient::read(page, &sanitise(&format!("{head}{entry}{tail}")));
        whole.title = whole.title.or(reading.title);
        if reading.entries.is_empty() && whole.problems.len() < MAX_PROBLEMS {
            whole.problems.push(format!("skipped entry {}: not well formed", index + 1));
        }
        whole.entries.extend(reading.entries.into_iter().take(1));
    }
    (!whole.entries.is_empty()).then_some(whole)
}

/// Returns the offsets of all `<item` and `<entry` tags, including those in CDATA sections and comments: in a
/// malformed feed the end of a section is uncertain.
pub(super) fn entry_starts(text: &str) -> Vec<usize> {
    text.match_indices('<').map(|(at, _)| at).filter(|at| is_entry(text, *at)).take(MAX_ENTRIES).collect()
}

/// Returns the offsets of the `<item` and `<entry` tags outside CDATA sections and comments.
pub(super) fn entry_starts_outside_sections(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('<')).map(|at| from + at) {
        let rest = text.get(at..).unwrap_or("");
        let section =
            [("<![CDATA[", "]]>"), ("<!--", "-->")].into_iter().find(|(open, _)| rest.starts_with(open));
        from = match section {
            Some((_, close)) => rest.find(close).map_or(text.len(), |end| at + end + close.len()),
            None => at + 1,
        };
        if section.is_none() && starts.len() < MAX_ENTRIES && is_entry(text, at) {
            starts.push(at);
        }
    }
    starts
}

fn is_entry(text: &str, at: usize) -> bool {
    ["<item", "<entry"].iter().any(|name| {
        let next = text.as_bytes().get(at + name.len());
        text.get(at..at + name.len()) == Some(*name)
            && next.is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'>')
    })
}

/// Returns the text up to its first end tag of an entry.
fn first_entry(entry: &str) -> &str {
    let end = ["</item>", "</entry>"].iter().filter_map(|end| Some(entry.find(end)? + end.len())).min();
    entry.get(..end.unwrap_or(entry.len())).unwrap_or(entry)
}

/// Returns the end tags that a head lacks: that of its root and that of the RSS channel.
fn end_tags(head: &str) -> Option<String> {
    let is_name = |c: &char| c.is_alphanumeric() || matches!(c, ':' | '_' | '-');
    let root = head.match_indices('<').map(|(at, _)| head.get(at + 1..).unwrap_or(""));
    let root: String = root
        .map(|inner| inner.chars().take_while(is_name).collect::<String>())
        .find(|name| name.starts_with(char::is_alphabetic))?;
    let channel = head.contains("<channel") && !head.contains("</channel");
    Some(format!("{}</{root}>", if channel { "</channel>" } else { "" }))
}
