//! What the offline commands are given: a file, standard input, a folder of files.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crawler::read::Page;
use model::Selectors;
use serde_json::{Value, json};
use url::Url;

use crate::global::Global;
use crate::terminal::failure::{Failure, say};
use crate::terminal::output::{Format, rows, wide};

/// A document larger than this is refused: no page, feed or robots.txt is.
const MAX_BYTES: u64 = 256 << 20;
/// Folders inside folders; deeper is a circle of links.
const MAX_DEPTH: usize = 16;

/// What a document is read with when nobody says where it came from (RFC 2606: such a host is nowhere).
const NOWHERE: &str = "http://unknown.invalid/";

/// The options of a command that reads documents of the web from files.
#[derive(clap::Args)]
pub(crate) struct Documents {
    /// The document, or - for standard input
    #[arg(value_name = "FILE|-", required_unless_present = "batch", conflicts_with = "batch")]
    file: Option<PathBuf>,
    /// Where the document came from: its links and dates are read with it
    #[arg(long, value_name = "URL", conflicts_with = "batch")]
    url: Option<String>,
    /// The Content-Type field that it came with
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// IANA time zone of dates that come without one [default: by the host's country]
    #[arg(long, value_name = "ZONE", value_parser = timezone)]
    timezone: Option<String>,
    /// Read every file below a folder, in one process
    #[arg(long, value_name = "DIR")]
    batch: Option<PathBuf>,
    /// Addresses of the files: name, tab, address a line
    #[arg(long, value_name = "FILE", requires = "batch")]
    urls: Option<PathBuf>,
}

impl Documents {
    /// The folder that is to be read, file by file.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.batch.as_deref()
    }

    /// The one document that is to be read, by name.
    pub(crate) fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new("-"))
    }

    /// Reads the one document.
    pub(crate) fn one<T>(&self, global: &Global, reader: impl Fn(&Page<'_>) -> T) -> anyhow::Result<T> {
        let url = address(self.url.as_deref())?;
        Ok(self.with(global, &url, &read(self.file())?, &reader))
    }

    /// Reads every file of a folder and prints a JSON line for each, whatever `-o` says for a single
    /// one: that is what a batch is for. One file that cannot be read, told in words, does not end the
    /// others.
    pub(crate) fn each<T>(
        &self,
        folder: &Path,
        global: &Global,
        reader: impl Fn(&Page<'_>) -> T,
        shown: impl Fn(Result<T, String>) -> Value,
    ) -> anyhow::Result<()> {
        let addresses = Addresses::load(self.urls.as_deref())?;
        let mut rows = rows(Format::Jsonl, &[wide("file")], "file");
        for path in walk(folder)? {
            let name = file_name(&path);
            let given = match read(&path) {
                Ok(body) => Ok(self.with(global, &addresses.of(&name)?, &body, &reader)),
                Err(error) => Err(error.to_string()),
            };
            let mut line = json!({"file": name});
            if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), shown(given)) {
                line.extend(fields);
            }
            rows.row(line)?;
        }
        Ok(rows.finish("")?)
    }

    fn with<T>(&self, global: &Global, url: &Url, body: &[u8], reader: &impl Fn(&Page<'_>) -> T) -> T {
        let selectors = Selectors::default();
        let page = Page::new(url, body, &selectors, self.timezone.as_deref(), global.clock.now());
        reader(&page.of_type(self.content_type.as_deref()))
    }
}

/// A file's bytes, or standard input's for `-`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| unreadable(path, &error))?;
    if length as u64 > MAX_BYTES {
        let most = MAX_BYTES >> 20;
        return Err(Failure::failed(format!("{} is larger than {most} MiB", path.display())).into());
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("{}: {error}", path.display());
    if error.kind() == std::io::ErrorKind::NotFound {
        Failure::not_found(message)
    } else {
        Failure::failed(message)
    }
}

/// Every file below a folder, in the order of paths.
fn walk(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk_into(folder, &mut files, 0)?;
    Ok(files)
}

fn walk_into(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> anyhow::Result<()> {
    if depth > MAX_DEPTH {
        return Err(Failure::failed(format!(
            "{} is nested deeper than {MAX_DEPTH} folders",
            folder.display()
        ))
        .into());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
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

/// A file's own name.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The address given on the command line, or none.
fn address(url: Option<&str>) -> anyhow::Result<Url> {
    let text = url.unwrap_or(NOWHERE);
    Url::parse(text).map_err(|error| {
        Failure::usage(format!("{text:?} is not an address ({error})"))
            .hint("write a full http:// or https:// address")
            .into()
    })
}

/// A time zone given on the command line.
fn timezone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("it is not a time zone; use an IANA name such as Asia/Almaty".to_owned()),
    }
}

/// Addresses of files: `name⇥url` a line, further columns ignored.
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
                _ => say(&format!("warning: {}:{}: not `name⇥url`; passed over", file.display(), index + 1)),
            }
        }
        Ok(Self(addresses))
    }

    /// The address of a file, by its own name.
    fn of(&self, name: &str) -> anyhow::Result<Url> {
        self.0.get(name).map_or_else(|| address(None), |url| Ok(url.clone()))
    }
}
