//! Declared objects: `apiVersion: qyran.dev/v1alpha1`, `kind: Source | Topic | Client | List`, `metadata.name`, `spec`.
//!
//! Reading never stops at the first mistake: [`load`] gives what it understood and every problem. Using
//! it is all or nothing: with one problem, nothing is applied.

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
use fields::{Fields, Notes};

/// The version of the object shape that this build reads and writes.
pub const API_VERSION: &str = "qyran.dev/v1alpha1";

/// Files larger than this are not declarations.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A declared object.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most objects are sources: boxing them would save nothing")]
pub enum Object {
    /// Something that publishes.
    Source(Source),
    /// Something watched for.
    Topic(Topic),
    /// Who watches.
    Client(Client),
    /// What queries name together.
    List(List),
}

impl Object {
    /// The kind as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "Source",
            Self::Topic(_) => "Topic",
            Self::Client(_) => "Client",
            Self::List(_) => "List",
        }
    }

    /// The object's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Source(source) => &source.name,
            Self::Topic(topic) => &topic.name,
            Self::Client(client) => &client.name,
            Self::List(list) => &list.name,
        }
    }

    /// The spec as it would be declared, defaults left out.
    pub fn spec(&self) -> Value {
        match self {
            Self::Source(source) => source::write(source),
            Self::Topic(topic) => topic::write(topic),
            Self::Client(client) => client::write(client),
            Self::List(list) => list::write(list),
        }
    }

    /// The whole object as it would be declared.
    pub fn to_value(&self) -> Value {
        json!({
            "apiVersion": API_VERSION,
            "kind": self.kind(),
            "metadata": {"name": self.name()},
            "spec": self.spec(),
        })
    }
}

/// Prints objects as one YAML stream that [`parse`] reads back to the same objects.
pub fn print(objects: &[Object]) -> String {
    let documents: Vec<String> = objects.iter().map(|object| yaml::print(&object.to_value())).collect();
    documents.join("---\n")
}

/// An object and where it was declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// What was declared.
    pub object: Object,
    /// In which file.
    pub file: PathBuf,
    /// On which line its name stands.
    pub line: usize,
}

/// Judges of what this crate only carries: it knows neither the language of queries nor selectors.
#[derive(Clone, Copy)]
pub struct Judges<'a> {
    /// Of a topic's query.
    pub query: &'a dyn Fn(&str) -> Result<(), Complaint>,
    /// Of a topic's rules for tags, each: queries that may hold for nearly everything.
    pub rule: &'a dyn Fn(&str) -> Result<(), Complaint>,
    /// Of a source's selectors, each.
    pub selector: &'a dyn Fn(&str) -> Result<(), Complaint>,
    /// Of a source's pointers into JSON, each.
    pub pointer: &'a dyn Fn(&str) -> Result<(), Complaint>,
    /// Of the address of a source of a kind.
    pub address: &'a dyn Fn(SourceKind, &Url) -> Result<(), Complaint>,
}

impl Judges<'static> {
    /// For declarations that are known to be good.
    pub const LENIENT: Self = Self {
        query: &|_| Ok(()),
        rule: &|_| Ok(()),
        selector: &|_| Ok(()),
        pointer: &|_| Ok(()),
        address: &|_, _| Ok(()),
    };
}

/// What a judge has to say: reason and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// An object's name, where it stands, whether the object could be read or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The kind as it is written.
    pub kind: &'static str,
    /// The name.
    pub name: Name,
    /// In which file.
    pub file: PathBuf,
    /// On which line.
    pub line: usize,
}

/// A source that a topic names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// In which file.
    pub file: PathBuf,
    /// On which line.
    pub line: usize,
    /// Under which key.
    pub key: String,
    /// The source.
    pub source: Name,
}

/// What files declare, and everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The objects that could be read; of use only where there are no problems.
    pub objects: Vec<Declared>,
    /// The names of all objects, read or not.
    pub names: Vec<Named>,
    /// The sources that topics name.
    pub references: Vec<Reference>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Loaded {
    fn take(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.names.extend(other.names);
        self.references.extend(other.references);
        self.problems.extend(other.problems);
    }
}

/// Reads every object of these files, and of all `*.yaml` and `*.yml` files below these folders, with
/// all problems in them. A file that is reached in several ways is read once.
pub fn load(paths: &[PathBuf], judges: Judges<'_>) -> Loaded {
    let mut files = Vec::new();
    let mut loaded = Loaded::default();
    for path in paths {
        let before = (files.len(), loaded.problems.len());
        collect_files(path, &mut files, &mut loaded.problems, 0);
        if before == (files.len(), loaded.problems.len()) {
            let remedy = "name a folder with declarations, or a file";
            loaded.problems.push(whole_file(path, "holds no .yaml file", remedy));
        }
    }
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    for file in &files {
        match read_file(file) {
            Ok(text) => loaded.take(parse(file, &text, judges)),
            Err(problem) => loaded.problems.push(problem),
        }
    }
    let twice = duplicates(&loaded.names);
    loaded.problems.extend(twice);
    loaded
}

