//! Language detection, tuned to distinguish Kazakh from Russian and Kyrgyz.
//!
//! Cyrillic texts are scored by letters that only some alphabets have and by frequent words of each
//! language. Other scripts are left to whichlang (character n-grams). Neither knows every language;
//! the result for an unknown one is `None`.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The length of the examined beginning of a text, in characters; a sentence is enough.
const MAX_SAMPLE_CHARS: usize = 4000;

/// Returns the ISO 639-1 code of the language of a text. The language that the page or the source declares is
/// the `hint`; it decides for texts that are too short.
pub fn language_of(text: &str, hint: Option<&str>) -> Option<String> {
    let sample: String = text.chars().take(MAX_SAMPLE_CHARS).collect::<String>().to_lowercase();
    let letters = sample.chars().filter(|c| c.is_alphabetic()).count();
    let cyrillic = sample.chars().filter(|c| ('\u{400}'..='\u{52f}').contains(c)).count();
    let hint = hint.map(|hint| {
        hint.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
    });
    // Some pages declare the code of a country instead of a language.
    let hint = hint.map(|hint| match hint.as_str() {
        "kz" => "kk".to_owned(),
        "kg" => "ky".to_owned(),
        "ua" => "uk".to_owned(),
        _ => hint,
    });
    let hint = hint.filter(|hint| hint.len() == 2);
    if letters == 0 {
        return hint;
    }
    if cyrillic * 2 > letters {
        return Some(cyrillic_language(&sample, letters, hint.as_deref()).to_owned());
    }
    if letters < 12 {
        return hint;
    }
    if is_latin_kazakh(&sample) {
        return Some("kk".to_owned());
    }
    // `ə` is every tenth letter of Azerbaijani and absent from its neighbours in Latin script.
    if sample.matches('ə').count() * 33 > letters {
        return Some("az".to_owned());
    }
    // whichlang maps languages it does not support to similar ones: Uzbek to Turkish, Polish to Dutch.
    let is_unsupported =
        |hint: &str| !WHICHLANG_LANGUAGES.contains(&hint) && !CYRILLIC_LANGUAGES.contains(&hint);
    if hint.as_deref().is_some_and(is_unsupported) && !is_english(&sample) {
        return hint;
    }
    let detected = whichlang::detect_language(&sample).three_letter_code();
    // A page that declares Kazakh and is detected as Turkish is in Kazakh.
    if detected == "tur" && hint.as_deref() == Some("kk") {
        return hint;
    }
    let code = match detected {
        "ara" => "ar",
        "cmn" => "zh",
        "deu" => "de",
        "eng" => "en",
        "fra" => "fr",
        "hin" => "hi",
        "ita" => "it",
        "jpn" => "ja",
        "kor" => "ko",
        "nld" => "nl",
        "por" => "pt",
        "rus" => "ru",
        "spa" => "es",
        "swe" => "sv",
        "tur" => "tr",
        "vie" => "vi",
        _ => return hint,
    };
    Some(code.to_owned())
}

/// The languages that whichlang supports.
const WHICHLANG_LANGUAGES: &[&str] =
    &["ar", "zh", "de", "en", "fr", "hi", "it", "ja", "ko", "nl", "pt", "ru", "es", "sv", "tr", "vi"];
/// Languages in Cyrillic script; as hints for a text in another script they are wrong.
const CYRILLIC_LANGUAGES: &[&str] = &["kk", "ky", "uk", "be", "bg", "mk", "mn", "tg", "tt", "ba"];

/// Returns true if the text is in English. Pages in English often declare the language of the site's template.
fn is_english(sample: &str) -> bool {
    let words: Vec<&str> =
        sample.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let frequent =
        words.iter().filter(|word| ["the", "of", "and", "to", "in", "is", "on", "for"].contains(word));
    frequent.count() * 10 > words.len()
}

/// Short words that are frequent in one language and rare or absent in its neighbours.
const FREQUENT_WORDS: &[(&str, &str)] = &[
    (
        "kk",
        "және мен бен пен үшін бұл деп болды бар жоқ туралы бойынша дейін кейін сондай осы еді екен болып қазақстан бір екі жаңа адам оның олар біз сіз неге қалай қазір енді тек ғана бола алады керек деді айтты мәлім қазақ елде жылы жыл бойы арқылы",
    ),
    (
        "ky",
        "жана менен үчүн бул деп болгон бар жок жөнүндө боюнча чейин кийин ошондой ушул эле экен болуп кыргыз кыргызстан жаңы адам анын алар биз сиз эмне кантип азыр эми гана керек деди айтты жылы жыл аркылуу ичинде аны ал эки",
    ),
    (
        "ru",
        "и в не на что с по как это из за к у от для о же бы был была были его её их он она они мы вы при до после или но также чтобы который которые году года был сообщает уже ещё так есть если",
    ),
    (
        "uk",
        "і та не на що з по як це із за до від для про же був була були його її їх він вона вони ми ви при після або але також щоб який які року вже ще так є якщо",
    ),
    (
        "be",
        "і ў не на што з па як гэта за да ад для пра быў была былі яго яе іх ён яна яны мы вы або але таксама каб які якія годзе ўжо яшчэ так калі",
    ),
    (
        "uz",
        "ва билан учун бу деб бўлди бор йўқ ҳақида бўйича ҳам эди экан бўлиб ўзбекистон янги одам унинг улар биз сиз қандай ҳозир фақат керак деди айтди йил орқали",
    ),
    (
        "tt",
        "һәм белән өчен бу дип булды бар юк турында буенча кадәр соң шундый иде икән булып татарстан яңа кеше аның алар без сез ничек хәзер генә кирәк диде әйтте ел аша",
    ),
    ("tg", "ва бо барои ин ки буд аст дар аз ба ҳам тоҷикистон нав одам онҳо мо шумо чӣ ҳоло танҳо гуфт сол"),
    ("mn", "ба бол нь энэ гэж байна байсан хүн монгол улсын шинэ тэд бид юм ямар одоо зөвхөн хэлэв он"),
    (
        "bg",
        "и в не на че с по как това от за към у до при или но също което които година беше бяха са се ще е",
    ),
    ("sr", "и у не на да се је су за од до као то са по али или који која године био била били"),
];

