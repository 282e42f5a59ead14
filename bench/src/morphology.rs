//! `bench morphology`: how well word forms are found, on treebanks that no one here wrote.
//!
//! For every lemma of a treebank's content words: which of its words does a query of that lemma find? *Recall* is the
//! share of words that their own lemma finds; *precision* is the share of what lemmas find that is theirs. Both count
//! each word as often as it occurs. The index that matches live is asked, so this is what users get.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use matcher::{Analysis, TopicIndex};
use model::{ItemContext, Name, Timestamp, Topic};
use serde_json::{Value, json};

use crate::laboratory::{any_source, item_of};

/// Parts of speech that people look for (Universal Dependencies).
const CONTENT: &[&str] = &["NOUN", "PROPN", "VERB", "ADJ", "ADV"];

/// Word forms: recall and precision on treebanks
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench morphology ru_taiga-ud-dev.conllu ru_gsd-ud-dev.conllu --lang ru
  bench morphology kk_ktb-ud-train.conllu --lang kk -o json

The files are in CoNLL-U, as universaldependencies.org publishes them.")]
pub(super) struct Args {
    /// Treebanks of one language
    #[arg(required = true, value_name = "FILE.conllu")]
    treebanks: Vec<PathBuf>,
    /// Their language (ISO 639-1)
    #[arg(long, value_name = "CODE")]
    lang: String,
    /// Show so many of the commonest mistakes of each kind
    #[arg(long, value_name = "N", default_value_t = 0)]
    mistakes: usize,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut words = BTreeMap::new();
    for path in &args.treebanks {
        gather(&crate::report::read_input(path)?, &mut words);
    }
    if words.is_empty() {
        return Err(anyhow::anyhow!("these files hold no words in CoNLL-U"));
    }
    let figures = measured(&words, &args.lang, args.mistakes)?;
    crate::report::print(&figures)
}

/// A word as the treebank has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Gold {
    form: String,
    lemma: String,
    part: String,
}

/// The content words of a treebank, and how often each occurs.
fn gather(bytes: &[u8], words: &mut BTreeMap<Gold, usize>) {
    for line in String::from_utf8_lossy(bytes).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [id, form, lemma, part, ..] = columns.as_slice() else { continue };
        let is_word = |text: &str| !text.is_empty() && text.chars().all(char::is_alphabetic);
        if id.contains(['-', '.']) || !CONTENT.contains(part) || !is_word(form) || !is_word(lemma) {
            continue;
        }
        let fold = |text: &str| text.to_lowercase().replace('ё', "е");
        *words.entry(Gold { form: fold(form), lemma: fold(lemma), part: (*part).to_owned() }).or_default() +=
            1;
    }
}

/// What was found of what should have been, and of what should not.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    right: usize,
    missed: usize,
    wrong: usize,
}

impl Score {
    fn figures(self) -> Value {
        let share = |of: usize, others: usize| {
            let share = of as f64 / (of + others).max(1) as f64;
            (share * 10_000.0).round() / 10_000.0
        };
        json!({"words": self.right + self.missed, "recall": share(self.right, self.missed),
               "precision": share(self.right, self.wrong)})
    }
}

fn measured(words: &BTreeMap<Gold, usize>, language: &str, mistakes: usize) -> anyhow::Result<Value> {
    let lemmas: Vec<String> =
        words.keys().map(|word| word.lemma.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let topics =
        lemmas.iter().enumerate().map(|(number, lemma)| topic(number, lemma)).collect::<Result<_, _>>()?;
    let (index, bad) = TopicIndex::new(topics);
    let source = any_source()?;
    let analysis = Analysis::default();
    let mut found: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for word in words.keys() {
        if found.contains_key(word.form.as_str()) {
            continue;
        }
        let item = item_of(&word.form, language)?;
        let matches = index.matches(&item, &source, ItemContext::first_seen(Timestamp::UNIX_EPOCH)).1;
        let numbers =
            matches.iter().filter_map(|found| found.topic.as_str().trim_start_matches('t').parse().ok());
        found.insert(&word.form, numbers.collect());
    }
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    let (mut missed, mut wrong) = (BTreeMap::new(), BTreeMap::new());
    for (word, count) in words {
        let Some(numbers) = found.get(word.form.as_str()) else { continue };
        let own = lemmas.binary_search(&word.lemma).ok();
        let is_right = own.is_some_and(|own| numbers.contains(&own));
        let others = numbers.iter().filter(|number| Some(**number) != own).count();
        let out = if analysis.knows(&word.form) { "known" } else { "unknown" };
        for kind in ["all", word.part.as_str(), out] {
            let score = scores.entry(kind).or_default();
            *if is_right { &mut score.right } else { &mut score.missed } += count;
            score.wrong += others * count;
        }
        if !is_right {
            *missed.entry(format!("{} finds no {}", word.lemma, word.form)).or_insert(0) += count;
        }
        for number in numbers.iter().filter(|number| Some(**number) != own) {
            let lemma = lemmas.get(*number).map_or("", String::as_str);
            *wrong.entry(format!("{lemma} finds {}", word.form)).or_insert(0) += count;
        }
    }
    let scores: BTreeMap<&str, Value> =
        scores.into_iter().map(|(kind, score)| (kind, score.figures())).collect();
    let mut figures =
        json!({"language": language, "lemmas": lemmas.len(), "refused": bad.len(), "scores": scores});
    if let (Some(figures), true) = (figures.as_object_mut(), mistakes > 0) {
        figures.insert("missed".to_owned(), json!(commonest(missed, mistakes)));
        figures.insert("wrong".to_owned(), json!(commonest(wrong, mistakes)));
    }
    Ok(figures)
}

fn commonest(counts: BTreeMap<String, usize>, most: usize) -> Vec<String> {
    let mut counts: Vec<(usize, String)> =
        counts.into_iter().map(|(mistake, count)| (count, mistake)).collect();
    counts.sort_by(|one, other| other.cmp(one));
    counts.into_iter().take(most).map(|(count, mistake)| format!("{count} × {mistake}")).collect()
}

fn topic(number: usize, lemma: &str) -> anyhow::Result<Topic> {
    Ok(Topic::new(
        Name::new(&format!("t{number}")).map_err(|error| anyhow::anyhow!("{error}"))?,
        lemma.to_owned(),
    ))
}
