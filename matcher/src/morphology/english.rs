//! English lemmas, by rules for endings and a table of irregular forms.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

static SNOWBALL: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// Irregular forms. Each line has a lemma and its forms.
const IRREGULAR_FORMS: &[&str] = &[
    "be am is are was were been being",
    "have has had having",
    "do does did done",
    "go goes went gone",
    "say said",
    "make made",
    "take took taken",
    "come came",
    "see saw seen",
    "get got gotten",
    "give gave given",
    "find found",
    "think thought",
    "tell told",
    "become became",
    "leave left",
    "feel felt",
    "bring brought",
    "begin began begun",
    "keep kept",
    "hold held",
    "write wrote written",
    "stand stood",
    "hear heard",
    "mean meant",
    "meet met",
    "run ran",
    "pay paid",
    "sit sat",
    "speak spoke spoken",
    "lead led",
    "grow grew grown",
    "lose lost",
    "fall fell fallen",
    "send sent",
    "build built",
    "understand understood",
    "draw drew drawn",
    "break broke broken",
    "spend spent",
    "rise rose risen",
    "drive drove driven",
    "buy bought",
    "wear wore worn",
    "choose chose chosen",
    "sell sold",
    "win won",
    "teach taught",
    "catch caught",
    "fight fought",
    "seek sought",
    "throw threw thrown",
    "fly flew flown",
    "strike struck stricken",
    "steal stole stolen",
    "know knew known",
    "forget forgot forgotten",
    "freeze froze frozen",
    "shoot shot",
    "sink sank sunk",
    "swim swam swum",
    "die dies died dying",
    "man men",
    "woman women",
    "child children",
    "person people",
    "foot feet",
    "tooth teeth",
    "mouse mice",
    "life lives",
    "wife wives",
    "leaf leaves",
    "knife knives",
    "goose geese",
    "criterion criteria",
    "index indices",
    "half halves",
    "crisis crises",
    "analysis analyses",
    "lay laid",
    "lie lay lain lying",
    "tie tying",
    "let letting",
    "bear bore borne",
    "beat beaten",
    "bend bent",
    "bite bit bitten",
    "blow blew blown",
    "breed bred",
    "deal dealt",
    "dig dug",
    "dream dreamt",
    "drink drank drunk",
    "eat ate eaten",
    "feed fed",
    "flee fled",
    "forbid forbade forbidden",
    "forgive forgave forgiven",
    "hang hung",
    "hide hid hidden",
    "kneel knelt",
    "learn learnt",
    "lend lent",
    "light lit",
    "overcome overcame",
    "prove proven",
    "ride rode ridden",
    "ring rang rung",
    "shake shook shaken",
    "shine shone",
    "show shown",
    "sing sang sung",
    "sleep slept",
    "slide slid",
    "spin spun",
    "spring sprang sprung",
    "stick stuck",
    "sting stung",
    "swear swore sworn",
    "sweep swept",
    "swing swung",
    "tear tore torn",
    "undergo undergoes underwent undergone",
    "undertake undertook undertaken",
    "wake woke woken",
    "weave wove woven",
    "weep wept",
    "wind wound",
    "withdraw withdrew withdrawn",
    "shelf shelves",
    "thief thieves",
    "wolf wolves",
    "loaf loaves",
    "self selves",
    "calf calves",
    "louse lice",
    "ox oxen",
    "phenomenon phenomena",
    "datum data",
    "medium media",
    "bacterium bacteria",
    "stimulus stimuli",
    "nucleus nuclei",
    "radius radii",
    "matrix matrices",
    "vertex vertices",
    "appendix appendices",
    "basis bases",
    "axis axes",
    "thesis theses",
    "hypothesis hypotheses",
    "diagnosis diagnoses",
    "emphasis emphases",
    "parenthesis parentheses",
    "synthesis syntheses",
    "far farther farthest further furthest",
    "little less least",
    "many more most",
    "good better best",
    "bad worse worst",
];