/// The languages in which each word of [`FREQUENT_WORDS`] is frequent.
static LANGUAGES_BY_WORD: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut table: HashMap<&str, Vec<&str>> = HashMap::new();
    for (language, words) in FREQUENT_WORDS {
        for word in words.split(' ') {
            table.entry(word).or_default().push(language);
        }
    }
    table
});

/// Sets of letters, and the score that each occurrence adds to a language.
const LETTER_SCORES: &[(&str, &[(&str, f64)])] = &[
    (
        "әғқұһ",
        &[
            ("kk", 3.0),
            ("ky", -9.0),
            ("ru", -3.0),
            ("uk", -3.0),
            ("be", -3.0),
            ("mn", -3.0),
            ("bg", -3.0),
            ("sr", -3.0),
        ],
    ),
    (
        "і",
        &[
            ("kk", 1.0),
            ("uk", 1.0),
            ("be", 1.0),
            ("ky", -9.0),
            ("ru", -3.0),
            ("uz", -3.0),
            ("tt", -3.0),
            ("tg", -3.0),
            ("mn", -3.0),
            ("bg", -3.0),
        ],
    ),
    ("ң", &[("kk", 2.0), ("ky", 2.0), ("tt", 2.0), ("ru", -3.0), ("uk", -3.0), ("uz", -3.0)]),
    ("ү", &[("kk", 1.5), ("ky", 1.5), ("tt", 1.5), ("mn", 1.5), ("ru", -3.0), ("uk", -3.0), ("uz", -3.0)]),
    ("ө", &[("kk", 1.0), ("ky", 1.5), ("tt", 1.0), ("mn", 1.5), ("ru", -3.0), ("uk", -3.0), ("uz", -3.0)]),
    ("ў", &[("uz", 3.0), ("be", 3.0), ("kk", -9.0), ("ru", -3.0)]),
    ("ҳ", &[("uz", 3.0), ("tg", 3.0), ("kk", -9.0)]),
    ("ӣӯҷ", &[("tg", 4.0), ("kk", -9.0)]),
    ("җ", &[("tt", 4.0), ("kk", -9.0)]),
    ("їє", &[("uk", 4.0), ("kk", -9.0), ("ru", -3.0)]),
    ("ђћљњџј", &[("sr", 4.0), ("kk", -9.0), ("ru", -3.0)]),
    ("ыэё", &[("uk", -2.0), ("bg", -2.0), ("sr", -2.0)]),
    ("и", &[("be", -1.0)]),
    ("щ", &[("kk", -0.3), ("ky", -0.3), ("be", -2.0), ("sr", -2.0)]),
];

/// Letter pairs that occur in Kyrgyz but not in Kazakh.
const KYRGYZ_PAIRS: &[&str] = &["оо", "өө", "уу", "үү", "аа", "ээ"];

fn cyrillic_language(sample: &str, letters: usize, hint: Option<&str>) -> &'static str {
    let mut scores: Vec<(&'static str, f64)> =
        FREQUENT_WORDS.iter().map(|(language, _)| (*language, 0.0)).collect();
    let mut add = |language: &str, points: f64| {
        if let Some((_, score)) = scores.iter_mut().find(|(scored, _)| *scored == language) {
            *score += points;
        }
    };
    for word in sample.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        for language in LANGUAGES_BY_WORD.get(word).into_iter().flatten() {
            add(language, 3.0);
        }
        if KYRGYZ_PAIRS.iter().any(|pair| word.contains(pair)) {
            add("ky", 1.5);
        }
    }
    for (set, effects) in LETTER_SCORES {
        let count = sample.chars().filter(|c| set.contains(*c)).count() as f64;
        for (language, points) in *effects {
            add(language, count * points);
        }
    }
    // Most pages are in Russian; the declared language counts more if the text is short.
    add("ru", 0.5);
    if let Some(hint) = hint {
        add(hint, if letters < 40 { 2.5 } else { 1.0 });
    }
    scores.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)).map_or("ru", |(language, _)| language)
}

