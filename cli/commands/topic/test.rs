//! `qyran topic test`: evaluates a query on a text, an item or a file of cases.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use matcher::{Analysis, Definitions, Document, Facts, Query, Warning};
use model::{Span, Timestamp, Zone};
use serde_json::{Map, Value, json};
use service::Surroundings;

use super::query_failure;
use crate::backend::Backend;
use crate::documents::read;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{Format, object};

/// The maximum length of a line in a file of cases, in bytes.
const MAX_CASE_BYTES: u64 = 64 * 1024 * 1024;

/// Test a query on a text, an item or a file of cases
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic test '[базовая ставка] AND (банк OR ипотек*)' article.txt
  echo 'Ставки банков выросли' | qyran topic test 'банк ставка' - -o json
  qyran topic test 'Каспи* NOT NEAR/2 море'      on a terminal, without a file: check only the query
  qyran topic test 'банк site:nur.kz followers:>1000' --item item.json
  qyran topic test --batch cases.jsonl           each line: {\"query\": …, \"item\": {…}}, item optional

Queries consist of words in any form, !exact, \"a phrase\", [a phrase in any form], {Case}, AND OR NOT, ( ), begin*, NEAR/5, NOT NEAR/2, ATLEAST/3(…), translit(…), word~1, title:… site:… lang:… published:…; AND joins adjacent words.")]
pub(super) struct Args {
    /// Query to test
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    query: Option<String>,
    /// Text to test the query on, or - for standard input
    #[arg(value_name = "FILE|-", conflicts_with_all = ["item", "batch"])]
    file: Option<PathBuf>,
    /// Item to test the query on, as JSON: title, text, lang, site, author, followers and other fields
    #[arg(long, value_name = "ITEM.json")]
    item: Option<PathBuf>,
    /// File of cases, one per line; prints one line of JSON per case, in order
    #[arg(long, value_name = "CASES.jsonl", conflicts_with = "item")]
    batch: Option<PathBuf>,
    /// Language of the text (ISO 639-1) [default: detected]
    #[arg(long, value_name = "CODE")]
    lang: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<()> {
    if let Some(cases) = &args.batch {
        let has_data = Backend::exists(global);
        let definitions = if has_data {
            Some(Surroundings::all(&*Backend::open_read_only(global).await?.store).await?.definitions())
        } else {
            None
        };
        return run_batch(cases, definitions.as_ref());
    }
    let query = args.query.as_deref().unwrap_or_default();
    let mut parsed = Query::parse(query).map_err(|error| query_failure(query, &error))?;
    if !parsed.references().is_empty() && Backend::exists(global) {
        let data = Backend::open_read_only(global).await?;
        let definitions = Surroundings::of_query(&*data.store, query).await?.definitions();
        parsed = definitions.query(query).map_err(|error| query_failure(query, &error))?;
    }
    let spans = Subject::from_args(args)?.map(|subject| subject.spans(&parsed, &Analysis::default()));
    let is_matched = spans.as_ref().map(Option::is_some);
    let spans = spans.flatten().unwrap_or_default();
    let output = match global.output {
        Format::Table | Format::Wide => summarize(&parsed, is_matched, &spans),
        _ => json!({"matched": is_matched, "spans": spans, "warnings": parsed.warnings()}),
    };
    Ok(object(&mut std::io::stdout().lock(), global.output, &output, "matched")?)
}

fn summarize(query: &Query, is_matched: Option<bool>, spans: &[Span]) -> Value {
    let matched = match is_matched {
        Some(true) => "yes",
        Some(false) => "no",
        None => "the query is valid; no text was given",
    };
    let words: Vec<&str> = spans.iter().map(|span| span.text.as_str()).collect();
    let mut output =
        json!({"matched": matched, "understood as": query.to_string(), "cost": query.cost(), "words": words});
    let describe = |warning: &Warning| format!("character {}: {}", warning.position + 1, warning.message);
    let warnings: Vec<String> = query.warnings().iter().map(describe).collect();
    if let (Some(fields), false) = (output.as_object_mut(), warnings.is_empty()) {
        fields.insert("warnings".to_owned(), json!(warnings));
    }
    output
}

/// The text or item that a query is tested on.
#[derive(Default)]
struct Subject {
    title: String,
    text: String,
    language: Option<String>,
    facts: Facts,
}

impl Subject {
    /// Returns the text or item of the arguments; `None` if only the query is checked.
    fn from_args(args: &Args) -> anyhow::Result<Option<Self>> {
        if let Some(path) = &args.item {
            let item: Map<String, Value> = serde_json::from_slice(&read(path)?)
                .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
            return Ok(Some(Self::from_item(&item)));
        }
        let bytes = match &args.file {
            Some(file) => read(file)?,
            None if std::io::stdin().is_terminal() => return Ok(None),
            None => read(Path::new("-"))?,
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(Self { text, language: args.lang.clone(), ..Self::default() }))
    }

