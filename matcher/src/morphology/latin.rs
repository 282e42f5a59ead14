//! Kazakh in Latin letters, and script-independent comparison of words.

/// Transliterates a folded Kazakh word from Latin to Cyrillic letters. Assumes the alphabet of 2021 (ä ö ü ū ğ ş ñ ı
/// q), or that of 2018 (á ó ú ý ǵ ń sh ch) if the word has letters of the latter.
pub(super) fn cyrillic(word: &str) -> String {
    let is_2018_alphabet = word.chars().any(|c| matches!(c, 'á' | 'ó' | 'ú' | 'ý' | 'ǵ' | 'ń'));
    let mut letters = word.chars().peekable();
    let mut out = String::new();
    while let Some(c) = letters.next() {
        let next = letters.peek().copied();
        let follows_vowel = out.ends_with(['а', 'ә', 'е', 'о', 'ө', 'ұ', 'ү', 'ы', 'і', 'у']);
        let (letter, takes_next) = match (c, next) {
            ('s', Some('h')) => ("ш", true),
            ('c', Some('h')) => ("ч", true),
            ('g', Some('\'')) => ("ғ", true),
            ('n', Some('\'')) => ("ң", true),
            ('a', Some('\'')) => ("ә", true),
            ('o', Some('\'')) => ("ө", true),
            ('u', Some('\'')) => ("ү", true),
            ('i', Some('a')) => ("я", true),
            ('i', Some('u')) => ("ю", true),
            ('a', _) => ("а", false),
            ('ä' | 'á' | 'ə', _) => ("ә", false),
            ('b', _) => ("б", false),
            ('v', _) => ("в", false),
            ('g', _) => ("г", false),
            ('ğ' | 'ǵ', _) => ("ғ", false),
            ('d', _) => ("д", false),
            ('e', _) => ("е", false),
            ('j', _) => ("ж", false),
            ('z', _) => ("з", false),
            ('i', _) if is_2018_alphabet => ("і", false),
            ('ı', _) if is_2018_alphabet && follows_vowel => ("й", false),
            ('ı', _) if is_2018_alphabet => ("и", false),
            ('i', _) if follows_vowel => ("й", false),
            ('i', _) => ("и", false),
            ('ı', _) => ("і", false),
            ('k', _) => ("к", false),
            ('q', _) => ("қ", false),
            ('l', _) => ("л", false),
            ('m', _) => ("м", false),
            ('n', _) => ("н", false),
            ('ñ' | 'ń' | 'ŋ', _) => ("ң", false),
            ('o', _) => ("о", false),
            ('ö' | 'ó', _) => ("ө", false),
            ('p', _) => ("п", false),
            ('r', _) => ("р", false),
            ('s', _) => ("с", false),
            ('ş', _) => ("ш", false),
            ('t', _) => ("т", false),
            ('u', _) if is_2018_alphabet => ("ұ", false),
            ('u', _) => ("у", false),
            ('ū', _) => ("ұ", false),
            ('ü' | 'ú', _) => ("ү", false),
            ('ý', _) => ("у", false),
            ('f', _) => ("ф", false),
            ('h', _) => ("х", false),
            ('x', _) => ("х", false),
            ('y', _) => ("ы", false),
            ('w', _) => ("у", false),
            ('c', _) => ("ц", false),
            (other, _) => {
                out.push(other);
                continue;
            }
        };
        out.push_str(letter);
        if takes_next {
            letters.next();
        }
    }
    out
}

/// Returns the approximate sound of a word, independent of its script: Kaspi, Каспи and Қаспи have the same sound.
pub(crate) fn sound(word: &str) -> String {
    let mut out = String::new();
    let mut letters = word.chars().peekable();
    while let Some(c) = letters.next() {
        let next = letters.peek().copied();
        let (sound, takes_next) = match (c, next) {
            ('s', Some('h')) => ("š", true),
            ('c', Some('h')) => ("č", true),
            ('z', Some('h')) => ("j", true),
            ('k', Some('h')) => ("h", true),
            ('g', Some('h')) => ("g", true),
            ('t', Some('s')) => ("c", true),
            ('y' | 'i' | 'й', Some('a' | 'а')) | ('я', _) => ("ia", c != 'я'),
            ('y' | 'i' | 'й', Some('u' | 'у')) | ('ю', _) => ("iu", c != 'ю'),
            ('y', Some('e')) => ("e", true),
            ('y' | 'й', Some('o' | 'о')) | ('ё', _) => ("e", c != 'ё'),
            ('а' | 'ә' | 'a' | 'ä' | 'á', _) => ("a", false),
            ('б' | 'b', _) => ("b", false),
            ('в' | 'v', _) => ("v", false),
            ('г' | 'ғ' | 'g' | 'ğ' | 'ǵ', _) => ("g", false),
            ('д' | 'd', _) => ("d", false),
            ('е' | 'э' | 'e' | 'é', _) => ("e", false),
            ('ж' | 'j', _) => ("j", false),
            ('з' | 'z', _) => ("z", false),
            ('и' | 'й' | 'ы' | 'і' | 'i' | 'y' | 'ı', _) => ("i", false),
            ('к' | 'қ' | 'k' | 'q', _) => ("k", false),
            ('c', Some('e' | 'i' | 'y')) => ("s", false),
            ('c', _) => ("k", false),
            ('л' | 'l', _) => ("l", false),
            ('м' | 'm', _) => ("m", false),
            ('н' | 'ң' | 'n' | 'ñ' | 'ń', _) => ("n", false),
            ('о' | 'ө' | 'o' | 'ö' | 'ó', _) => ("o", false),
            ('п' | 'p', _) => ("p", false),
            ('р' | 'r', _) => ("r", false),
            ('с' | 's', _) => ("s", false),
            ('т' | 't', _) => ("t", false),
            ('у' | 'ұ' | 'ү' | 'u' | 'w' | 'ū' | 'ü' | 'ú' | 'ý', _) => ("u", false),
            ('ф' | 'f', _) => ("f", false),
            ('х' | 'һ' | 'h', _) => ("h", false),
            ('x', _) => ("ks", false),
            ('ц', _) => ("c", false),
            ('ч', _) => ("č", false),
            ('щ', _) => ("šč", false),
            ('ш' | 'ş', _) => ("š", false),
            ('ъ' | 'ь' | '\'', _) => ("", false),
            (other, _) => {
                out.push(other);
                continue;
            }
        };
        // Doubled consonants are written once in some scripts. `i` stays doubled, so that Каспий differs from Каспи.
        if !out.ends_with(sound) || sound == "i" {
            out.push_str(sound);
        }
        if takes_next {
            letters.next();
        }
    }
    out
}

/// Returns true if a Latin word has letters that Kazakh uses and English does not.
pub(crate) fn looks_kazakh(word: &str) -> bool {
    word.chars().any(|c| {
        matches!(c, 'ä' | 'ö' | 'ü' | 'ū' | 'ğ' | 'ş' | 'ñ' | 'ı' | 'á' | 'ó' | 'ú' | 'ý' | 'ǵ' | 'ń')
    })
}
