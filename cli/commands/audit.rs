//! `qyran audit`: the audit trail of operators' changes. Every command that changes something adds a record.

use std::process::ExitCode;

use serde_json::json;
use store::AuditRecord;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::output::{column, rows, time};

/// List the changes made by operators, newest first
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran audit
  qyran audit --limit 500 -o jsonl")]
pub(crate) struct Args {
    /// Maximum number of changes
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open_read_only(global).await?;
    let columns = [column("at"), column("who"), column("action"), column("target"), column("reason")];
    let mut rows = rows(global.output, &columns, "target");
    for AuditRecord { at, who, action, target, reason } in data.store.audit_trail(args.limit).await? {
        rows.row(
            json!({"at": time(Some(at)), "who": who, "action": action, "target": target, "reason": reason}),
        )?;
    }
    rows.finish("no changes are recorded")?;
    Ok(ExitCode::SUCCESS)
}

/// The reason for a change.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Reason {
    /// Reason for the change, for the audit trail
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

impl Reason {
    /// Records a change in the audit trail.
    pub(crate) async fn note(
        &self,
        data: &Backend,
        action: &str,
        target: &str,
        global: &Global,
    ) -> anyhow::Result<()> {
        let record = AuditRecord {
            at: global.clock.now(),
            who: operator(),
            action: action.to_owned(),
            target: target.to_owned(),
            reason: self.reason.clone(),
        };
        Ok(data.store.audit(&record).await?)
    }
}

/// Returns the operator as USER@HOST. The user comes from the environment; behind sudo, it is the invoking user.
fn operator() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    format!("{}@{}", user.as_deref().unwrap_or("unknown"), crate::backend::host_name())
}
