//! `qyran material`: stored materials.

use std::process::ExitCode;

use clap::Subcommand;
use matcher::Analysis;
use model::Name;
use serde_json::{Value, to_value};
use service::views::{ItemView, MaterialView, SourceRights, StoryItemView};
use store::{MaterialQuery, Store, StoredItem, StoredMatch};

use crate::backend::Backend;
use crate::commands::removal;
use crate::commands::topic::{ScanProgress, search_failure};
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{Column, column, object, rows, show, wide};
use crate::terminal::stop::Stop;

/// The number of matches read from the store at once.
const PAGE_SIZE: usize = 500;
/// The maximum number of reprints shown for a story.
const MAX_STORY_ITEMS: usize = 1000;
/// The interval at which `tail` checks for new matches.
const TAIL_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// List, show, search, follow and remove materials
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List matches, in the order in which they were stored
    #[command(after_help = "\
Examples:
  qyran material list --topic caspian
  qyran material list --search 'ипотека ставка' -o jsonl
  qyran material list --topic banks --tag complaint
  qyran material list -o csv > materials.csv")]
    List {
        #[command(flatten)]
        filters: Filters,
        /// Maximum number of materials [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Refresh until interrupted
        #[arg(short, long)]
        watch: bool,
    },
    /// Show one material with all its matches
    Get {
        /// Id of the material
        id: String,
    },
    /// Show the story of a material: its reprints by other sources, by time of publication
    #[command(after_help = "\
Example:
  qyran material story 01KB2VJ0Q5W4S7E0M1D2N3P4Q5

Reprints are separate materials that are linked to each other. Two texts of different sources are reprints if they share half of their words in the same order and were first seen within three days. Two texts of one source are reprints if they are the same.")]
    Story {
        /// Id of the material
        id: String,
    },
    /// Search all stored items with a query, newest first
    #[command(after_help = "\
Examples:
  qyran material search '[базовая ставка] NEAR/5 (поднять OR снизить)'
  qyran material search 'Каспий NOT NEAR/2 море published:>2026-11-01' --limit 100 -o jsonl")]
    Search {
        /// Query to search for
        query: String,
        /// Maximum number of items
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    Remove(removal::Args),
    Suppressions(removal::SuppressionsArgs),
    /// Follow new matches as they are stored
    #[command(after_help = "Example:\n  qyran material tail --topic caspian -o jsonl")]
    Tail {
        #[command(flatten)]
        filters: Filters,
        /// Start after this seq, to continue an earlier tail [default: new matches only]
        #[arg(long, value_name = "SEQ")]
        after: Option<i64>,
    },
}

/// The options that select materials.
#[derive(clap::Args)]
struct Filters {
    /// Show only materials of this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Show only materials of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Show only materials with this tag
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// Show only materials that contain all of these words, in any form
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// Show only the first match of each story, without its reprints
    #[arg(long, conflicts_with = "search")]
    stories: bool,
}

impl Filters {
    fn query(&self) -> anyhow::Result<MaterialQuery> {
        let name = |text: &Option<String>| {
            text.as_deref().map(Name::new).transpose().map_err(|error| Failure::usage(error.to_string()))
        };
        let terms =
            self.search.as_deref().map(|words| Analysis::default().search_terms(words)).unwrap_or_default();
        if self.search.is_some() && terms.is_empty() {
            return Err(Failure::usage("--search contains no words").into());
        }
        Ok(MaterialQuery {
            topic: name(&self.topic)?,
            source: name(&self.source)?,
            tag: name(&self.tag)?,
            terms,
            first_of_each_story: self.stories,
            after_seq: 0,
            limit: PAGE_SIZE,
        })
    }

