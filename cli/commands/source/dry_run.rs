//! `qyran source test`: fetches an address and shows the items that would be stored. Stores nothing.

use std::process::ExitCode;
use std::sync::Arc;

use config::format_duration;
use crawler::extract::{extract, item_of, needs_no_page};
use crawler::fetch::Permits;
use crawler::read::{Page, Reading, accept, address_of, delay_of, kind_of, read, sniff, token_of};
use crawler::robots::{NoRobotsStore, Verdict};
use crawler::{Door, FetchParams, Fetched};
use model::{Entry, Item, Name, Source, SourceKind, Timestamp};
use serde_json::{Value, json};
use service::views::TrialItemView;
use url::Url;

use super::by_hand::ByHand;
use crate::backend::Backend;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::live::StatusLine;
use crate::terminal::message::{clean, print_message};
use crate::terminal::output::{Format, column, object, rows, time, wide};
use crate::wiring::{door, warn_without_contact};

/// Test an address: show its robots.txt verdict, kind and items; stores nothing
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source test https://site.kz/rss
  qyran source test https://site.kz/news --kind listing --pages 3
  qyran source test akorda-news -o json    test a declared source
  qyran source test 'https://site.kz/search.rss?q={query}' --query 'су тасқыны'

The robots.txt and the delay of the host apply, even before the first request, so the test takes a few seconds. If a node runs on the same data folder, the test waits until the node releases the host.")]
pub(super) struct Args {
    /// Address, or name of a declared source
    #[arg(value_name = "URL|NAME")]
    address: String,
    /// Kind of the source [default: detected]
    #[arg(long, value_name = "KIND", value_parser = SourceKind::ALL.map(SourceKind::as_str))]
    kind: Option<String>,
    /// Search text for an address with {query}
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Maximum number of entries to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    items: usize,
    /// Maximum number of article pages to fetch, for entries without text
    #[arg(long, value_name = "N", default_value_t = 1)]
    pages: usize,
}

/// The result of a test.
struct Outcome {
    robots: Value,
    fetched: Option<Fetched>,
    kind: Option<SourceKind>,
    reading: Reading,
    items: Vec<Item>,
    error: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    warn_without_contact(&global.settings);
    let source = fill_query(resolve_source(args, global).await?, args.query.as_deref())?;
    let line = StatusLine::new(global.output == Format::Table);
    let door = door(&global.settings, Arc::new(NoRobotsStore), global.clock.clone())?;
    let trial = Trial { args, global, door, line };
    let mut run = ByHand::new(global, delay_of(&source, global.settings.fetch.delay)).await?;
    let outcome = trial.run(&source, run.permits()).await;
    run.end().await;
    print_result(args, global, &source, &outcome)?;
    Ok(ExitCode::from(u8::from(outcome.error.is_some())))
}

/// Returns the declared source of this name, or an undeclared source at this address.
async fn resolve_source(args: &Args, global: &Global) -> anyhow::Result<Source> {
    let kind = args.kind.as_deref().and_then(SourceKind::parse);
    if let Ok(url) = Url::parse(&args.address) {
        let kind = kind.unwrap_or_else(|| kind_of(&url).unwrap_or(SourceKind::Feed));
        return undeclared_source(url, kind);
    }
    if !Backend::exists(global) {
        return Err(Failure::usage(format!(
            "{:?} is not an address, and no sources are declared",
            args.address
        ))
        .hint("use a full http:// or https:// address")
        .into());
    }
    let data = Backend::open(global).await?;
    let declared = super::find_source(&*data.store, &args.address).await?.source;
    Ok(Source { kind: kind.unwrap_or(declared.kind), ..declared })
}

/// Fills the search text into the address of a source. Fails if only one of the two is given.
fn fill_query(source: Source, query: Option<&str>) -> anyhow::Result<Source> {
    match (source.is_searched(), query) {
        (false, None) => Ok(Source { url: address_of(&source, ""), ..source }),
        (false, Some(_)) => Err(Failure::usage("--query is given, but the address has no {query}").into()),
        (true, None) => Err(Failure::usage("the address has {query}, but no search text is given")
            .hint("give one with --query TEXT")
            .into()),
        (true, Some(query)) => {
            let url = address_of(&source, query);
            Ok(Source { url, ..source })
        }
    }
}