/// Words that look like forms of other words, but are not.
const INVARIANT_WORDS: &[&str] = &[
    "always",
    "anything",
    "during",
    "evening",
    "everything",
    "hundred",
    "news",
    "nothing",
    "perhaps",
    "physics",
    "politics",
    "economics",
    "mathematics",
    "morning",
    "sacred",
    "series",
    "something",
    "species",
    "thing",
    "united",
    "wedding",
    "whereas",
    "lens",
    "mars",
    "texas",
    "kansas",
    "paris",
    "athens",
    "brussels",
    "wales",
    "james",
    "charles",
    "reuters",
    "sterling",
    "beijing",
    "boeing",
    "sibling",
    "ceiling",
    "pudding",
    "herring",
    "darling",
];

/// Adjectives that take comparative endings. On other words `er` makes agent nouns, and `est` is not an ending.
const COMPARABLE_ADJECTIVES: &[&str] = &[
    "able", "angry", "big", "black", "bold", "brave", "brief", "bright", "broad", "busy", "calm", "cheap",
    "clean", "clear", "clever", "close", "cold", "cool", "costly", "crazy", "cruel", "dark", "deadly",
    "deep", "dirty", "dry", "early", "easy", "fair", "fast", "fat", "few", "fine", "firm", "flat", "fresh",
    "friendly", "full", "funny", "gentle", "grand", "great", "green", "happy", "hard", "harsh", "healthy",
    "heavy", "high", "hot", "huge", "hungry", "kind", "large", "late", "lazy", "light", "likely", "lively",
    "long", "loud", "lovely", "low", "lucky", "mild", "narrow", "near", "neat", "new", "nice", "noble",
    "noisy", "odd", "old", "pale", "plain", "polite", "poor", "pretty", "proud", "pure", "quick", "quiet",
    "rare", "rich", "rough", "sad", "safe", "severe", "shallow", "sharp", "short", "sick", "silly", "simple",
    "sincere", "slight", "slow", "small", "smart", "smooth", "soft", "soon", "steady", "steep", "strange",
    "strict", "strong", "sunny", "sweet", "tall", "thick", "thin", "tidy", "tight", "tiny", "tough", "true",
    "ugly", "warm", "weak", "wealthy", "wet", "wide", "wild", "wise", "worthy", "young",
];

/// Returns the possible lemmas of a folded word, including the word itself. Strips only inflectional endings, not
/// derivational ones: unlike in Porter-style stemmers, work is not a lemma of `worker`, and policy and police stay
/// distinct. (The spelling rules of endings: Quirk et al., A Comprehensive Grammar of the English Language, 1985,
/// chapters 3, 5 and 7.)
pub(super) fn lemmas(word: &str) -> Vec<String> {
    let word = word.trim_end_matches("'s").trim_end_matches('\'');
    if INVARIANT_WORDS.contains(&word) {
        return vec![word.to_owned()];
    }
    let mut lemmas = vec![word.to_owned()];
    lemmas.extend(irregular(word));
    for prefix in PREFIXES_OF_IRREGULARS {
        if let Some(rest) = word.strip_prefix(prefix).filter(|rest| rest.len() >= MIN_STEM_LETTERS) {
            lemmas.extend(irregular(rest).map(|base| format!("{prefix}{base}")));
        }
    }
    if MEN_PLURALS.iter().any(|ending| word.ends_with(ending)) {
        lemmas.extend(word.strip_suffix("men").map(|stem| format!("{stem}man")));
    }
    lemmas.extend(plural_bases(word));
    for ending in ["ed", "ing"] {
        lemmas.extend(verb_bases(word, ending));
    }
    for ending in ["er", "est"] {
        lemmas.extend(
            verb_bases(word, ending)
                .into_iter()
                .filter(|base| COMPARABLE_ADJECTIVES.contains(&base.as_str())),
        );
    }
    lemmas
}

