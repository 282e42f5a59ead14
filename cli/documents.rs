//! The input of offline commands: a file, standard input, or a folder of files.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crawler::read::Page;
use model::Selectors;
use serde_json::{Value, json};
use url::Url;

use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_message;
use crate::terminal::output::{Format, rows, wide};

/// The maximum size of a document, in bytes. No page, feed or robots.txt is larger.
const MAX_BYTES: u64 = 256 << 20;
/// The maximum nesting of folders. Deeper nesting is a loop of links.
const MAX_FOLDER_DEPTH: usize = 16;

/// The URL of a document whose URL is not given. RFC 2606 reserves `.invalid`: the host does not exist.
const UNKNOWN_URL: &str = "http://unknown.invalid/";

/// The options of a command that reads web documents from files.
#[derive(clap::Args)]
pub(crate) struct Documents {
    /// Document to read, or - for standard input
    #[arg(value_name = "FILE|-", required_unless_present = "batch", conflicts_with = "batch")]
    file: Option<PathBuf>,
    /// URL of the document, for its links and dates
    #[arg(long, value_name = "URL", conflicts_with = "batch")]
    url: Option<String>,
    /// Content-Type header of the document
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// IANA time zone of dates without a time zone [default: by the host's country]
    #[arg(long, value_name = "ZONE", value_parser = timezone)]
    timezone: Option<String>,
    /// Read every file in a folder and its subfolders, in one process
    #[arg(long, value_name = "DIR")]
    batch: Option<PathBuf>,
    /// File of URLs, one per line: file name, tab, URL
    #[arg(long, value_name = "FILE", requires = "batch")]
    urls: Option<PathBuf>,
}

impl Documents {
    /// Returns the folder of a batch, if one is given.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.batch.as_deref()
    }

    /// Returns the path of the single document; `-` is standard input.
    pub(crate) fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new("-"))
    }

    /// Reads the single document. Fails if its URL is invalid or its file cannot be read.
    pub(crate) fn one<T>(&self, global: &Global, reader: impl Fn(&Page<'_>) -> T) -> anyhow::Result<T> {
        let url = address(self.url.as_deref())?;
        Ok(self.parse(global, &url, &read(self.file())?, &reader))
    }

    /// Reads every file of a folder and prints a JSON line for each, regardless of `-o`: a batch is for programs.
    /// `to_json` gets an error text for a file that cannot be read; the remaining files are still read.
    pub(crate) fn each<T>(
        &self,
        folder: &Path,
        global: &Global,
        reader: impl Fn(&Page<'_>) -> T,
        to_json: impl Fn(Result<T, String>) -> Value,
    ) -> anyhow::Result<()> {
        let addresses = Addresses::load(self.urls.as_deref())?;
        let mut rows = rows(Format::Jsonl, &[wide("file")], "file");
        for path in walk(folder)? {
            let name = file_name(&path);
            let result = match read(&path) {
                Ok(body) => Ok(self.parse(global, &addresses.of(&name)?, &body, &reader)),
                Err(error) => Err(error.to_string()),
            };
            let mut line = json!({"file": name});
            if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), to_json(result)) {
                line.extend(fields);
            }
            rows.row(line)?;
        }
        Ok(rows.finish("")?)
    }

    fn parse<T>(&self, global: &Global, url: &Url, body: &[u8], reader: &impl Fn(&Page<'_>) -> T) -> T {
        let selectors = Selectors::default();
        let page = Page::new(url, body, &selectors, self.timezone.as_deref(), global.clock.now());
        reader(&page.of_type(self.content_type.as_deref()))
    }
}

/// Reads a file, or standard input for `-`. Fails if the file cannot be read or is larger than [`MAX_BYTES`].
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let result = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    let length = result.map_err(|error| read_failure(path, &error))?;
    if length as u64 > MAX_BYTES {
        let limit = MAX_BYTES >> 20;
        return Err(Failure::failed(format!("{} is larger than {limit} MiB", path.display())).into());
    }
    Ok(bytes)
}

fn read_failure(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot read {}: {error}", path.display());
    if error.kind() == std::io::ErrorKind::NotFound {
        Failure::not_found(message)
    } else {
        Failure::failed(message)
    }
}

/// Returns every file in a folder and its subfolders, sorted by path.
fn walk(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk_into(folder, &mut files, 0)?;
    Ok(files)
}

fn walk_into(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> anyhow::Result<()> {
    if depth > MAX_FOLDER_DEPTH {
        return Err(Failure::failed(format!(
            "{} is nested deeper than {MAX_FOLDER_DEPTH} folders",
            folder.display()
        ))
        .into());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| read_failure(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk_into(&path, files, depth + 1)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the last component of a path.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Parses the URL of the command line; without one, returns [`UNKNOWN_URL`].
fn address(url: Option<&str>) -> anyhow::Result<Url> {
    let text = url.unwrap_or(UNKNOWN_URL);
    Url::parse(text).map_err(|error| {
        Failure::usage(format!("{text:?} is not a URL: {error}"))
            .hint("use a full http:// or https:// URL")
            .into()
    })
}

/// Checks a time zone of the command line.
fn timezone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("not a time zone; use an IANA name such as Asia/Almaty".to_owned()),
    }
}

/// URLs by file name, from a table of `name⇥url` lines. Further columns are ignored.
struct Addresses(HashMap<String, Url>);

impl Addresses {
    fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self(HashMap::new())) };
        let text = String::from_utf8_lossy(&read(file)?).into_owned();
        let mut addresses = HashMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut columns = line.split('\t');
            match (columns.next(), columns.next().map(|url| Url::parse(url.trim()))) {
                (Some(name), Some(Ok(url))) => drop(addresses.insert(name.to_owned(), url)),
                _ => print_message(&format!(
                    "warning: {}:{}: expected `name⇥url`; line skipped",
                    file.display(),
                    index + 1
                )),
            }
        }
        Ok(Self(addresses))
    }

    /// Returns the URL of a file by its name, or [`UNKNOWN_URL`].
    fn of(&self, name: &str) -> anyhow::Result<Url> {
        self.0.get(name).map_or_else(|| address(None), |url| Ok(url.clone()))
    }
}
