//! The guard that stands before every tree: what html5ever would choke on never reaches it.
//!
//! A page of 20,000 nested elements keeps every html5ever-based parser busy for minutes. One linear
//! scan counts depth and elements; ordinary pages pass untouched, the others lose the tags that
//! are too many, never their text.

use std::borrow::Cow;

/// Open elements beyond this are dropped. Real pages stay below 100.
const MAX_DEPTH: usize = 200;
/// Start tags beyond this are dropped. Real pages stay below 20,000.
const MAX_ELEMENTS: usize = 100_000;
/// Markup beyond this is not read.
const MAX_BYTES: usize = 4 << 20;
/// Attributes of one tag beyond this are dropped with the tag's attributes.
const MAX_TAG_BYTES: usize = 64 << 10;

/// Elements without an end tag.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "!doctype", "basefont", "frame", "keygen", "bgsound",
];
/// Elements whose end tag may be left out: a sibling of the same family closes them.
const FAMILIES: &[&[&str]] =
    &[&["p"], &["li"], &["dt", "dd"], &["option"], &["td", "th", "tr", "tbody", "thead", "tfoot"]];
/// An end tag does not reach beyond these (HTML §13.2.4.2, "in scope")…
const WALLS: &[&str] = &["applet", "caption", "html", "table", "td", "th", "marquee", "object", "template"];
/// …and those of a table's parts not beyond these ("in table scope").
const TABLE_WALLS: &[&str] = &["html", "table", "template"];
const TABLE_PARTS: &[&str] = &["table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption"];
/// Elements that go on in every later block until they are closed (HTML §13.2.4.3): each that is left
/// open costs every block behind it.
const FORMATTING: &[&str] =
    &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Blocks that stay open when a formatting element around them is closed (HTML §13.2.4.2, "special").
const SPECIAL: &[&str] = &[
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
/// Formatting elements left open beyond this are dropped. Real pages close theirs.
const MAX_FORMATTING: usize = 40;
/// Elements whose content holds no tags.
const RAW: &[&str] = &["script", "style", "textarea", "title", "xmp", "noembed", "noframes"];

/// The markup, bounded, and what was dropped if something was.
pub(crate) fn bounded(markup: &str) -> (Cow<'_, str>, Option<String>) {
    let mut problem = None;
    let mut whole = markup;
    if markup.len() > MAX_BYTES {
        let end = (0..=MAX_BYTES).rev().find(|at| markup.is_char_boundary(*at)).unwrap_or(0);
        whole = markup.get(..end).unwrap_or("");
        problem = Some(format!("only the first {MAX_BYTES} bytes were read"));
    }
    let mut scan = Scan { open: Vec::new(), formatting: Vec::new(), elements: 0, kept: None, copied: 0 };
    scan.run(whole);
    match scan.kept {
        None => (Cow::Borrowed(whole), problem),
        Some(mut kept) => {
            kept.push_str(whole.get(scan.copied..).unwrap_or(""));
            let note = format!(
                "nested deeper than {MAX_DEPTH}, more than {MAX_ELEMENTS} elements, or formatting that is never closed: tags were dropped"
            );
            (Cow::Owned(kept), problem.or(Some(note)))
        }
    }
}

struct Scan<'a> {
    /// Open elements, those whose tags were dropped for their depth included.
    open: Vec<&'a str>,
    /// Formatting elements that were not closed, open blocks or not.
    formatting: Vec<&'a str>,
    elements: usize,
    /// The rebuilt markup, once a tag had to be dropped.
    kept: Option<String>,
    /// Markup before this byte is in `kept`.
    copied: usize,
}

