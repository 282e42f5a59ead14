//! `qyran import`: imports publications from files, for licensed feeds and for platforms that must not be crawled.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use actors::Importer;
use model::{Entry, Name, Post, Precision, Published, PublishedMethod, Timestamp};
use serde::Deserialize;
use serde_json::json;
use store::SaveOutcome;
use url::Url;

use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::message::{clean_lines, print_message};
use crate::terminal::output::{Format, object};

/// The number of publications stored in one transaction.
const BATCH_SIZE: usize = 500;
/// The maximum length of a line, in bytes.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Import publications from a file with one JSON object per line
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran import licensed.jsonl --source agency
  provider-client | qyran import - --source agency

Each line has the form {\"id\": …, \"url\": …, \"title\": …, \"text\": …, \"author\": …, \"published_at\": \"2026-11-03T14:05:00+05:00\", \"language\": \"kk\", \"likes\": 3, \"comments\": …, \"shares\": …, \"views\": …, \"followers\": …, \"channel\": …}. It requires a title or a text, and a \"source\" unless --source is given.

Declare the source first; use the kind import if it is never fetched. A repeated line is stored once. Lines that cannot be read are reported, and the others are stored (exit code 6).")]
pub(crate) struct Args {
    /// File to import, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Source of the lines that name no source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// A publication as a line of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    source: Option<String>,
    id: Option<String>,
    url: Option<Url>,
    title: Option<String>,
    text: Option<String>,
    author: Option<String>,
    published_at: Option<String>,
    language: Option<String>,
    image: Option<Url>,
    likes: Option<u64>,
    comments: Option<u64>,
    shares: Option<u64>,
    views: Option<u64>,
    followers: Option<u64>,
    channel: Option<String>,
    parent: Option<String>,
}

pub(crate) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open(global).await?;
    let mut importer = Importer::new(data.store.clone()).await?;
    let sources: HashSet<Name> = importer.sources().into_iter().collect();
    let input: Box<dyn Read> = match args.file.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(
            std::fs::File::open(&args.file)
                .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.file.display())))?,
        ),
    };
    let mut input = BufReader::new(input);
    let mut status = StatusLine::new(global.output == Format::Table);
    let (mut total, mut imported, mut failed, mut number) = (SaveOutcome::default(), 0u64, 0u64, 0u64);
    let mut batch: Vec<(Name, Entry)> = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if read > 0 {
            number += 1;
            match parse_entry(&line, args.source.as_deref(), &sources) {
                Ok(None) => (),
                Ok(Some(entry)) => batch.push(entry),
                Err(reason) => {
                    failed += 1;
                    print_message(&clean_lines(&format!(
                        "error: {}:{number}: {reason}",
                        args.file.display()
                    )));
                }
            }
        }
        if batch.len() >= BATCH_SIZE || (read == 0 && !batch.is_empty()) {
            imported += batch.len() as u64;
            let saved = importer.keep(std::mem::take(&mut batch), global.clock.now()).await?;
            total.new_items += saved.new_items;
            total.edited_items += saved.edited_items;
            total.new_materials += saved.new_materials;
            status.show(&format!("{imported} lines, {} new", total.new_items));
        }
        if read == 0 {
            break;
        }
    }
    status.clear();
    let output = json!({
        "lines": imported + failed,
        "new_items": total.new_items,
        "edited_items": total.edited_items,
        "new_materials": total.new_materials,
        "failed": failed,
    });
    object(&mut std::io::stdout().lock(), global.output, &output, "lines")?;
    Ok(match (imported, failed) {
        (_, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(2),
        _ => ExitCode::from(6),
    })
}

/// Parses the publication of a line; returns `None` for an empty line.
fn parse_entry(
    line: &[u8],
    source: Option<&str>,
    sources: &HashSet<Name>,
) -> Result<Option<(Name, Entry)>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "the line is not valid UTF-8".to_owned())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let name =
        line.source.as_deref().or(source).ok_or("the line names no source, and --source is not given")?;
    let source = Name::new(name).map_err(|error| error.to_string())?;
    if !sources.contains(&source) {
        let near = config::nearest(name, sources.iter().map(Name::as_str));
        let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        return Err(format!("no source {name:?} is declared{hint}"));
    }
    let non_empty = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (title, text) = (non_empty(line.title), non_empty(line.text));
    if title.is_none() && text.is_none() {
        return Err("the line has neither title nor text".to_owned());
    }
    let published = line.published_at.map(|text| parse_time(&text)).transpose()?;
    let entry = Entry {
        id: non_empty(line.id),
        url: line.url,
        title: title.map(|title| crawler::plain_title(&title)),
        text: text.map(|text| crawler::plain_text(&text)),
        author: non_empty(line.author),
        published,
        image: line.image,
        language: non_empty(line.language),
        post: Post {
            channel: line.channel,
            parent: line.parent,
            likes: line.likes,
            comments: line.comments,
            shares: line.shares,
            views: line.views,
            followers: line.followers,
            ..Post::default()
        },
        ..Entry::default()
    };
    Ok(Some((source, entry)))
}

fn parse_time(text: &str) -> Result<Published, String> {
    let at: Timestamp = text.trim().parse().map_err(|_| {
        format!("published_at: {text:?} is not a time; use the form 2026-11-03T14:05:00+05:00 (RFC 3339)")
    })?;
    Ok(Published {
        at,
        precision: Precision::Second,
        method: PublishedMethod::Feed,
        original: text.trim().to_owned(),
        clamped: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parsed_or_rejected_with_a_reason() {
        let sources = HashSet::from([Name::new("agency").unwrap()]);
        let read = |line: &str| parse_entry(line.as_bytes(), Some("agency"), &sources);
        let good = r#"{"id":"7","title":"Банк","text":"<p>Бір</p><p>екі</p>","published_at":"2026-11-03T14:05:00+05:00","likes":3}"#;
        let (source, entry) = read(good).unwrap().unwrap();
        assert_eq!(
            (source.as_str(), entry.text.as_deref(), entry.post.likes),
            ("agency", Some("Бір\nекі"), Some(3))
        );
        assert_eq!(entry.published.unwrap().at.to_string(), "2026-11-03T09:05:00Z");
        assert_eq!(read("  \n"), Ok(None));
        for (line, expected) in [
            (r#"{"title":"#, "EOF"),
            (r#"{"titel":"x"}"#, "unknown field `titel`"),
            (r#"{"id":"7"}"#, "neither title nor text"),
            (r#"{"title":"x","source":"agensy"}"#, "did you mean agency?"),
            (r#"{"title":"x","published_at":"yesterday"}"#, "RFC 3339"),
            (r#"{"title":"x","url":"not an address"}"#, "relative URL"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
