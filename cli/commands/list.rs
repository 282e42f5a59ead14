//! `qyran list`: values that queries name together.

use std::process::ExitCode;

use clap::Subcommand;
use matcher::QueryReference;
use serde_json::json;
use service::query_references;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{column, object, rows};

/// Show lists, which queries name: site:@media
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran list get media
  qyran topic preview 'банк site:@media -author:@bots'

A list stands for any of its values, 10,000 at most, behind the colon of a field that is not of
words, nor mentions: or age:. Each is written as it would be there:
  apiVersion: qyran.dev/v1alpha1
  kind: List
  metadata: {name: media}
  spec: {values: [nur.kz, zakon.kz, '*.gov.kz']}

When it is edited, topics that name it see what is stored. A handle is quoted: author:\"@nike\".")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List declared lists
    List,
    /// Show one, with its values and the topics that name it
    Get {
        /// The list
        name: String,
    },
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::to_read(global).await?;
    let (lists, topics) = (data.store.lists().await?, data.store.topics().await?);
    let named: Vec<_> =
        topics.iter().map(|record| (&record.topic.name, query_references(&record.topic))).collect();
    let naming = |list: &model::List| -> Vec<&model::Name> {
        let wanted = QueryReference::List(list.name.to_string());
        named.iter().filter(|(_, names)| names.contains(&wanted)).map(|(topic, _)| *topic).collect()
    };
    match &args.command {
        Command::List => {
            let mut rows = rows(global.output, &[column("name"), column("values"), column("topics")], "name");
            for list in &lists {
                rows.row(
                    json!({"name": list.name, "values": list.values.len(), "topics": naming(list).len()}),
                )?;
            }
            rows.finish("no lists are declared; queries name them as site:@NAME")?;
        }
        Command::Get { name } => {
            let near = config::nearest(name, lists.iter().map(|list| list.name.as_str()));
            let list = lists.iter().find(|list| list.name.as_str() == name).ok_or_else(|| {
                let hint = near.map_or("qyran list list shows them".to_owned(), |near| {
                    format!("did you mean {near:?}?")
                });
                Failure::not_found(format!("there is no list {name:?}")).hint(hint)
            })?;
            let shown = json!({"name": list.name, "values": list.values, "topics": naming(list)});
            object(&mut std::io::stdout().lock(), global.output, &shown, "name")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
