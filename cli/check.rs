//! `qyran check`: settings and declared objects, validated without touching anything.

use std::path::PathBuf;
use std::process::ExitCode;

use config::objects::Declared;
use config::{Object, Problem};
use matcher::{Analysis, Query};
use serde_json::json;

use crate::failure::{Failure, say};
use crate::global::Global;
use crate::output::object;

/// Validate settings and declared objects, offline
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran check -f sources/            all problems of a folder, each with its line
  qyran --config qyran.toml check    the settings alone")]
pub(crate) struct Args {
    /// A file or folder of declared objects; repeatable
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let objects = declared(&args.file)?;
    crate::wiring::warn_without_contact(&global.settings);
    let sources = objects.iter().filter(|object| matches!(object, Object::Source(_))).count();
    let found = json!({"sources": sources, "topics": objects.len() - sources, "settings": "ok"});
    object(&mut std::io::stdout().lock(), global.output, &found, "settings")?;
    Ok(ExitCode::SUCCESS)
}

/// The objects that files declare; with all problems told where there are any, queries included.
pub(crate) fn declared(paths: &[PathBuf]) -> anyhow::Result<Vec<Object>> {
    let (all, mut problems) = config::objects::load(paths);
    problems.extend(bad_queries(&all));
    if problems.is_empty() {
        return Ok(all.into_iter().map(|declared| declared.object).collect());
    }
    problems.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    Err(Failure::usage(format!("{count}; nothing was applied\n{}", lines.join("\n"))).into())
}

fn bad_queries(all: &[Declared]) -> Vec<Problem> {
    let analysis = Analysis::default();
    let mut problems = Vec::new();
    for one in all {
        let Object::Topic(topic) = &one.object else { continue };
        match Query::parse(&topic.query, &analysis) {
            Err(error) => problems.push(Problem {
                file: one.file.clone(),
                line: Some(one.line),
                message: format!("the query of topic {:?}: {}", topic.name.as_str(), error.message),
                remedy: format!("{}\n{}", error.remedy, error.pointed_at(&topic.query)),
            }),
            Ok(query) => {
                for warning in query.warnings() {
                    say(&format!(
                        "warning: {}:{}: the query of topic {:?}, character {}: {}",
                        one.file.display(),
                        one.line,
                        topic.name.as_str(),
                        warning.position + 1,
                        warning.message
                    ));
                }
            }
        }
    }
    problems
}
