//! `qyran import`: publications from files, for licensed feeds and platforms that must not be crawled.

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

/// Lines stored in one transaction.
const BATCH: usize = 500;
/// A longer line is no publication.
const LONGEST_LINE: u64 = 16 << 20;

/// Take publications from a file, a JSON object a line
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran import licensed.jsonl --source agency
  provider-client | qyran import - --source agency

A line: {\"id\": …, \"url\": …, \"title\": …, \"text\": …, \"author\": …, \"published_at\": \"2026-11-03T14:05:00+05:00\",
\"language\": \"kk\", \"likes\": 3, \"comments\": …, \"shares\": …, \"views\": …, \"followers\": …, \"channel\": …}; title or text
must be there, and \"source\" where --source is not given. The source is declared like any other, of kind import where it is
never fetched. The same line twice is stored once. Lines that cannot be read are told, and the others are kept (exit code 6).")]
pub(crate) struct Args {
    /// The file; - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The source of lines that name none
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// A publication as it is written.
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
    let known: HashSet<Name> = importer.sources().into_iter().collect();
    let input: Box<dyn Read> = match args.file.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(
            std::fs::File::open(&args.file)
                .map_err(|error| Failure::usage(format!("{}: {error}", args.file.display())))?,
        ),
    };
    let mut input = BufReader::new(input);
    let mut status = StatusLine::new(global.output == Format::Table);
    let (mut total, mut kept, mut failed, mut number) = (SaveOutcome::default(), 0u64, 0u64, 0u64);
    let mut batch: Vec<(Name, Entry)> = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read > 0 {
            number += 1;
            match entry_of(&line, args.source.as_deref(), &known) {
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
        if batch.len() >= BATCH || (read == 0 && !batch.is_empty()) {
            kept += batch.len() as u64;
            let saved = importer.keep(std::mem::take(&mut batch), global.clock.now()).await?;
            total.new_items += saved.new_items;
            total.edited_items += saved.edited_items;
            total.new_materials += saved.new_materials;
            status.show(&format!("{kept} lines, {} new", total.new_items));
        }
        if read == 0 {
            break;
        }
    }
    status.clear();
    let shown = json!({
        "lines": kept + failed,
        "new_items": total.new_items,
        "edited_items": total.edited_items,
        "new_materials": total.new_materials,
        "failed": failed,
    });
    object(&mut std::io::stdout().lock(), global.output, &shown, "lines")?;
    Ok(match (kept, failed) {
        (_, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(2),
        _ => ExitCode::from(6),
    })
}

/// The publication of a line; `None` for an empty one.
fn entry_of(
    line: &[u8],
    source: Option<&str>,
    known: &HashSet<Name>,
) -> Result<Option<(Name, Entry)>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is no UTF-8".to_owned())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let named = line.source.as_deref().or(source).ok_or("it names no source, and --source is not given")?;
    let source = Name::new(named).map_err(|error| error.to_string())?;
    if !known.contains(&source) {
        let near = config::nearest(named, known.iter().map(Name::as_str));
        let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        return Err(format!("no source {named:?} is declared{hint}"));
    }
    let words = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (title, text) = (words(line.title), words(line.text));
    if title.is_none() && text.is_none() {
        return Err("it has neither title nor text".to_owned());
    }
    let published = line.published_at.map(|text| moment(&text)).transpose()?;
    let entry = Entry {
        id: words(line.id),
        url: line.url,
        title: title.map(|title| crawler::plain_title(&title)),
        text: text.map(|text| crawler::plain_text(&text)),
        author: words(line.author),
        published,
        image: line.image,
        language: words(line.language),
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

fn moment(text: &str) -> Result<Published, String> {
    let at: Timestamp = text.trim().parse().map_err(|_| {
        format!("published_at: {text:?} is no time; write 2026-11-03T14:05:00+05:00 (RFC 3339)")
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
    fn lines_are_publications_or_are_told() {
        let known = HashSet::from([Name::new("agency").unwrap()]);
        let read = |line: &str| entry_of(line.as_bytes(), Some("agency"), &known);
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
