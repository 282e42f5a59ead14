//! `qyran feed`: reads a feed from a file.

use std::process::ExitCode;

use crawler::read::{Alarm, Page, Reading, read};
use model::{Entry, SourceKind};
use serde_json::{Value, json};

use crate::documents::Documents;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::{clean, print_message};
use crate::terminal::output::{column, rows, time, wide};

/// Read an RSS, Atom or JSON feed from a file
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran feed rss.xml --url https://site.kz/rss
  qyran feed - -o jsonl < rss.xml
  qyran feed --batch feeds/ > read.jsonl    one JSON line per file")]
pub(crate) struct Args {
    #[command(flatten)]
    documents: Documents,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let documents = &args.documents;
    match documents.folder() {
        Some(folder) => documents.each(folder, global, read_feed, batch_line)?,
        None => print_entries(documents, global)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read_feed(page: &Page<'_>) -> Reading {
    read(SourceKind::Feed, page)
}

fn print_entries(documents: &Documents, global: &Global) -> anyhow::Result<()> {
    let reading = documents.one(global, read_feed)?;
    let columns = [column("published_at"), column("title"), wide("author"), wide("url"), wide("id")];
    let mut rows = rows(global.output, &columns, "id");
    for entry in &reading.entries {
        rows.row(entry_json(entry))?;
    }
    rows.finish("")?;
    for problem in &reading.problems {
        print_message(&format!("warning: {}", clean(problem)));
    }
    match reading.alarm {
        Some(alarm) => Err(Failure::failed(format!("{}: {alarm}", documents.file().display())).into()),
        None => Ok(()),
    }
}

/// Returns the JSON line of a file in a batch.
fn batch_line(reading: Result<Reading, String>) -> Value {
    let failed = |reason| Reading { alarm: Some(Alarm::WrongFormat(reason)), ..Reading::default() };
    let mut reading = reading.unwrap_or_else(failed);
    // An empty feed is an alarm in a crawl, but a valid document here.
    let error = match reading.alarm {
        Some(Alarm::Empty(reason)) => {
            reading.problems.push(reason);
            None
        }
        alarm => alarm.map(|alarm| alarm.to_string()),
    };
    json!({
        "title": reading.title,
        "items": reading.entries.iter().map(entry_json).collect::<Vec<_>>(),
        "problems": reading.problems,
        "error": error,
    })
}

fn entry_json(entry: &Entry) -> Value {
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
