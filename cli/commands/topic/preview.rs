//! `qyran topic preview`: evaluates a query on all stored items.

use super::{ScanProgress, find_topic, query_failure, search_failure};
use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::object;

/// Evaluate a query on all stored items: counts by day and by part, with samples
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic preview '(Kaspi* OR translit(каспи)) NOT NEAR/2 (море OR теңіз)'
  qyran topic preview 'банк -реклама' --topic banks     compare with the matches of a topic

Items are counted by the day of their publication in UTC+5.")]
pub(super) struct Args {
    /// Query to evaluate
    query: String,
    /// Compare with the matches of this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    // An invalid query is reported even if there is no store.
    service::check_query(&args.query).map_err(|error| query_failure(&args.query, &error))?;
    let data = Backend::open_read_only(global).await?;
    let topic = match &args.topic {
        Some(name) => Some(find_topic(&*data.store, name).await?.topic.name),
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
