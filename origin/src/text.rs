//! Texts of articles: sentences composed of phrases, the same for the same seed.

use crate::site::Language;

/// A small random number generator (SplitMix64). Its sequence is fixed; that of a library may change.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, site: &str, number: u32) -> Self {
        let mixed = site.bytes().fold(seed ^ 0x9e37_79b9_7f4a_7c15, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(mixed.wrapping_add(u64::from(number).wrapping_mul(0xbf58_476d_1ce4_e5b9)))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (limit.max(1) as u64)).unwrap_or(0)
    }

    fn pick<'a>(&mut self, phrases: &[&'a str]) -> &'a str {
        phrases.get(self.below(phrases.len())).copied().unwrap_or("")
    }
}

struct Phrases {
    subjects: &'static [&'static str],
    predicates: &'static [&'static str],
    topics: &'static [&'static str],
    places: &'static [&'static str],
    endings: &'static [&'static str],
}

const KAZAKH: Phrases = Phrases {
    subjects: &[
        "Ұлттық банк",
        "Үкімет",
        "Министрлік",
        "Қала әкімдігі",
        "Ғалымдар тобы",
        "Ұлттық компания",
        "Жергілікті кәсіпкерлер",
        "Футбол федерациясы",
    ],
    predicates: &[
        "жаңа бағдарламаны таныстырды",
        "базалық мөлшерлемені сақтап қалды",
        "келісімге қол қойды",
        "құрылысты бастады",
        "есеп беру кездесуін өткізді",
        "зерттеу нәтижесін жариялады",
        "көмек көрсетуді жалғастырды",
    ],
    topics: &[
        "ипотека мәселесі бойынша",
        "көлік жолдарын жөндеу туралы",
        "мұғалімдердің жалақысы жайлы",
        "су тасқынына дайындық үшін",
        "егін жинау науқаны кезінде",
        "мектеп оқушылары үшін",
        "экспорт көлемін арттыру мақсатында",
    ],
    places: &[
        "Алматы қаласында",
        "Астанада",
        "Шымкентте",
        "Ақтөбе облысында",
        "Каспий жағалауында",
        "Түркістан өңірінде",
        "Қарағандыда",
    ],
    endings: &[
        "деп хабарлады баспасөз қызметі.",
        "деді ресми өкіл бүгін.",
        "бұл туралы мәлім болды.",
        "жұмыс жыл соңына дейін аяқталады.",
        "сарапшылар мұны оң бағалады.",
    ],
};

const RUSSIAN: Phrases = Phrases {
    subjects: &[
        "Национальный банк",
        "Правительство",
        "Министерство",
        "Акимат города",
        "Группа учёных",
        "Национальная компания",
        "Местные предприниматели",
        "Федерация футбола",
    ],
    predicates: &[
        "представил новую программу",
        "сохранил базовую ставку",
        "подписал соглашение",
        "начал строительство",
        "провёл отчётную встречу",
        "опубликовал результаты исследования",
        "продолжил оказывать помощь",
    ],
    topics: &[
        "по вопросу ипотеки",
        "о ремонте автодорог",
        "о зарплате учителей",
        "для подготовки к паводку",
        "во время уборки урожая",
        "для школьников",
        "с целью увеличить экспорт",
    ],
    places: &[
        "в Алматы",
        "в Астане",
        "в Шымкенте",
        "в Актюбинской области",
        "на побережье Каспия",
        "в Туркестане",
        "в Караганде",
    ],
    endings: &[
        "сообщила пресс-служба.",
        "заявил сегодня официальный представитель.",
        "об этом стало известно накануне.",
        "работы завершатся к концу года.",
        "эксперты оценили это положительно.",
    ],
};

const ENGLISH: Phrases = Phrases {
    subjects: &[
        "The National Bank",
        "The government",
        "The ministry",
        "The city administration",
        "A group of scientists",
        "The national company",
        "Local entrepreneurs",
        "The football federation",
    ],
    predicates: &[
        "presented a new programme",
        "kept its base rate",
        "signed an agreement",
        "began construction",
        "held a public hearing",
        "published the results of a study",
        "continued to provide help",
    ],
    topics: &[
        "on mortgages",
        "on road repairs",
        "on the salaries of teachers",
        "to prepare for the floods",
        "during the harvest",
        "for schoolchildren",
        "to increase exports",
    ],
    places: &[
        "in Almaty",
        "in Astana",
        "in Shymkent",
        "in the Aktobe region",
        "on the Caspian coast",
        "in Turkistan",
        "in Karaganda",
    ],
    endings: &[
        "the press service reported.",
        "an official said today.",
        "it became known on Friday.",
        "the work will end this year.",
        "experts welcomed the step.",
    ],
};

/// A word that occurs in every article, so that one topic can match all of them.
pub const MARK: &str = "qyransim";

/// The text of an article.
pub(crate) struct Article {
    pub(crate) title: String,
    pub(crate) paragraphs: Vec<String>,
    pub(crate) author: String,
}

impl Article {
    /// Composes the text of article `number` of a site.
    pub(crate) fn compose(seed: u64, site: &str, language: Language, number: u32) -> Self {
        let phrases = match language {
            Language::Kazakh => &KAZAKH,
            Language::Russian => &RUSSIAN,
            Language::English => &ENGLISH,
        };
        let mut random = Random::new(seed, site, number);
        let subject = random.pick(phrases.subjects);
        let title = format!(
            "{subject} {} {} — {number}",
            random.pick(phrases.predicates),
            random.pick(phrases.places)
        );
        let count = 4 + random.below(4);
        let mut paragraphs: Vec<String> = (0..count).map(|_| paragraph(phrases, &mut random)).collect();
        if let Some(first) = paragraphs.first_mut() {
            first.push_str(&format!(" {MARK} {site} {number}."));
        }
        let author = random
            .pick(&["Айгүл Серікқызы", "Иван Петров", "Anna Smith", "Ержан Оспанов", "Мария Ким"])
            .to_owned();
        Self { title, paragraphs, author }
    }
}

fn paragraph(phrases: &Phrases, random: &mut Random) -> String {
    let sentences: Vec<String> = (0..3 + random.below(3))
        .map(|_| {
            let [subject, predicate, topic, place, ending] =
                [phrases.subjects, phrases.predicates, phrases.topics, phrases.places, phrases.endings]
                    .map(|part| random.pick(part));
            format!("{subject} {place} {topic} {predicate}, {ending}")
        })
        .collect();
    sentences.join(" ")
}
