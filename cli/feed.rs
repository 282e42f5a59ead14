//! `qyran feed`: a feed, read from a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crawler::read::{Alarm, Page, Reading, read as read_as};
use model::{Entry, Selectors, SourceKind};
use serde_json::{Value, json};
use url::Url;

use crate::batch::{Addresses, address, file_name, read, timezone, walk};
use crate::failure::{Failure, say};
use crate::global::Global;
use crate::output::{Format, clean, column, rows, wide};
use crate::view::time;

/// Read an RSS, Atom or JSON feed from a file
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran feed rss.xml --url https://site.kz/rss
  qyran feed - -o jsonl < rss.xml
  qyran feed --batch feeds/ > read.jsonl    a JSON line a file")]
pub(crate) struct Args {
    /// The feed, or - for standard input
    #[arg(value_name = "FILE|-", required_unless_present = "batch", conflicts_with = "batch")]
    file: Option<PathBuf>,
    /// Where the feed came from: relative links are read with it
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

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    match (&args.batch, &args.file) {
        (Some(folder), _) => batch(folder, args, global)?,
        (None, Some(file)) => single(file, args, global)?,
        (None, None) => (),
    }
    Ok(ExitCode::SUCCESS)
}

fn single(file: &Path, args: &Args, global: &Global) -> anyhow::Result<()> {
    let reading = reading(args, global, &address(args.url.as_deref())?, &read(file)?);
    let columns = [column("published_at"), column("title"), wide("author"), wide("url"), wide("id")];
    let mut rows = rows(global.output, &columns, "id");
    for entry in &reading.entries {
        rows.row(shown(entry))?;
    }
    rows.finish("")?;
    for problem in &reading.problems {
        say(&format!("warning: {}", clean(problem)));
    }
    match reading.alarm {
        Some(alarm) => Err(Failure::failed(format!("{}: {alarm}", file.display())).into()),
        None => Ok(()),
    }
}

fn batch(folder: &Path, args: &Args, global: &Global) -> anyhow::Result<()> {
    let addresses = Addresses::load(args.urls.as_deref())?;
    // A line a file, whatever -o says for single feeds: that is what a batch is for.
    let mut rows = rows(Format::Jsonl, &[wide("file")], "file");
    for path in walk(folder)? {
        let name = file_name(&path);
        // One file that cannot be read does not end the others.
        let mut reading = match read(&path) {
            Ok(body) => reading(args, global, &addresses.of(&name)?, &body),
            Err(error) => Reading { alarm: Some(Alarm::Foreign(error.to_string())), ..Reading::default() },
        };
        // A crawl is alarmed by an empty feed; as a document it is one that was read.
        let error = match reading.alarm {
            Some(Alarm::Empty(reason)) => {
                reading.problems.push(reason);
                None
            }
            alarm => alarm.map(|alarm| alarm.to_string()),
        };
        rows.row(json!({
            "file": name,
            "title": reading.title,
            "items": reading.entries.iter().map(shown).collect::<Vec<_>>(),
            "problems": reading.problems,
            "error": error,
        }))?;
    }
    Ok(rows.finish("")?)
}

fn reading(args: &Args, global: &Global, url: &Url, body: &[u8]) -> Reading {
    let selectors = Selectors::default();
    let page = Page::new(url, body, &selectors, args.timezone.as_deref(), global.clock.now());
    read_as(SourceKind::Feed, &page.of_type(args.content_type.as_deref()))
}

fn shown(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "title": entry.title,
        "url": entry.url,
        "published_at": time(entry.published.as_ref().map(|published| published.at)),
        "updated_at": time(entry.updated_at),
        "author": entry.author,
        "summary": entry.summary,
    })
}
