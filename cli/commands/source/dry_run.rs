//! `qyran source test`: what would be read at an address. Fetches, stores nothing.

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

/// Try an address out: robots verdict, what it is, what would be read; stores nothing
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source test https://site.kz/rss
  qyran source test https://site.kz/news --kind listing --pages 3
  qyran source test akorda-news -o json    a declared source, as it is declared
  qyran source test 'https://site.kz/search.rss?q={query}' --query 'су тасқыны'

It keeps robots.txt and the host's delay like any other fetch, also before the first request: it
takes a few seconds. Where a node runs on the data folder, it waits until the node leaves the host.")]
pub(super) struct Args {
    /// An address, or the name of a declared source
    #[arg(value_name = "URL|NAME")]
    address: String,
    /// Read it as this [default: what it looks like]
    #[arg(long, value_name = "KIND", value_parser = SourceKind::ALL.map(SourceKind::as_str))]
    kind: Option<String>,
    /// What to search for, where the address holds {query}
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Entries to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    items: usize,
    /// Article pages to fetch, where entries lack their text
    #[arg(long, value_name = "N", default_value_t = 1)]
    pages: usize,
}

/// What was found out.
struct Tried {
    robots: Value,
    fetched: Option<Fetched>,
    kind: Option<SourceKind>,
    reading: Reading,
    items: Vec<Item>,
    error: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    warn_without_contact(&global.settings);
    let source = searched(source(args, global).await?, args.query.as_deref())?;
    let line = StatusLine::new(global.output == Format::Table);
    let door = door(&global.settings, Arc::new(NoRobotsStore), global.clock.clone())?;
    let trial = Trial { args, global, door, line };
    let mut run = ByHand::new(global, delay_of(&source, global.settings.fetch.delay)).await?;
    let tried = trial.run(&source, run.permits()).await;
    run.end().await;
    print(args, global, &source, &tried)?;
    Ok(ExitCode::from(u8::from(tried.error.is_some())))
}

async fn source(args: &Args, global: &Global) -> anyhow::Result<Source> {
    let kind = args.kind.as_deref().and_then(SourceKind::parse);
    if let Ok(url) = Url::parse(&args.address) {
        let kind = kind.unwrap_or_else(|| kind_of(&url).unwrap_or(SourceKind::Feed));
        return undeclared(url, kind);
    }
    if !Backend::is_there(global) {
        return Err(Failure::usage(format!(
            "{:?} is not an address, and no sources are declared here",
            args.address
        ))
        .hint("write a full http:// or https:// address")
        .into());
    }
    let data = Backend::open(global).await?;
    let declared = super::find_source(&*data.store, &args.address).await?.source;
    Ok(Source { kind: kind.unwrap_or(declared.kind), ..declared })
}

/// A source that is searched, at the address of one search.
fn searched(source: Source, query: Option<&str>) -> anyhow::Result<Source> {
    match (source.is_searched(), query) {
        (false, None) => Ok(Source { url: address_of(&source, ""), ..source }),
        (false, Some(_)) => Err(Failure::usage("there is no {query} in the address to fill in").into()),
        (true, None) => Err(Failure::usage("the source is searched: an address with {query} in it")
            .hint("say what for with --query TEXT")
            .into()),
        (true, Some(query)) => {
            let url = address_of(&source, query);
            Ok(Source { url, ..source })
        }
    }
}

