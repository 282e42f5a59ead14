//! `qyran topic`: what is watched for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use matcher::{Analysis, Query, QueryError};
use model::{Span, Zone};
use serde_json::json;
use std::io::IsTerminal;
use store::{Store, TopicRecord};

use crate::backend::Backend;
use crate::documents::read;
use crate::failure::Failure;
use crate::global::Global;
use crate::output::{Format, Rows, clean, column, object, show, wide};
use crate::view;

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
    /// Try a query out on a text
    #[command(after_help = "\
Examples:
  qyran topic test '\"базовая ставка\" AND (банк OR ипотек*)' article.txt
  echo 'Ставки банков выросли' | qyran topic test 'банк ставка' - -o json
  qyran topic test 'Каспи* NOT реклама'    on a terminal without a file: the query alone is checked

A query: words in any form, !exact, \"a phrase\", AND OR NOT, ( ), begin*; words side by side mean AND.")]
    Test {
        /// The query
        query: String,
        /// The text, or - for standard input
        #[arg(value_name = "FILE|-")]
        file: Option<PathBuf>,
        /// Language of the text. Word forms follow from each word's letters in this version, so it changes nothing yet
        #[arg(long, value_name = "CODE")]
        lang: Option<String>,
    },
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { limit, watch } => list(limit, watch, global).await?,
        Command::Get { name } => get(&name, global).await?,
        Command::Test { query, file, lang: _ } => test(&query, file.as_deref(), global)?,
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
    if let (Some(shown), Ok(query)) =
        (shown.as_object_mut(), Query::parse(&record.topic.query, &Analysis::default()))
    {
        shown.insert("understood_as".to_owned(), json!(query.to_string()));
        shown.insert("warnings".to_owned(), json!(query.warnings()));
    }
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "name")?)
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

fn test(query: &str, file: Option<&Path>, global: &Global) -> anyhow::Result<()> {
    let analysis = Analysis::default();
    let parsed = Query::parse(query, &analysis).map_err(|error| bad_query(query, &error))?;
    let text = match file {
        Some(file) => Some(read(file)?),
        None if std::io::stdin().is_terminal() => None,
        None => Some(read(Path::new("-"))?),
    };
    let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let spans = text.as_deref().map(|text| spans(&parsed, &analysis, text));
    let is_matched = spans.as_ref().map(Option::is_some);
    let spans = spans.flatten().unwrap_or_default();
    if matches!(global.output, Format::Table | Format::Wide) {
        let mut shown = json!({
            "matched": match is_matched { Some(true) => "yes", Some(false) => "no", None => "the query is well-formed; no text was given" },
            "understood as": parsed.to_string(),
            "words": spans.iter().map(|span| span.text.as_str()).collect::<Vec<_>>(),
        });
        if let (Some(shown), false) = (shown.as_object_mut(), parsed.warnings().is_empty()) {
            let warnings: Vec<String> = parsed
                .warnings()
                .iter()
                .map(|warning| format!("character {}: {}", warning.position + 1, warning.message))
                .collect();
            shown.insert("warnings".to_owned(), json!(warnings));
        }
        return Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "matched")?);
    }
    let shown = json!({"matched": is_matched, "spans": spans, "warnings": parsed.warnings()});
    Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "matched")?)
}

fn spans(query: &Query, analysis: &Analysis, text: &str) -> Option<Vec<Span>> {
    let found = query.matches(&analysis.document("", text))?;
    let with_text = |span: Span| match span.zone {
        Zone::Text => Span { text: text.get(span.start..span.end).unwrap_or("").to_owned(), ..span },
        Zone::Title => span,
    };
    Some(found.into_iter().map(with_text).collect())
}

fn bad_query(query: &str, error: &QueryError) -> Failure {
    let message = format!(
        "{} at character {}: {}\n{}",
        error.code,
        error.position + 1,
        error.message,
        error.pointed_at(&clean(query))
    );
    Failure::usage(message).hint(error.remedy.clone())
}
