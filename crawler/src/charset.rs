//! Character encoding detection and decoding.
//!
//! The sources of the encoding, in order of precedence: byte order mark, valid UTF-8 (legacy text is
//! never valid UTF-8 by accident), the HTTP header, the declaration in the document (XML declaration,
//! meta element), statistical detection. A declared encoding is ignored if the bytes do not decode
//! cleanly with it.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Size of the prefix that is searched for a declaration, in bytes. The HTML standard's prescan reads 1024;
/// real pages exceed it.
const PRESCAN_BYTES: usize = 4096;
/// Size of the prefix that statistical detection reads, in bytes. A longer prefix does not improve the result.
const DETECTION_BYTES: usize = 64 * 1024;

/// Decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without a byte order mark.
    pub text: String,
    /// The encoding's name in the Encoding Standard.
    pub encoding: &'static str,
    /// The problem, if a declared encoding was ignored or some bytes could not be decoded.
    pub problem: Option<String>,
}

/// Decodes a body. `content_type` is the value of the `Content-Type` field of its response.
pub fn decode(bytes: &[u8], content_type: Option<&str>) -> Decoded {
    if let Some((encoding, mark_length)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes.get(mark_length..).unwrap_or_default());
        return Decoded { text: text.into_owned(), encoding: encoding.name(), problem: None };
    }
    if let Some(encoding) = detect_utf16(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        return Decoded { text: text.into_owned(), encoding: encoding.name(), problem: None };
    }
    let declared_encodings = [content_type.and_then(encoding_in_content_type), encoding_in_markup(bytes)];
    if let Ok(text) = std::str::from_utf8(bytes) {
        // ISO-2022-JP is the one legacy encoding that is valid UTF-8 throughout.
        let is_iso_2022 = declared_encodings.contains(&Some(encoding_rs::ISO_2022_JP));
        if !is_iso_2022 {
            return Decoded { text: text.to_owned(), encoding: UTF_8.name(), problem: None };
        }
    }
    let is_damaged_utf8 = is_mostly_utf8(bytes);
    let mut problem = None;
    for encoding in declared_encodings.into_iter().flatten() {
        if encoding == UTF_8 && is_damaged_utf8 {
            break;
        }
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return Decoded { text: text.into_owned(), encoding: encoding.name(), problem };
        }
        problem = Some(format!("the bytes do not match the declared encoding {}", encoding.name()));
    }
    let encoding = if is_damaged_utf8 { UTF_8 } else { detect(bytes) };
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    if had_errors {
        problem = problem.or_else(|| Some(format!("some bytes are not valid {}", encoding.name())));
    }
    Decoded { text: text.into_owned(), encoding: encoding.name(), problem }
}

/// Returns true if the bytes are UTF-8 with at most one invalid sequence per 20 valid non-ASCII characters.
///
/// A character that was cut in the middle must not cause the whole document to be decoded with another
/// encoding. Text in other Cyrillic encodings never contains this many valid UTF-8 sequences.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    valid > 0 && invalid * 20 <= valid
}

fn detect(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes.get(..DETECTION_BYTES).unwrap_or(bytes), true);
    detector.guess(None, Utf8Detection::Allow)
}

/// Detects UTF-16 markup without a byte order mark. Markup starts with `<`, so every other byte is zero.
fn detect_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<', 0, second, 0, ..] if *second != 0 => Some(UTF_16LE),
        [0, b'<', 0, second, ..] if *second != 0 => Some(UTF_16BE),
        _ => None,
    }
}

fn encoding_in_content_type(content_type: &str) -> Option<&'static Encoding> {
    let lower = content_type.to_ascii_lowercase();
    let label = lower.split(';').find_map(|part| part.trim().strip_prefix("charset"))?;
    let label = label.trim_start().strip_prefix('=')?.trim().trim_matches(['"', '\'']);
    Encoding::for_label(label.as_bytes())
}

/// Returns the encoding that the document declares: `<?xml … encoding="…"?>`, `<meta charset="…">` or
/// `<meta … content="text/html; charset=…">`.
fn encoding_in_markup(bytes: &[u8]) -> Option<&'static Encoding> {
    let head: String =
        bytes.iter().take(PRESCAN_BYTES).map(|byte| char::from(*byte).to_ascii_lowercase()).collect();
    let find_label = |key: &str, markup: &str| -> Option<&'static Encoding> {
        let rest = markup.split_once(key)?.1.trim_start().strip_prefix('=')?.trim_start();
        let label = rest.trim_start_matches(['"', '\'']);
        let end = label.find(['"', '\'', ';', '>', ' ', '/', '?']).unwrap_or(label.len());
        let encoding = Encoding::for_label(label.get(..end)?.as_bytes())?;
        // A declaration that is readable as single bytes cannot be UTF-16.
        Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
    };
    let declaration = head.trim_start();
    if let Some(end) = declaration.strip_prefix("<?xml").and_then(|rest| rest.find("?>"))
        && let Some(encoding) =
            declaration.get(..end + 5).and_then(|declaration| find_label("encoding", declaration))
    {
        return Some(encoding);
    }
    head.split("<meta").skip(1).find_map(|meta| find_label("charset", meta.split('>').next()?))
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
    fn all_declarations_of_an_encoding_are_recognized() {
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
    fn a_declaration_that_does_not_match_the_bytes_is_ignored() {
        check(TEXT.as_bytes(), Some("text/html; charset=windows-1251"), TEXT);
        let (cp1251, ..) = WINDOWS_1251.encode(TEXT);
        let decoded = decode(&cp1251, Some("text/html; charset=utf-8"));
        assert_eq!((decoded.text.as_str(), decoded.problem.is_some()), (TEXT, true));
    }

    #[test]
    fn decoding_never_panics() {
        for bytes in [&b""[..], b"\xff", b"\xfe\xff\xd8", b"\x00<\x00", b"<\x00a"] {
            let _ = decode(bytes, Some("text/html; charset=nonsense"));
        }
    }

    #[test]
    fn an_invalid_character_does_not_change_the_encoding() {
        let mut bytes = format!("<meta charset=utf-8>{TEXT}").into_bytes();
        let cut = bytes.len() - 1;
        bytes.truncate(cut);
        bytes.extend_from_slice(" Алматы".as_bytes());
        for content_type in [Some("text/html; charset=utf-8"), None] {
            let decoded = decode(&bytes, content_type);
            assert_eq!(decoded.encoding, "UTF-8");
            assert!(
                decoded.text.contains("Народный банк") && decoded.text.ends_with("Алматы"),
                "{}",
                decoded.text
            );
            assert!(decoded.problem.is_some());
        }
        // With enough invalid sequences the text is not treated as UTF-8.
        let (legacy, _, _) = WINDOWS_1251.encode(TEXT);
        assert_eq!(decode(&legacy, Some("text/html; charset=utf-8")).encoding, "windows-1251");
    }
}
