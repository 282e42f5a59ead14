//! `bench store`: stored materials per second.

use std::sync::Arc;
use std::time::Duration;

use model::{
    Every, Finding, Harvest, Host, Item, ItemKey, Match, Name, Post, Source, SourceKind, Span, Timestamp,
    Token, Topic, Zone,
};
use serde_json::json;
use store::{Objects, Postgres, Sqlite, Store};
use tokio::time::Instant;
use url::Url;

use crate::laboratory::spread;

/// The number of harvests in one transaction, as a node batches them.
const HARVESTS_PER_BATCH: usize = 64;
/// The number of words of an article.
const WORDS_PER_ARTICLE: usize = 300;

/// Measure stored materials per second in SQLite, and in PostgreSQL if --store is set
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bench store
  bench store --store postgres://postgres@127.0.0.1/bench

The benchmark does not delete what it stores, so use a temporary database. Every harvest has one article of
300 words that matches one topic.")]
pub(super) struct Args {
    /// Number of materials in one measurement
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3200,
        value_parser = clap::value_parser!(u32).range(64..=1_000_000)
    )]
    materials: u32,
    /// Number of rounds; each measures all stores
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// PostgreSQL database to measure as well: postgres://USER@HOST/DATABASE, migrated and empty
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

pub(super) async fn run(args: &Args, clock: &std::sync::Arc<dyn model::Clock>) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("qyran-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let figures = measure(args, &folder, clock).await;
    // A failure is harmless: the folder is a temporary one.
    let _ = std::fs::remove_dir_all(&folder);
    crate::report::print(&figures?)
}

/// Stores materials in each store by turns. Returns the figures.
async fn measure(
    args: &Args,
    folder: &std::path::Path,
    clock: &std::sync::Arc<dyn model::Clock>,
) -> anyhow::Result<serde_json::Value> {
    let mut stores: Vec<(&str, Arc<dyn Store>)> =
        vec![("sqlite", Arc::new(Sqlite::open(&folder.join("store.db"), 50)?))];
    if let Some(url) = &args.store {
        stores.push(("postgres", Arc::new(Postgres::connect(url, 50).await?)));
    }
    for (_, store) in &stores {
        let objects = Objects { sources: vec![source()?], topics: vec![topic()?], ..Objects::default() };
        store.declare(&objects, false, clock.now()).await?;
    }
    let mut figures: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); stores.len()];
    let mut first = clock.now().as_millisecond().unsigned_abs();
    for round in 1..=args.repeats {
        for ((name, store), (per_second, cpu)) in stores.iter().zip(&mut figures) {
            crate::report::progress(&format!("round {round} of {}: {name}", args.repeats));
            let batches = batches(first, args.materials, clock.now())?;
            first += u64::from(args.materials);
            let version = store.objects_version().await?;
            let (start, cpu_before) = (Instant::now(), actors::process_stats::cpu_seconds());
            for batch in batches {
                store.save(&batch, version).await?;
            }
            per_second.push(f64::from(args.materials) / start.elapsed().as_secs_f64());
            if let (Some(before), Some(after)) = (cpu_before, actors::process_stats::cpu_seconds()) {
                cpu.push((after - before) * 1e6 / f64::from(args.materials));
            }
        }
    }
    crate::report::clear_progress();
    let mut output = serde_json::Map::new();
    output.insert("materials".to_owned(), json!(args.materials));
    for ((name, _), (per_second, cpu)) in stores.iter().zip(&figures) {
        let store_figures = json!({
            "materials_per_second": spread(per_second.clone()),
            "our_cpu_microseconds_per_material": spread(cpu.clone()),
        });
        output.insert((*name).to_owned(), store_figures);
    }
    Ok(output.into())
}

fn name(text: &str) -> anyhow::Result<Name> {
    Ok(Name::new(text)?)
}

fn source() -> anyhow::Result<Source> {
    Ok(Source {
        every: Every { min: Duration::from_secs(60), max: Duration::from_secs(600) },
        ..Source::new(name("bench")?, SourceKind::Feed, Url::parse("https://bench.example/rss")?)
    })
}

fn topic() -> anyhow::Result<Topic> {
    Ok(Topic::new(name("bench")?, "bench".to_owned()))
}

/// Returns batches of harvests with consecutive numbers.
fn batches(first: u64, materials: u32, now: Timestamp) -> anyhow::Result<Vec<Arc<[Harvest]>>> {
    let harvests: Vec<Harvest> =
        (first..first + u64::from(materials)).map(|number| harvest(number, now)).collect::<Result<_, _>>()?;
    Ok(harvests.chunks(HARVESTS_PER_BATCH).map(|batch| batch.to_vec().into()).collect())
}

/// Returns a harvest with one article and one match.
fn harvest(number: u64, now: Timestamp) -> anyhow::Result<Harvest> {
    let words: Vec<String> = (0..WORDS_PER_ARTICLE as u64)
        .map(|word| format!("w{}", (number * 31 + word * word) % 20_000))
        .collect();
    let url = Url::parse(&format!("https://bench.example/{number}"))?;
    let item = Item {
        source: name("bench")?,
        key: ItemKey::new(Some(&number.to_string()), None, "", ""),
        url: Some(url.clone()),
        canonical_url: Some(url),
        title: Some(format!("Title {number}")),
        text: words.join(" "),
        summary: None,
        author: None,
        language: Some("en".to_owned()),
        published: None,
        updated_at: None,
        image: None,
        post: Post::default(),
        reservations: Vec::new(),
        problems: Vec::new(),
    };
    let span = Span { zone: Zone::Text, start: 0, end: 2, text: "w1".to_owned() };
    let topic_match = Match {
        topic: name("bench")?,
        spans: vec![span],
        excerpt: words.iter().take(30).cloned().collect::<Vec<_>>().join(" ").into(),
        tags: Vec::new(),
    };
    Ok(Harvest {
        findings: vec![Finding {
            item,
            matches: vec![topic_match],
            search_tokens: words.join(" "),
            entry_hash: number.to_string(),
            whole: true,
        }],
        ..Harvest::new(
            name("bench")?,
            Host::from_stored(format!("host-{}.example", number % 1000)),
            Token(1),
            now,
        )
    })
}
