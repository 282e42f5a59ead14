//! `qyran topic preview`: what a query would bring, tried on everything stored, before it is saved.

use super::{ScanProgress, bad_query, known, search_failure};
use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::object;

/// Try a query on everything stored: how much it finds, by day and by part, and samples
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic preview '(Kaspi* OR translit(каспи)) NOT NEAR/2 (море OR теңіз)'
  qyran topic preview 'банк -реклама' --topic banks     what would come and go if the topic had this query

Counts are of items stored, by the day of their publication in UTC+5.")]
pub(super) struct Args {
    /// The query
    query: String,
    /// Compare with what this topic has matched
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    // An invalid query is reported even if there is no store.
    service::check_query(&args.query).map_err(|error| bad_query(&args.query, &error))?;
    let data = Backend::to_read(global).await?;
    let topic = match &args.topic {
        Some(name) => Some(known(&*data.store, name).await?.topic.name),
        None => None,
    };
    let mut progress = ScanProgress::new(&*data.store, global).await?;
    let now = global.clock.now();
    let preview =
        service::preview(&*data.store, &args.query, topic.as_ref(), now, |items| progress.show(items)).await;
    progress.clear();
    let preview = preview.map_err(|error| search_failure(&args.query, error))?;
    Ok(object(&mut std::io::stdout().lock(), global.output, &preview, "matched")?)
}
