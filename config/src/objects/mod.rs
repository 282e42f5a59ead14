//! Declared objects: `apiVersion: qyran.dev/v1alpha1`, `kind: Source | Topic | Client | List`, `metadata.name`, `spec`.
//!
//! [`load`] does not stop at the first problem: it returns all objects that it could parse and all problems. The caller
//! must not apply any object if there is a problem.

mod client;
mod codes;
mod difference;
mod fields;
mod list;
mod reading;
mod source;
mod topic;
mod tree;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use model::{Client, List, Name, Source, SourceKind, Topic};
use serde_json::{Value, json};
use url::Url;

use crate::{Problem, yaml};
pub use difference::{Change, compare};
use fields::{Context, Fields};

/// The API version of objects that this build reads and writes.
pub const API_VERSION: &str = "qyran.dev/v1alpha1";

/// Upper bound on the size of a file. Larger files are not declarations.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A declared object.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most objects are sources: boxing them would save nothing")]
pub enum Object {
    /// A source of publications.
    Source(Source),
    /// A monitoring request.
    Topic(Topic),
    /// A client that owns topics.
    Client(Client),
    /// A named list of values for queries.
    List(List),
}

impl Object {
    /// Returns the kind as it is written in declarations.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "Source",
            Self::Topic(_) => "Topic",
            Self::Client(_) => "Client",
            Self::List(_) => "List",
        }
    }

    /// Returns the object's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Source(source) => &source.name,
            Self::Topic(topic) => &topic.name,
            Self::Client(client) => &client.name,
            Self::List(list) => &list.name,
        }
    }

    /// Returns the spec as it would be declared, without default values.
    pub fn spec(&self) -> Value {
        match self {
            Self::Source(source) => source::write(source),
            Self::Topic(topic) => topic::write(topic),
            Self::Client(client) => client::write(client),
            Self::List(list) => list::write(list),
        }
    }

    /// Returns the whole object as it would be declared.
    pub fn to_value(&self) -> Value {
        json!({
            "apiVersion": API_VERSION,
            "kind": self.kind(),
            "metadata": {"name": self.name()},
            "spec": self.spec(),
        })
    }
}

/// Prints objects as one YAML stream. [`parse`] restores the same objects from it.
pub fn print(objects: &[Object]) -> String {
    let documents: Vec<String> = objects.iter().map(|object| yaml::print(&object.to_value())).collect();
    documents.join("---\n")
}

/// An object and the location of its declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// The object.
    pub object: Object,
    /// The file.
    pub file: PathBuf,
    /// The line of the object's name.
    pub line: usize,
}

/// Checks of values that this crate stores but does not interpret, such as queries and selectors.
#[derive(Clone, Copy)]
pub struct SpecChecks<'a> {
    /// The check of a topic's query.
    pub query: &'a dyn Fn(&str) -> Result<(), CheckError>,
    /// The check of the rule of a tag: a query that may match nearly every item.
    pub rule: &'a dyn Fn(&str) -> Result<(), CheckError>,
    /// The check of a CSS selector of a source.
    pub selector: &'a dyn Fn(&str) -> Result<(), CheckError>,
    /// The check of a JSON pointer of a source.
    pub pointer: &'a dyn Fn(&str) -> Result<(), CheckError>,
    /// The check of the address of a source of a given kind.
    pub address: &'a dyn Fn(SourceKind, &Url) -> Result<(), CheckError>,
}

impl SpecChecks<'static> {
    /// Checks that accept everything, for declarations that are known to be valid.
    pub const LENIENT: Self = Self {
        query: &|_| Ok(()),
        rule: &|_| Ok(()),
        selector: &|_| Ok(()),
        pointer: &|_| Ok(()),
        address: &|_, _| Ok(()),
    };
}

/// A failed check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckError {
    /// The reason.
    pub message: String,
    /// The suggested correction.
    pub remedy: String,
}

/// The name of a declared object and its location. It is known even if the object itself is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The kind as it is written in declarations.
    pub kind: &'static str,
    /// The name.
    pub name: Name,
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
}

/// A reference from a topic to a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The path of the key that holds the reference.
    pub key: String,
    /// The source.
    pub source: Name,
}

/// The contents of a set of declaration files.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The valid objects. They must be used only if there are no problems.
    pub objects: Vec<Declared>,
    /// The names of all objects, valid or not.
    pub names: Vec<Named>,
    /// The references from topics to sources.
    pub references: Vec<Reference>,
    /// The problems in the files.
    pub problems: Vec<Problem>,
}

impl Loaded {
    fn merge(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.names.extend(other.names);
        self.references.extend(other.references);
        self.problems.extend(other.problems);
    }
}

