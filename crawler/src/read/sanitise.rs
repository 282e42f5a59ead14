//! Repairs the XML of publishers so that a parser accepts it.
//!
//! Drops text before the first `<`, replaces HTML entities by their characters, escapes bare `&`,
//! removes characters that XML forbids, and removes the encoding from the XML declaration: the text
//! is already decoded.

/// Upper bound on nesting; deeper elements lose their tags. Feed parsers recurse, and a stack overflow aborts
/// the process. Real feeds stay below 20.
const MAX_DEPTH: usize = 200;
/// The number of innermost open elements in which the start tag of an end tag is searched.
const MAX_LOOKBACK: usize = 64;
/// Upper bound on unclosed void elements; further ones lose their tags. An XML parser nests all that follows
/// into each.
const MAX_UNCLOSED_VOID: usize = 50;
/// HTML elements without an end tag, which occur in malformed feeds.
const VOID_ELEMENTS: &[&str] =
    &["br", "hr", "img", "input", "meta", "link", "col", "area", "embed", "source", "wbr"];

/// Returns the repaired text, in linear time. CDATA sections and comments keep their content.
pub(super) fn sanitise(text: &str) -> String {
    let start = text.find('<').unwrap_or(text.len());
    let mut rest = text.get(start..).unwrap_or("");
    let mut output = String::with_capacity(rest.len() + 64);
    let mut tags = OpenTags::default();
    if let Some((_, tail)) = rest.strip_prefix("<?xml").and_then(|inner| inner.split_once("?>")) {
        output.push_str("<?xml version=\"1.0\"?>");
        rest = tail.trim_start();
    }
    while let Some(at) = rest.find(['&', '<']) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        push_clean(&mut output, plain);
        let section =
            section_length(special, "<![CDATA[", "]]>").or_else(|| section_length(special, "<!--", "-->"));
        if let Some(length) = section {
            push_clean(&mut output, special.get(..length).unwrap_or(""));
            rest = special.get(length..).unwrap_or("");
        } else if special.starts_with('&') {
            let length = push_reference(special, &mut output);
            rest = special.get(length..).unwrap_or("");
        } else {
            let is_allowed = tags.allow(special);
            let length = if is_allowed { 1 } else { special.find('>').map_or(special.len(), |end| end + 1) };
            output.push_str(if is_allowed { "<" } else { "" });
            rest = special.get(length..).unwrap_or("");
        }
    }
    push_clean(&mut output, rest);
    output
}

/// The open elements. They are tracked by name, so that end tags without a start tag do not hide the nesting depth.
#[derive(Default)]
struct OpenTags<'a> {
    open: Vec<&'a str>,
    /// The number of void elements without an end tag, for which only an XML parser expects one.
    unclosed_void: usize,
}

impl<'a> OpenTags<'a> {
    /// Records the tag at the start of `text`. Returns false if it is nested too deeply and must be dropped.
    fn allow(&mut self, text: &'a str) -> bool {
        let inner = text.get(1..).unwrap_or("");
        let (inner, is_end) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
        if !inner.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return true;
        }
        // The scan stops at the next `<`, so that unterminated tags do not make it quadratic.
        let head: &str = inner.split('<').next().unwrap_or("");
        let tag = head.split('>').next().unwrap_or("");
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("");
        if VOID_ELEMENTS.iter().any(|void| void.eq_ignore_ascii_case(name)) {
            return self.allow_void(is_end, tag.ends_with('/'));
        }
        if is_end {
            let lowest = self.open.len().saturating_sub(MAX_LOOKBACK);
            let top = self.open.get(lowest..).unwrap_or_default();
            let Some(at) = top.iter().rposition(|open| *open == name) else {
                return self.open.len() <= MAX_DEPTH;
            };
            self.open.truncate(lowest + at);
            return lowest + at < MAX_DEPTH;
        }
        if tag.ends_with('/') {
            return true;
        }
        self.open.push(name);
        self.open.len() <= MAX_DEPTH
    }

    fn allow_void(&mut self, is_end: bool, is_self_closing: bool) -> bool {
        let has_room = self.unclosed_void < MAX_UNCLOSED_VOID;
        if is_end {
            self.unclosed_void = self.unclosed_void.saturating_sub(1);
            return has_room || self.unclosed_void < MAX_UNCLOSED_VOID;
        }
        self.unclosed_void += usize::from(!is_self_closing);
        has_room || is_self_closing
    }
}

