//! `qyran backup`: a consistent copy of the store, also while a node runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::object;

/// Write a copy of everything that is kept, also while a node runs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran backup /backups/qyran-2026-11-24
  qyran --data /backups/qyran-2026-11-24 material list     a copy is a data folder itself")]
pub(crate) struct Args {
    /// A folder that does not exist yet, or is empty
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::to_read(global).await?;
    begin(&args.to)?;
    // The schedule is not copied: it is rebuilt from the store. A half-written copy has another name.
    let unfinished = args.to.join("store.db.part");
    data.store.backup(&unfinished).await?;
    let file = args.to.join("store.db");
    std::fs::rename(&unfinished, &file).map_err(|error| failed(&file, &error))?;
    let bytes = std::fs::metadata(&file).map_err(|error| failed(&file, &error))?.len();
    let totals = data.store.totals().await?;
    let written = json!({"folder": args.to.display().to_string(), "bytes": bytes, "items": totals.items, "materials": totals.materials});
    object(&mut std::io::stdout().lock(), global.output, &written, "folder")?;
    Ok(ExitCode::SUCCESS)
}

fn begin(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let is_empty = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?.next().is_none();
    if is_empty {
        return Ok(());
    }
    Err(Failure::usage(format!("{} is not empty", folder.display()))
        .hint("name a new folder for each backup")
        .into())
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
