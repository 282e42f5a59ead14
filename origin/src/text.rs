//! What is published: sentences put together from words, the same for the same seed.

use crate::site::Language;

/// A small generator (splitmix64): the same everywhere, which a library's may not stay.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, site: &str, number: u32) -> Self {
        let mixed = site.bytes().fold(seed ^ 0x9e37_79b9_7f4a_7c15, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(mixed.wrapping_add(u64::from(number).wrapping_mul(0xbf58_476d_1ce4_e5b9)))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (bound.max(1) as u64)).unwrap_or(0)
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.below(words.len())).copied().unwrap_or("")
    }
}

struct Words {
    who: &'static [&'static str],
    did: &'static [&'static str],
    what: &'static [&'static str],
    place: &'static [&'static str],
    tail: &'static [&'static str],
}

const KAZAKH: Words = Words {
    who: &[
        "Ұлттық банк",
        "Үкімет",
        "Министрлік",
        "Қала әкімдігі",
        "Ғалымдар тобы",
        "Ұлттық компания",
        "Жергілікті кәсіпкерлер",
        "Футбол федерациясы",
    ],
    did: &[
        "жаңа бағдарламаны таныстырды",
        "базалық мөлшерлемені сақтап қалды",
        "келісімге қол қойды",
        "құрылысты бастады",
        "есеп беру кездесуін өткізді",
        "зерттеу нәтижесін жариялады",
        "көмек көрсетуді жалғастырды",
    ],
    what: &[
        "ипотека мәселесі бойынша",
        "көлік жолдарын жөндеу туралы",
        "мұғалімдердің жалақысы жайлы",
        "су тасқынына дайындық үшін",
        "егін жинау науқаны кезінде",
        "мектеп оқушылары үшін",
        "экспорт көлемін арттыру мақсатында",
    ],
    place: &[
        "Алматы қаласында",
        "Астанада",
        "Шымкентте",
        "Ақтөбе облысында",
        "Каспий жағалауында",
        "Түркістан өңірінде",
        "Қарағандыда",
    ],
    tail: &[
        "деп хабарлады баспасөз қызметі.",
        "деді ресми өкіл бүгін.",
        "бұл туралы мәлім болды.",
        "жұмыс жыл соңына дейін аяқталады.",
        "сарапшылар мұны оң бағалады.",
    ],
};

const RUSSIAN: Words = Words {
    who: &[
        "Национальный банк",
        "Правительство",
        "Министерство",
        "Акимат города",
        "Группа учёных",
        "Национальная компания",
        "Местные предприниматели",
        "Федерация футбола",
    ],
    did: &[
        "представил новую программу",
        "сохранил базовую ставку",
        "подписал соглашение",
        "начал строительство",
        "провёл отчётную встречу",
        "опубликовал результаты исследования",
        "продолжил оказывать помощь",
    ],
    what: &[
        "по вопросу ипотеки",
        "о ремонте автодорог",
        "о зарплате учителей",
        "для подготовки к паводку",
        "во время уборки урожая",
        "для школьников",
        "с целью увеличить экспорт",
    ],
    place: &[
        "в Алматы",
        "в Астане",
        "в Шымкенте",
        "в Актюбинской области",
        "на побережье Каспия",
        "в Туркестане",
        "в Караганде",
    ],
    tail: &[
        "сообщила пресс-служба.",
        "заявил сегодня официальный представитель.",
        "об этом стало известно накануне.",
        "работы завершатся к концу года.",
        "эксперты оценили это положительно.",
    ],
};

const ENGLISH: Words = Words {
    who: &[
        "The National Bank",
        "The government",
        "The ministry",
        "The city administration",
        "A group of scientists",
        "The national company",
        "Local entrepreneurs",
        "The football federation",
    ],
    did: &[
        "presented a new programme",
        "kept its base rate",
        "signed an agreement",
        "began construction",
        "held a public hearing",
        "published the results of a study",
        "continued to provide help",
    ],
    what: &[
        "on mortgages",
        "on road repairs",
        "on the salaries of teachers",
        "to prepare for the floods",
        "during the harvest",
        "for schoolchildren",
        "to increase exports",
    ],
    place: &[
        "in Almaty",
        "in Astana",
        "in Shymkent",
        "in the Aktobe region",
        "on the Caspian coast",
        "in Turkistan",
        "in Karaganda",
    ],
    tail: &[
        "the press service reported.",
        "an official said today.",
        "it became known on Friday.",
        "the work will end this year.",
        "experts welcomed the step.",
    ],
};

/// A word that stands in every article, so that one topic can ask for all of them.
pub const MARK: &str = "qyransim";

/// An article's words.
pub(crate) struct Article {
    pub(crate) title: String,
    pub(crate) paragraphs: Vec<String>,
    pub(crate) author: String,
}

impl Article {
    pub(crate) fn write(seed: u64, site: &str, language: Language, number: u32) -> Self {
        let words = match language {
            Language::Kazakh => &KAZAKH,
            Language::Russian => &RUSSIAN,
            Language::English => &ENGLISH,
        };
        let mut dice = Dice::new(seed, site, number);
        let who = dice.pick(words.who);
        let title = format!("{who} {} {} — {number}", dice.pick(words.did), dice.pick(words.place));
        let count = 4 + dice.below(4);
        let mut paragraphs: Vec<String> = (0..count).map(|_| paragraph(words, &mut dice)).collect();
        if let Some(first) = paragraphs.first_mut() {
            first.push_str(&format!(" {MARK} {site} {number}."));
        }
        let author = dice
            .pick(&["Айгүл Серікқызы", "Иван Петров", "Anna Smith", "Ержан Оспанов", "Мария Ким"])
            .to_owned();
        Self { title, paragraphs, author }
    }
}

fn paragraph(words: &Words, dice: &mut Dice) -> String {
    let sentences: Vec<String> = (0..3 + dice.below(3))
        .map(|_| {
            let [who, did, what, place, tail] =
                [words.who, words.did, words.what, words.place, words.tail].map(|part| dice.pick(part));
            format!("{who} {place} {what} {did}, {tail}")
        })
        .collect();
    sentences.join(" ")
}
