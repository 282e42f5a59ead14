//! A feed that is not well formed, read entry by entry: a bad one costs itself and no other.

use super::sanitise::sanitise;
use super::{Page, Reading, lenient};

/// Entries read this way; each costs a parse of the feed's head.
const MAX_ENTRIES: usize = 1000;
/// A head longer than this belongs to no feed.
const MAX_HEAD: usize = 16 << 10;
/// Entries that could not be read and are told one by one.
const MAX_PROBLEMS: usize = 5;

/// The entries of a decoded text that begin at `starts`, as far as each can be read alone behind the feed's head. `None`:
/// none can.
pub(super) fn read(page: &Page<'_>, text: &str, starts: &[usize]) -> Option<Reading> {
    let head = text.get(..*starts.first()?).filter(|head| head.len() <= MAX_HEAD)?;
    let tail = closing(head)?;
    let mut whole = Reading::default();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        let entry = alone(text.get(*start..end).unwrap_or(""));
        // Mended by itself: what an earlier entry left open counts for nothing here.
        let reading = lenient::read(page, &sanitise(&format!("{head}{entry}{tail}")));
        whole.title = whole.title.or(reading.title);
        if reading.entries.is_empty() && whole.problems.len() < MAX_PROBLEMS {
            whole.problems.push(format!("entry {} is not well formed and was passed over", index + 1));
        }
        whole.entries.extend(reading.entries.into_iter().take(1));
    }
    (!whole.entries.is_empty()).then_some(whole)
}

/// Where `<item` and `<entry` begin, wherever they stand: in a feed that is not well formed nobody knows
/// where a section ends.
pub(super) fn starts(text: &str) -> Vec<usize> {
    text.match_indices('<').map(|(at, _)| at).filter(|at| is_entry(text, *at)).take(MAX_ENTRIES).collect()
}

/// Where `<item` and `<entry` begin outside of CDATA sections and comments.
pub(super) fn starts_outside_sections(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('<')).map(|at| from + at) {
        let rest = text.get(at..).unwrap_or("");
        let section =
            [("<![CDATA[", "]]>"), ("<!--", "-->")].into_iter().find(|(open, _)| rest.starts_with(open));
        from = match section {
            Some((_, close)) => rest.find(close).map_or(text.len(), |end| at + end + close.len()),
            None => at + 1,
        };
        if section.is_none() && found.len() < MAX_ENTRIES && is_entry(text, at) {
            found.push(at);
        }
    }
    found
}

fn is_entry(text: &str, at: usize) -> bool {
    ["<item", "<entry"].iter().any(|name| {
        let next = text.as_bytes().get(at + name.len());
        text.get(at..at + name.len()) == Some(*name)
            && next.is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'>')
    })
}

/// The entry without what follows its end tag.
fn alone(entry: &str) -> &str {
    let end = ["</item>", "</entry>"].iter().filter_map(|end| Some(entry.find(end)? + end.len())).min();
    entry.get(..end.unwrap_or(entry.len())).unwrap_or(entry)
}

/// The end tags that a head lacks: of its root, and of RSS's channel.
fn closing(head: &str) -> Option<String> {
    let is_name = |c: &char| c.is_alphanumeric() || matches!(c, ':' | '_' | '-');
    let root = head.match_indices('<').map(|(at, _)| head.get(at + 1..).unwrap_or(""));
    let root: String = root
        .map(|inner| inner.chars().take_while(is_name).collect::<String>())
        .find(|name| name.starts_with(char::is_alphabetic))?;
    let channel = head.contains("<channel") && !head.contains("</channel");
    Some(format!("{}</{root}>", if channel { "</channel>" } else { "" }))
}
