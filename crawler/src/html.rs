//! A size guard for HTML: markup that would overload html5ever is reduced before it is parsed.
//!
//! A page of 20,000 nested elements keeps every html5ever-based parser busy for minutes. One linear
//! scan counts depth and elements. Ordinary pages pass unchanged; other pages lose the tags that
//! exceed the limits, but no text.

use std::borrow::Cow;

/// Upper bound on nested elements; deeper tags are dropped. Real pages stay below 100.
const MAX_DEPTH: usize = 200;
/// Upper bound on start tags; later ones are dropped. Real pages stay below 20,000.
const MAX_ELEMENTS: usize = 100_000;
/// Upper bound on the size of the markup, in bytes; the rest is ignored.
const MAX_BYTES: usize = 4 << 20;
/// Upper bound on the length of one tag with its attributes, in bytes; a longer tag is dropped.
const MAX_TAG_BYTES: usize = 64 << 10;

/// Elements without an end tag.
const VOID_ELEMENTS: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "!doctype", "basefont", "frame", "keygen", "bgsound",
];
/// Groups of elements with an optional end tag. The start tag of an element closes an open element of its group.
const OPTIONAL_END_TAGS: &[&[&str]] =
    &[&["p"], &["li"], &["dt", "dd"], &["option"], &["td", "th", "tr", "tbody", "thead", "tfoot"]];
/// Elements that bound the scope of an end tag (HTML §13.2.4.2, "in scope").
const SCOPE_BOUNDARIES: &[&str] =
    &["applet", "caption", "html", "table", "td", "th", "marquee", "object", "template"];
/// Elements that bound the scope of an end tag of [`TABLE_PARTS`] (HTML §13.2.4.2, "in table scope").
const TABLE_SCOPE_BOUNDARIES: &[&str] = &["html", "table", "template"];
/// Elements whose end tags are resolved in table scope.
const TABLE_PARTS: &[&str] = &["table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption"];
/// Elements that the parser reopens in every later block until they are closed (HTML §13.2.4.3): each unclosed
/// one adds a node to every following block.
const FORMATTING_ELEMENTS: &[&str] =
    &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements that stay open when an enclosing formatting element is closed (HTML §13.2.4.2, "special").
const SPECIAL_ELEMENTS: &[&str] = &[
    "address",
    "applet",
    "article",
    "aside",
    "blockquote",
    "body",
    "button",
    "caption",
    "center",
    "colgroup",
    "dd",
    "details",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "li",
    "main",
    "marquee",
    "menu",
    "nav",
    "object",
    "ol",
    "p",
    "pre",
    "search",
    "section",
    "select",
    "summary",
    "table",
    "tbody",
    "td",
    "template",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];
/// Upper bound on open formatting elements; further ones are dropped. Real pages close their formatting elements.
const MAX_OPEN_FORMATTING: usize = 40;
/// Elements whose content contains no tags.
const RAW_TEXT_ELEMENTS: &[&str] = &["script", "style", "textarea", "title", "xmp", "noembed", "noframes"];

/// Returns the markup reduced to the limits of this module, and a problem text if anything was dropped.
pub(crate) fn bounded(markup: &str) -> (Cow<'_, str>, Option<String>) {
    let mut problem = None;
    let mut input = markup;
    if markup.len() > MAX_BYTES {
        let end = (0..=MAX_BYTES).rev().find(|at| markup.is_char_boundary(*at)).unwrap_or(0);
        input = markup.get(..end).unwrap_or("");
        problem = Some(format!("the page is too long: parsed only the first {MAX_BYTES} bytes"));
    }
    let mut scan = Scan { open: Vec::new(), formatting: Vec::new(), elements: 0, output: None, copied: 0 };
    scan.run(input);
    match scan.output {
        None => (Cow::Borrowed(input), problem),
        Some(mut output) => {
            output.push_str(input.get(scan.copied..).unwrap_or(""));
            let dropped_tags = format!(
                "the page is too complex: dropped tags beyond {MAX_DEPTH} nested elements, {MAX_ELEMENTS} elements or {MAX_OPEN_FORMATTING} unclosed formatting elements"
            );
            (Cow::Owned(output), problem.or(Some(dropped_tags)))
        }
    }
}