/// Returns the length of the section at the start of `text`. An unclosed section extends to the end of the text.
fn section_length(text: &str, open: &str, close: &str) -> Option<usize> {
    let inner = text.strip_prefix(open)?;
    Some(inner.find(close).map_or(text.len(), |end| open.len() + end + close.len()))
}

/// Appends the character that the reference at the start of `text` encodes. Returns the length of the reference.
fn push_reference(text: &str, output: &mut String) -> usize {
    let body = text.get(1..).unwrap_or("");
    let length = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '#')).unwrap_or(body.len());
    let name = body.get(..length).unwrap_or("");
    let closed = body.get(length..).is_some_and(|tail| tail.starts_with(';'));
    if name.is_empty() || length > 32 || !closed {
        output.push_str("&amp;");
        return 1;
    }
    let whole = text.get(..length + 2).unwrap_or("");
    if matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
        output.push_str(whole);
    } else {
        let decoded = html_escape::decode_html_entities(whole);
        if decoded == whole {
            output.push_str("&amp;");
            return 1;
        }
        for c in decoded.chars().filter(|c| is_xml_char(*c)) {
            match c {
                '<' => output.push_str("&lt;"),
                '>' => output.push_str("&gt;"),
                '&' => output.push_str("&amp;"),
                '"' => output.push_str("&quot;"),
                _ => output.push(c),
            }
        }
    }
    length + 2
}

fn push_clean(output: &mut String, text: &str) {
    if text.chars().all(is_xml_char) {
        output.push_str(text);
    } else {
        output.extend(text.chars().filter(|c| is_xml_char(*c)));
    }
}

/// Returns true for the characters that XML 1.0 allows (§2.2).
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, MAX_UNCLOSED_VOID, sanitise};
    use proptest::prelude::*;

    #[test]
    fn common_defects_are_repaired() {
        for (input, expected) in [
            ("\n\u{feff} junk<a/>", "<a/>"),
            ("<?xml version='1.0' encoding='windows-1251'?>\n<a/>", "<?xml version=\"1.0\"?><a/>"),
            ("<a>&nbsp;&laquo;x&raquo; &mdash;</a>", "<a>\u{a0}«x» —</a>"),
            ("<a>A & B &amp; C &unknown; &#1178;</a>", "<a>A &amp; B &amp; C &amp;unknown; Қ</a>"),
            ("<a>&#60;b&#x3e;</a>", "<a>&lt;b&gt;</a>"),
            ("<a><![CDATA[x & y &nbsp;\u{0}]]></a>", "<a><![CDATA[x & y &nbsp;]]></a>"),
            ("<a>\u{b}x\u{1f}</a>", "<a>x</a>"),
            ("<a href=\"?a=1&b=2\"/>", "<a href=\"?a=1&amp;b=2\"/>"),
        ] {
            assert_eq!(sanitise(input), expected, "{input}");
        }
    }

    /// Returns the nesting depth of `xml` as an XML parser finds it.
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
    fn a_deep_feed_is_flattened_and_keeps_its_text() {
        let input = format!("{}мәтін{}<b>соңы</b>", "<a>".repeat(60_000), "</a>".repeat(60_000));
        let output = sanitise(&input);
        assert_eq!((depth(&input), depth(&output)), (60_000, MAX_DEPTH));
        assert!(output.contains("мәтін") && output.ends_with("<b>соңы</b>"));
        // Void elements and unmatched end tags hide the depth from a plain counter.
        for level in ["<m:g><link></link>", "<m:g><img/></img></img>", "<m:g></z>", "<link>", "<m:g><br>"] {
            let input = level.repeat(5000);
            assert!(nesting(&input) >= 5000, "{level}");
            let depth_after = nesting(&sanitise(&input));
            assert!(depth_after <= MAX_DEPTH + MAX_UNCLOSED_VOID + 1, "{level}: {depth_after}");
        }
    }

    /// Returns the nesting depth in a parser that ignores unmatched end tags.
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
        fn sanitising_is_idempotent(text in "[<>&;#a-z!\\[\\]\\-\u{0}ә ]{0,60}") {
            let once = sanitise(&text);
            prop_assert_eq!(sanitise(&once), once);
        }
    }
}
