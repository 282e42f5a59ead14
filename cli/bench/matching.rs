//! `qyran bench match`: documents matched in a CPU-second of one core.
//!
//! Topics and documents are made of the words of a text, by its own frequencies, so the text decides the language. What
//! is made follows from a seed. One word in a hundred is a name, made of a word and an ending. Of the topics 30 % are lists
//! of names and phrases, 25 % names with a context, 20 % names without a noise word, 10 % words near each other, 5 % a
//! beginning with a context, 5 % two common words, 3 % lists of 50 to 110 phrases, and 2 % ask for a field (the mix of a
//! prototype, which took it from public query collections).

use std::collections::HashMap;
use std::path::PathBuf;

use matcher::TopicIndex;
use model::{Item, Name, Timestamp, Topic};
use serde_json::json;

use super::laboratory::{any_source, item_of, spread};
use crate::documents::read;
use crate::failure::Failure;
use crate::global::Global;
use crate::output::object;
use crate::usage;

/// When it is in a bench.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;
/// Words of a document.
const LENGTH: usize = 500;
/// One in so many of them is a name that topics may ask for.
const NAME_EVERY: usize = 100;
/// Topics added one after the other, to see how long it takes.
const ADDED: usize = 100;

/// Topics: documents matched in a CPU-second, and the time that an edit takes
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran bench match --topics 10000 --docs news.txt
  qyran bench match --topics 100000 --docs ru_taiga-ud-dev.conllu -o json

The text gives the words: a million letters of news make a fair vocabulary. Of CoNLL-U files the forms are taken.")]
pub(super) struct Args {
    /// How many topics
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    topics: usize,
    /// A text whose words are used
    #[arg(long, value_name = "FILE", required = true)]
    docs: Vec<PathBuf>,
    /// How many documents are made of them
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    documents: usize,
    /// How often all is repeated
    #[arg(long, value_name = "N", default_value_t = 5)]
    repeat: usize,
    /// Another seed makes other topics and documents
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    let mut words = Vec::new();
    for path in &args.docs {
        words.extend(words_of(&String::from_utf8_lossy(&read(path)?)));
    }
    if words.len() < 1_000 {
        return Err(Failure::usage("--docs: a text of at least a thousand words is needed").into());
    }
    let mut making = Making::of(words, args.seed);
    let documents: Vec<Item> = (0..args.documents).map(|_| making.document()).collect::<Result<_, _>>()?;
    let topics: Vec<Topic> = (0..args.topics).map(|number| making.topic(number)).collect::<Result<_, _>>()?;
    let source = any_source()?;

    let memory = usage::memory_of(std::process::id());
    let (index, built) = timed(|| TopicIndex::new(topics));
    let (index, bad) = index;
    let memory =
        usage::memory_of(std::process::id()).zip(memory).map(|(after, before)| after.saturating_sub(before));
    let mut matches = 0;
    // The first round meets every word for the first time.
    for item in &documents {
        matches += index.names(&index.analysis().item(item), item, &source, NOW).len();
    }
    let (mut analysed, mut named, mut spanned) = (Vec::new(), Vec::new(), Vec::new());
    let per_second = |seconds: Option<f64>| documents.len() as f64 / seconds.unwrap_or(f64::NAN);
    for _ in 0..args.repeat {
        let all = |work: &dyn Fn(&Item) -> usize| timed(|| documents.iter().map(work).sum::<usize>()).1;
        analysed.push(per_second(all(&|item| usize::from(index.analysis().item(item).is_empty()))));
        named.push(per_second(all(&|item| {
            index.names(&index.analysis().item(item), item, &source, NOW).len()
        })));
        spanned.push(per_second(all(&|item| index.matches(item, &source, NOW).1.len())));
    }
    let mut edited = index;
    let mut edits = Vec::new();
    for number in 0..ADDED {
        let topic = making.topic(args.topics + number)?;
        let began = tokio::time::Instant::now();
        edited = edited.with(vec![topic], &[]).0;
        edits.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let shown = json!({
        "topics": args.topics, "refused": bad.len(), "documents": documents.len(), "words_of_each": LENGTH,
        "matches_per_document": matches as f64 / documents.len() as f64,
        "build_cpu_seconds": built,
        "resident_bytes_per_topic": memory.map(|bytes| bytes / args.topics.max(1) as u64),
        "documents_per_cpu_second": {
            "analysis_alone": spread(analysed), "names": spread(named), "with_spans": spread(spanned),
        },
        "microseconds_to_add_a_topic": spread(edits),
    });
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "topics")?)
}