impl<'a> Scan<'a> {
    fn run(&mut self, markup: &'a str) {
        let mut at = 0;
        while let Some(found) = markup.get(at..).and_then(|rest| rest.find('<')) {
            let start = at + found;
            let rest = markup.get(start..).unwrap_or("");
            if let Some(comment) = rest.strip_prefix("<!--") {
                at = start + 4 + comment_end(comment);
                continue;
            }
            let inner = rest.get(1..).unwrap_or("");
            let closing = inner.starts_with('/');
            let name_start = usize::from(closing);
            let named = inner.get(name_start..).unwrap_or("");
            if !named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
                at = start + 1;
                continue;
            }
            let end = tag_end(rest);
            let length =
                named.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).unwrap_or(named.len());
            let name = named.get(..length).unwrap_or("");
            at = start + end;
            let keep =
                if closing { self.close(name) } else { self.start(name, rest.get(..end).unwrap_or("")) };
            if !keep {
                self.drop_tag(markup, start, at);
            } else if !closing && is_one_of(name, RAW) {
                self.open.pop();
                at = raw_end(markup, at, name);
            }
        }
    }

    fn start(&mut self, name: &'a str, tag: &str) -> bool {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS || tag.len() > MAX_TAG_BYTES {
            return false;
        }
        // `/>` closes what is drawn or calculated; anywhere else it means nothing (HTML §13.2.5.40).
        let near = self.open.iter().rev().take(MAX_DEPTH);
        let is_closed = tag.ends_with("/>")
            && !is_one_of(name, RAW)
            && near.into_iter().any(|open| is_one_of(open, &["svg", "math"]));
        if is_one_of(name, VOID) || is_closed {
            return true;
        }
        if is_one_of(name, FORMATTING) {
            if self.formatting.len() >= MAX_FORMATTING {
                return false;
            }
            self.formatting.push(name);
        }
        if let Some(family) = FAMILIES.iter().find(|family| is_one_of(name, family)) {
            // Within a table a row closes cells; otherwise like closes like.
            while self
                .open
                .last()
                .is_some_and(|last| is_one_of(last, family) && rank(family, last) >= rank(family, name))
            {
                self.open.pop();
            }
        }
        self.open.push(name);
        self.open.len() <= MAX_DEPTH
    }

    /// An end tag closes what is open above it, and is dropped where its start tag was. One that
    /// nothing near opened is harmless. Only so many are looked through: stray end tags in a deep
    /// page would make the scan quadratic otherwise.
    fn close(&mut self, name: &str) -> bool {
        if let Some(at) = self.formatting.iter().rposition(|open| open.eq_ignore_ascii_case(name)) {
            self.formatting.remove(at);
        }
        let near = self.open.len().saturating_sub(MAX_DEPTH);
        let walls = if is_one_of(name, TABLE_PARTS) { TABLE_WALLS } else { WALLS };
        let found = self.open.get(near..).and_then(|top| {
            let stop =
                top.iter().rposition(|open| open.eq_ignore_ascii_case(name) || is_one_of(open, walls))?;
            top.get(stop).filter(|open| open.eq_ignore_ascii_case(name)).map(|_| stop)
        });
        match found {
            Some(at) => {
                let inside = self.open.get(near + at + 1..).unwrap_or_default();
                if is_one_of(name, FORMATTING) && inside.iter().any(|open| is_one_of(open, SPECIAL)) {
                    self.open.remove(near + at);
                } else {
                    self.open.truncate(near + at);
                }
                near + at < MAX_DEPTH
            }
            None => self.open.len() <= MAX_DEPTH,
        }
    }

    fn drop_tag(&mut self, markup: &str, start: usize, end: usize) {
        let kept = self.kept.get_or_insert_default();
        kept.push_str(markup.get(self.copied..start).unwrap_or(""));
        self.copied = end;
    }
}

/// Cells rank above rows, rows above groups of rows; all others are equals.
fn rank(family: &[&str], name: &str) -> usize {
    if family.len() < 6 {
        return 0;
    }
    match name.to_ascii_lowercase().as_str() {
        "td" | "th" => 2,
        "tr" => 1,
        _ => 0,
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Bytes to the end of a tag. A quote counts where a value begins, as in the standard's tokenizer (HTML
/// §13.2.5.37): elsewhere it is a letter like any other. One that never ends counts as none.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    let mut value_begins = false;
    for (at, byte) in tag.bytes().enumerate().take(MAX_TAG_BYTES * 2) {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if value_begins => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => (),
        }
        value_begins = quote.is_none() && (byte == b'=' || value_begins && byte.is_ascii_whitespace());
    }
    tag.find('>').map_or(tag.len(), |at| at + 1)
}

/// Bytes to the end of a comment whose `<!--` has been read, as the standard's tokenizer ends them.
fn comment_end(comment: &str) -> usize {
    if comment.starts_with('>') {
        return 1;
    }
    if comment.starts_with("->") {
        return 2;
    }
    // One pass: two searches would each read to the end of the page for every comment.
    let length = |at: usize| {
        let tail = comment.get(at..)?;
        [("-->", 3), ("--!>", 4)].iter().find(|(end, _)| tail.starts_with(end)).map(|(_, length)| at + length)
    };
    let bytes = comment.as_bytes();
    (0..bytes.len())
        .find_map(|at| (bytes.get(at) == Some(&b'-')).then(|| length(at)).flatten())
        .unwrap_or(bytes.len())
}