    /// Fails if the topic or the source does not exist.
    async fn check(&self, store: &dyn Store) -> anyhow::Result<()> {
        if let Some(topic) = &self.topic {
            crate::commands::topic::find_topic(store, topic).await?;
        }
        if let Some(source) = &self.source
            && let Err(error) = crate::commands::source::find_source(store, source).await
        {
            // Stored items may outlive the declaration of their source.
            let of_source =
                MaterialQuery { topic: None, tag: None, terms: Vec::new(), limit: 1, ..self.query()? };
            if store.materials(&of_source).await?.is_empty() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Returns the message for an empty list.
    fn empty_message(&self) -> &'static str {
        if self.topic.is_some() || self.source.is_some() || self.tag.is_some() || self.search.is_some() {
            "no materials match these filters"
        } else {
            "no materials yet"
        }
    }
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    if let Command::Remove(args) = &args.command {
        return removal::run(args, global).await;
    }
    if let Command::Suppressions(args) = &args.command {
        removal::suppressions(args, global).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let data = Backend::open_read_only(global).await?;
    match args.command {
        Command::Remove(_) | Command::Suppressions(_) => (), // done above
        Command::List { filters, limit, watch } => list(&data, &filters, limit, watch, global).await?,
        Command::Get { id } => get(&data, &id, global).await?,
        Command::Story { id } => story(&data, &id, global).await?,
        Command::Search { query, limit } => search(&data, &query, limit as usize, global).await?,
        Command::Tail { filters, after } => {
            tail(&data, &filters, after, global).await?;
            return Ok(ExitCode::from(130)); // only a signal ends it
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn columns() -> Vec<Column> {
    vec![
        column("published_at"),
        column("topic"),
        column("source"),
        column("language"),
        column("title"),
        wide("tags"),
        wide("matched_at"),
        wide("url"),
        wide("id"),
    ]
}

async fn list(
    data: &Backend,
    filters: &Filters,
    limit: Option<usize>,
    watch: bool,
    global: &Global,
) -> anyhow::Result<()> {
    filters.check(&*data.store).await?;
    let query = filters.query()?;
    if watch {
        return show(true, async |out, width| {
            let mut rows = crate::terminal::output::Rows::new(global.output, &columns(), "id", out, width);
            print_matches(&*data.store, &query, limit, |row| rows.row(row)).await?;
            Ok(rows.finish(filters.empty_message())?)
        })
        .await;
    }
    let mut rows = rows(global.output, &columns(), "id");
    print_matches(&*data.store, &query, limit, |row| rows.row(row)).await?;
    Ok(rows.finish(filters.empty_message())?)
}

/// Passes matches to `row` page by page, so that a long list is never held in memory. Returns the last seq.
async fn print_matches(
    store: &dyn Store,
    query: &MaterialQuery,
    limit: Option<usize>,
    mut row: impl FnMut(Value) -> std::io::Result<()>,
) -> anyhow::Result<i64> {
    let rights = SourceRights::load(store).await?;
    let mut query = query.clone();
    let mut left = limit.unwrap_or(usize::MAX);
    while left > 0 {
        query.limit = left.min(PAGE_SIZE);
        let page = store.materials(&query).await?;
        let Some(last) = page.last() else { break };
        query.after_seq = last.seq;
        left -= page.len().min(left);
        for stored in &page {
            row(to_value(MaterialView::new(stored, &rights))?)?;
        }
    }
    Ok(query.after_seq)
}

async fn get(data: &Backend, id: &str, global: &Global) -> anyhow::Result<()> {
    let (item, matches) = find_item(data, id).await?;
    let rights = SourceRights::load(&*data.store).await?;
    let story = data.store.story(item.row, MAX_STORY_ITEMS).await?;
    let view = ItemView::new(&item, &matches, &story, &rights);
    Ok(object(&mut std::io::stdout().lock(), global.output, &view, "id")?)
}

/// Returns an item and its matches. Fails if no item has this id.
async fn find_item(data: &Backend, id: &str) -> anyhow::Result<(StoredItem, Vec<StoredMatch>)> {
    let stored = data.store.item(id).await?;
    stored.ok_or_else(|| {
        Failure::not_found(format!("no material {id:?}")).hint("qyran material list -o wide shows ids").into()
    })
}

async fn story(data: &Backend, id: &str, global: &Global) -> anyhow::Result<()> {
    let (item, _) = find_item(data, id).await?;
    let columns = [
        column("published_at"),
        column("source"),
        column("like"),
        column("share"),
        column("title"),
        wide("url"),
        wide("first_seen"),
        wide("id"),
    ];
    let mut rows = rows(global.output, &columns, "id");
    for reprint in data.store.story(item.row, MAX_STORY_ITEMS).await? {
        rows.row(StoryItemView::from(&reprint))?;
    }
    Ok(rows.finish("the material has not been compared with others yet")?)
}

/// Scans all stored items and prints the newest that match.
async fn search(data: &Backend, text: &str, limit: usize, global: &Global) -> anyhow::Result<()> {
    let mut progress = ScanProgress::new(&*data.store, global).await?;
    let hits = service::search(&*data.store, text, limit, |items| progress.show(items)).await;
    progress.clear();
    let hits = hits.map_err(|error| search_failure(text, error))?;
    let columns = [
        column("published_at"),
        column("source"),
        column("language"),
        column("title"),
        wide("excerpt"),
        wide("url"),
        wide("id"),
    ];
    let mut rows = rows(global.output, &columns, "id");
    hits.into_iter().try_for_each(|hit| rows.row(hit))?;
    Ok(rows.finish("no stored items match")?)
}

async fn tail(data: &Backend, filters: &Filters, after: Option<i64>, global: &Global) -> anyhow::Result<()> {
    filters.check(&*data.store).await?;
    let mut query = filters.query()?;
    query.after_seq = match after {
        Some(seq) => seq,
        None => data.store.totals().await?.last_seq,
    };
    let mut stop = Stop::listen()?;
    let mut rows = rows(global.output, &columns(), "id");
    loop {
        query.after_seq = print_matches(&*data.store, &query, None, |row| rows.row(row)).await?;
        rows.flush()?;
        tokio::select! {
            () = stop.received() => break,
            () = tokio::time::sleep(TAIL_INTERVAL) => (),
        }
    }
    Ok(rows.finish("no new matches were stored")?)
}
