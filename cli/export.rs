//! `qyran export`: what is declared, as files that `apply` takes.

use std::io::Write;
use std::process::ExitCode;

use config::objects;

use crate::backend::Backend;
use crate::diff::stored;
use crate::global::Global;
use crate::output::{Format, column, rows};

/// Print every declared object
#[derive(clap::Args)]
#[command(after_help = "Example:\n  qyran export > all.yaml && qyran --data elsewhere apply -f all.yaml")]
pub(crate) struct Args {}

pub(crate) async fn run(_args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::to_read(global).await?;
    let objects = stored(&*data.store).await?;
    match global.output {
        Format::Table | Format::Wide | Format::Yaml => {
            std::io::stdout().lock().write_all(objects::print(&objects).as_bytes())?;
        }
        format => {
            let mut rows = rows(format, &[column("name")], "name");
            for object in &objects {
                let mut value = object.to_value();
                if format == Format::Name {
                    value = serde_json::json!({"name": format!("{}/{}", object.kind(), object.name())});
                }
                rows.row(value)?;
            }
            rows.finish("")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