    fn from_item(item: &Map<String, Value>) -> Self {
        let text = |field: &str| item.get(field).and_then(Value::as_str).map(str::to_owned);
        let mut facts = Facts::at(Timestamp::now());
        for (field, value) in item.iter().filter(|(field, _)| *field != "title" && *field != "text") {
            values(value).into_iter().for_each(|value| facts.add(field, value));
        }
        // The site and the top-level domain follow from the address.
        for field in ["site", "tld"] {
            if let (None, Some(address)) = (item.get(field), text("url").or_else(|| text("site"))) {
                facts.add(field, address);
            }
        }
        let language = text("lang").or_else(|| text("language"));
        Self {
            title: text("title").unwrap_or_default(),
            text: text("text").unwrap_or_default(),
            language,
            facts,
        }
    }

    fn spans(mut self, query: &Query, analysis: &Analysis) -> Option<Vec<Span>> {
        let document = analysis.document(&self.title, &self.text, self.language.as_deref());
        add_tags(&mut self.facts, &document);
        let zone = |zone| if zone == Zone::Title { &self.title } else { &self.text };
        let with_text = |span: Span| {
            let text = zone(span.zone).get(span.start..span.end).unwrap_or("").to_owned();
            Span { text, ..span }
        };
        Some(query.matches(&document, &self.facts)?.into_iter().map(with_text).collect())
    }
}

fn add_tags(facts: &mut Facts, document: &Document) {
    for tag in document.tags() {
        facts.add(if tag.starts_with('#') { "hashtags" } else { "mentions" }, tag);
    }
}

/// Returns the values of a field as text.
fn values(value: &Value) -> Vec<String> {
    match value {
        Value::Null | Value::Object(_) => Vec::new(),
        Value::Array(elements) => elements.iter().flat_map(values).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
    }
}

/// Evaluates the cases of a file one by one: only one case is held in memory.
fn run_batch(path: &Path, definitions: Option<&Definitions>) -> anyhow::Result<()> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).map_err(unreadable)?))
    };
    let analysis = Analysis::default();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut input).take(MAX_CASE_BYTES).read_until(b'\n', &mut line).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            writeln!(out, "{}", evaluate_case(&line, definitions, &analysis))?;
        }
    }
    Ok(out.flush()?)
}

/// Evaluates a case and returns its line of output.
fn evaluate_case(line: &[u8], definitions: Option<&Definitions>, analysis: &Analysis) -> Value {
    let failure = |code: &str, position: usize, message: String| {
        json!({"matched": null, "spans": [], "warnings": [],
               "error": {"code": code, "position": position, "message": message}})
    };
    let case: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(case) => case,
        Err(error) => return failure("E_CASE", error.column(), format!("the line is not a case: {error}")),
    };
    let Some(query) = case.get("query").and_then(Value::as_str) else {
        return failure("E_CASE", 0, "the case has no query".to_owned());
    };
    // Without a store, a reference to a list or topic causes only a warning.
    let parsed = definitions.map_or_else(|| Query::parse(query), |definitions| definitions.query(query));
    let query = match parsed {
        Ok(query) => query,
        Err(error) => return failure(error.code, error.position, error.to_string()),
    };
    let spans = match case.get("item") {
        Some(Value::Object(item)) => Some(Subject::from_item(item).spans(&query, analysis)),
        Some(Value::String(text)) => {
            Some(Subject { text: text.clone(), ..Subject::default() }.spans(&query, analysis))
        }
        _ => None,
    };
    let is_matched = spans.as_ref().map(Option::is_some);
    json!({"matched": is_matched, "spans": spans.flatten().unwrap_or_default(),
           "warnings": query.warnings(), "error": null})
}
