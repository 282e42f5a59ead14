//! Validation of declared objects, with the queries, selectors, addresses and references that they contain.

use std::collections::BTreeSet;
use std::path::PathBuf;

use config::objects::{CheckError, Declared, Loaded, Reference, SpecChecks};
use config::{Object, Problem};
use crawler::read::{check_pointer, check_selector, endpoint, needs_token};
use matcher::{Definitions, Query, QueryError};
use model::{Name, SourceKind, Topic};
use store::{Store, StoreError};
use url::Url;

use crate::references::Surroundings;

/// Declared objects without problems.
#[derive(Debug, Default)]
pub struct CheckedObjects {
    /// The objects.
    pub objects: Vec<Object>,
    /// Warnings about their queries.
    pub warnings: Vec<String>,
}

/// An error of a check.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The objects have problems, sorted by file and line.
    #[error("{} problems in declared objects", .0.len())]
    Problems(Vec<Problem>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads and validates the objects that files and folders declare. With a store, references to stored objects are
/// valid too; `None` means that only the declared objects will exist.
pub async fn check_files(
    paths: &[PathBuf],
    store: Option<&dyn Store>,
) -> Result<CheckedObjects, ObjectsError> {
    let checks = SpecChecks {
        query: &check_query,
        rule: &check_rule,
        selector: &check_css_selector,
        pointer: &check_json_pointer,
        address: &check_address,
    };
    let mut loaded = config::objects::load(paths, checks);
    let objects: Vec<Object> = loaded.objects.iter().map(|declared| declared.object.clone()).collect();
    let surroundings = match store {
        Some(store) => Surroundings::load(store, &objects).await?,
        None => Surroundings::default(),
    };
    let unknown = unknown_sources(&loaded, &surroundings, store).await?;
    loaded.problems.extend(unknown);
    let missing = missing_tokens(&loaded);
    loaded.problems.extend(missing);
    if loaded.problems.is_empty() {
        loaded.problems = unresolved_queries(&loaded.objects, &surroundings);
    }
    if loaded.problems.is_empty() {
        return Ok(CheckedObjects { warnings: query_warnings(&loaded.objects), objects });
    }
    loaded.problems.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    Err(ObjectsError::Problems(loaded.problems))
}

fn check_query(query: &str) -> Result<(), CheckError> {
    Query::parse(query).map(drop).map_err(|error| query_error(query, error))
}

fn check_rule(query: &str) -> Result<(), CheckError> {
    Query::parse_rule(query).map(drop).map_err(|error| query_error(query, error))
}

fn query_error(query: &str, error: QueryError) -> CheckError {
    CheckError { remedy: format!("{}\n{}", error.remedy, error.with_carets(query)), message: error.message }
}

fn check_css_selector(selector: &str) -> Result<(), CheckError> {
    check_selector(selector).map_err(|error| CheckError {
        message: format!("{selector:?} is not a CSS selector: {error}"),
        remedy: "use a selector such as div.article > h1".to_owned(),
    })
}

fn check_json_pointer(pointer: &str) -> Result<(), CheckError> {
    check_pointer(pointer).map_err(|error| CheckError {
        message: format!("{pointer:?} is not a JSON pointer: {error}"),
        remedy: "use a pointer such as /data/0/title (RFC 6901)".to_owned(),
    })
}

/// Checks that a source kind can read an address.
pub fn check_address(kind: SourceKind, url: &Url) -> Result<(), CheckError> {
    let endpoint = endpoint(kind, url).map_err(|remedy| CheckError {
        message: format!("{:?} is not an address of kind {}", url.as_str(), kind.as_str()),
        remedy,
    })?;
    if model::has_query_placeholder(url) && !model::has_query_placeholder(&endpoint) {
        return Err(CheckError {
            message: format!("{:?} cannot be searched as kind {}", url.as_str(), kind.as_str()),
            remedy: format!("every search would read the same URL, {endpoint}"),
        });
    }
    Ok(())
}

/// Finds sources whose host requires a token that they do not name.
fn missing_tokens(loaded: &Loaded) -> Vec<Problem> {
    let problem = |declared: &Declared| match &declared.object {
        Object::Source(source) if needs_token(source.kind) && source.token.is_none() => Some(Problem {
            file: declared.file.clone(),
            line: Some(declared.line),
            message: format!("source {:?} needs a token: its host requires one", source.name.as_str()),
            remedy: "set spec.token to the name of a token; the README describes where its value is read"
                .to_owned(),
        }),
        _ => None,
    };
    loaded.objects.iter().filter_map(problem).collect()
}

/// Finds topics that name sources which are neither declared nor stored. Such a topic would match nothing.
async fn unknown_sources(
    loaded: &Loaded,
    surroundings: &Surroundings,
    store: Option<&dyn Store>,
) -> Result<Vec<Problem>, StoreError> {
    let declared: BTreeSet<&Name> =
        loaded.names.iter().filter(|named| named.kind == "Source").map(|named| &named.name).collect();
    let is_unknown =
        |one: &&Reference| !declared.contains(&one.source) && !surroundings.has_source(&one.source);
    let unknown: Vec<&Reference> = loaded.references.iter().filter(is_unknown).collect();
    if unknown.is_empty() {
        return Ok(Vec::new());
    }
    // All names are read only to suggest the nearest one.
    let stored_names: Vec<Name> = match store {
        Some(store) => store.sources().await?.into_iter().map(|record| record.source.name).collect(),
        None => Vec::new(),
    };
    let problem = |one: &Reference| {
        let names = declared.iter().copied().chain(&stored_names).map(Name::as_str);
        let nearest = config::nearest(one.source.as_str(), names);
        Problem {
            file: one.file.clone(),
            line: Some(one.line),
            message: format!("{}: no source {:?} is declared", one.key, one.source.as_str()),
            remedy: nearest.map_or(String::new(), |nearest| format!("did you mean {nearest:?}?")),
        }
    };
    Ok(unknown.into_iter().map(problem).collect())
}

/// Finds queries that reference lists or topics which do not exist, or that become invalid with the declared ones.
fn unresolved_queries(declared: &[Declared], surroundings: &Surroundings) -> Vec<Problem> {
    let previous = surroundings.definitions();
    let definitions = surroundings.definitions_with(declared.iter().map(|one| &one.object));
    let mut problems = Vec::new();
    for Declared { object, file, line } in declared {
        let Object::Topic(topic) = object else { continue };
        for (key, CheckError { message, remedy }) in topic_errors(topic, &definitions) {
            let message = format!("{key} of topic {:?}: {message}", topic.name.as_str());
            problems.push(Problem { file: file.clone(), line: Some(*line), message, remedy });
        }
    }
    let Some(Declared { file, .. }) = declared.first() else { return problems };
    let is_declared = |topic: &Topic| {
        declared.iter().any(|one| matches!(&one.object, Object::Topic(other) if other.name == topic.name))
    };
    for topic in surroundings.affected_topics().filter(|topic| !is_declared(topic)) {
        if !topic_errors(topic, &previous).is_empty() {
            continue; // invalid before as well
        }
        for (key, CheckError { message, remedy }) in topic_errors(topic, &definitions) {
            let name = topic.name.as_str();
            let message =
                format!("{key} of stored topic {name:?}, which references an edited object: {message}");
            problems.push(Problem { file: file.clone(), line: None, message, remedy });
        }
    }
    problems
}

/// Returns the errors in a topic's query and rules, each with its key.
fn topic_errors(topic: &Topic, definitions: &Definitions) -> Vec<(String, CheckError)> {
    let query = ("spec.query".to_owned(), &topic.query, definitions.query(&topic.query));
    let rules = topic.tags.iter().map(|tag| (format!("spec.tags.{}", tag.name), &tag.query));
    let rules = rules.map(|(key, text)| (key, text, definitions.rule(text)));
    let all = std::iter::once(query).chain(rules);
    all.filter_map(|(key, text, result)| Some((key, query_error(text, result.err()?)))).collect()
}

fn query_warnings(declared: &[Declared]) -> Vec<String> {
    let mut warnings = Vec::new();
    for one in declared {
        let Object::Topic(topic) = &one.object else { continue };
        let Ok(query) = Query::parse(&topic.query) else { continue };
        // References were resolved above.
        for warning in query.warnings().iter().filter(|warning| !warning.is_unresolved_reference()) {
            warnings.push(format!(
                "{}:{}: the query of topic {:?}, character {}: {}",
                one.file.display(),
                one.line,
                topic.name.as_str(),
                warning.position + 1,
                warning.message
            ));
        }
    }
    warnings
}
