//! `qyran check`: settings and declared objects, validated without touching anything.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use config::objects::Declared;
use config::{Object, Problem};
use crawler::read::check_selector;
use matcher::{Analysis, Query};
use model::{Name, Selectors};
use serde_json::json;

use crate::data_folder::DataFolder;
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
    let sources = objects.iter().filter(|object| matches!(object, Object::Source(_))).count();
    let found = json!({"sources": sources, "topics": objects.len() - sources, "settings": "ok"});
    object(&mut std::io::stdout().lock(), global.output, &found, "settings")?;
    Ok(ExitCode::SUCCESS)
}

/// The names of sources that are declared in the data folder, if there is one.
pub(crate) async fn stored_sources(global: &Global) -> anyhow::Result<Vec<Name>> {
    if !global.settings.store.data.join("store.db").exists() {
        return Ok(Vec::new());
    }
    let data = DataFolder::open(&global.settings)?;
    Ok(data.store.sources().await?.into_iter().map(|record| record.source.name).collect())
}

/// The objects that files declare, to stand beside sources that are `known` already; with all problems
/// told where there are any: queries, selectors and references included.
pub(crate) fn declared(paths: &[PathBuf], known: &[Name]) -> anyhow::Result<Vec<Object>> {
    let (all, mut problems) = config::objects::load(paths);
    problems.extend(bad_selectors(&all));
    if problems.is_empty() {
        // What a reference leads to can be said once every object could be read.
        problems.extend(bad_references(&all, known));
    }
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

fn problem(one: &Declared, message: String, remedy: impl Into<String>) -> Problem {
    Problem { file: one.file.clone(), line: Some(one.line), message, remedy: remedy.into() }
}

fn bad_selectors(all: &[Declared]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for one in all {
        let Object::Source(source) = &one.object else { continue };
        let Selectors { item, link, title, time, text, next } = &source.selectors;
        let named = [
            ("item", item),
            ("link", link),
            ("title", title),
            ("time", time),
            ("text", text),
            ("next", next),
        ];
        for (key, selector) in named {
            if let Some(selector) = selector
                && let Err(error) = check_selector(selector)
            {
                let message =
                    format!("source {:?}: spec.selectors.{key}: {selector:?}: {error}", source.name.as_str());
                problems.push(problem(one, message, "write a CSS selector such as div.article > h1"));
            }
        }
    }
    problems
}

/// A topic that names a source which does not exist would silently match nothing.
fn bad_references(all: &[Declared], known: &[Name]) -> Vec<Problem> {
    let declared =
        all.iter().filter(|one| matches!(one.object, Object::Source(_))).map(|one| one.object.name());
    let known: BTreeSet<&Name> = known.iter().chain(declared).collect();
    let mut problems = Vec::new();
    for one in all {
        let Object::Topic(topic) = &one.object else { continue };
        for name in topic.sources.iter().chain(&topic.exclude_sources).filter(|name| !known.contains(name)) {
            let message = format!(
                "topic {:?} names the source {:?}, which is not declared",
                topic.name.as_str(),
                name.as_str()
            );
            let near = config::nearest(name.as_str(), known.iter().map(|name| name.as_str()));
            problems.push(problem(
                one,
                message,
                near.map_or(String::new(), |near| format!("did you mean {near:?}?")),
            ));
        }
    }
    problems
}

fn bad_queries(all: &[Declared]) -> Vec<Problem> {
    let analysis = Analysis::default();
    let mut problems = Vec::new();
    for one in all {
        let Object::Topic(topic) = &one.object else { continue };
        match Query::parse(&topic.query, &analysis) {
            Err(error) => {
                let message = format!("the query of topic {:?}: {}", topic.name.as_str(), error.message);
                let remedy = format!("{}\n{}", error.remedy, error.pointed_at(&topic.query));
                problems.push(problem(one, message, remedy));
            }
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