/// The state of one scan over the markup.
struct Scan<'a> {
    /// Open elements, including those whose tags were dropped because of their depth.
    open: Vec<&'a str>,
    /// Unclosed formatting elements, including those whose enclosing block is closed.
    formatting: Vec<&'a str>,
    /// The number of start tags so far.
    elements: usize,
    /// The reduced markup; `None` until a tag is dropped.
    output: Option<String>,
    /// The input offset up to which the markup is copied to `output` or dropped.
    copied: usize,
}

impl<'a> Scan<'a> {
    fn run(&mut self, markup: &'a str) {
        let mut at = 0;
        while let Some(offset) = markup.get(at..).and_then(|rest| rest.find('<')) {
            let start = at + offset;
            let rest = markup.get(start..).unwrap_or("");
            if let Some(comment) = rest.strip_prefix("<!--") {
                at = start + 4 + comment_end(comment);
                continue;
            }
            let inner = rest.get(1..).unwrap_or("");
            let is_closing = inner.starts_with('/');
            let name_start = usize::from(is_closing);
            let name_onward = inner.get(name_start..).unwrap_or("");
            if !name_onward.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
                at = start + 1;
                continue;
            }
            let end = tag_end(rest);
            let length = name_onward
                .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
                .unwrap_or(name_onward.len());
            let name = name_onward.get(..length).unwrap_or("");
            at = start + end;
            let is_within_limits = if is_closing {
                self.close_element(name)
            } else {
                self.open_element(name, rest.get(..end).unwrap_or(""))
            };
            if !is_within_limits {
                self.drop_tag(markup, start, at);
            } else if !is_closing && is_one_of(name, RAW_TEXT_ELEMENTS) {
                self.open.pop();
                at = raw_end(markup, at, name);
            }
        }
    }

    /// Records a start tag. Returns false if the tag exceeds a limit.
    fn open_element(&mut self, name: &'a str, tag: &str) -> bool {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS || tag.len() > MAX_TAG_BYTES {
            return false;
        }
        // `/>` closes an element inside `svg` and `math`; elsewhere it has no effect (HTML §13.2.5.40).
        let innermost = self.open.iter().rev().take(MAX_DEPTH);
        let is_self_closed = tag.ends_with("/>")
            && !is_one_of(name, RAW_TEXT_ELEMENTS)
            && innermost.into_iter().any(|open| is_one_of(open, &["svg", "math"]));
        if is_one_of(name, VOID_ELEMENTS) || is_self_closed {
            return true;
        }
        if is_one_of(name, FORMATTING_ELEMENTS) {
            if self.formatting.len() >= MAX_OPEN_FORMATTING {
                return false;
            }
            self.formatting.push(name);
        }
        if let Some(group) = OPTIONAL_END_TAGS.iter().find(|group| is_one_of(name, group)) {
            // In a table, a row also closes cells, and a row group also closes rows and cells.
            while self
                .open
                .last()
                .is_some_and(|last| is_one_of(last, group) && rank(group, last) >= rank(group, name))
            {
                self.open.pop();
            }
        }
        self.open.push(name);
        self.open.len() <= MAX_DEPTH
    }

    /// Records an end tag. It closes all elements that its element contains. Returns false if its start tag was
    /// dropped.
    ///
    /// Only the innermost [`MAX_DEPTH`] elements are searched; otherwise stray end tags in a deep page would make
    /// the scan quadratic. An end tag without a start tag among them is harmless.
    fn close_element(&mut self, name: &str) -> bool {
        if let Some(at) = self.formatting.iter().rposition(|open| open.eq_ignore_ascii_case(name)) {
            self.formatting.remove(at);
        }
        let search_start = self.open.len().saturating_sub(MAX_DEPTH);
        let boundaries = if is_one_of(name, TABLE_PARTS) { TABLE_SCOPE_BOUNDARIES } else { SCOPE_BOUNDARIES };
        let position = self.open.get(search_start..).and_then(|top| {
            let stop = top
                .iter()
                .rposition(|open| open.eq_ignore_ascii_case(name) || is_one_of(open, boundaries))?;
            top.get(stop).filter(|open| open.eq_ignore_ascii_case(name)).map(|_| stop)
        });
        match position.map(|position| search_start + position) {
            Some(at) => {
                let inside = self.open.get(at + 1..).unwrap_or_default();
                if is_one_of(name, FORMATTING_ELEMENTS)
                    && inside.iter().any(|open| is_one_of(open, SPECIAL_ELEMENTS))
                {
                    self.open.remove(at);
                } else {
                    self.open.truncate(at);
                }
                at < MAX_DEPTH
            }
            None => self.open.len() <= MAX_DEPTH,
        }
    }

    fn drop_tag(&mut self, markup: &str, start: usize, end: usize) {
        let output = self.output.get_or_insert_default();
        output.push_str(markup.get(self.copied..start).unwrap_or(""));
        self.copied = end;
    }
}

