//! English word forms, by the rules of endings and a table of what has none.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

static SNOWBALL: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// Irregular forms, each line a word and its forms.
const IRREGULAR: &[&str] = &[
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

/// Words that look like forms of others.
const THEMSELVES: &[&str] = &[
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

/// Adjectives that are compared: of other words `er` makes who does it, and `est` means nothing.
const COMPARED: &[&str] = &[
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

/// What a folded word may be a form of: itself, and what its ending may have been put to. Only endings that make forms
/// are taken off, none that make words: `worker` is not of work, nor policy of police, which stems of Porter's kind would
/// have. (How endings change the words that they are put to: Quirk et al., A Comprehensive Grammar of the English
/// Language, 1985, chapters 3, 5 and 7.)
pub(super) fn lemmas(word: &str) -> Vec<String> {
    let word = word.trim_end_matches("'s").trim_end_matches('\'');
    if THEMSELVES.contains(&word) {
        return vec![word.to_owned()];
    }
    let mut lemmas = vec![word.to_owned()];
    lemmas.extend(irregular(word));
    for prefix in PREFIXES {
        if let Some(rest) = word.strip_prefix(prefix).filter(|rest| rest.len() >= SHORTEST) {
            lemmas.extend(irregular(rest).map(|base| format!("{prefix}{base}")));
        }
    }
    if MEN.iter().any(|ending| word.ends_with(ending)) {
        lemmas.extend(word.strip_suffix("men").map(|stem| format!("{stem}man")));
    }
    lemmas.extend(of_plural(word));
    for ending in ["ed", "ing"] {
        lemmas.extend(of_verb(word, ending));
    }
    for ending in ["er", "est"] {
        lemmas.extend(of_verb(word, ending).into_iter().filter(|base| COMPARED.contains(&base.as_str())));
    }
    lemmas
}

/// Forms that are words of their own: who looks for `media` means no medium, and for `Fed` nothing that is eaten.
const WORDS_THEMSELVES: &[&str] = &[
    "bases", "bit", "bore", "born", "bound", "broke", "data", "fed", "fell", "felt", "found", "further",
    "left", "less", "lit", "lives", "lost", "media", "meeting", "most", "more", "people", "rose", "rung",
    "saw", "shot", "spoke", "won", "wound",
];

/// What a folded word of a query stands for.
pub(super) fn asked_for(word: &str) -> Vec<String> {
    if WORDS_THEMSELVES.contains(&word) { vec![word.to_owned()] } else { lemmas(word) }
}

/// The stem by which words were stored before.
pub(super) fn stem(word: &str) -> String {
    SNOWBALL.stem(word).into_owned()
}

/// How plurals of men end: omens are none.
const MEN: &[&str] = &[
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

/// What may stand before an irregular word, which then makes its forms likewise.
const PREFIXES: &[&str] = &["fore", "in", "mis", "out", "over", "re", "un", "under", "up", "with"];

/// The words that a form is one of by the table.
fn irregular(form: &str) -> impl Iterator<Item = String> {
    IRREGULAR.iter().filter_map(move |line| {
        let (base, forms) = line.split_once(' ')?;
        forms.split(' ').any(|known| known == form).then(|| base.to_owned())
    })
}

/// Letters of a word at least, behind which an ending may be taken off.
const SHORTEST: usize = 3;

/// `banks`, `boxes`, `cities`, `movies`.
fn of_plural(word: &str) -> Vec<String> {
    let Some(singular) = word.strip_suffix('s').filter(|rest| rest.len() >= SHORTEST) else {
        return Vec::new();
    };
    if singular.ends_with('s') {
        return Vec::new(); // princess is not of princes
    }
    let mut all = vec![singular.to_owned()];
    if let Some(stem) = singular.strip_suffix("ie") {
        all.push(format!("{stem}y"));
    } else if let Some(stem) = singular.strip_suffix('e')
        && (stem.ends_with(['s', 'x', 'z', 'o']) || stem.ends_with("ch") || stem.ends_with("sh"))
    {
        all.push(stem.to_owned());
        all.extend(stem.strip_suffix("zz").map(|stem| format!("{stem}z")));
    }
    all
}

/// `worked`, `stopped`, `loved`, `tried`, `agreed`; `making`, `dying`; and by the same rules `bigger`, `happiest`.
fn of_verb(word: &str, ending: &str) -> Vec<String> {
    let Some(stem) = word.strip_suffix(ending).filter(|stem| has_vowel(stem)) else { return Vec::new() };
    if let Some(before) = stem.strip_suffix('i').filter(|_| ending != "ing") {
        return vec![format!("{before}y"), format!("{before}ie")];
    }
    if stem.ends_with('e') && ending == "ed" {
        // Agreed, freed; but need is of nothing.
        return (stem.len() >= SHORTEST).then(|| format!("{stem}e")).into_iter().collect();
    }
    let with_e = format!("{stem}e");
    let letters: Vec<char> = stem.chars().rev().take(2).collect();
    match letters.as_slice() {
        [last, before] if last == before && !is_vowel(*last) => {
            let single = stem.get(..stem.len() - 1).filter(|single| single.len() >= SHORTEST);
            std::iter::once(stem).chain(single).map(str::to_owned).collect()
        }
        // No word ends in these.
        ['v' | 'u', ..] => vec![with_e],
        // A consonant behind one short vowel would have been doubled.
        [last, before]
            if !is_vowel(*last) && is_vowel(*before) && !"wxy".contains(*last) && is_short(stem) =>
        {
            vec![with_e]
        }
        _ if stem.len() < SHORTEST => vec![with_e],
        _ => vec![stem.to_owned(), with_e],
    }
}

fn is_vowel(c: char) -> bool {
    "aeiouy".contains(c)
}

fn has_vowel(stem: &str) -> bool {
    stem.len() > 1 && stem.chars().any(is_vowel)
}

/// Whether a stem has one vowel, a single letter.
fn is_short(stem: &str) -> bool {
    stem.chars().filter(|c| is_vowel(*c)).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &str, words: &[&str], others: &[&str]) {
        let lemmas = lemmas(form);
        for word in words {
            assert!(lemmas.iter().any(|lemma| lemma == word), "{form} is of {word}: {lemmas:?}");
        }
        for other in others {
            assert!(lemmas.iter().all(|lemma| lemma != other), "{form} is not of {other}: {lemmas:?}");
        }
    }

    #[test]
    fn endings_that_make_forms_are_taken_off_and_no_others() {
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
    fn forms_that_are_words_of_their_own_are_asked_for_as_such() {
        assert_eq!(asked_for("media"), ["media"]);
        assert_eq!(asked_for("fed"), ["fed"]);
        assert!(asked_for("went").contains(&"go".to_owned()));
    }
}