/// Forms that are words in their own right. A query for `media` does not mean medium, and `Fed` does not mean feed.
const LEXICALISED_FORMS: &[&str] = &[
    "bases", "bit", "bore", "born", "bound", "broke", "data", "fed", "fell", "felt", "found", "further",
    "left", "less", "lit", "lives", "lost", "media", "meeting", "most", "more", "people", "rose", "rung",
    "saw", "shot", "spoke", "won", "wound",
];

/// Returns the lemmas that a folded word of a query matches.
pub(super) fn query_lemmas(word: &str) -> Vec<String> {
    if LEXICALISED_FORMS.contains(&word) { vec![word.to_owned()] } else { lemmas(word) }
}

/// Returns the Snowball stem, under which older items are stored.
pub(super) fn stem(word: &str) -> String {
    SNOWBALL.stem(word).into_owned()
}

/// Endings of plurals in `men`. A plain `men` would also match omen.
const MEN_PLURALS: &[&str] = &[
    "airmen",
    "clergymen",
    "countrymen",
    "ermen",
    "firemen",
    "foremen",
    "freshmen",
    "gentlemen",
    "gunmen",
    "henchmen",
    "hitmen",
    "laymen",
    "milkmen",
    "noblemen",
    "policemen",
    "postmen",
    "servicemen",
    "smen",
    "women",
    "workmen",
];

/// Prefixes of irregular words. The prefixed word has the same irregular forms.
const PREFIXES_OF_IRREGULARS: &[&str] =
    &["fore", "in", "mis", "out", "over", "re", "un", "under", "up", "with"];

/// Returns the lemmas of an irregular form.
fn irregular(form: &str) -> impl Iterator<Item = String> {
    IRREGULAR_FORMS.iter().filter_map(move |line| {
        let (base, forms) = line.split_once(' ')?;
        forms.split(' ').any(|entry| entry == form).then(|| base.to_owned())
    })
}

/// Minimum letters that remain after an ending or a prefix is stripped.
const MIN_STEM_LETTERS: usize = 3;

/// Returns the possible bases of a form in `s`: `banks`, `boxes`, `cities`, `movies`.
fn plural_bases(word: &str) -> Vec<String> {
    let Some(singular) = word.strip_suffix('s').filter(|rest| rest.len() >= MIN_STEM_LETTERS) else {
        return Vec::new();
    };
    if singular.ends_with('s') {
        return Vec::new(); // princess is not a form of princes
    }
    let mut bases = vec![singular.to_owned()];
    if let Some(stem) = singular.strip_suffix("ie") {
        bases.push(format!("{stem}y"));
    } else if let Some(stem) = singular.strip_suffix('e')
        && (stem.ends_with(['s', 'x', 'z', 'o']) || stem.ends_with("ch") || stem.ends_with("sh"))
    {
        bases.push(stem.to_owned());
        bases.extend(stem.strip_suffix("zz").map(|stem| format!("{stem}z")));
    }
    bases
}

/// Returns the possible bases of a form with a verbal ending: `worked`, `stopped`, `loved`, `tried`, `agreed`,
/// `making`, `dying`. The same rules apply to `bigger` and `happiest`.
fn verb_bases(word: &str, ending: &str) -> Vec<String> {
    let Some(stem) = word.strip_suffix(ending).filter(|stem| has_vowel(stem)) else { return Vec::new() };
    if let Some(root) = stem.strip_suffix('i').filter(|_| ending != "ing") {
        return vec![format!("{root}y"), format!("{root}ie")];
    }
    if stem.ends_with('e') && ending == "ed" {
        // agreed, freed; but need has no base.
        return (stem.len() >= MIN_STEM_LETTERS).then(|| format!("{stem}e")).into_iter().collect();
    }
    let with_e = format!("{stem}e");
    let letters: Vec<char> = stem.chars().rev().take(2).collect();
    match letters.as_slice() {
        [last, previous] if last == previous && !is_vowel(*last) => {
            let single = stem.get(..stem.len() - 1).filter(|single| single.len() >= MIN_STEM_LETTERS);
            std::iter::once(stem).chain(single).map(str::to_owned).collect()
        }
        // English words do not end in these letters.
        ['v' | 'u', ..] => vec![with_e],
        // A final consonant after a single short vowel would have been doubled.
        [last, previous]
            if !is_vowel(*last) && is_vowel(*previous) && !"wxy".contains(*last) && is_short(stem) =>
        {
            vec![with_e]
        }
        _ if stem.len() < MIN_STEM_LETTERS => vec![with_e],
        _ => vec![stem.to_owned(), with_e],
    }
}

