//! Markup to plain text, without building a tree: linear in time and safe at any depth.

/// A title: one level of HTML decoded, tags and control characters stripped, white space folded.
pub fn plain_title(markup: &str) -> String {
    fold(&strip(markup, " "))
}

/// A text: block elements and line breaks end paragraphs, which are separated by line feeds.
pub fn plain_text(markup: &str) -> String {
    let stripped = strip(markup, "\n");
    let lines = stripped.lines().map(fold).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// White space folded, control and invisible format characters removed.
pub(crate) fn fold(text: &str) -> String {
    let clean = text.chars().filter(|c| !is_invisible(*c) || c.is_whitespace());
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for c in clean {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && !folded.is_empty() {
            folded.push(' ');
        }
        gap = false;
        folded.push(c);
    }
    folded
}

/// Control characters, the soft hyphen, zero-width spaces and marks, direction overrides.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Elements that end a line.
const BLOCKS: &[&str] = &[
    "p",
    "br",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "td",
    "th",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "section",
    "article",
    "figure",
    "figcaption",
    "dd",
    "dt",
    "hr",
    "header",
    "footer",
];
/// Elements whose content is not text.
const SILENT: &[&str] = &["script", "style", "noscript", "template", "iframe", "svg"];

/// Text between tags, entities decoded once; blocks leave `line_end`.
fn strip(markup: &str, line_end: &str) -> String {
    if !markup.contains(['<', '&']) {
        return markup.to_owned();
    }
    let mut text = String::with_capacity(markup.len());
    // Behind the last `>` there is no tag: looking for its end again and again would be quadratic.
    let (mut rest, tail) =
        markup.rfind('>').and_then(|last| markup.split_at_checked(last + 1)).unwrap_or(("", markup));
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at_checked(open).unwrap_or((rest, ""));
        text.push_str(before);
        let Some((name, closing, after)) = read_tag(tag) else {
            text.push_str("&lt;");
            rest = tag.get(1..).unwrap_or_default();
            continue;
        };
        rest = after;
        if BLOCKS.contains(&name.as_str()) {
            text.push_str(line_end);
        } else if closing && name == "a" && (rest.starts_with("<a>") || rest.starts_with("<a ")) {
            // Links side by side are seen apart, whatever stands between them in the markup.
            text.push(' ');
        } else if !closing && SILENT.contains(&name.as_str()) {
            rest = after_element(after, &name);
        }
    }
    text.push_str(rest);
    text.push_str(&tail.replace('<', "&lt;"));
    html_escape::decode_html_entities(&text).into_owned()
}

/// The name of the tag that `text` starts with, whether it closes, and what follows it. `None` for a
/// lone `<`, as in "a < b".
fn read_tag(text: &str) -> Option<(String, bool, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(comment) = inner.strip_prefix("!--") {
        return Some((String::new(), false, comment.split_once("-->").map_or("", |(_, after)| after)));
    }
    if let Some(cdata) = inner.strip_prefix("![CDATA[") {
        return Some((String::new(), false, cdata));
    }
    let (inner, closing) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '!' | '?')) {
        return None;
    }
    let end = inner.find('>')?;
    let (tag, after) = inner.split_at_checked(end)?;
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("").to_ascii_lowercase();
    Some((name, closing, after.get(1..).unwrap_or_default()))
}

/// What follows the end tag of an element whose content is skipped.
fn after_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let tail = rest.get(at + 2..).unwrap_or_default();
        if tail.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return tail.split_once('>').map_or("", |(_, after)| after);
        }
        rest = tail;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn titles() {
        for (markup, expected) in [
            ("Цены &amp; тарифы", "Цены & тарифы"),
            ("<b>Срочно</b>: банк\n  закрыт", "Срочно: банк закрыт"),
            ("a < b &lt;i&gt;", "a < b <i>"),
            ("AT&amp;amp;T", "AT&amp;T"),
            ("\u{1b}[31mкрасный\u{7}\u{ad}", "[31mкрасный"),
            ("x<script>alert('</b>')</script>y", "xy"),
            ("<!-- нет -->да", "да"),
        ] {
            assert_eq!(plain_title(markup), expected, "{markup}");
        }
    }

    #[test]
    fn paragraphs_stay_apart() {
        assert_eq!(
            plain_text("<p>Бір</p><p>Екі<br>үш</p><div><span>төрт</span> бес</div>"),
            "Бір\nЕкі\nүш\nтөрт бес"
        );
        assert_eq!(
            plain_text(
                "<a>Бір</a><a href=x>екі</a>, <b><a>Алматы</a></b>да, <i>сө</i><i>з</i>, H<a>O</a><sub>2</sub>"
            ),
            "Бір екі, Алматыда, сөз, HO2"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_stripped_without_panic_or_control_characters(text in "[<>&;/a-zа-я!\\-\u{1b}\u{0} ]{0,60}") {
            prop_assert!(!plain_title(&text).chars().any(char::is_control));
        }
    }
}
