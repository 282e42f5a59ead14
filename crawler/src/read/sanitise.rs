//! XML as publishers write it, made well enough formed for a parser.
//!
//! Junk before the first `<` goes, HTML entities become letters, a bare `&` is escaped, characters
//! that XML forbids are removed, and the XML declaration no longer names an encoding: the text has
//! been decoded already.

/// Elements inside elements beyond this lose their tags: parsers of feeds recurse, and a stack that
/// overflows ends the whole process. Real feeds stay below 20.
const MAX_DEPTH: usize = 200;
/// How far up an end tag looks for its beginning.
const NEAR: usize = 64;
/// Elements without an end tag beyond this lose it: a parser of XML nests what follows in each.
const MAX_UNENDED: usize = 50;
/// Elements of HTML that have no end tag, as they stand in feeds that are not well formed.
const VOID: &[&str] = &["br", "hr", "img", "input", "meta", "link", "col", "area", "embed", "source", "wbr"];

/// The text, mended. Linear; CDATA sections and comments keep their content.
pub(super) fn sanitise(text: &str) -> String {
    let start = text.find('<').unwrap_or(text.len());
    let mut rest = text.get(start..).unwrap_or("");
    let mut mended = String::with_capacity(rest.len() + 64);
    let mut depth = Depth::default();
    if let Some((_, after)) = rest.strip_prefix("<?xml").and_then(|inner| inner.split_once("?>")) {
        mended.push_str("<?xml version=\"1.0\"?>");
        rest = after.trim_start();
    }
    while let Some(at) = rest.find(['&', '<']) {
        let (before, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        push_clean(&mut mended, before);
        let verbatim = section(special, "<![CDATA[", "]]>").or_else(|| section(special, "<!--", "-->"));
        if let Some(length) = verbatim {
            push_clean(&mut mended, special.get(..length).unwrap_or(""));
            rest = special.get(length..).unwrap_or("");
        } else if special.starts_with('&') {
            let length = reference(special, &mut mended);
            rest = special.get(length..).unwrap_or("");
        } else {
            let kept = depth.keeps(special);
            let length = if kept { 1 } else { special.find('>').map_or(special.len(), |end| end + 1) };
            mended.push_str(if kept { "<" } else { "" });
            rest = special.get(length..).unwrap_or("");
        }
    }
    push_clean(&mut mended, rest);
    mended
}

/// What is open, by name: end tags that belong to nothing must not hide how deep we are.
#[derive(Default)]
struct Depth<'a> {
    open: Vec<&'a str>,
    /// Elements of HTML that were begun without an end, which only a parser of XML waits for.
    unended: usize,
}

impl<'a> Depth<'a> {
    /// Counts the tag that `text` starts with. False: it is too deep, and is dropped.
    fn keeps(&mut self, text: &'a str) -> bool {
        let inner = text.get(1..).unwrap_or("");
        let (inner, closing) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
        if !inner.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return true;
        }
        // A tag is looked at only so far: one without an end must not be read again and again.
        let head: &str = inner.split('<').next().unwrap_or("");
        let tag = head.split('>').next().unwrap_or("");
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("");
        if VOID.iter().any(|void| void.eq_ignore_ascii_case(name)) {
            return self.keeps_void(closing, tag.ends_with('/'));
        }
        if closing {
            let near = self.open.len().saturating_sub(NEAR);
            let top = self.open.get(near..).unwrap_or_default();
            let Some(at) = top.iter().rposition(|open| *open == name) else {
                return self.open.len() <= MAX_DEPTH;
            };
            self.open.truncate(near + at);
            return near + at < MAX_DEPTH;
        }
        if tag.ends_with('/') {
            return true;
        }
        self.open.push(name);
        self.open.len() <= MAX_DEPTH
    }

    fn keeps_void(&mut self, closing: bool, closed: bool) -> bool {
        let keeps = self.unended < MAX_UNENDED;
        if closing {
            self.unended = self.unended.saturating_sub(1);
            return keeps || self.unended < MAX_UNENDED;
        }
        self.unended += usize::from(!closed);
        keeps || closed
    }
}

/// The length of a section that `text` starts with; an open end takes the rest.
fn section(text: &str, open: &str, close: &str) -> Option<usize> {
    let inner = text.strip_prefix(open)?;
    Some(inner.find(close).map_or(text.len(), |end| open.len() + end + close.len()))
}

