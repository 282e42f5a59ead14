//! Reading what the offline commands are given: a file, standard input, a folder of files.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use url::Url;

use crate::failure::{Failure, say};

/// A document larger than this is refused: no page, feed or robots.txt is.
const MAX_BYTES: u64 = 256 << 20;
/// Folders inside folders; deeper is a circle of links.
const MAX_DEPTH: usize = 16;

/// What a document is read with when nobody says where it came from (RFC 2606: such a host is nowhere).
const NOWHERE: &str = "http://unknown.invalid/";

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
pub(crate) fn walk(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
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
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The address given on the command line, or none.
pub(crate) fn address(url: Option<&str>) -> anyhow::Result<Url> {
    let text = url.unwrap_or(NOWHERE);
    Url::parse(text).map_err(|error| {
        Failure::usage(format!("{text:?} is not an address ({error})"))
            .hint("write a full http:// or https:// address")
            .into()
    })
}

/// A time zone given on the command line.
pub(crate) fn timezone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("it is not a time zone; use an IANA name such as Asia/Almaty".to_owned()),
    }
}

/// Addresses of files: `name⇥url` a line, further columns ignored.
pub(crate) struct Addresses(HashMap<String, Url>);

impl Addresses {
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
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
    pub(crate) fn of(&self, name: &str) -> anyhow::Result<Url> {
        self.0.get(name).map_or_else(|| address(None), |url| Ok(url.clone()))
    }
}
