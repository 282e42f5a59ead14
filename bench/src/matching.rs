//! `bench match`: documents per CPU-second against stored topics, of Qyran and, if it is installed, of Lucene Monitor.

use std::path::PathBuf;

use matcher::TopicIndex;
use model::{Item, ItemContext, Timestamp, Topic};
use serde_json::json;

use crate::generator::{Generator, Query, WORDS_PER_DOCUMENT, words_of};
use crate::laboratory::{news_source, spread};
use crate::lucene;

/// The context of all items.
const ITEM_CONTEXT: ItemContext = ItemContext { at: Timestamp::UNIX_EPOCH, originality: None };
/// The number of topics that are added one by one.
const ADDED_TOPICS: usize = 100;

/// Measure documents per CPU-second against stored topics, and the time to add a topic
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench match --topics 10000 --docs news.txt
  bench match --topics 100000 --docs ru_taiga-ud-dev.conllu

  sh bench/lucene.sh target/lucene && bench match --docs news.txt --lucene target/lucene

Topics and documents are generated from the words of the text. A million letters of news are enough. For files
in CoNLL-U, the forms are used.

The script lucene.sh fetches Lucene Monitor, a matcher of stored queries, from the packages of Debian and
compiles it. Lucene Monitor gets the words and lemmas of Qyran and must find the same matches.")]
pub(super) struct Args {
    /// Number of topics
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    topics: usize,
    /// Text whose words are used
    #[arg(long, value_name = "FILE", required = true)]
    docs: Vec<PathBuf>,
    /// Number of generated documents
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    documents: usize,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    repeat: usize,
    /// Folder of Lucene Monitor, to measure it as well (see below)
    #[arg(long, value_name = "FOLDER")]
    lucene: Option<PathBuf>,
    /// Seed of the generated topics and documents
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut words = Vec::new();
    for path in &args.docs {
        words.extend(words_of(&String::from_utf8_lossy(&crate::report::read_input(path)?)));
    }
    if words.len() < 1_000 {
        return Err(anyhow::anyhow!("--docs: the text has fewer than 1000 words; add files"));
    }
    let mut generator = Generator::new(words, args.seed);
    let documents: Vec<Item> = (0..args.documents).map(|_| generator.document()).collect::<Result<_, _>>()?;
    let queries: Vec<Query> = (0..args.topics).map(|_| generator.query()).collect();
    let topics: Vec<Topic> =
        (0..).zip(&queries).map(|(number, query)| query.topic(number)).collect::<Result<_, _>>()?;
    let source = news_source()?;

    let memory = actors::process_stats::memory_of(std::process::id());
    let ((mut index, refused_topics), build_seconds) = timed(|| TopicIndex::new(topics));
    let memory = actors::process_stats::memory_of(std::process::id())
        .zip(memory)
        .map(|(after, before)| after.saturating_sub(before));
    let mut matches = 0;
    // This round is not measured: it fills the caches of words.
    for item in &documents {
        matches += index.names(&index.analysis().item(item), item, &source, ITEM_CONTEXT).len();
    }
    let (mut analysis_rates, mut name_rates) = (Vec::new(), Vec::new());
    let (mut span_rates, mut excerpt_rates) = (Vec::new(), Vec::new());
    let per_second = |seconds: Option<f64>| documents.len() as f64 / seconds.unwrap_or(f64::NAN);
    for _ in 0..args.repeat {
        let rate =
            |work: &dyn Fn(&Item) -> usize| per_second(timed(|| documents.iter().map(work).sum::<usize>()).1);
        analysis_rates.push(rate(&|item| usize::from(index.analysis().item(item).is_empty())));
        name_rates
            .push(rate(&|item| index.names(&index.analysis().item(item), item, &source, ITEM_CONTEXT).len()));
        span_rates.push(rate(&|item| {
            index.matching_spans(&index.analysis().item(item), item, &source, ITEM_CONTEXT).len()
        }));
        excerpt_rates.push(rate(&|item| index.matches(item, &source, ITEM_CONTEXT).1.len()));
    }
    let lucene = args.lucene.as_deref().map(|folder| lucene::measure(folder, &index, &documents, &queries));
    let lucene = lucene.transpose()?;
    let index_bytes = index.index_bytes();
    let (mut addition_times, mut merge_times) = (Vec::new(), Vec::new());
    for number in 0..ADDED_TOPICS {
        let topic = generator.query().topic(args.topics + number)?;
        let start = tokio::time::Instant::now();
        index = index.with(vec![topic], &[], Vec::new()).0;
        addition_times.push(start.elapsed().as_secs_f64() * 1e6);
        // Nodes merge in the background.
        let start = tokio::time::Instant::now();
        if let Some(merged_index) = index.merged() {
            merge_times.push(start.elapsed().as_secs_f64() * 1e6);
            index = merged_index;
        }
    }
    let mut figures = json!({
        "topics": args.topics, "refused": refused_topics.len(), "documents": documents.len(),
        "words_of_each": WORDS_PER_DOCUMENT,
        "matches_per_document": matches as f64 / documents.len() as f64,
        "build_cpu_seconds": build_seconds,
        "index_bytes_per_topic": index_bytes / args.topics.max(1),
        "resident_bytes_per_topic": memory.map(|bytes| bytes / args.topics.max(1) as u64),
        "documents_per_cpu_second": {
            "analysis_alone": spread(analysis_rates), "names": spread(name_rates.clone()),
            "with_spans": spread(span_rates), "with_spans_and_excerpts": spread(excerpt_rates),
        },
        "microseconds_to_add_a_topic": spread(addition_times),
        "microseconds_to_merge_aside": spread(merge_times),
    });
    if let (Some(lucene), Some(figures)) = (&lucene, figures.as_object_mut()) {
        figures.insert("lucene_monitor".to_owned(), lucene.figures());
        figures.insert("names_to_lucene".to_owned(), lucene.ratio(&name_rates));
    }
    crate::report::print(&figures)?;
    if lucene.is_some_and(|lucene| lucene.differs()) {
        return Err(anyhow::anyhow!(
            "Lucene Monitor and Qyran find different matches; see `matched_otherwise`"
        ));
    }
    Ok(())
}

/// Returns the result of some work and its CPU-seconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Option<f64>) {
    let before = actors::process_stats::cpu_seconds();
    let result = work();
    let seconds =
        actors::process_stats::cpu_seconds().zip(before).map(|(after, before)| (after - before).max(0.01));
    (result, seconds)
}