fn is_vowel(c: char) -> bool {
    "aeiouy".contains(c)
}

fn has_vowel(stem: &str) -> bool {
    stem.len() > 1 && stem.chars().any(is_vowel)
}

/// Returns true if a stem has exactly one vowel letter.
fn is_short(stem: &str) -> bool {
    stem.chars().filter(|c| is_vowel(*c)).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &str, words: &[&str], others: &[&str]) {
        let lemmas = lemmas(form);
        for word in words {
            assert!(lemmas.iter().any(|lemma| lemma == word), "{form} is a form of {word}: {lemmas:?}");
        }
        for other in others {
            assert!(lemmas.iter().all(|lemma| lemma != other), "{form} is not a form of {other}: {lemmas:?}");
        }
    }

    #[test]
    fn inflectional_endings_are_stripped_and_derivational_ones_kept() {
        check("banks", &["bank"], &[]);
        check("boxes", &["box"], &[]);
        check("cities", &["city"], &[]);
        check("movies", &["movie"], &[]);
        check("cases", &["case"], &[]);
        check("heroes", &["hero"], &[]);
        check("princess", &["princess"], &["princes", "prince"]);
        check("taxis", &["taxi"], &[]);
        check("withheld", &["withhold"], &["hold"]);
        check("rewritten", &["rewrite"], &["write"]);
        check("businessmen", &["businessman"], &[]);
        check("stopped", &["stop"], &["stope"]);
        check("called", &["call"], &[]);
        check("hoped", &["hope"], &["hop"]);
        check("hopping", &["hop"], &["hope"]);
        check("making", &["make"], &["mak"]);
        check("visiting", &["visit"], &[]);
        check("managed", &["manage"], &[]);
        check("dancing", &["dance"], &[]);
        check("synced", &["sync"], &[]);
        check("tied", &["tie"], &[]);
        check("quizzes", &["quiz"], &[]);
        check("things", &["thing"], &[]);
        check("being", &["be"], &[]);
        check("adding", &["add"], &["ad"]);
        check("omen", &["omen"], &["oman"]);
        check("tried", &["try"], &[]);
        check("agreed", &["agree"], &[]);
        check("need", &["need"], &["ne", "nee"]);
        check("king", &["king"], &["k"]);
        check("bigger", &["big"], &[]);
        check("happiest", &["happy"], &[]);
        check("later", &["late"], &[]);
        check("worker", &["worker"], &["work"]);
        check("forest", &["forest"], &["for", "fore"]);
        check("policies", &["policy"], &["police"]);
        check("organization", &["organization"], &["organ", "organize"]);
        check("wrongness", &["wrongness"], &["wrong"]);
        check("children", &["child"], &[]);
        check("went", &["go"], &[]);
        check("kazakhstan's", &["kazakhstan"], &[]);
    }

    #[test]
    fn lexicalised_forms_match_only_themselves_in_queries() {
        assert_eq!(query_lemmas("media"), ["media"]);
        assert_eq!(query_lemmas("fed"), ["fed"]);
        assert!(query_lemmas("went").contains(&"go".to_owned()));
    }
}
