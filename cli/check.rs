//! `qyran check`: settings and declared objects, validated without touching anything.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use config::objects::{Complaint, Declared, Judges, Loaded, Reference};
use config::{Object, Problem};
use crawler::read::check_selector;
use matcher::{Query, QueryError};
use model::Name;
use serde_json::json;
use store::Objects;

use crate::apply::by_kind;
use crate::backend::Backend;
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

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let objects = declared(&args.file, &stored_sources(global).await?)?;
    crate::wiring::warn_without_contact(&global.settings);
    let Objects { sources, topics, clients } = by_kind(objects);
    let found = json!({
        "sources": sources.len(),
        "topics": topics.len(),
        "clients": clients.len(),
        "settings": "ok",
    });
    object(&mut std::io::stdout().lock(), global.output, &found, "settings")?;
    Ok(ExitCode::SUCCESS)
}

/// The names of sources that are declared in the data folder, if there is one.
pub(crate) async fn stored_sources(global: &Global) -> anyhow::Result<Vec<Name>> {
    if !Backend::is_there(global) {
        return Ok(Vec::new());
    }
    let data = Backend::to_read(global).await?;
    Ok(data.store.sources().await?.into_iter().map(|record| record.source.name).collect())
}

/// The objects that files declare, to stand beside sources that are `known` already; with all problems
/// told where there are any: queries, selectors and references included.
pub(crate) fn declared(paths: &[PathBuf], known: &[Name]) -> anyhow::Result<Vec<Object>> {
    let judges = Judges { query: &judge_query, rule: &judge_rule, selector: &judge_selector };
    let mut loaded = config::objects::load(paths, judges);
    let unknown = unknown_sources(&loaded, known);
    loaded.problems.extend(unknown);
    let mut problems = loaded.problems;
    if problems.is_empty() {
        warn_of_queries(&loaded.objects);
        return Ok(loaded.objects.into_iter().map(|declared| declared.object).collect());
    }
    problems.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    Err(Failure::usage(format!("{count}; nothing was applied\n{}", lines.join("\n"))).into())
}

fn judge_query(query: &str) -> Result<(), Complaint> {
    Query::parse(query).map(|_| ()).map_err(|error| complaint(query, error))
}

fn judge_rule(query: &str) -> Result<(), Complaint> {
    Query::parse_rule(query).map(|_| ()).map_err(|error| complaint(query, error))
}

fn complaint(query: &str, error: QueryError) -> Complaint {
    Complaint { remedy: format!("{}\n{}", error.remedy, error.pointed_at(query)), message: error.message }
}

fn judge_selector(selector: &str) -> Result<(), Complaint> {
    check_selector(selector).map_err(|error| Complaint {
        message: format!("{selector:?} is no CSS selector: {error}"),
        remedy: "write one such as div.article > h1".to_owned(),
    })
}

/// A topic that names a source which does not exist would silently match nothing.
fn unknown_sources(loaded: &Loaded, known: &[Name]) -> Vec<Problem> {
    let declared = loaded.names.iter().filter(|named| named.kind == "Source").map(|named| &named.name);
    let known: BTreeSet<&Name> = known.iter().chain(declared).collect();
    let problem = |one: &Reference| {
        let near = config::nearest(one.source.as_str(), known.iter().map(|name| name.as_str()));
        Problem {
            file: one.file.clone(),
            line: Some(one.line),
            message: format!("{}: no source {:?} is declared", one.key, one.source.as_str()),
            remedy: near.map_or(String::new(), |near| format!("did you mean {near:?}?")),
        }
    };
    loaded.references.iter().filter(|one| !known.contains(&one.source)).map(problem).collect()
}

fn warn_of_queries(all: &[Declared]) {
    for one in all {
        let Object::Topic(topic) = &one.object else { continue };
        let Ok(query) = Query::parse(&topic.query) else { continue };
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
