//! `qyran topic`: topics and their queries.

mod coverage;
mod explain;
mod import;
mod preview;
mod rematch;
mod test;

use std::process::ExitCode;

use clap::Subcommand;
use config::format_duration;
use matcher::{Query, QueryError};
use model::Name;
use serde_json::{Value, json};
use service::views::TopicView;
use service::{Search, SearchError, Surroundings, searches_of};
use store::{Store, TopicRecord};

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::output::{Format, Rows, column, object, show, wide};

/// List, show, test and import topics
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List topics with their numbers of materials
    List {
        /// Maximum number of topics [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Refresh until interrupted
        #[arg(short, long)]
        watch: bool,
    },
    /// Show one topic
    Get {
        /// Name of the topic
        name: String,
    },
    Test(test::Args),
    Preview(preview::Args),
    Explain(explain::Args),
    Coverage(coverage::Args),
    Rematch(rematch::Args),
    Import(import::Args),
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { limit, watch } => list(limit, watch, global).await?,
        Command::Get { name } => get(&name, global).await?,
        Command::Test(args) => test::run(&args, global).await?,
        Command::Preview(args) => preview::run(&args, global).await?,
        Command::Explain(args) => explain::run(&args, global).await?,
        Command::Coverage(args) => coverage::run(&args, global).await?,
        Command::Rematch(args) => rematch::run(&args, global).await?,
        Command::Import(args) => return import::run(&args, global),
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(limit: Option<usize>, watch: bool, global: &Global) -> anyhow::Result<()> {
    let data = Backend::open_read_only(global).await?;
    let columns = [
        column("name"),
        column("materials"),
        column("query"),
        wide("client"),
        wide("languages"),
        wide("is_matched"),
    ];
    show(watch, async |out, width| {
        let mut rows = Rows::new(global.output, &columns, "name", out, width);
        for record in data.store.topics().await?.iter().take(limit.unwrap_or(usize::MAX)) {
            rows.row(TopicView::from(record))?;
        }
        Ok(rows.finish("no topics; declare some with `qyran apply -f FILE`")?)
    })
    .await
}

async fn get(name: &str, global: &Global) -> anyhow::Result<()> {
    let data = Backend::open_read_only(global).await?;
    let record = find_topic(&*data.store, name).await?;
    let mut output = serde_json::to_value(TopicView::from(&record))?;
    let canonical = Query::parse(&record.topic.query).map(|query| query.to_string());
    let topics = std::slice::from_ref(&record.topic);
    let definitions = Surroundings::of_topics(&*data.store, topics).await?.definitions();
    let resolved = definitions.query(&record.topic.query);
    let rules = || record.topic.tags.iter().try_for_each(|tag| definitions.rule(&tag.query).map(drop));
    let queries = canonical.and_then(|canonical| Ok((canonical, resolved?)));
    let analysis = match queries.and_then(|queries| rules().map(|()| queries)) {
        Ok((canonical, resolved)) => json!({
            "understood_as": canonical, "cost": resolved.cost(), "warnings": resolved.warnings()
        }),
        // An earlier build accepted this query.
        Err(error) => json!({"error": error}),
    };
    let searches = searches_of(&*data.store, &record.topic).await?;
    let stories = data.store.story_count(&record.topic.name).await?;
    if let (Some(fields), Value::Object(analysis)) = (output.as_object_mut(), analysis) {
        fields.extend(analysis);
        fields.insert("stories".to_owned(), json!(stories));
        fields.insert("requests_a_day".to_owned(), json!(requests_per_day(&searches.active)));
        fields.insert("searches".to_owned(), searches.active.iter().map(search_json).collect());
        let over_budget =
            searches.over_budget.iter().map(|(source, query)| json!({"source": source, "query": query}));
        fields.insert("searches_beyond_budget".to_owned(), over_budget.collect());
        fields.insert("not_searched_at".to_owned(), json!(searches.not_searchable));
    }
    Ok(object(&mut std::io::stdout().lock(), global.output, &output, "name")?)
}

/// Converts a search of the topic. All topics that need a search share its cost.
fn search_json(search: &Search) -> Value {
    json!({
        "source": search.source,
        "query": search.query,
        "every": format_duration(search.every),
        "shared_by": search.topics,
    })
}

/// Returns the number of requests per day for a topic. Topics that need the same search share its requests.
fn requests_per_day(searches: &[Search]) -> f64 {
    let share =
        |search: &Search| 86_400.0 / search.every.as_secs_f64().max(1.0) / search.topics.max(1) as f64;
    (searches.iter().map(share).sum::<f64>() * 10.0).round() / 10.0
}

/// Returns the topic with this name. Fails with a hint at the nearest name if there is none.
pub(crate) async fn find_topic(store: &dyn Store, name: &str) -> anyhow::Result<TopicRecord> {
    if let Ok(name) = Name::new(name)
        && let Some(record) = store.topics_named(std::slice::from_ref(&name)).await?.pop()
    {
        return Ok(record);
    }
    let topics = store.versioned_topics().await?;
    let hint = match config::nearest(name, topics.iter().map(|one| one.topic.name.as_str())) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "qyran topic list shows all topics".to_owned(),
    };
    Err(Failure::not_found(format!("no topic {name:?}")).hint(hint).into())
}

/// The progress of a scan of all stored items, as a status line.
pub(crate) struct ScanProgress {
    line: StatusLine,
    total: u64,
}

impl ScanProgress {
    pub(crate) async fn new(store: &dyn Store, global: &Global) -> anyhow::Result<Self> {
        let total = store.totals().await?.items;
        Ok(Self { line: StatusLine::new(global.output == Format::Table), total })
    }

    pub(crate) fn show(&mut self, items: u64) {
        self.line.show(&format!("scanning stored items: {items} of {}", self.total));
    }

    pub(crate) fn clear(&mut self) {
        self.line.clear();
    }
}

/// Returns the failure of a search: an invalid query with the position of the error, or a store error.
pub(crate) fn search_failure(query: &str, error: SearchError) -> anyhow::Error {
    match error {
        SearchError::Query(error) => query_failure(query, &error).into(),
        SearchError::Store(error) => error.into(),
    }
}

/// Returns the failure for an invalid query, with a caret below the position of the error.
pub(crate) fn query_failure(query: &str, error: &QueryError) -> Failure {
    let message = format!(
        "{} at character {}: {}\n{}",
        error.code,
        error.position + 1,
        error.message,
        error.with_carets(query)
    );
    Failure::usage(message).hint(error.remedy.clone())
}
