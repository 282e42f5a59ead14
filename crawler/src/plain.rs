//! Conversion of markup to plain text without a tree: linear time, safe at any nesting depth.

/// Converts a title to plain text: decodes one level of HTML, strips tags and control characters, and
/// collapses white space.
pub fn plain_title(markup: &str) -> String {
    fold(&strip_tags(markup, " "))
}

/// Converts markup to plain text. Block elements and line breaks end a paragraph; line feeds separate paragraphs.
pub fn plain_text(markup: &str) -> String {
    let text = strip_tags(markup, "\n");
    let lines = text.lines().map(fold).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Collapses white space and removes control and invisible format characters.
pub(crate) fn fold(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c) || c.is_whitespace());
    let mut output = String::with_capacity(text.len());
    let mut gap = false;
    for c in visible {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && !output.is_empty() {
            output.push(' ');
        }
        gap = false;
        output.push(c);
    }
    output
}

/// Returns true for control characters, the soft hyphen, zero-width spaces and marks, and direction overrides.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Elements that end a line.
const BLOCK_ELEMENTS: &[&str] = &[
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
const SKIPPED_ELEMENTS: &[&str] = &["script", "style", "noscript", "template", "iframe", "svg"];

/// Returns the text between tags with entities decoded once. Each block element becomes `line_end`.
fn strip_tags(markup: &str, line_end: &str) -> String {
    if !markup.contains(['<', '&']) {
        return markup.to_owned();
    }
    let mut text = String::with_capacity(markup.len());
    // The text after the last `>` contains no tag. Searching it for a tag end at every `<` would be quadratic.
    let (mut rest, tail) =
        markup.rfind('>').and_then(|last| markup.split_at_checked(last + 1)).unwrap_or(("", markup));
    while let Some(open) = rest.find('<') {
        let (content, tag) = rest.split_at_checked(open).unwrap_or((rest, ""));
        text.push_str(content);
        let Some((name, is_closing, remainder)) = parse_tag(tag) else {
            text.push_str("&lt;");
            rest = tag.get(1..).unwrap_or_default();
            continue;
        };
        rest = remainder;
        if BLOCK_ELEMENTS.contains(&name.as_str()) {
            text.push_str(line_end);
        } else if is_closing && name == "a" && (rest.starts_with("<a>") || rest.starts_with("<a ")) {
            // Browsers show adjacent links apart even if no white space separates them in the markup.
            text.push(' ');
        } else if !is_closing && SKIPPED_ELEMENTS.contains(&name.as_str()) {
            rest = skip_element(remainder, &name);
        }
    }
    text.push_str(rest);
    text.push_str(&tail.replace('<', "&lt;"));
    html_escape::decode_html_entities(&text).into_owned()
}

/// Parses the tag at the start of `text`. Returns the tag name, true for an end tag, and the text after the tag.
/// Returns `None` for a `<` that starts no tag, as in "a < b".
fn parse_tag(text: &str) -> Option<(String, bool, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(comment) = inner.strip_prefix("!--") {
        return Some((
            String::new(),
            false,
            comment.split_once("-->").map_or("", |(_, remainder)| remainder),
        ));
    }
    if let Some(cdata) = inner.strip_prefix("![CDATA[") {
        return Some((String::new(), false, cdata));
    }
    let (inner, is_closing) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '!' | '?')) {
        return None;
    }
    let end = inner.find('>')?;
    let (tag, remainder) = inner.split_at_checked(end)?;
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("").to_ascii_lowercase();
    Some((name, is_closing, remainder.get(1..).unwrap_or_default()))
}

/// Returns the text after the end tag of an element whose content is skipped.
fn skip_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let tail = rest.get(at + 2..).unwrap_or_default();
        if tail.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name)) {
            return tail.split_once('>').map_or("", |(_, remainder)| remainder);
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
    fn titles_become_plain_text() {
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
    fn paragraphs_and_links_stay_separated() {
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
