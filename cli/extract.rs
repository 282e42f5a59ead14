//! `qyran extract`: an article page, read from a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crawler::extract::{Article, extract};
use crawler::read::Page;
use model::Selectors;
use serde_json::{Value, json};
use url::Url;

use crate::batch::{Addresses, address, file_name, read, timezone, walk};
use crate::global::Global;
use crate::output::{Format, object, rows, wide};
use crate::view::time;

/// Read an article page from a file: title, text, author, time, language
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran extract page.html --url https://site.kz/news/1
  curl -s https://site.kz/news/1 | qyran extract - --url https://site.kz/news/1 -o json
  qyran extract --batch pages/ --urls urls.tsv > read.jsonl    a JSON line a file")]
pub(crate) struct Args {
    /// The page, or - for standard input
    #[arg(value_name = "FILE|-", required_unless_present = "batch", conflicts_with = "batch")]
    file: Option<PathBuf>,
    /// Where the page came from: its links and dates are read with it
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
        (None, Some(file)) => {
            let article = article(args, global, &address(args.url.as_deref())?, &read(file)?);
            object(&mut std::io::stdout().lock(), global.output, &shown(&article), "title")?;
        }
        (None, None) => (),
    }
    Ok(ExitCode::SUCCESS)
}

fn batch(folder: &Path, args: &Args, global: &Global) -> anyhow::Result<()> {
    let addresses = Addresses::load(args.urls.as_deref())?;
    // A line a file, whatever -o says for single pages: that is what a batch is for.
    let mut rows = rows(Format::Jsonl, &[wide("file")], "file");
    for path in walk(folder)? {
        let name = file_name(&path);
        // One file that cannot be read does not end the others.
        let article = match read(&path) {
            Ok(body) => article(args, global, &addresses.of(&name)?, &body),
            Err(error) => Article { problems: vec![error.to_string()], ..Article::default() },
        };
        let mut line = json!({"file": name});
        if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), shown(&article)) {
            line.extend(fields);
        }
        rows.row(line)?;
    }
    Ok(rows.finish("")?)
}

fn article(args: &Args, global: &Global, url: &Url, body: &[u8]) -> Article {
    let selectors = Selectors::default();
    let page = Page::new(url, body, &selectors, args.timezone.as_deref(), global.clock.now());
    extract(&page.of_type(args.content_type.as_deref()))
}

fn shown(article: &Article) -> Value {
    let published = article.published.as_ref();
    json!({
        "title": article.title,
        "text": article.text,
        "author": article.author,
        "published_at": time(published.map(|published| published.at)),
        "language": article.language,
        "canonical_url": article.canonical_url,
        "problems": article.problems,
        "published_precision": published.map(|published| published.precision),
        "published_method": published.map(|published| published.method),
        "updated_at": time(article.updated_at),
        "image": article.image,
    })
}
