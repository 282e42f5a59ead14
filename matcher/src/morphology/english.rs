//! English word forms: Snowball, and what it cannot know.

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
    "big bigger biggest",
    "happy happier happiest",
    "half halves",
    "crisis crises",
    "analysis analyses",
    "good better best",
    "bad worse worst",
];

/// Words that Snowball would take for forms of others.
const THEMSELVES: &[&str] = &[
    "news",
    "universe",
    "university",
    "universal",
    "general",
    "generous",
    "organization",
    "organ",
    "police",
    "policy",
    "international",
    "important",
    "customer",
    "several",
    "experience",
    "humane",
    "paste",
    "united",
];

/// What a folded word may be a form of.
pub(super) fn lemmas(word: &str) -> Vec<String> {
    let word = word.trim_end_matches("'s").trim_end_matches('\'');
    let singular = match word {
        "universities" => "university",
        "organizations" => "organization",
        "organs" => "organ",
        "policies" => "policy",
        "generals" => "general",
        "customers" => "customer",
        "experiences" => "experience",
        other => other,
    };
    if THEMSELVES.contains(&singular) {
        return vec![singular.to_owned()];
    }
    let mut lemmas = vec![SNOWBALL.stem(word).into_owned()];
    for line in IRREGULAR {
        if line.split(' ').skip(1).any(|form| form == word) {
            lemmas.extend(line.split(' ').next().map(|base| SNOWBALL.stem(base).into_owned()));
        }
    }
    lemmas
}

/// What a folded word of a query stands for: a form of an irregular word stands for that word.
pub(super) fn asked_for(word: &str) -> Vec<String> {
    lemmas(word)
}
