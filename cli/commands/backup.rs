//! `qyran backup`: writes a consistent copy of the store, even while a node runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::object;

/// Write a copy of the store, even while a node runs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran backup /backups/qyran-2026-11-24
  qyran --data /backups/qyran-2026-11-24 material list     read a backup as a data folder")]
pub(crate) struct Args {
    /// Folder of the backup; must be new or empty
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open_read_only(global).await?;
    create_empty_folder(&args.to)?;
    // The schedule is not copied: it is rebuilt from the store. The copy gets its final name when it is complete.
    let partial = args.to.join("store.db.part");
    data.store.backup(&partial).await?;
    let file = args.to.join("store.db");
    std::fs::rename(&partial, &file).map_err(|error| file_failure(&file, &error))?;
    let bytes = std::fs::metadata(&file).map_err(|error| file_failure(&file, &error))?.len();
    let totals = data.store.totals().await?;
    let report = json!({"folder": args.to.display().to_string(), "bytes": bytes, "items": totals.items, "materials": totals.materials});
    object(&mut std::io::stdout().lock(), global.output, &report, "folder")?;
    Ok(ExitCode::SUCCESS)
}

/// Creates a folder. Fails if it exists and is not empty.
fn create_empty_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| file_failure(folder, &error))?;
    let is_empty = std::fs::read_dir(folder).map_err(|error| file_failure(folder, &error))?.next().is_none();
    if is_empty {
        return Ok(());
    }
    Err(Failure::usage(format!("cannot back up to {}: the folder is not empty", folder.display()))
        .hint("use a new folder for each backup")
        .into())
}

fn file_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}