/// Returns a source that is not declared.
pub(super) fn undeclared_source(url: Url, kind: SourceKind) -> anyhow::Result<Source> {
    let name = Name::new("test").map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Source::new(name, kind, url))
}

struct Trial<'a> {
    args: &'a Args,
    global: &'a Global,
    door: Door,
    line: StatusLine,
}

impl Trial<'_> {
    async fn run(mut self, source: &Source, permits: &mut dyn Permits) -> Outcome {
        let mut outcome = Outcome {
            robots: Value::Null,
            fetched: None,
            kind: None,
            reading: Reading::default(),
            items: Vec::new(),
            error: None,
        };
        self.line.show("fetching robots.txt");
        match self.door.robots_verdict(&source.url, permits).await {
            Err(error) => outcome.error = Some(error.to_string()),
            Ok(verdict) => {
                outcome.robots = robots_json(&verdict);
                match verdict {
                    Verdict::Allowed { .. } => self.read(source, permits, &mut outcome).await,
                    Verdict::Denied { line, rule } => {
                        outcome.error =
                            Some(format!("robots.txt disallows the address (line {line}: {rule})"));
                    }
                    Verdict::Deferred { reason, .. } => {
                        outcome.error = Some(format!(
                            "robots.txt is unavailable ({reason}), so the address was not fetched"
                        ));
                    }
                }
            }
        }
        outcome
    }

    async fn read(&mut self, source: &Source, permits: &mut dyn Permits, outcome: &mut Outcome) {
        self.line.show("fetching the address");
        let params =
            FetchParams { accept: accept(source.kind), token: token_of(source), ..FetchParams::default() };
        let fetched = match self.door.fetch(&source.url, &params, permits).await {
            Ok(fetched) => fetched,
            Err(error) => {
                outcome.error = Some(error.to_string());
                return;
            }
        };
        let page = self.page(source, &fetched);
        let is_declared = self.args.kind.is_some()
            || source.name.as_str() == self.args.address
            || kind_of(&source.url).is_some();
        let kind = if is_declared { Some(source.kind) } else { sniff(&page) };
        outcome.kind = kind;
        match kind {
            None => {
                outcome.error = Some(
                    "the document is not a feed, a sitemap or a page; set its kind with --kind".to_owned(),
                );
            }
            Some(kind) => {
                outcome.reading = read(kind, &page);
                outcome.error = outcome.reading.alarm.as_ref().map(ToString::to_string);
                for index in 0..outcome.reading.entries.len().min(self.args.items) {
                    let entry = outcome.reading.entries[index].clone();
                    let item = self.build_item(source, &entry, index < self.args.pages, permits).await;
                    outcome.items.push(item);
                }
            }
        }
        outcome.fetched = Some(fetched);
    }

    /// Returns the item as it would be stored. With `with_page`, fetches the article page if the entry lacks its text.
    async fn build_item(
        &mut self,
        source: &Source,
        entry: &Entry,
        with_page: bool,
        permits: &mut dyn Permits,
    ) -> Item {
        let now = self.global.clock.now();
        let address = entry.url.as_ref().filter(|_| with_page && !needs_no_page(entry, source));
        let Some(url) = address else { return item_of(source, entry, None, now) };
        self.line.show(&format!("fetching the article page {}", clean(url.as_str())));
        match self.door.fetch(url, &FetchParams::default(), permits).await {
            Ok(fetched) => {
                let article = extract(&self.page(source, &fetched));
                item_of(source, entry, Some((&article, &fetched.url)), now)
            }
            Err(error) => {
                let mut item = item_of(source, entry, None, now);
                item.problems.push(format!("the article page could not be read: {error}"));
                item
            }
        }
    }

    fn page<'a>(&self, source: &'a Source, fetched: &'a Fetched) -> Page<'a> {
        Page::new(
            &fetched.url,
            &fetched.body,
            &source.selectors,
            source.timezone.as_deref(),
            self.global.clock.now(),
        )
        .with_pointers(&source.pointers)
        .of_type(fetched.content_type.as_deref())
    }
}

