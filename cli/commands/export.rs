//! `qyran export`: prints the declared objects as YAML for `apply`.

use std::io::Write;
use std::process::ExitCode;

use config::objects;
use config::objects::Object;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::{Format, column, rows};

/// Print all declared objects
#[derive(clap::Args)]
#[command(after_help = "Example:\n  qyran export > all.yaml && qyran --data elsewhere apply -f all.yaml")]
pub(crate) struct Args {}

pub(crate) async fn run(_args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open_read_only(global).await?;
    let objects = service::declared_objects(&*data.store).await?;
    print_objects(&objects, "", global)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints objects as YAML for `apply`, or as rows in the other output formats. `empty` is the message if there are none.
pub(crate) fn print_objects(objects: &[Object], empty: &str, global: &Global) -> anyhow::Result<()> {
    if matches!(global.output, Format::Table | Format::Wide | Format::Yaml) {
        return Ok(std::io::stdout().lock().write_all(objects::print(objects).as_bytes())?);
    }
    let mut rows = rows(global.output, &[column("name")], "name");
    for object in objects {
        rows.row(match global.output {
            Format::Name => serde_json::json!({"name": format!("{}/{}", object.kind(), object.name())}),
            _ => object.to_value(),
        })?;
    }
    Ok(rows.finish(empty)?)
}
