//! Which letters the bytes mean.
//!
//! Order: byte order mark, valid UTF-8 (no legacy text is that by accident), the HTTP header, the
//! declaration inside (XML declaration, meta element), detection. A declaration whose bytes do not
//! decode cleanly is not believed.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Declarations stand within this many bytes (the HTML standard's prescan takes 1024; real pages exceed it).
const PRESCAN: usize = 4096;
/// Detection needs no more.
const SAMPLE: usize = 64 * 1024;

/// Decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without a byte order mark.
    pub text: String,
    /// The encoding's name in the Encoding Standard.
    pub encoding: &'static str,
    /// A declaration was not believed, or some bytes made no sense.
    pub problem: Option<String>,
}

/// Decodes a body, given the `Content-Type` field it came with.
pub fn decode(bytes: &[u8], content_type: Option<&str>) -> Decoded {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
        return Decoded { text: text.into_owned(), encoding: encoding.name(), problem: None };
    }
    if let Some(encoding) = wide(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        return Decoded { text: text.into_owned(), encoding: encoding.name(), problem: None };
    }
    let declared = [content_type.and_then(charset_of), declared_inside(bytes)];
    if let Ok(text) = std::str::from_utf8(bytes) {
        // ISO-2022-JP is the one legacy encoding that is valid UTF-8 throughout.
        let iso_2022 = declared.iter().flatten().find(|encoding| **encoding == encoding_rs::ISO_2022_JP);
        if iso_2022.is_none() {
            return Decoded { text: text.to_owned(), encoding: UTF_8.name(), problem: None };
        }
    }
    let is_damaged_utf8 = is_mostly_utf8(bytes);
    let mut problem = None;
    for encoding in declared.into_iter().flatten() {
        if encoding == UTF_8 && is_damaged_utf8 {
            break;
        }
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return Decoded { text: text.into_owned(), encoding: encoding.name(), problem };
        }
        problem = Some(format!("declared as {}, which its bytes are not", encoding.name()));
    }
    let encoding = if is_damaged_utf8 { UTF_8 } else { detect(bytes) };
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    if had_errors {
        problem = problem.or_else(|| Some(format!("some bytes are not {}", encoding.name())));
    }
    Decoded { text: text.into_owned(), encoding: encoding.name(), problem }
}

/// Whether this is UTF-8 but for a few broken letters: one that was cut in the middle must not turn the
/// whole document into another encoding's letters. In no other encoding of Cyrillic do so many pairs of
/// bytes happen to be UTF-8.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut broken) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    good > 0 && broken * 20 <= good
}

fn detect(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes.get(..SAMPLE).unwrap_or(bytes), true);
    detector.guess(None, Utf8Detection::Allow)
}

/// UTF-16 without a mark: markup starts with `<`, so every other byte is zero.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<', 0, second, 0, ..] if *second != 0 => Some(UTF_16LE),
        [0, b'<', 0, second, ..] if *second != 0 => Some(UTF_16BE),
        _ => None,
    }
}

fn charset_of(content_type: &str) -> Option<&'static Encoding> {
    let lower = content_type.to_ascii_lowercase();
    let label = lower.split(';').find_map(|part| part.trim().strip_prefix("charset"))?;
    let label = label.trim_start().strip_prefix('=')?.trim().trim_matches(['"', '\'']);
    Encoding::for_label(label.as_bytes())
}