/// Loads the objects and problems of files. A path is a file or a folder. A folder includes all `*.yaml` and `*.yml`
/// files below it. A file that is reached by several paths is loaded once.
pub fn load(paths: &[PathBuf], judges: SpecChecks<'_>) -> Loaded {
    let mut files = Vec::new();
    let mut loaded = Loaded::default();
    for path in paths {
        let previous_counts = (files.len(), loaded.problems.len());
        collect_files(path, &mut files, &mut loaded.problems, 0);
        if previous_counts == (files.len(), loaded.problems.len()) {
            let remedy = "give a file, or a folder that contains declarations";
            loaded.problems.push(file_problem(path, "the folder contains no .yaml or .yml file", remedy));
        }
    }
    let mut unique_files = HashSet::new();
    files.retain(|file| unique_files.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    for file in &files {
        match read_file(file) {
            Ok(text) => loaded.merge(parse(file, &text, judges)),
            Err(problem) => loaded.problems.push(problem),
        }
    }
    let duplicates = find_duplicates(&loaded.names);
    loaded.problems.extend(duplicates);
    loaded
}

/// Parses the objects of one text, and collects all problems except duplicate names.
pub fn parse(file: &Path, text: &str, judges: SpecChecks<'_>) -> Loaded {
    let mut context = Context { file, judges, problems: Vec::new(), references: Vec::new() };
    let (documents, error) = tree::parse(text.trim_start_matches('\u{feff}'));
    let mut loaded = Loaded::default();
    for document in &documents {
        if document.as_text() == Some("") {
            continue; // An empty document between two `---`.
        }
        let (object, named) = read_object(document, &mut context);
        if let (Some(object), Some(Named { line, .. })) = (object, &named) {
            loaded.objects.push(Declared { object, file: file.to_path_buf(), line: *line });
        }
        loaded.names.extend(named);
    }
    if let Some((line, reason)) = error {
        context.report(line, format!("invalid YAML: {reason}"), "the rest of the file was not checked");
    }
    loaded.problems = context.problems;
    loaded.references = context.references;
    loaded
}

fn read_object(document: &tree::Node, context: &mut Context<'_>) -> (Option<Object>, Option<Named>) {
    let Some(mut fields) = Fields::open("", document, context) else { return (None, None) };
    let previous_problems = context.problems.len();
    if let Some((version, line)) = fields.required("apiVersion", context)
        && version != API_VERSION
    {
        context.report(
            line,
            format!("unsupported apiVersion {version:?}"),
            format!("this build supports {API_VERSION}"),
        );
    }
    let has_kind = fields.required("kind", context);
    let kinds =
        [("Source", Kind::Source), ("Topic", Kind::Topic), ("Client", Kind::Client), ("List", Kind::List)];
    let kind = has_kind.and_then(|_| fields.choice("kind", context, &kinds));
    let (name, line) = match open_required(&mut fields, "metadata", context) {
        Some(mut metadata) => {
            let line = metadata.node("name").map_or(document.line, |node| node.line);
            let has_name = metadata.required("name", context);
            let name = has_name.and_then(|_| metadata.parse("name", context, Name::new));
            metadata.finish(context);
            (name, line)
        }
        None => (None, document.line),
    };
    let spec = open_required(&mut fields, "spec", context);
    fields.finish(context);
    let named = name.clone().zip(kind).map(|(name, kind)| {
        let kind = kinds.iter().find(|(_, candidate)| *candidate == kind).map_or("", |(kind, _)| *kind);
        Named { kind, name, file: context.file.to_path_buf(), line }
    });
    let (Some(mut spec), Some(kind)) = (spec, kind) else { return (None, named) };
    let object = match kind {
        Kind::Source => source::read(name, &mut spec, context).map(Object::Source),
        Kind::Topic => topic::read(name, &mut spec, context).map(Object::Topic),
        Kind::Client => client::read(name, &mut spec, context).map(Object::Client),
        Kind::List => list::read(name, &mut spec, context).map(Object::List),
    };
    spec.finish(context);
    (object.filter(|_| context.problems.len() == previous_problems), named)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Source,
    Topic,
    Client,
    List,
}

/// Opens the mapping under a required key.
fn open_required<'a>(
    fields: &mut Fields<'a>,
    key: &'static str,
    context: &mut Context<'_>,
) -> Option<Fields<'a>> {
    match fields.node(key) {
        Some(node) => Fields::open(key, node, context),
        None => {
            fields.required(key, context);
            None
        }
    }
}

fn find_duplicates(names: &[Named]) -> Vec<Problem> {
    let mut first_declarations: HashMap<(&str, &Name), &Named> = HashMap::new();
    let mut problems = Vec::new();
    for named in names {
        let Some(first) = first_declarations.get(&(named.kind, &named.name)) else {
            first_declarations.insert((named.kind, &named.name), named);
            continue;
        };
        problems.push(Problem {
            file: named.file.clone(),
            line: Some(named.line),
            message: format!("{} {:?} is declared twice", named.kind, named.name.as_str()),
            remedy: format!(
                "the first declaration is at {}:{}; rename or remove one of them",
                first.file.display(),
                first.line
            ),
        });
    }
    problems
}

fn collect_files(path: &Path, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>, depth: usize) {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return;
    }
    if depth > 16 {
        let remedy = "check for a cycle of symbolic links";
        problems.push(file_problem(path, "folders are nested more than 16 levels deep", remedy));
        return;
    }
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            paths.sort();
            for inner in paths {
                let is_yaml =
                    inner.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
                // Hidden files belong to editors or to Kubernetes, which mounts a folder through `..data`.
                let name = inner.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !name.starts_with('.') && (inner.is_dir() || is_yaml) {
                    collect_files(&inner, files, problems, depth + 1);
                }
            }
        }
        Err(error) => problems.push(file_problem(path, &format!("cannot read the folder: {error}"), "")),
    }
}

fn read_file(file: &Path) -> Result<String, Problem> {
    let unreadable =
        |error: std::io::Error| file_problem(file, &format!("cannot read the file: {error}"), "");
    if std::fs::metadata(file).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(file_problem(file, "the file is larger than 64 MiB", "split it into several files"));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to())
            .filter(|b| **b == b'\n')
            .count();
        Problem { line: Some(line), ..file_problem(file, "the file is not valid UTF-8", "save it as UTF-8") }
    })
}

/// Returns a problem that concerns a file or folder as a whole.
fn file_problem(file: &Path, message: &str, remedy: &str) -> Problem {
    Problem { file: file.to_path_buf(), line: None, message: message.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests;