/// Where the content of a raw element ends (at its end tag).
fn raw_end(markup: &str, from: usize, name: &str) -> usize {
    let mut at = from;
    while let Some(found) = markup.get(at..).and_then(|rest| rest.find("</")) {
        let tail = at + found + 2;
        if markup.get(tail..tail + name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            return at + found;
        }
        at = tail;
    }
    markup.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a real parser makes of it.
    fn depth(markup: &str) -> usize {
        let tree = scraper::Html::parse_document(markup);
        tree.tree.nodes().map(|node| node.ancestors().count()).max().unwrap_or(0)
    }

    #[test]
    fn ordinary_pages_pass_untouched() {
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
            let (kept, problem) = bounded(&page);
            assert!(matches!(kept, Cow::Borrowed(_)), "{}", kept.get(..100).unwrap_or(""));
            assert_eq!(problem, None);
        }
    }

    #[test]
    fn deep_pages_lose_tags_and_keep_text() {
        for (open, close) in [("<div>", "</div>"), ("<table><tr><td>", "</td></tr></table>"), ("<b><i>", "")]
        {
            let page = format!("{}мәтін{}<p>соңы</p>", open.repeat(50_000), close.repeat(50_000));
            let (kept, problem) = bounded(&page);
            assert!(problem.is_some() && kept.contains("мәтін") && kept.contains("соңы"), "{open}");
            assert!(depth(&kept) <= MAX_DEPTH * 2, "{open}: {}", depth(&kept));
        }
    }

    /// Small pages that keep a tree builder busy for minutes, or eat gigabytes, each in its own way.
    fn hostile(many: usize) -> Vec<String> {
        let formatting = (0..many).map(|n| format!("<p><font a={n}></p>")).collect();
        vec![
            "<div/>".repeat(many),
            format!("<!-->{}", "<div>".repeat(many)),
            format!("<!--->{}", "<div>".repeat(many)),
            format!("<!-- --!>{}", "<div>".repeat(many)),
            "<optgroup>".repeat(many),
            "<ruby><rt>".repeat(many),
            "<div><object></div>".repeat(many),
            "<div><marquee></div>".repeat(many),
            "<a href=x><div></a>".repeat(many),
            formatting,
        ]
    }

    /// Whether a parser's tree of `markup` is as small as `page`, which it was made of, allows.
    fn is_small(markup: &str, page: &str) -> bool {
        let tags = page.matches('<').count();
        let nodes = scraper::Html::parse_document(markup).tree.nodes().count();
        nodes <= tags * (MAX_FORMATTING + 2) + 10 && depth(markup) <= MAX_DEPTH * 2
    }

    #[test]
    fn hostile_pages_become_small_trees() {
        for page in hostile(4000) {
            let (kept, _) = bounded(&page);
            assert!(is_small(&kept, &page), "{}", page.get(..20).unwrap_or(""));
        }
    }

    /// A scan that reads to the end of the page for each comment takes minutes here.
    #[test]
    fn a_million_comments_are_scanned_once() {
        let page = "<!---->".repeat(500_000);
        assert_eq!(bounded(&page).0, page);
        assert_eq!((comment_end(" a --> b"), comment_end("--!>"), comment_end("x")), (6, 4, 1));
    }

    /// The control: handed over as they are, even a tenth of these pages is too much.
    #[test]
    fn without_the_guard_hostile_pages_become_large_trees() {
        let pages = hostile(500);
        let large: Vec<bool> = pages.iter().map(|page| !is_small(page, page)).collect();
        assert!(large.iter().all(|large| *large), "{large:?}");
    }

    #[test]
    fn wide_and_long_pages_are_bounded() {
        let wide = "<i>x</i>".repeat(300_000);
        let (kept, _) = bounded(&wide);
        assert!(kept.matches("<i>").count() <= MAX_ELEMENTS);
        let tag = format!("<a {}>x", "b=\"c\" ".repeat(50_000));
        assert_eq!(bounded(&tag).0, "x");
    }

    proptest! {
        #[test]
        fn any_markup_is_scanned(markup in "[<>/a-d\"'= !ә\\-]{0,80}") {
            let (kept, problem) = bounded(&markup);
            prop_assert!(problem.is_some() || kept == markup);
        }
    }
}