fn robots_json(verdict: &Verdict) -> Value {
    let mut output = json!({
        "verdict": "allowed", "rule": null, "line": null, "crawl_delay": null, "reason": null, "until": null,
    });
    match verdict {
        Verdict::Allowed { rule, crawl_delay } => {
            output["rule"] = json!((!rule.is_empty()).then_some(rule));
            output["crawl_delay"] = json!(crawl_delay.map(format_duration));
        }
        Verdict::Denied { line, rule } => {
            output["verdict"] = json!("denied");
            output["rule"] = json!(rule);
            output["line"] = json!(line);
        }
        Verdict::Deferred { until, reason } => {
            output["verdict"] = json!("deferred");
            output["reason"] = json!(reason);
            output["until"] = time(Some(*until));
        }
    }
    output
}

/// Returns the time of the next poll. After a failure, it depends on earlier polls, so it is unknown unless robots.txt
/// determines it.
fn next_poll(source: &Source, outcome: &Outcome, now: Timestamp) -> Value {
    match (&outcome.error, &outcome.robots["until"]) {
        (None, _) => time(now.saturating_add(source.every.min).ok()),
        (Some(_), until) => until.clone(),
    }
}

fn print_result(args: &Args, global: &Global, source: &Source, outcome: &Outcome) -> anyhow::Result<()> {
    let fetched = outcome.fetched.as_ref();
    let mut output = json!({
        "url": source.url,
        "final_url": fetched.map(|fetched| &fetched.url),
        "robots": outcome.robots,
        "kind": outcome.kind.map(SourceKind::as_str),
        "title": outcome.reading.title,
        "entries": outcome.reading.entries.len(),
        "next_poll": next_poll(source, outcome, global.clock.now()),
        "error": outcome.error,
        "problems": outcome.reading.problems,
        "items": outcome.items.iter().map(TrialItemView::from).collect::<Vec<_>>(),
    });
    if !matches!(global.output, Format::Table | Format::Wide) {
        return Ok(object(&mut std::io::stdout().lock(), global.output, &output, "url")?);
    }
    if let Some(fields) = output.as_object_mut() {
        let verdict = outcome.robots["verdict"].as_str().unwrap_or("not fetched");
        let cause = ["rule", "reason"].iter().find_map(|key| outcome.robots[*key].as_str());
        let cause = cause.map_or(String::new(), |cause| format!(" ({cause})"));
        fields.insert("robots".to_owned(), json!(format!("{verdict}{cause}")));
        fields.remove("items");
        fields.remove("error");
    }
    object(&mut std::io::stdout().lock(), global.output, &output, "url")?;
    let mut rows =
        rows(global.output, &[column("published_at"), column("title"), column("url"), wide("author")], "url");
    for item in &outcome.items {
        rows.row(TrialItemView::from(item))?;
    }
    rows.finish("")?;
    for problem in outcome.items.iter().flat_map(|item| &item.problems) {
        print_message(&format!("warning: {}", clean(problem)));
    }
    match &outcome.error {
        Some(error) => print_message(&format!("error: {}", clean(error))),
        None => print_message(&declaration(args, outcome)),
    }
    Ok(())
}

/// Returns the declaration of the tested source, to copy into a file.
fn declaration(args: &Args, outcome: &Outcome) -> String {
    let kind = outcome.kind.map_or("feed", SourceKind::as_str);
    format!(
        "\nTo poll this source, save this as a file and declare it with `qyran apply -f FILE`:\n\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: a-name}}\nspec: {{kind: {kind}, url: \"{}\"}}",
        clean(&args.address)
    )
}
