//! `bench match`: documents matched in a CPU-second of one core, beside Lucene Monitor where it is at hand.

use std::path::PathBuf;

use matcher::TopicIndex;
use model::{Item, ItemContext, Timestamp, Topic};
use serde_json::json;

use crate::laboratory::{any_source, spread};
use crate::lucene;
use crate::making::{Asked, LENGTH, Making, words_of};

/// When it is in a bench.
const NOW: ItemContext = ItemContext { at: Timestamp::UNIX_EPOCH, originality: None };
/// Topics added one after the other, to see how long it takes.
const ADDED: usize = 100;

/// Topics: documents matched in a CPU-second, and the time that an edit takes
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench match --topics 10000 --docs news.txt
  bench match --topics 100000 --docs ru_taiga-ud-dev.conllu -o json

  sh cli/bench/lucene.sh target/lucene && bench match --docs news.txt --lucene target/lucene

The text gives the words: a million letters of news make a fair vocabulary. Of CoNLL-U files the forms are taken.
Lucene Monitor, the matcher of stored queries beside which ours is measured, is fetched and compiled by a script,
from Debian's packages. It is given our words and lemmas, so that it need not take texts apart; the matches of both
must be the same.")]
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
    /// Where Lucene Monitor is (see below)
    #[arg(long, value_name = "FOLDER")]
    lucene: Option<PathBuf>,
    /// Another seed makes other topics and documents
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut words = Vec::new();
    for path in &args.docs {
        words.extend(words_of(&String::from_utf8_lossy(&crate::report::read_input(path)?)));
    }
    if words.len() < 1_000 {
        return Err(anyhow::anyhow!("--docs: a text of at least a thousand words is needed"));
    }
    let mut making = Making::of(words, args.seed);
    let documents: Vec<Item> = (0..args.documents).map(|_| making.document()).collect::<Result<_, _>>()?;
    let asked: Vec<Asked> = (0..args.topics).map(|_| making.asked()).collect();
    let topics: Vec<Topic> =
        (0..).zip(&asked).map(|(number, asked)| asked.topic(number)).collect::<Result<_, _>>()?;
    let source = any_source()?;

    let memory = actors::process_stats::memory_of(std::process::id());
    let (index, built) = timed(|| TopicIndex::new(topics));
    let (index, bad) = index;
    let memory = actors::process_stats::memory_of(std::process::id())
        .zip(memory)
        .map(|(after, before)| after.saturating_sub(before));
    let mut matches = 0;
    // The first round meets every word for the first time.
    for item in &documents {
        matches += index.names(&index.analysis().item(item), item, &source, NOW).len();
    }
    let (mut analysed, mut named, mut spanned, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let per_second = |seconds: Option<f64>| documents.len() as f64 / seconds.unwrap_or(f64::NAN);
    for _ in 0..args.repeat {
        let all = |work: &dyn Fn(&Item) -> usize| timed(|| documents.iter().map(work).sum::<usize>()).1;
        analysed.push(per_second(all(&|item| usize::from(index.analysis().item(item).is_empty()))));
        named.push(per_second(all(&|item| {
            index.names(&index.analysis().item(item), item, &source, NOW).len()
        })));
        spanned.push(per_second(all(&|item| {
            index.matching_spans(&index.analysis().item(item), item, &source, NOW).len()
        })));
        kept.push(per_second(all(&|item| index.matches(item, &source, NOW).1.len())));
    }
    let peer = args.lucene.as_deref().map(|folder| lucene::measure(folder, &index, &documents, &asked));
    let peer = peer.transpose()?;
    let index_bytes = index.index_bytes();
    let mut edited = index;
    let (mut edits, mut merges) = (Vec::new(), Vec::new());
    for number in 0..ADDED {
        let topic = making.asked().topic(args.topics + number)?;
        let began = tokio::time::Instant::now();
        edited = edited.with(vec![topic], &[], Vec::new()).0;
        edits.push(began.elapsed().as_secs_f64() * 1e6);
        // Nodes do it aside.
        let began = tokio::time::Instant::now();
        if let Some(merged) = edited.merged() {
            merges.push(began.elapsed().as_secs_f64() * 1e6);
            edited = merged;
        }
    }
    let mut figures = json!({
        "topics": args.topics, "refused": bad.len(), "documents": documents.len(), "words_of_each": LENGTH,
        "matches_per_document": matches as f64 / documents.len() as f64,
        "build_cpu_seconds": built,
        "index_bytes_per_topic": index_bytes / args.topics.max(1),
        "resident_bytes_per_topic": memory.map(|bytes| bytes / args.topics.max(1) as u64),
        "documents_per_cpu_second": {
            "analysis_alone": spread(analysed), "names": spread(named.clone()), "with_spans": spread(spanned),
            "with_spans_and_excerpts": spread(kept),
        },
        "microseconds_to_add_a_topic": spread(edits), "microseconds_to_merge_aside": spread(merges),
    });
    if let (Some(peer), Some(figures)) = (&peer, figures.as_object_mut()) {
        figures.insert("lucene_monitor".to_owned(), peer.figures());
        figures.insert("names_to_lucene".to_owned(), peer.ratio(&named));
    }
    crate::report::print(&figures)?;
    if peer.is_some_and(|peer| peer.finds_otherwise()) {
        return Err(anyhow::anyhow!("Lucene Monitor finds something else"));
    }
    Ok(())
}

/// What comes of it, and the CPU-seconds it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Option<f64>) {
    let before = actors::process_stats::cpu_seconds();
    let done = work();
    let took =
        actors::process_stats::cpu_seconds().zip(before).map(|(after, before)| (after - before).max(0.01));
    (done, took)
}