/// `<?xml … encoding="…"?>`, `<meta charset="…">` or `<meta … content="text/html; charset=…">`.
fn declared_inside(bytes: &[u8]) -> Option<&'static Encoding> {
    let head: String =
        bytes.iter().take(PRESCAN).map(|byte| char::from(*byte).to_ascii_lowercase()).collect();
    let after = |key: &str, within: &str| -> Option<&'static Encoding> {
        let rest = within.split_once(key)?.1.trim_start().strip_prefix('=')?.trim_start();
        let label = rest.trim_start_matches(['"', '\'']);
        let end = label.find(['"', '\'', ';', '>', ' ', '/', '?']).unwrap_or(label.len());
        let encoding = Encoding::for_label(label.get(..end)?.as_bytes())?;
        // Whoever could write "utf-16" in one-byte letters did not use it.
        Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
    };
    let declaration = head.trim_start();
    if let Some(end) = declaration.strip_prefix("<?xml").and_then(|rest| rest.find("?>"))
        && let Some(encoding) =
            declaration.get(..end + 5).and_then(|declaration| after("encoding", declaration))
    {
        return Some(encoding);
    }
    head.split("<meta").skip(1).find_map(|meta| after("charset", meta.split('>').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{KOI8_R, WINDOWS_1251};

    const TEXT: &str = "Народный банк Казахстана повысил ставку, сообщает пресс-служба регулятора в четверг";

    fn check(bytes: &[u8], content_type: Option<&str>, text: &str) {
        let decoded = decode(bytes, content_type);
        assert!(decoded.text.contains(text), "{content_type:?}: {:?}", decoded);
    }

    #[test]
    fn every_way_of_saying_it() {
        let (cp1251, ..) = WINDOWS_1251.encode(TEXT);
        let (koi8, ..) = KOI8_R.encode(TEXT);
        check(&cp1251, Some("text/html; charset=windows-1251"), TEXT);
        check(&cp1251, Some("text/html; Charset = \"CP1251\""), TEXT);
        check(&cp1251, None, TEXT);
        check(&koi8, Some("text/xml"), TEXT);
        let xml = [b"<?xml version=\"1.0\" encoding='koi8-r'?><a>".as_slice(), &koi8].concat();
        check(&xml, None, TEXT);
        let meta =
            [b"<html><meta http-equiv=X content=\"text/html; charset=windows-1251\"><p>".as_slice(), &cp1251]
                .concat();
        check(&meta, None, TEXT);
        check(&[b"\xef\xbb\xbf", TEXT.as_bytes()].concat(), Some("text/html; charset=koi8-r"), TEXT);
        let wide: Vec<u8> = "<a>Қазақ</a>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        check(&wide, None, "Қазақ");
    }

    #[test]
    fn a_declaration_that_the_bytes_deny_is_not_believed() {
        check(TEXT.as_bytes(), Some("text/html; charset=windows-1251"), TEXT);
        let (cp1251, ..) = WINDOWS_1251.encode(TEXT);
        let decoded = decode(&cp1251, Some("text/html; charset=utf-8"));
        assert_eq!((decoded.text.as_str(), decoded.problem.is_some()), (TEXT, true));
    }

    #[test]
    fn any_bytes_decode_to_something() {
        for bytes in [&b""[..], b"\xff", b"\xfe\xff\xd8", b"\x00<\x00", b"<\x00a"] {
            let _ = decode(bytes, Some("text/html; charset=nonsense"));
        }
    }

    #[test]
    fn a_broken_letter_does_not_change_the_encoding() {
        let mut bytes = format!("<meta charset=utf-8>{TEXT}").into_bytes();
        let cut = bytes.len() - 1;
        bytes.truncate(cut);
        bytes.extend_from_slice(" Алматы".as_bytes());
        for declared in [Some("text/html; charset=utf-8"), None] {
            let decoded = decode(&bytes, declared);
            assert_eq!(decoded.encoding, "UTF-8");
            assert!(
                decoded.text.contains("Народный банк") && decoded.text.ends_with("Алматы"),
                "{}",
                decoded.text
            );
            assert!(decoded.problem.is_some());
        }
        // Enough wrong bytes, and it is something else.
        let (legacy, _, _) = WINDOWS_1251.encode(TEXT);
        assert_eq!(decode(&legacy, Some("text/html; charset=utf-8")).encoding, "windows-1251");
    }
}
