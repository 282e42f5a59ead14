//! `qyran bench`: figures.
use crate::global::Global;
use std::process::ExitCode;
/// Bench
#[derive(clap::Args)]
pub(crate) struct Args {}
pub(crate) async fn run(_args: Args, _global: &Global) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
