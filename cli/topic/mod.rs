//! `qyran topic`: what is watched for.

mod coverage;
mod explain;
mod import;
mod preview;
mod rematch;
mod test;

use std::collections::BTreeSet;
use std::process::ExitCode;

use actors::{Search, searches_of};
use clap::Subcommand;
use config::format_duration;
use matcher::{Query, QueryError};
use model::Name;
use serde_json::{Value, json};
use store::{MaterialQuery, Store, TopicRecord};

use crate::backend::Backend;
use crate::failure::Failure;
use crate::global::Global;
use crate::named::definitions;
use crate::output::{Rows, column, object, show, wide};
use crate::view;

/// Matches of a topic read at once.
const PAGE: usize = 500;

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
            rows.row(view::topic(record))?;
        }
        Ok(rows.finish("no topics; declare some with `qyran apply -f FILE`")?)
    })
    .await
}

async fn get(name: &str, global: &Global) -> anyhow::Result<()> {
    let data = Backend::to_read(global).await?;
    let record = known(&*data.store, name).await?;
    let mut shown = view::topic(&record);
    let written = Query::parse(&record.topic.query).map(|query| query.to_string());
    let definitions = definitions(&*data.store).await?;
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
        shown.insert("requests_a_day".to_owned(), json!(cost_of(&searches.made)));
        shown.insert("searches".to_owned(), searches.made.iter().map(search).collect());
        let left_out =
            searches.left_out.iter().map(|(source, query)| json!({"source": source, "query": query}));
        shown.insert("searches_beyond_budget".to_owned(), left_out.collect());
        shown.insert("not_searched_at".to_owned(), json!(searches.unasked));
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
    let topics = store.topics().await?;
    let hint = match config::nearest(name, topics.iter().map(|record| record.topic.name.as_str())) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "qyran topic list shows them".to_owned(),
    };
    let found = topics.into_iter().find(|record| record.topic.name.as_str() == name);
    found.ok_or_else(|| Failure::not_found(format!("there is no topic {name:?}")).hint(hint).into())
}

/// The ids of what a topic has matched so far.
pub(crate) async fn matched_by(store: &dyn Store, topic: &Name) -> anyhow::Result<BTreeSet<String>> {
    let mut query = MaterialQuery { topic: Some(topic.clone()), limit: PAGE, ..MaterialQuery::default() };
    let mut ids = BTreeSet::new();
    loop {
        let page = store.materials(&query).await?;
        let Some(last) = page.last() else { break };
        query.after_seq = last.seq;
        ids.extend(page.into_iter().map(|stored| stored.item.id));
    }
    Ok(ids)
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
