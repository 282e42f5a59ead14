//! `qyran client`: the declared clients.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::{column, rows};

/// Show the clients with their topics and sources
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  qyran client list

Declare a client to give it a larger share of a host's time than others:
  apiVersion: qyran.dev/v1alpha1
  kind: Client
  metadata: {name: acme}
  spec: {weight: 3, searches: 500}

If jobs of several clients wait for one host, they share its time by weight. A client that is not declared has weight 1; sources without a client have weight 10. The budgets of searched sources are shared in the same way. `searches` is the maximum number of searches for a client's topics, over all sources.")]
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
    let data = Backend::open_read_only(global).await?;
    let (topics, sources) = (data.store.topics().await?, data.store.sources().await?);
    let columns = [column("name"), column("weight"), column("searches"), column("topics"), column("sources")];
    let mut rows = rows(global.output, &columns, "name");
    for client in data.store.clients().await? {
        let is_client = |name: Option<&str>| name == Some(client.name.as_str());
        let topics = topics.iter().filter(|record| is_client(record.topic.client.as_deref())).count();
        let sources = sources
            .iter()
            .filter(|record| is_client(record.source.client.as_ref().map(|name| name.as_str())))
            .count();
        rows.row(json!({
            "name": client.name.as_str(),
            "weight": client.weight,
            "searches": client.searches,
            "topics": topics,
            "sources": sources,
        }))?;
    }
    rows.finish("no clients are declared; clients named by topics and sources have weight 1")?;
    Ok(ExitCode::SUCCESS)
}
