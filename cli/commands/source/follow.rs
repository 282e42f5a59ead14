//! `qyran source follow`: changes the address of a source to the target of its permanent redirect.

use std::process::ExitCode;

use crawler::robots::NoRobotsStore;
use model::Source;
use store::Objects;
use url::Url;

use super::by_hand::ByHand;
use super::find_source;
use super::probe::probe;
use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::wiring::{door, warn_without_contact};

/// Change the address of a source to the target of its permanent redirect
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source get tengrinews -o json | jq .moved_to
  qyran source follow tengrinews --reason 'a new address of the feed'

Nodes follow a redirect automatically when it has lasted a day and the feed, sitemap, listing or JSON is healthy at the new address. This command is for the remaining cases. It probes the new address first.

Stored items stay and are not stored again. Change the address in the file that declares the source as well, or the next apply restores the old one.")]
pub(super) struct Args {
    /// Name of the source
    name: String,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    warn_without_contact(&global.settings);
    let data = Backend::open(global).await?;
    let record = find_source(&*data.store, &args.name).await?;
    let moved_to = record.moved_to.as_deref().and_then(|url| Url::parse(url).ok());
    let Some(url) = moved_to.filter(|url| *url != record.source.url) else {
        return Err(
            Failure::failed(format!("the server of {} has announced no permanent move", args.name)).into()
        );
    };
    let moved = Source { url: url.clone(), ..record.source.clone() };
    let door = door(&global.settings, std::sync::Arc::new(NoRobotsStore), global.clock.clone())?;
    let mut run = ByHand::new(global, crawler::read::delay_of(&moved, global.settings.fetch.delay)).await?;
    let result = probe(&door, &moved, &mut run, global.clock.now()).await;
    run.end().await;
    if result.entries == 0 {
        let reason = result.fault.unwrap_or_else(|| "it has no entries".to_owned());
        return Err(Failure::failed(format!("cannot read {url}: {reason}"))
            .hint("the address was not changed")
            .into());
    }
    let objects = Objects { sources: vec![moved], ..Objects::default() };
    data.store.declare(&objects, false, global.clock.now()).await?;
    let target = format!("source/{} from {} to {url}", args.name, record.source.url);
    args.reason.note(&data, "source follow", &target, global).await?;
    print_message(&format!("the address of {} is now {url}", args.name));
    Ok(ExitCode::SUCCESS)
}
