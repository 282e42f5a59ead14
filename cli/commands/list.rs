//! `qyran list`: named lists of values that queries reference.

use std::process::ExitCode;

use clap::Subcommand;
use matcher::QueryReference;
use serde_json::json;
use service::query_references;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{column, object, rows};

/// Show lists of values that queries reference, as in site:@media
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran list get media
  qyran topic preview 'банк site:@media -author:@bots'

In a query, a list replaces the value of a field: site:@media matches if any value of the list matches. Text fields, mentions: and age: accept no lists. A list has at most 10,000 values, each written as in a query:
  {apiVersion: qyran.dev/v1alpha1, kind: List, metadata: {name: media}, spec: {values: [nur.kz, '*.gov.kz']}}

After an edit of a list, stored items are matched against the topics that reference it. A handle must be quoted: author:\"@nike\".")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the declared lists
    List,
    /// Show one list with its values and the topics that reference it
    Get {
        /// Name of the list
        name: String,
    },
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open_read_only(global).await?;
    let (lists, topics) = (data.store.lists().await?, data.store.topics().await?);
    let references: Vec<_> =
        topics.iter().map(|record| (&record.topic.name, query_references(&record.topic))).collect();
    let referencing = |list: &model::List| -> Vec<&model::Name> {
        let reference = QueryReference::List(list.name.to_string());
        references.iter().filter(|(_, names)| names.contains(&reference)).map(|(topic, _)| *topic).collect()
    };
    match &args.command {
        Command::List => {
            let mut rows = rows(global.output, &[column("name"), column("values"), column("topics")], "name");
            for list in &lists {
                rows.row(
                    json!({"name": list.name, "values": list.values.len(), "topics": referencing(list).len()}),
                )?;
            }
            rows.finish("no lists are declared; queries reference lists as in site:@NAME")?;
        }
        Command::Get { name } => {
            let nearest = config::nearest(name, lists.iter().map(|list| list.name.as_str()));
            let list = lists.iter().find(|list| list.name.as_str() == name).ok_or_else(|| {
                let hint = nearest.map_or("qyran list list shows the declared lists".to_owned(), |nearest| {
                    format!("did you mean {nearest:?}?")
                });
                Failure::not_found(format!("no list {name:?} is declared")).hint(hint)
            })?;
            let details = json!({"name": list.name, "values": list.values, "topics": referencing(list)});
            object(&mut std::io::stdout().lock(), global.output, &details, "name")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