/// Returns the rank of an element in its group of [`OPTIONAL_END_TAGS`]: cells rank above rows, and rows above
/// row groups. In the other groups all ranks are equal.
fn rank(group: &[&str], name: &str) -> usize {
    if group.len() < 6 {
        return 0;
    }
    match name.to_ascii_lowercase().as_str() {
        "td" | "th" => 2,
        "tr" => 1,
        _ => 0,
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|candidate| candidate.eq_ignore_ascii_case(name))
}

/// Returns the length of a tag in bytes. A quote is significant only at the start of an attribute value, as in the
/// standard's tokenizer (HTML §13.2.5.37). An unterminated quote is ignored.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    let mut is_value_start = false;
    for (at, byte) in tag.bytes().enumerate().take(MAX_TAG_BYTES * 2) {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if is_value_start => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => (),
        }
        is_value_start = quote.is_none() && (byte == b'=' || is_value_start && byte.is_ascii_whitespace());
    }
    tag.find('>').map_or(tag.len(), |at| at + 1)
}

/// Returns the length of a comment in bytes, counted after its `<!--`. The end is found as in the standard's
/// tokenizer.
fn comment_end(comment: &str) -> usize {
    if comment.starts_with('>') {
        return 1;
    }
    if comment.starts_with("->") {
        return 2;
    }
    // One pass: two separate searches would each read to the end of the page for every comment.
    let length = |at: usize| {
        let tail = comment.get(at..)?;
        [("-->", 3), ("--!>", 4)].iter().find(|(end, _)| tail.starts_with(end)).map(|(_, length)| at + length)
    };
    let bytes = comment.as_bytes();
    (0..bytes.len())
        .find_map(|at| (bytes.get(at) == Some(&b'-')).then(|| length(at)).flatten())
        .unwrap_or(bytes.len())
}

