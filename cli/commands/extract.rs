//! `qyran extract`: reads an article page from a file.

use std::process::ExitCode;

use crawler::extract::{Article, extract};
use serde_json::{Value, json};

use crate::documents::Documents;
use crate::global::Global;
use crate::terminal::output::{object, time};

/// Read an article page from a file: title, text, author, time, language
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran extract page.html --url https://site.kz/news/1
  curl -s https://site.kz/news/1 | qyran extract - --url https://site.kz/news/1 -o json
  qyran extract --batch pages/ --urls urls.tsv > read.jsonl    one JSON line per file")]
pub(crate) struct Args {
    #[command(flatten)]
    documents: Documents,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let documents = &args.documents;
    if let Some(folder) = documents.folder() {
        let to_json =
            |article: Result<Article, String>| article_json(&article.unwrap_or_else(failed_article));
        documents.each(folder, global, extract, to_json)?;
    } else {
        let article = documents.one(global, extract)?;
        object(&mut std::io::stdout().lock(), global.output, &article_json(&article), "title")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns an empty article with the reason why its file could not be read.
fn failed_article(reason: String) -> Article {
    Article { problems: vec![reason], ..Article::default() }
}

fn article_json(article: &Article) -> Value {
    let published = article.published.as_ref();
    json!({
        "title": article.title,
        "text": (!article.text.is_empty()).then_some(&article.text),
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
