//! `qyran client`: who watches.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::{column, rows};

/// Show who watches, and what each client has
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  qyran client list

A client is declared where its plan gives it more of a host's time than others have:
  apiVersion: qyran.dev/v1alpha1
  kind: Client
  metadata: {name: acme}
  spec: {weight: 3, searches: 500}

Where jobs of several clients wait at one host, each has a share of it by its weight: 1 where none is declared, 10
for sources that name no client. Budgets of sources that are searched are shared so as well; `searches` is how many searches
are made for a client's topics at most, over all sources.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List declared clients
    List,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let Command::List = args.command;
    let data = Backend::to_read(global).await?;
    let (topics, sources) = (data.store.topics().await?, data.store.sources().await?);
    let columns = [column("name"), column("weight"), column("searches"), column("topics"), column("sources")];
    let mut rows = rows(global.output, &columns, "name");
    for client in data.store.clients().await? {
        let of_client = |name: Option<&str>| name == Some(client.name.as_str());
        let topics = topics.iter().filter(|record| of_client(record.topic.client.as_deref())).count();
        let sources = sources
            .iter()
            .filter(|record| of_client(record.source.client.as_ref().map(|name| name.as_str())))
            .count();
        rows.row(json!({
            "name": client.name.as_str(),
            "weight": client.weight,
            "searches": client.searches,
            "topics": topics,
            "sources": sources,
        }))?;
    }
    rows.finish("no clients are declared; each that topics and sources name has weight 1")?;
    Ok(ExitCode::SUCCESS)
}