pub(super) fn undeclared(url: Url, kind: SourceKind) -> anyhow::Result<Source> {
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
    async fn run(mut self, source: &Source, run: &mut dyn Permits) -> Tried {
        let mut tried = Tried {
            robots: Value::Null,
            fetched: None,
            kind: None,
            reading: Reading::default(),
            items: Vec::new(),
            error: None,
        };
        self.line.show("asking for robots.txt");
        match self.door.robots_verdict(&source.url, run).await {
            Err(error) => tried.error = Some(error.to_string()),
            Ok(verdict) => {
                tried.robots = robots(&verdict);
                match verdict {
                    Verdict::Allowed { .. } => self.read(source, run, &mut tried).await,
                    Verdict::Denied { line, rule } => {
                        tried.error = Some(format!("robots.txt forbids it (line {line}: {rule})"));
                    }
                    Verdict::Deferred { reason, .. } => {
                        tried.error =
                            Some(format!("robots.txt is not to be had ({reason}), so nothing was asked for"));
                    }
                }
            }
        }
        tried
    }

    async fn read(&mut self, source: &Source, run: &mut dyn Permits, tried: &mut Tried) {
        self.line.show("fetching");
        let want =
            FetchParams { accept: accept(source.kind), token: token_of(source), ..FetchParams::default() };
        let fetched = match self.door.fetch(&source.url, &want, run).await {
            Ok(fetched) => fetched,
            Err(error) => {
                tried.error = Some(error.to_string());
                return;
            }
        };
        let page = self.page(source, &fetched);
        let is_declared = self.args.kind.is_some()
            || source.name.as_str() == self.args.address
            || kind_of(&source.url).is_some();
        let kind = if is_declared { Some(source.kind) } else { sniff(&page) };
        tried.kind = kind;
        match kind {
            None => tried.error = Some("it looks like neither a feed, a sitemap nor a page".to_owned()),
            Some(kind) => {
                tried.reading = read(kind, &page);
                tried.error = tried.reading.alarm.as_ref().map(ToString::to_string);
                for index in 0..tried.reading.entries.len().min(self.args.items) {
                    let entry = tried.reading.entries[index].clone();
                    let item = self.item(source, &entry, index < self.args.pages, run).await;
                    tried.items.push(item);
                }
            }
        }
        tried.fetched = Some(fetched);
    }

    /// The item as it would be stored; `with_page` fetches its page where the entry lacks the text.
    async fn item(&mut self, source: &Source, entry: &Entry, with_page: bool, run: &mut dyn Permits) -> Item {
        let now = self.global.clock.now();
        let address = entry.url.as_ref().filter(|_| with_page && !needs_no_page(entry, source));
        let Some(url) = address else { return item_of(source, entry, None, now) };
        self.line.show(&format!("fetching the article page {}", clean(url.as_str())));
        match self.door.fetch(url, &FetchParams::default(), run).await {
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

fn robots(verdict: &Verdict) -> Value {
    let mut shown = json!({
        "verdict": "allowed", "rule": null, "line": null, "crawl_delay": null, "reason": null, "until": null,
    });
    match verdict {
        Verdict::Allowed { rule, crawl_delay } => {
            shown["rule"] = json!((!rule.is_empty()).then_some(rule));
            shown["crawl_delay"] = json!(crawl_delay.map(format_duration));
        }
        Verdict::Denied { line, rule } => {
            shown["verdict"] = json!("denied");
            shown["rule"] = json!(rule);
            shown["line"] = json!(line);
        }
        Verdict::Deferred { until, reason } => {
            shown["verdict"] = json!("deferred");
            shown["reason"] = json!(reason);
            shown["until"] = time(Some(*until));
        }
    }
    shown
}

/// When a node would poll next. After a failure that depends on what went before: unknown.
fn next_poll(source: &Source, tried: &Tried, now: Timestamp) -> Value {
    match (&tried.error, &tried.robots["until"]) {
        (None, _) => time(now.saturating_add(source.every.min).ok()),
        (Some(_), until) => until.clone(),
    }
}

fn print(args: &Args, global: &Global, source: &Source, tried: &Tried) -> anyhow::Result<()> {
    let fetched = tried.fetched.as_ref();
    let mut shown = json!({
        "url": source.url,
        "final_url": fetched.map(|fetched| &fetched.url),
        "robots": tried.robots,
        "kind": tried.kind.map(SourceKind::as_str),
        "title": tried.reading.title,
        "entries": tried.reading.entries.len(),
        "next_poll": next_poll(source, tried, global.clock.now()),
        "error": tried.error,
        "problems": tried.reading.problems,
        "items": tried.items.iter().map(TrialItemView::from).collect::<Vec<_>>(),
    });
    if !matches!(global.output, Format::Table | Format::Wide) {
        return Ok(object(&mut std::io::stdout().lock(), global.output, &shown, "url")?);
    }
    if let Some(shown) = shown.as_object_mut() {
        let verdict = tried.robots["verdict"].as_str().unwrap_or("not asked");
        let why = ["rule", "reason"].iter().find_map(|key| tried.robots[*key].as_str());
        let rule = why.map_or(String::new(), |why| format!(" ({why})"));
        shown.insert("robots".to_owned(), json!(format!("{verdict}{rule}")));
        shown.remove("items");
        shown.remove("error");
    }
    object(&mut std::io::stdout().lock(), global.output, &shown, "url")?;
    let mut rows =
        rows(global.output, &[column("published_at"), column("title"), column("url"), wide("author")], "url");
    for item in &tried.items {
        rows.row(TrialItemView::from(item))?;
    }
    rows.finish("")?;
    for problem in tried.items.iter().flat_map(|item| &item.problems) {
        print_message(&format!("warning: {}", clean(problem)));
    }
    match &tried.error {
        Some(error) => print_message(&format!("error: {}", clean(error))),
        None => print_message(&declaration(args, tried)),
    }
    Ok(())
}

/// What to declare, for whoever liked what they saw.
fn declaration(args: &Args, tried: &Tried) -> String {
    let kind = tried.kind.map_or("feed", SourceKind::as_str);
    format!(
        "\nTo watch it, put this into a file and `qyran apply -f` it:\n\n\
         apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: a-name}}\nspec: {{kind: {kind}, url: \"{}\"}}",
        clean(&args.address)
    )
}