/// Returns the offset of the end tag of a raw text element.
fn raw_end(markup: &str, from: usize, name: &str) -> usize {
    let mut at = from;
    while let Some(offset) = markup.get(at..).and_then(|rest| rest.find("</")) {
        let tail = at + offset + 2;
        if markup.get(tail..tail + name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            return at + offset;
        }
        at = tail;
    }
    markup.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the depth of the tree that html5ever builds.
    fn depth(markup: &str) -> usize {
        let tree = scraper::Html::parse_document(markup);
        tree.tree.nodes().map(|node| node.ancestors().count()).max().unwrap_or(0)
    }

    #[test]
    fn ordinary_pages_are_unchanged() {
        let rows = "<tr><td>бір<td>екі".repeat(5000);
        let paragraphs =
            "<p>мәтін".repeat(5000) + &"<li>тармақ".repeat(5000) + &"<br><img src=a>".repeat(5000);
        let script = "<script>if (a<b) { x = '<div>'.repeat(9) }</script>".repeat(1000);
        for page in [
            rows,
            paragraphs,
            script,
            "<a title='a>b'>x</a>".repeat(1000),
            "<a b=1 \"c' d=e\" >x</a>".repeat(1000),
            "<table><tr><td><div></table>".repeat(1000),
            "a < b <3".to_owned(),
        ] {
            let (output, problem) = bounded(&page);
            assert!(matches!(output, Cow::Borrowed(_)), "{}", output.get(..100).unwrap_or(""));
            assert_eq!(problem, None);
        }
    }

    #[test]
    fn deep_pages_lose_tags_and_keep_text() {
        for (open, close) in [("<div>", "</div>"), ("<table><tr><td>", "</td></tr></table>"), ("<b><i>", "")]
        {
            let page = format!("{}мәтін{}<p>соңы</p>", open.repeat(50_000), close.repeat(50_000));
            let (output, problem) = bounded(&page);
            assert!(problem.is_some() && output.contains("мәтін") && output.contains("соңы"), "{open}");
            assert!(depth(&output) <= MAX_DEPTH * 2, "{open}: {}", depth(&output));
        }
    }

    /// Returns small pages that make a tree builder run for minutes or allocate gigabytes, one per weakness.
    fn hostile_pages(count: usize) -> Vec<String> {
        let formatting = (0..count).map(|n| format!("<p><font a={n}></p>")).collect();
        vec![
            "<div/>".repeat(count),
            format!("<!-->{}", "<div>".repeat(count)),
            format!("<!--->{}", "<div>".repeat(count)),
            format!("<!-- --!>{}", "<div>".repeat(count)),
            "<optgroup>".repeat(count),
            "<ruby><rt>".repeat(count),
            "<div><object></div>".repeat(count),
            "<div><marquee></div>".repeat(count),
            "<a href=x><div></a>".repeat(count),
            formatting,
        ]
    }

    /// Returns true if the tree of `markup` is small in relation to `page`, the original of `markup`.
    fn is_small(markup: &str, page: &str) -> bool {
        let tags = page.matches('<').count();
        let nodes = scraper::Html::parse_document(markup).tree.nodes().count();
        nodes <= tags * (MAX_OPEN_FORMATTING + 2) + 10 && depth(markup) <= MAX_DEPTH * 2
    }

    #[test]
    fn hostile_pages_become_small_trees() {
        for page in hostile_pages(4000) {
            let (output, _) = bounded(&page);
            assert!(is_small(&output, &page), "{}", page.get(..20).unwrap_or(""));
        }
    }

    /// A scan that reads to the end of the page for each comment would take minutes.
    #[test]
    fn comments_are_scanned_in_linear_time() {
        let page = "<!---->".repeat(500_000);
        assert_eq!(bounded(&page).0, page);
        assert_eq!((comment_end(" a --> b"), comment_end("--!>"), comment_end("x")), (6, 4, 1));
    }

    /// The control: without the guard, even an eighth of these pages builds large trees.
    #[test]
    fn without_the_guard_hostile_pages_become_large_trees() {
        let pages = hostile_pages(500);
        let is_large: Vec<bool> = pages.iter().map(|page| !is_small(page, page)).collect();
        assert!(is_large.iter().all(|is_large| *is_large), "{is_large:?}");
    }

    #[test]
    fn elements_and_tag_lengths_are_bounded() {
        let wide = "<i>x</i>".repeat(300_000);
        let (output, _) = bounded(&wide);
        assert!(output.matches("<i>").count() <= MAX_ELEMENTS);
        let tag = format!("<a {}>x", "b=\"c\" ".repeat(50_000));
        assert_eq!(bounded(&tag).0, "x");
    }

    proptest! {
        #[test]
        fn scanning_never_panics_or_changes_small_markup(markup in "[<>/a-d\"'= !ә\\-]{0,80}") {
            let (output, problem) = bounded(&markup);
            prop_assert!(problem.is_some() || output == markup);
        }
    }
}