/// Writes what the reference at the start of `text` stands for; says how long it was.
fn reference(text: &str, mended: &mut String) -> usize {
    let body = text.get(1..).unwrap_or("");
    let length = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '#')).unwrap_or(body.len());
    let name = body.get(..length).unwrap_or("");
    let closed = body.get(length..).is_some_and(|tail| tail.starts_with(';'));
    if name.is_empty() || length > 32 || !closed {
        mended.push_str("&amp;");
        return 1;
    }
    let whole = text.get(..length + 2).unwrap_or("");
    if matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
        mended.push_str(whole);
    } else {
        let decoded = html_escape::decode_html_entities(whole);
        if decoded == whole {
            mended.push_str("&amp;");
            return 1;
        }
        for c in decoded.chars().filter(|c| is_xml(*c)) {
            match c {
                '<' => mended.push_str("&lt;"),
                '>' => mended.push_str("&gt;"),
                '&' => mended.push_str("&amp;"),
                '"' => mended.push_str("&quot;"),
                _ => mended.push(c),
            }
        }
    }
    length + 2
}

fn push_clean(mended: &mut String, text: &str) {
    if text.chars().all(is_xml) {
        mended.push_str(text);
    } else {
        mended.extend(text.chars().filter(|c| is_xml(*c)));
    }
}

/// Characters that XML 1.0 admits (§2.2).
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, MAX_UNENDED, sanitise};
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (given, expected) in [
            ("\n\u{feff} junk<a/>", "<a/>"),
            ("<?xml version='1.0' encoding='windows-1251'?>\n<a/>", "<?xml version=\"1.0\"?><a/>"),
            ("<a>&nbsp;&laquo;x&raquo; &mdash;</a>", "<a>\u{a0}«x» —</a>"),
            ("<a>A & B &amp; C &unknown; &#1178;</a>", "<a>A &amp; B &amp; C &amp;unknown; Қ</a>"),
            ("<a>&#60;b&#x3e;</a>", "<a>&lt;b&gt;</a>"),
            ("<a><![CDATA[x & y &nbsp;\u{0}]]></a>", "<a><![CDATA[x & y &nbsp;]]></a>"),
            ("<a>\u{b}x\u{1f}</a>", "<a>x</a>"),
            ("<a href=\"?a=1&b=2\"/>", "<a href=\"?a=1&amp;b=2\"/>"),
        ] {
            assert_eq!(sanitise(given), expected, "{given}");
        }
    }

    /// How deep a parser finds the elements of `xml`.
    fn depth(xml: &str) -> usize {
        let mut reader = quick_xml::Reader::from_str(xml);
        let (mut open, mut deepest) = (0_usize, 0);
        loop {
            match reader.read_event().expect("well formed") {
                quick_xml::events::Event::Start(_) => open += 1,
                quick_xml::events::Event::End(_) => open -= 1,
                quick_xml::events::Event::Eof => return deepest,
                _ => (),
            }
            deepest = deepest.max(open);
        }
    }

    #[test]
    fn a_deep_feed_becomes_shallow_and_keeps_its_text() {
        let given = format!("{}мәтін{}<b>соңы</b>", "<a>".repeat(60_000), "</a>".repeat(60_000));
        let mended = sanitise(&given);
        assert_eq!((depth(&given), depth(&mended)), (60_000, MAX_DEPTH));
        assert!(mended.contains("мәтін") && mended.ends_with("<b>соңы</b>"));
        // What hides depth from a mere count: elements of HTML, end tags of nothing.
        for level in ["<m:g><link></link>", "<m:g><img/></img></img>", "<m:g></z>", "<link>", "<m:g><br>"] {
            let given = level.repeat(5000);
            assert!(nesting(&given) >= 5000, "{level}");
            let nested = nesting(&sanitise(&given));
            assert!(nested <= MAX_DEPTH + MAX_UNENDED + 1, "{level}: {nested}");
        }
    }

    /// How deep a parser would be that ignores end tags of nothing.
    fn nesting(xml: &str) -> usize {
        let (mut open, mut deepest) = (Vec::new(), 0);
        for tag in xml.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()) {
            match tag.strip_prefix('/') {
                Some(name) if open.last() == Some(&name) => drop(open.pop()),
                None if !tag.ends_with('/') => open.push(tag),
                _ => (),
            }
            deepest = deepest.max(open.len());
        }
        deepest
    }

    proptest! {
        #[test]
        fn mending_twice_is_mending_once(text in "[<>&;#a-z!\\[\\]\\-\u{0}ә ]{0,60}") {
            let once = sanitise(&text);
            prop_assert_eq!(sanitise(&once), once);
        }
    }
}