/// Reads the objects of one text, with all problems in it but for names that stand twice.
pub fn parse(file: &Path, text: &str, judges: Judges<'_>) -> Loaded {
    let mut notes = Notes { file, judges, problems: Vec::new(), references: Vec::new() };
    let (documents, stopped) = tree::parse(text.trim_start_matches('\u{feff}'));
    let mut loaded = Loaded::default();
    for document in &documents {
        if document.as_text() == Some("") {
            continue; // an empty document between two `---`
        }
        let (object, named) = read_object(document, &mut notes);
        if let (Some(object), Some(Named { line, .. })) = (object, &named) {
            loaded.objects.push(Declared { object, file: file.to_path_buf(), line: *line });
        }
        loaded.names.extend(named);
    }
    if let Some((line, reason)) = stopped {
        notes.add(line, format!("this is not YAML: {reason}"), "what follows in this file was not read");
    }
    loaded.problems = notes.problems;
    loaded.references = notes.references;
    loaded
}

fn read_object(document: &tree::Node, notes: &mut Notes<'_>) -> (Option<Object>, Option<Named>) {
    let Some(mut fields) = Fields::open("", document, notes) else { return (None, None) };
    let before = notes.problems.len();
    if let Some((version, line)) = fields.required("apiVersion", notes)
        && version != API_VERSION
    {
        notes.add(
            line,
            format!("apiVersion cannot be {version:?}"),
            format!("this build reads {API_VERSION}"),
        );
    }
    let has_kind = fields.required("kind", notes);
    let kinds =
        [("Source", Kind::Source), ("Topic", Kind::Topic), ("Client", Kind::Client), ("List", Kind::List)];
    let kind = has_kind.and_then(|_| fields.choice("kind", notes, &kinds));
    let (name, line) = match part(&mut fields, "metadata", notes) {
        Some(mut metadata) => {
            let line = metadata.node("name").map_or(document.line, |node| node.line);
            let has_name = metadata.required("name", notes);
            let name = has_name.and_then(|_| metadata.read("name", notes, Name::new));
            metadata.close(notes);
            (name, line)
        }
        None => (None, document.line),
    };
    let spec = part(&mut fields, "spec", notes);
    fields.close(notes);
    let named = name.clone().zip(kind).map(|(name, kind)| {
        let kind = kinds.iter().find(|(_, known)| *known == kind).map_or("", |(kind, _)| *kind);
        Named { kind, name, file: notes.file.to_path_buf(), line }
    });
    let (Some(mut spec), Some(kind)) = (spec, kind) else { return (None, named) };
    let object = match kind {
        Kind::Source => source::read(name, &mut spec, notes).map(Object::Source),
        Kind::Topic => topic::read(name, &mut spec, notes).map(Object::Topic),
        Kind::Client => client::read(name, &mut spec, notes).map(Object::Client),
        Kind::List => list::read(name, &mut spec, notes).map(Object::List),
    };
    spec.close(notes);
    (object.filter(|_| notes.problems.len() == before), named)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Source,
    Topic,
    Client,
    List,
}

fn part<'a>(fields: &mut Fields<'a>, key: &'static str, notes: &mut Notes<'_>) -> Option<Fields<'a>> {
    match fields.node(key) {
        Some(node) => Fields::open(key, node, notes),
        None => {
            fields.required(key, notes);
            None
        }
    }
}

fn duplicates(names: &[Named]) -> Vec<Problem> {
    let mut first: HashMap<(&str, &Name), &Named> = HashMap::new();
    let mut problems = Vec::new();
    for one in names {
        let Some(earlier) = first.get(&(one.kind, &one.name)) else {
            first.insert((one.kind, &one.name), one);
            continue;
        };
        problems.push(Problem {
            file: one.file.clone(),
            line: Some(one.line),
            message: format!("{} {:?} is declared twice", one.kind, one.name.as_str()),
            remedy: format!(
                "the first stands in {}:{}; rename or remove one",
                earlier.file.display(),
                earlier.line
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
        problems.push(whole_file(path, "is nested deeper than 16 folders", "is there a circle of links?"));
        return;
    }
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            paths.sort();
            for inner in paths {
                let yaml =
                    inner.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
                // Hidden ones are an editor's, or Kubernetes' (which mounts a folder by way of `..data`).
                let name = inner.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !name.starts_with('.') && (inner.is_dir() || yaml) {
                    collect_files(&inner, files, problems, depth + 1);
                }
            }
        }
        Err(error) => problems.push(whole_file(path, &format!("cannot be read: {error}"), "")),
    }
}

fn read_file(file: &Path) -> Result<String, Problem> {
    let unreadable = |error: std::io::Error| whole_file(file, &format!("cannot be read: {error}"), "");
    if std::fs::metadata(file).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(whole_file(file, "is larger than 64 MiB", "split it"));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to())
            .filter(|b| **b == b'\n')
            .count();
        Problem { line: Some(line), ..whole_file(file, "this is not UTF-8", "save the file as UTF-8") }
    })
}

fn whole_file(file: &Path, message: &str, remedy: &str) -> Problem {
    Problem { file: file.to_path_buf(), line: None, message: message.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests;