/// Returns true for Kazakh in the Latin alphabets of 2018 and 2021, which character n-grams take for Turkish.
/// The signs are frequent words, a `q` without a following `u`, letters that Turkish and Azerbaijani lack, and
/// few letters that Kazakh lacks.
fn is_latin_kazakh(sample: &str) -> bool {
    const WORDS: &[&str] = &[
        "jäne",
        "jáne",
        "men",
        "ben",
        "pen",
        "bul",
        "būl",
        "osy",
        "dep",
        "deidı",
        "deıdi",
        "boldy",
        "bolady",
        "bolyp",
        "jyl",
        "jyly",
        "jylğy",
        "jylǵy",
        "bır",
        "bir",
        "ekı",
        "eki",
        "üş",
        "úsh",
        "eken",
        "edı",
        "edi",
        "emes",
        "üşın",
        "üşin",
        "úshin",
        "ğana",
        "ǵana",
        "olar",
        "onyñ",
        "onyń",
        "qazır",
        "qazir",
        "joq",
        "adam",
        "turaly",
        "boiynşa",
        "arqyly",
        "jaña",
        "jańa",
        "halyq",
        "qala",
        "qazaq",
        "qazaqstan",
        "memleket",
    ];
    const FOREIGN: &[char] = &['ə', 'ç', 'w', 'x', 'ß', 'ë', 'õ', 'ã'];
    let words = sample.split(|c: char| !c.is_alphabetic()).filter(|word| WORDS.contains(word)).count();
    let own = sample.chars().filter(|c| "äñğūşıáńǵúóý".contains(*c)).count();
    let foreign = sample.chars().filter(|c| FOREIGN.contains(c)).count();
    let q = sample.matches('q').count() - sample.matches("qu").count();
    words >= 1 && own >= 3 && q >= 2 && foreign * 20 <= own
}

#[cfg(test)]
mod tests {
    use super::language_of;

    #[test]
    fn related_languages_are_distinguished() {
        for (text, expected) in [
            ("Қазақстан Республикасының Президенті бүгін жаңа заңға қол қойды", "kk"),
            ("Ұлттық банк базалық мөлшерлемені сақтап қалды", "kk"),
            ("Елімізде биыл егін мол болды деп хабарлады министрлік", "kk"),
            ("Национальный банк сохранил базовую ставку на прежнем уровне", "ru"),
            ("Кыргызстандын президенти бүгүн жаңы мыйзамга кол койду", "ky"),
            ("Бишкекте жаңы мектеп ачылды, деп билдирди министрлик", "ky"),
            ("Національний банк залишив облікову ставку на попередньому рівні", "uk"),
            ("Ўзбекистон Президенти бугун янги қонунни имзолади", "uz"),
            ("The National Bank kept its base rate unchanged on Friday", "en"),
            ("Die Nationalbank hat den Leitzins am Freitag nicht verändert", "de"),
            ("Qazaqstan Respublikasynyñ Ükimeti jaña zañ qabyldady jäne osy turaly habarlady", "kk"),
            ("Qar jauyp, köldıñ ainalasy ağardy, aua qaita jylynady dep joq jerde aitpaidy", "kk"),
            ("Ońtústikte soǵymnyń sońǵy súr eti arnaıy saqtalady, qazanǵa salmaıdy, olar biledi", "kk"),
            ("Azərbaycan Prezidenti yeni qanunu imzaladı, bu barədə mətbuat xidməti məlumat verdi", "az"),
            ("Türkiye Cumhurbaşkanı bugün yeni bir yasa imzaladı ve açıklama yaptı", "tr"),
        ] {
            assert_eq!(language_of(text, None).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn hints_decide_for_short_texts() {
        assert_eq!(language_of("", Some("kk-KZ")).as_deref(), Some("kk"));
        assert_eq!(language_of("1234", None), None);
        assert_eq!(language_of("Астана", Some("kk")).as_deref(), Some("kk"));
        assert_eq!(language_of("Астана", None).as_deref(), Some("ru"));
    }

    #[test]
    fn hints_name_languages_that_the_detector_does_not_support() {
        let uzbek = "Oʻzbekiston Respublikasi Markaziy banki asosiy stavkani oʻzgarishsiz qoldirdi, deb xabar berdi matbuot xizmati";
        assert_eq!(language_of(uzbek, Some("uz")).as_deref(), Some("uz"));
        // A hint for another script or for a language that the detector supports is overruled.
        let english = "The central bank kept its base rate unchanged, the press service reported on Friday";
        assert_eq!(language_of(english, Some("kk")).as_deref(), Some("en"));
        assert_eq!(language_of(english, Some("fr")).as_deref(), Some("en"));
        assert_eq!(language_of(english, Some("uz")).as_deref(), Some("en"));
        // The code of a country is mapped to a language.
        assert_eq!(language_of(english, Some("kz")).as_deref(), Some("en"));
        assert_eq!(language_of("Астана", Some("kz")).as_deref(), Some("kk"));
    }
}
