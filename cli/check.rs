//! `qyran check`: settings and declared objects, validated without changing anything.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use config::objects::{CheckError, Declared, Loaded, Reference, SpecChecks};
use config::{Object, Problem};
use crawler::read::{check_pointer, check_selector, endpoint, needs_token};
use matcher::{Definitions, Query, QueryError};
use model::{Name, SourceKind, Topic};
use serde_json::json;
use store::Objects;
use url::Url;

use crate::apply::by_kind;
use crate::failure::{Failure, say};
use crate::global::Global;
use crate::named::Known;
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
    let objects = declared(&args.file, Known::read(global).await?)?;
    crate::wiring::warn_without_contact(&global.settings);
    let Objects { sources, topics, clients, lists, .. } = by_kind(objects);
    let found = json!({
        "sources": sources.len(),
        "topics": topics.len(),
        "clients": clients.len(),
        "lists": lists.len(),
        "settings": "ok",
    });
    object(&mut std::io::stdout().lock(), global.output, &found, "settings")?;
    Ok(ExitCode::SUCCESS)
}

/// The objects that files declare, to stand beside what is `known` already; with all problems told where there are any:
/// queries, selectors and references included.
pub(crate) fn declared(paths: &[PathBuf], known: Known) -> anyhow::Result<Vec<Object>> {
    let judges = SpecChecks {
        query: &judge_query,
        rule: &judge_rule,
        selector: &judge_selector,
        pointer: &judge_pointer,
        address: &judge_address,
    };
    let mut loaded = config::objects::load(paths, judges);
    let unknown = unknown_sources(&loaded, &known.sources);
    loaded.problems.extend(unknown);
    let missing = missing_tokens(&loaded);
    loaded.problems.extend(missing);
    if loaded.problems.is_empty() {
        loaded.problems = unknown_names(&loaded.objects, known);
    }
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

fn judge_query(query: &str) -> Result<(), CheckError> {
    Query::parse(query).map(|_| ()).map_err(|error| complaint(query, error))
}

fn judge_rule(query: &str) -> Result<(), CheckError> {
    Query::parse_rule(query).map(|_| ()).map_err(|error| complaint(query, error))
}

fn complaint(query: &str, error: QueryError) -> CheckError {
    CheckError { remedy: format!("{}\n{}", error.remedy, error.with_carets(query)), message: error.message }
}

fn judge_selector(selector: &str) -> Result<(), CheckError> {
    check_selector(selector).map_err(|error| CheckError {
        message: format!("{selector:?} is no CSS selector: {error}"),
        remedy: "write one such as div.article > h1".to_owned(),
    })
}

/// What answers only who brings a token would be asked in vain.
fn missing_tokens(loaded: &Loaded) -> Vec<Problem> {
    let problem = |declared: &Declared| match &declared.object {
        Object::Source(source) if needs_token(source.kind) && source.token.is_none() => Some(Problem {
            file: declared.file.clone(),
            line: Some(declared.line),
            message: format!(
                "source {:?} needs a token: its host answers nobody without",
                source.name.as_str()
            ),
            remedy: "add spec.token, the name of one; README says where it is read".to_owned(),
        }),
        _ => None,
    };
    loaded.objects.iter().filter_map(problem).collect()
}

fn judge_pointer(pointer: &str) -> Result<(), CheckError> {
    check_pointer(pointer).map_err(|error| CheckError {
        message: format!("{pointer:?} is no JSON pointer: {error}"),
        remedy: "write one such as /data/0/title (RFC 6901)".to_owned(),
    })
}

pub(crate) fn judge_address(kind: SourceKind, url: &Url) -> Result<(), CheckError> {
    let read_at = endpoint(kind, url).map_err(|remedy| CheckError {
        message: format!("{:?} is no address of kind {}", url.as_str(), kind.as_str()),
        remedy,
    })?;
    let has_place = |url: &Url| ["{query}", "%7Bquery%7D"].iter().any(|place| url.as_str().contains(place));
    if has_place(url) && !has_place(&read_at) {
        return Err(CheckError {
            message: format!("{:?} cannot be searched as kind {}", url.as_str(), kind.as_str()),
            remedy: format!("it would be read at {read_at}, whatever is searched for"),
        });
    }
    Ok(())
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

/// A query that names a list or a topic which does not exist would silently match nothing.
fn unknown_names(declared: &[Declared], known: Known) -> Vec<Problem> {
    let objects = || declared.iter().map(|one| &one.object);
    let naming = known.naming_what_changes(objects());
    let is_declared =
        |name: &Name| objects().any(|one| matches!(one, Object::Topic(topic) if topic.name == *name));
    let is_touched = |topic: &&Topic| naming.contains(&topic.name) && !is_declared(&topic.name);
    let stored: Vec<Topic> = known.topics.iter().filter(is_touched).cloned().collect();
    let before = known.definitions();
    let definitions = known.with(objects()).definitions();
    let mut problems = Vec::new();
    for Declared { object, file, line } in declared {
        let Object::Topic(topic) = object else { continue };
        for (key, CheckError { message, remedy }) in complaints_of(topic, &definitions) {
            let message = format!("{key} of topic {:?}: {message}", topic.name.as_str());
            problems.push(Problem { file: file.clone(), line: Some(*line), message, remedy });
        }
    }
    // What is stored and names what is edited here would mean something else, or nothing.
    for (topic, Declared { file, .. }) in
        stored.iter().flat_map(|topic| declared.first().map(|one| (topic, one)))
    {
        if !complaints_of(topic, &before).is_empty() {
            continue; // it is broken in any case
        }
        for (key, CheckError { message, remedy }) in complaints_of(topic, &definitions) {
            let name = topic.name.as_str();
            let message = format!("{key} of stored topic {name:?}, which names what is edited: {message}");
            problems.push(Problem { file: file.clone(), line: None, message, remedy });
        }
    }
    problems
}

/// What is wrong with a topic's query and rules, each with its key.
fn complaints_of(topic: &Topic, definitions: &Definitions) -> Vec<(String, CheckError)> {
    let query = ("spec.query".to_owned(), &topic.query, definitions.query(&topic.query));
    let rules = topic.tags.iter().map(|tag| (format!("spec.tags.{}", tag.name), &tag.query));
    let rules = rules.map(|(key, text)| (key, text, definitions.rule(text)));
    let all = std::iter::once(query).chain(rules);
    all.filter_map(|(key, text, read)| Some((key, complaint(text, read.err()?)))).collect()
}

fn warn_of_queries(all: &[Declared]) {
    for one in all {
        let Object::Topic(topic) = &one.object else { continue };
        let Ok(query) = Query::parse(&topic.query) else { continue };
        // What it names is there.
        for warning in query.warnings().iter().filter(|warning| !warning.is_unresolved_reference()) {
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
