//! `qyran audit`: what operators changed, when and why. Every command that changes something writes it down.

use std::process::ExitCode;

use serde_json::json;
use store::AuditRecord;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::{column, rows, time};

/// Show what operators changed, the latest first
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran audit
  qyran audit --limit 500 -o jsonl")]
pub(crate) struct Args {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::to_read(global).await?;
    let columns = [column("at"), column("who"), column("action"), column("target"), column("reason")];
    let mut rows = rows(global.output, &columns, "target");
    for AuditRecord { at, who, action, target, reason } in data.store.audit_trail(args.limit).await? {
        rows.row(
            json!({"at": time(Some(at)), "who": who, "action": action, "target": target, "reason": reason}),
        )?;
    }
    rows.finish("nothing has been changed by hand")?;
    Ok(ExitCode::SUCCESS)
}

/// Why something is changed.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Reason {
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

impl Reason {
    /// Writes a change down.
    pub(crate) async fn note(
        &self,
        data: &Backend,
        action: &str,
        target: &str,
        global: &Global,
    ) -> anyhow::Result<()> {
        let record = AuditRecord {
            at: global.clock.now(),
            who: who(),
            action: action.to_owned(),
            target: target.to_owned(),
            reason: self.reason.clone(),
        };
        Ok(data.store.audit(&record).await?)
    }
}

/// Who runs this, as the machine knows them.
fn who() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    format!("{}@{}", user.as_deref().unwrap_or("somebody"), crate::backend::host_name())
}
