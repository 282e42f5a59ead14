//! `bench morphology`: recall and precision of word forms, on published treebanks.
//!
//! Each lemma of the content words of a treebank is a query. *Recall* is the share of the words that the query of their
//! lemma finds. *Precision* is the share of the found words that have the lemma of the query. Both count each word as
//! often as it occurs. The benchmark uses the index of the product.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use matcher::{Analysis, TopicIndex};
use model::{ItemContext, Name, Timestamp, Topic};
use serde_json::{Value, json};

use crate::laboratory::{news_source, text_item};

/// The parts of speech of content words (Universal Dependencies).
const CONTENT_TAGS: &[&str] = &["NOUN", "PROPN", "VERB", "ADJ", "ADV"];

/// Measure recall and precision of word forms on treebanks
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench morphology ru_taiga-ud-dev.conllu ru_gsd-ud-dev.conllu --lang ru
  bench morphology kk_ktb-ud-train.conllu --lang kk --mistakes 20

The files are treebanks of universaldependencies.org in CoNLL-U.")]
pub(super) struct Args {
    /// Treebanks of one language
    #[arg(required = true, value_name = "FILE.conllu")]
    treebanks: Vec<PathBuf>,
    /// Language of the treebanks (ISO 639-1)
    #[arg(long, value_name = "CODE")]
    lang: String,
    /// Number of mistakes of each kind to print, most frequent first
    #[arg(long, value_name = "N", default_value_t = 0)]
    mistakes: usize,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut words = BTreeMap::new();
    for path in &args.treebanks {
        count_words(&crate::report::read_input(path)?, &mut words);
    }
    if words.is_empty() {
        return Err(anyhow::anyhow!("the files have no content words in CoNLL-U"));
    }
    crate::report::print(&measure(&words, &args.lang, args.mistakes)?)
}

/// A word of a treebank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TreebankWord {
    form: String,
    lemma: String,
    part: String,
}

/// Adds the content words of a treebank, with the number of their occurrences.
fn count_words(bytes: &[u8], words: &mut BTreeMap<TreebankWord, usize>) {
    for line in String::from_utf8_lossy(bytes).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [id, form, lemma, part, ..] = columns.as_slice() else { continue };
        let is_word = |text: &str| !text.is_empty() && text.chars().all(char::is_alphabetic);
        if id.contains(['-', '.']) || !CONTENT_TAGS.contains(part) || !is_word(form) || !is_word(lemma) {
            continue;
        }
        let fold = |text: &str| text.to_lowercase().replace('ё', "е");
        let word = TreebankWord { form: fold(form), lemma: fold(lemma), part: (*part).to_owned() };
        *words.entry(word).or_default() += 1;
    }
}

/// The counts of true positives, false negatives and false positives.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    right: usize,
    missed: usize,
    wrong: usize,
}

impl Score {
    fn figures(self) -> Value {
        let share = |part: usize, rest: usize| {
            let share = part as f64 / (part + rest).max(1) as f64;
            (share * 10_000.0).round() / 10_000.0
        };
        json!({"words": self.right + self.missed, "recall": share(self.right, self.missed),
               "precision": share(self.right, self.wrong)})
    }
}

/// Returns the scores of all words, of each part of speech, and of the words in and out of the dictionary.
fn measure(words: &BTreeMap<TreebankWord, usize>, language: &str, mistakes: usize) -> anyhow::Result<Value> {
    let lemmas: Vec<String> =
        words.keys().map(|word| word.lemma.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let topics =
        lemmas.iter().enumerate().map(|(number, lemma)| topic(number, lemma)).collect::<Result<_, _>>()?;
    let (index, refused_topics) = TopicIndex::new(topics);
    let source = news_source()?;
    let analysis = Analysis::default();
    let mut lemmas_by_form: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for word in words.keys() {
        if lemmas_by_form.contains_key(word.form.as_str()) {
            continue;
        }
        let item = text_item(&word.form, language)?;
        let matches = index.matches(&item, &source, ItemContext::first_seen(Timestamp::UNIX_EPOCH)).1;
        let numbers = matches
            .iter()
            .filter_map(|topic_match| topic_match.topic.as_str().trim_start_matches('t').parse().ok());
        lemmas_by_form.insert(&word.form, numbers.collect());
    }
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    let (mut missed_counts, mut wrong_counts) = (BTreeMap::new(), BTreeMap::new());
    for (word, count) in words {
        let Some(numbers) = lemmas_by_form.get(word.form.as_str()) else { continue };
        let own = lemmas.binary_search(&word.lemma).ok();
        let is_right = own.is_some_and(|own| numbers.contains(&own));
        let others = numbers.iter().filter(|number| Some(**number) != own).count();
        let dictionary = if analysis.knows(&word.form) { "known" } else { "unknown" };
        for kind in ["all", word.part.as_str(), dictionary] {
            let score = scores.entry(kind).or_default();
            *if is_right { &mut score.right } else { &mut score.missed } += count;
            score.wrong += others * count;
        }
        if !is_right {
            *missed_counts.entry(format!("{} finds no {}", word.lemma, word.form)).or_insert(0) += count;
        }
        for number in numbers.iter().filter(|number| Some(**number) != own) {
            let lemma = lemmas.get(*number).map_or("", String::as_str);
            *wrong_counts.entry(format!("{lemma} finds {}", word.form)).or_insert(0) += count;
        }
    }
    let scores: BTreeMap<&str, Value> =
        scores.into_iter().map(|(kind, score)| (kind, score.figures())).collect();
    let mut figures = json!({
        "language": language,
        "lemmas": lemmas.len(),
        "refused": refused_topics.len(),
        "scores": scores,
    });
    if let (Some(figures), true) = (figures.as_object_mut(), mistakes > 0) {
        figures.insert("missed".to_owned(), json!(most_frequent(missed_counts, mistakes)));
        figures.insert("wrong".to_owned(), json!(most_frequent(wrong_counts, mistakes)));
    }
    Ok(figures)
}

/// Returns the most frequent mistakes with their counts, at most `limit`.
fn most_frequent(counts: BTreeMap<String, usize>, limit: usize) -> Vec<String> {
    let mut counts: Vec<(usize, String)> =
        counts.into_iter().map(|(mistake, count)| (count, mistake)).collect();
    counts.sort_by(|one, other| other.cmp(one));
    counts.into_iter().take(limit).map(|(count, mistake)| format!("{count} × {mistake}")).collect()
}

/// Returns a topic whose query is a lemma.
fn topic(number: usize, lemma: &str) -> anyhow::Result<Topic> {
    Ok(Topic::new(
        Name::new(&format!("t{number}")).map_err(|error| anyhow::anyhow!("{error}"))?,
        lemma.to_owned(),
    ))
}