/// What comes of it, and the CPU-seconds it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Option<f64>) {
    let before = usage::cpu_seconds();
    let done = work();
    let took = usage::cpu_seconds().zip(before).map(|(after, before)| (after - before).max(0.01));
    (done, took)
}

/// The words of a text; of CoNLL-U the forms.
fn words_of(text: &str) -> Vec<String> {
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic) && word.len() <= 40;
    let from_line = |line: &str| -> Vec<String> {
        let columns: Vec<&str> = line.split('\t').collect();
        let words = match columns.as_slice() {
            [_, form, _, _, ..] => vec![*form],
            _ if line.starts_with('#') => Vec::new(),
            _ => line.split_whitespace().collect(),
        };
        let trimmed = words.into_iter().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        trimmed.filter(is_word).map(str::to_owned).collect()
    };
    text.lines().flat_map(from_line).collect()
}

/// Makes topics and documents.
struct Making {
    /// As they follow each other: one taken at random is as frequent as it is in the text.
    words: Vec<String>,
    /// Each once, the commonest first.
    vocabulary: Vec<String>,
    state: u64,
}

impl Making {
    fn of(words: Vec<String>, seed: u64) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for word in &words {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
        let mut counted: Vec<(usize, String)> =
            counts.into_iter().map(|(word, count)| (count, word)).collect();
        counted.retain(|(_, word)| word.chars().count() > 2 && word.chars().all(char::is_alphabetic));
        counted.sort_by(|one, other| other.cmp(one));
        Self { words, vocabulary: counted.into_iter().map(|(_, word)| word).collect(), state: seed }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or_default()
    }

    fn document(&mut self) -> anyhow::Result<Item> {
        let mut text = String::new();
        for number in 0..LENGTH {
            let word = self.below(self.words.len());
            let word = if number % NAME_EVERY == 0 {
                self.name()
            } else {
                self.words.get(word).cloned().unwrap_or_default()
            };
            text.push_str(&word);
            text.push_str(match number % 97 {
                96 => ".\n",
                n if n % 12 == 11 => ". ",
                n if n % 7 == 6 => ", ",
                _ => " ",
            });
        }
        item_of(&text, "ru")
    }

    /// A word of a part of the vocabulary, in thousandths: 0 is the commonest, 1000 the rarest.
    fn word(&mut self, from: usize, to: usize) -> String {
        let length = self.vocabulary.len();
        let (from, to) = (length * from / 1000, (length * to / 1000).max(length * from / 1000 + 1));
        let at = from + self.below(to - from);
        self.vocabulary.get(at).cloned().unwrap_or_default()
    }

    /// One of as many names as there are words with these endings.
    fn name(&mut self) -> String {
        const ENDINGS: &[&str] = &["ов", "ева", "ин", "ский", "бай", "стан", "пром", "банк"];
        let word = self.word(0, 1000);
        let ending = self.below(ENDINGS.len());
        let stem: String = word.chars().take(7).collect();
        format!("{stem}{}", ENDINGS.get(ending).copied().unwrap_or_default())
    }

    fn context(&mut self) -> String {
        self.word(20, 150)
    }

    fn any(&mut self, count: usize, mut one: impl FnMut(&mut Self) -> String) -> String {
        let all: Vec<String> = (0..count).map(|_| one(self)).collect();
        format!("({})", all.join(" OR "))
    }

    fn phrase(&mut self) -> String {
        format!("[{} {}]", self.name(), self.name())
    }

    fn query(&mut self) -> String {
        let some = 1 + self.below(3);
        match self.below(100) {
            0..30 => {
                let phrases = 1 + self.below(4);
                format!("{} OR {}", self.any(phrases, Self::phrase), self.name())
            }
            30..55 => format!("{} AND {}", self.any(some, Self::name), self.any(3, Self::context)),
            55..75 => format!("{} NOT {}", self.any(some, Self::name), self.context()),
            75..85 => format!("{} NEAR/{} {}", self.name(), 3 + some, self.context()),
            85..90 => {
                let beginning: String = self.name().chars().take(5).collect();
                let beginning = if beginning.chars().count() < 4 { "гора".to_owned() } else { beginning };
                format!("{beginning}* AND {}", self.context())
            }
            90..95 => format!("{} AND {}", self.word(15, 80), self.word(15, 80)),
            95..98 => {
                let phrases = 50 + self.below(61);
                self.any(phrases, Self::phrase)
            }
            _ => format!("{} lang:ru", self.name()),
        }
    }

    fn topic(&mut self, number: usize) -> anyhow::Result<Topic> {
        Ok(Topic::new(
            Name::new(&format!("t{number}")).map_err(|error| anyhow::anyhow!("{error}"))?,
            self.query(),
        ))
    }
}
