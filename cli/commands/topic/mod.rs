//! `qyran topic`: what is watched for.

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

/// Topics: list, show, try queries out
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List topics and how many materials each has
    List {
        /// At most so many [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Look again and again
        #[arg(short, long)]
        watch: bool,
    },
    /// Show one topic
    Get {
        /// Which topic
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
    let data = Backend::to_read(global).await?;
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
    let data = Backend::to_read(global).await?;
    let record = known(&*data.store, name).await?;
    let mut shown = serde_json::to_value(TopicView::from(&record))?;
    let written = Query::parse(&record.topic.query).map(|query| query.to_string());
    let topics = std::slice::from_ref(&record.topic);
    let definitions = Surroundings::of_topics(&*data.store, topics).await?.definitions();
    let whole = definitions.query(&record.topic.query);
    let rules = || record.topic.tags.iter().try_for_each(|tag| definitions.rule(&tag.query).map(drop));
    let read = match written.and_then(|written| Ok((written, whole?))).and_then(|read| rules().map(|()| read))
    {
        Ok((written, whole)) => json!({
            "understood_as": written, "cost": whole.cost(), "warnings": whole.warnings()
        }),
        // One of an earlier build, which took it.
        Err(error) => json!({"error": error}),
    };
    let searches = searches_of(&*data.store, &record.topic).await?;
    let stories = data.store.story_count(&record.topic.name).await?;
    if let (Some(shown), Value::Object(read)) = (shown.as_object_mut(), read) {
        shown.extend(read);
        shown.insert("stories".to_owned(), json!(stories));
        shown.insert("requests_a_day".to_owned(), json!(cost_of(&searches.active)));
        shown.insert("searches".to_owned(), searches.active.iter().map(search).collect());
        let left_out =
            searches.over_budget.iter().map(|(source, query)| json!({"source": source, "query": query}));
        shown.insert("searches_beyond_budget".to_owned(), left_out.collect());
        shown.insert("not_searched_at".to_owned(), json!(searches.not_searchable));
    }
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "name")?)
}

/// A search that is made for the topic; its cost is shared by all that need it.
fn search(search: &Search) -> Value {
    json!({
        "source": search.source,
        "query": search.query,
        "every": format_duration(search.every),
        "shared_by": search.topics,
    })
}

/// Requests a day that are made for a topic, its share of what others need as well.
fn cost_of(searches: &[Search]) -> f64 {
    let share =
        |search: &Search| 86_400.0 / search.every.as_secs_f64().max(1.0) / search.topics.max(1) as f64;
    (searches.iter().map(share).sum::<f64>() * 10.0).round() / 10.0
}

/// The topic of that name, or what might have been meant.
pub(crate) async fn known(store: &dyn Store, name: &str) -> anyhow::Result<TopicRecord> {
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

/// Progress of a scan of all stored items.
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

/// Returns the failure of a search: an invalid query with its place, or a store error.
pub(crate) fn search_failure(query: &str, error: SearchError) -> anyhow::Error {
    match error {
        SearchError::Query(error) => bad_query(query, &error).into(),
        SearchError::Store(error) => error.into(),
    }
}

/// A query that cannot be understood, with a caret under the place.
pub(crate) fn bad_query(query: &str, error: &QueryError) -> Failure {
    let message = format!(
        "{} at character {}: {}\n{}",
        error.code,
        error.position + 1,
        error.message,
        error.with_carets(query)
    );
    Failure::usage(message).hint(error.remedy.clone())
}
