//! `qyran source follow`: a source that moved for good is declared where its server says it is now.

use std::process::ExitCode;

use crawler::robots::NoRobotsStore;
use model::Source;
use store::Objects;
use url::Url;

use super::by_hand::ByHand;
use super::known;
use super::probe::probe;
use crate::backend::Backend;
use crate::commands::audit::Reason;
use crate::global::Global;
use crate::terminal::failure::{Failure, say};
use crate::wiring::{door, warn_without_contact};

/// Read a source where its server says that it moved for good
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source get tengrinews -o json | jq .moved_to
  qyran source follow tengrinews --reason 'a new address of the feed'

Nodes do so by themselves once a server has said so for a day, of feeds, sitemaps, listings and JSON that are well there; this is for
what they leave. The new address is tried first. What is stored stays, and nothing of it is stored again. Files that declare the source should
be changed as well: apply makes it what they say.")]
pub(super) struct Args {
    /// Which source
    name: String,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    warn_without_contact(&global.settings);
    let data = Backend::open(global).await?;
    let record = known(&*data.store, &args.name).await?;
    let moved_to = record.moved_to.as_deref().and_then(|url| Url::parse(url).ok());
    let Some(url) = moved_to.filter(|url| *url != record.source.url) else {
        return Err(Failure::failed(format!("{} is where it is declared", args.name)).into());
    };
    let moved = Source { url: url.clone(), ..record.source.clone() };
    let door = door(&global.settings, std::sync::Arc::new(NoRobotsStore), global.clock.clone())?;
    let mut run = ByHand::new(global, crawler::read::delay_of(&moved, global.settings.fetch.delay)).await?;
    let probed = probe(&door, &moved, &mut run, global.clock.now()).await;
    run.end().await;
    if probed.entries == 0 {
        let reason = probed.fault.unwrap_or_else(|| "nothing is there".to_owned());
        return Err(Failure::failed(format!("{url} cannot be read: {reason}"))
            .hint("it stays where it is")
            .into());
    }
    let objects = Objects { sources: vec![moved], ..Objects::default() };
    data.store.declare(&objects, false, global.clock.now()).await?;
    let target = format!("source/{} from {} to {url}", args.name, record.source.url);
    args.reason.note(&data, "source follow", &target, global).await?;
    say(&format!("{} is read at {url} from now on", args.name));
    Ok(ExitCode::SUCCESS)
}
