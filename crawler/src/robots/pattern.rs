//! A path pattern: literal bytes, `*` for anything, `$` at the end for the end.

/// Whether `pattern` matches the beginning of `path` (all of it, where the pattern ends in `$`).
///
/// Each piece between stars is taken at its leftmost place: what matches at all also matches so,
/// which makes the search linear in the path for every pattern (a bomb of stars is one star).
pub(super) fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, anchored) = match pattern.strip_suffix(b"$") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split(|byte| *byte == b'*');
    let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&[u8]> = pieces.collect();
    let Some(last) = pieces.pop() else { return !anchored || rest.is_empty() };
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        let Some(at) = find(piece, rest) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    if anchored { rest.ends_with(last) } else { find(last, rest).is_some() }
}

/// The first place of `needle`, by comparing hashes that roll along (Rabin and Karp): linear but for
/// true matches, and a true match ends the search.
fn find(needle: &[u8], haystack: &[u8]) -> Option<usize> {
    const BASE: u64 = 0x0100_0000_01b3;
    if needle.len() > haystack.len() {
        return None;
    }
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0u64, |hash, byte| hash.wrapping_mul(BASE).wrapping_add(u64::from(*byte)))
    };
    let first_worth = (1..needle.len()).fold(1u64, |worth, _| worth.wrapping_mul(BASE));
    let wanted = hash(needle);
    let mut rolling = hash(haystack.get(..needle.len())?);
    for (at, window) in haystack.windows(needle.len().max(1)).enumerate() {
        if needle.is_empty() || (rolling == wanted && window == needle) {
            return Some(at);
        }
        let (gone, came) = (window.first()?, haystack.get(at + needle.len()));
        let Some(came) = came else { break };
        rolling = rolling
            .wrapping_sub(u64::from(*gone).wrapping_mul(first_worth))
            .wrapping_mul(BASE)
            .wrapping_add(u64::from(*came));
    }
    needle.is_empty().then_some(0)
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    /// The meaning itself, by trying everything: exponential, for short inputs only.
    fn by_definition(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => true,
            b"$" => path.is_empty(),
            [b'*', rest @ ..] => (0..=path.len()).any(|skip| by_definition(rest, &path[skip..])),
            [byte, rest @ ..] => path.first() == Some(byte) && by_definition(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*$/]{0,9}", path in "[ab$/]{0,12}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), path.as_bytes()),
                by_definition(pattern.as_bytes(), path.as_bytes())
            );
        }
    }

    #[test]
    fn table() {
        for (pattern, path, expected) in [
            ("/", "/x", true),
            ("/fish*", "/fishheads", true),
            ("/*.php$", "/a/b.php", true),
            ("/*.php$", "/a.php?x", false),
            ("*/privacy", "/x/privacy", true),
            ("/a$b", "/a$bc", true),
            ("/a*$", "/abc", true),
            ("/x", "/", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_bomb_of_stars_is_linear() {
        let pattern = "/".to_owned() + &"*a".repeat(20_000) + "b";
        let path = "/".to_owned() + &"a".repeat(40_000);
        assert!(!matches(pattern.as_bytes(), path.as_bytes()));
    }
}
