//! `qyran check`: validates settings and declared objects. Changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use config::Object;
use serde_json::json;
use service::{ObjectsError, by_kind};
use store::{Objects, Store};

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::object;

/// Validate settings and declared objects, offline
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran check -f sources/            list all problems of a folder, with line numbers
  qyran --config qyran.toml check    check the settings only")]
pub(crate) struct Args {
    /// File or folder of declared objects; repeatable
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let objects = checked_objects(&args.file, false, global).await?;
    crate::wiring::warn_without_contact(&global.settings);
    let Objects { sources, topics, clients, lists, .. } = by_kind(objects);
    let report = json!({
        "sources": sources.len(),
        "topics": topics.len(),
        "clients": clients.len(),
        "lists": lists.len(),
        "settings": "ok",
    });
    object(&mut std::io::stdout().lock(), global.output, &report, "settings")?;
    Ok(ExitCode::SUCCESS)
}

/// Reads and validates the objects of files, together with the stored objects. With `prune`, the stored objects are
/// ignored: only the declared ones will exist. Prints warnings. Fails with all problems.
pub(crate) async fn checked_objects(
    paths: &[PathBuf],
    prune: bool,
    global: &Global,
) -> anyhow::Result<Vec<Object>> {
    let data = if prune || paths.is_empty() || !Backend::exists(global) {
        None
    } else {
        Some(Backend::open_read_only(global).await?)
    };
    let store = data.as_ref().map(|data| &*data.store as &dyn Store);
    match service::check_files(paths, store).await {
        Ok(checked) => {
            checked.warnings.iter().for_each(|warning| print_message(&format!("warning: {warning}")));
            Ok(checked.objects)
        }
        Err(ObjectsError::Problems(problems)) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let count = match problems.len() {
                1 => "1 problem".to_owned(),
                count => format!("{count} problems"),
            };
            Err(Failure::usage(format!("{count}; nothing was applied\n{}", lines.join("\n"))).into())
        }
        Err(ObjectsError::Store(error)) => Err(error.into()),
    }
}
