//! Path patterns: literal bytes, `*` for any sequence of bytes, and a final `$` for the end of the path.

/// Returns true if `pattern` matches a prefix of `path`, or the whole path if the pattern ends with `$`.
///
/// Each literal piece between stars is matched at its leftmost position. If any match exists, the
/// leftmost one does too, so no backtracking is needed and the time is linear in the path even for
/// patterns with many stars.
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

/// Returns the position of the first occurrence of `needle`, using a rolling hash (Rabin-Karp). The time is
/// linear: a comparison of the bytes is expensive only for a true match, which ends the search.
fn find(needle: &[u8], haystack: &[u8]) -> Option<usize> {
    const BASE: u64 = 0x0100_0000_01b3;
    if needle.len() > haystack.len() {
        return None;
    }
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0u64, |hash, byte| hash.wrapping_mul(BASE).wrapping_add(u64::from(*byte)))
    };
    let leading_factor = (1..needle.len()).fold(1u64, |factor, _| factor.wrapping_mul(BASE));
    let needle_hash = hash(needle);
    let mut rolling_hash = hash(haystack.get(..needle.len())?);
    for (at, window) in haystack.windows(needle.len().max(1)).enumerate() {
        if needle.is_empty() || (rolling_hash == needle_hash && window == needle) {
            return Some(at);
        }
        let (first, next) = (window.first()?, haystack.get(at + needle.len()));
        let Some(next) = next else { break };
        rolling_hash = rolling_hash
            .wrapping_sub(u64::from(*first).wrapping_mul(leading_factor))
            .wrapping_mul(BASE)
            .wrapping_add(u64::from(*next));
    }
    needle.is_empty().then_some(0)
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    /// A reference implementation with backtracking: exponential time, for short inputs only.
    fn matches_by_definition(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => true,
            b"$" => path.is_empty(),
            [b'*', rest @ ..] => (0..=path.len()).any(|skip| matches_by_definition(rest, &path[skip..])),
            [byte, rest @ ..] => path.first() == Some(byte) && matches_by_definition(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*$/]{0,9}", path in "[ab$/]{0,12}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), path.as_bytes()),
                matches_by_definition(pattern.as_bytes(), path.as_bytes())
            );
        }
    }

    #[test]
    fn patterns_match_path_prefixes() {
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
    fn many_stars_are_matched_in_linear_time() {
        let pattern = "/".to_owned() + &"*a".repeat(20_000) + "b";
        let path = "/".to_owned() + &"a".repeat(40_000);
        assert!(!matches(pattern.as_bytes(), path.as_bytes()));
    }
}
