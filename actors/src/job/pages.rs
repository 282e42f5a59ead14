//! The job that fetches article pages of a source from one host.

use std::time::Duration;

use crawler::extract::{Article, extract, item_of};
use crawler::read::{Page, detect_wall};
use crawler::{FetchError, FetchParams, Fetched};
use model::{
    ArticlePages, Entry, FetchStatus, Finding, ItemContext, PageCondition, PageWork, Source, SourceKind,
    Timestamp, canonical_url, same_site,
};
use tokio::time::Instant;
use url::Url;

use crate::job::job_run::{JobError, JobRun, finding_of_entry};

/// A page that cannot be had for passing reasons is tried so often, then its entry stands for it.
const MAX_TRIES: u32 = 4;
/// Pages of publications that are older than this wait behind what is new, whoever found them.
const OLD: Duration = Duration::from_secs(3 * 86_400);
/// So many of these are fetched in one turn, where others wait for the host.
const OLD_IN_A_TURN: usize = 4;
/// First wait between tries of a page; it grows fourfold.
const RETRY: Duration = Duration::from_secs(60);

/// Fetches waiting pages, at most a turn's worth. Each is stored as it comes.
pub(crate) async fn pages(run: &mut JobRun) -> Result<(), JobError> {
    let limit = run.context.pages_left(&run.source.name);
    let limit = if run.is_canary() { limit.min(1) } else { limit };
    let host = run.job.host.clone();
    let waiting = waiting(run, limit + 1).await?;
    let limit = limit.min(behind_what_is_new(run, &waiting));
    let mut interrupted = false;
    let known = article_pages_of(run).await?;
    let mut seen = known.clone();
    for page in waiting.iter().take(limit) {
        if run.context.is_draining() || !run.refresh() {
            interrupted = true;
            break;
        }
        if !one_page(run, page, &mut seen).await? {
            interrupted = true;
            break;
        }
        run.context.had_page(&run.source.name);
    }
    let next_due = next_due(run, interrupted || waiting.len() > limit).await?;
    tracing::debug!(source = %run.source.name, %host, pages = waiting.len(), "pages fetched");
    // The source may be declared otherwise by now.
    let article_pages = (seen != known && run.refresh()).then_some(seen);
    let mut harvest = run.harvest();
    harvest.updates.article_pages = article_pages;
    run.save(harvest, Some(run.settlement(next_due, Vec::new()))).await.map(drop)
}

/// What its last article pages were like.
async fn article_pages_of(run: &JobRun) -> Result<ArticlePages, JobError> {
    let record = run.context.store.source(&run.source.name).await;
    let record = record?;
    Ok(record.and_then(|record| record.article_pages).unwrap_or_default())
}

/// How many pages this turn is for: all that are new, which come first, and a few that are old. A sitemap of a million old pages
/// takes its time, and no other source's. A single pass has nothing that comes later.
fn behind_what_is_new(run: &JobRun, waiting: &[PageWork]) -> usize {
    if run.context.config.pass.is_some() || !run.has_waiting_jobs {
        return waiting.len();
    }
    waiting.iter().filter(|page| !is_old(page, run.now())).count() + OLD_IN_A_TURN
}

fn is_old(page: &PageWork, now: Timestamp) -> bool {
    page.entry.dated().is_some_and(|dated| is_past(dated, now))
}

fn is_past(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).is_ok_and(|age| age > OLD)
}

async fn waiting(run: &JobRun, limit: usize) -> Result<Vec<PageWork>, JobError> {
    let pages = run.context.store.pages(&run.source.name, &run.job.host, run.now(), limit).await;
    Ok(pages?)
}

/// When the rest is due: at once where more is ready, when the first may be tried again, or never.
async fn next_due(run: &JobRun, more: bool) -> Result<Option<Timestamp>, JobError> {
    if more {
        return Ok(Some(run.after(Duration::from_millis(1))));
    }
    let first = run.context.store.next_page(&run.source.name, &run.job.host).await;
    let first = first?;
    Ok(first.map(|not_before| not_before.max(run.after(Duration::from_millis(1)))))
}

/// Fetches one page. False: the turn is over, the page waits on.
async fn one_page(run: &mut JobRun, page: &PageWork, seen: &mut ArticlePages) -> Result<bool, JobError> {
    let result = run.fetch(&page.url, &FetchParams::default()).await;
    if matches!(result, Err(FetchError::LeaseExpired)) {
        return Ok(false);
    }
    let mut harvest = run.harvest();
    match result {
        Ok(fetched) => {
            let before = std::mem::take(seen);
            let Read { finding, fetched, problem, seen: after } =
                read_on_pool(run, page, fetched, before).await;
            *seen = after;
            let mut line = run.record(&page.url, Ok(&fetched), usize::from(finding.whole), problem.clone());
            if !problem.is_empty() {
                line.status = FetchStatus::Unreadable;
            }
            harvest.fetches.push(line);
            harvest.findings.push(finding);
            run.update_host_health(&mut harvest, model::HostHealth::record_success);
            harvest.pages_done.push(page.key.clone());
        }
        Err(error) => {
            let line = run.record(&page.url, Err(&error), 0, String::new());
            if is_passing(&error) && run.is_canary() {
                let source = run.source.name.clone();
                run.update_host_health(&mut harvest, |health| {
                    health.failed(&source, false, &line, &error.to_string(), line.at);
                });
            }
            harvest.fetches.push(line);
            let try_again = try_again_at(run, page, &error);
            if try_again.is_none() && tells_of_the_source(run, page) && !is_of_the_page(&error) {
                *seen = std::mem::take(seen).with(PageCondition::Refused(error.to_string()), run.now());
            }
            let note = format!("the article page could not be read: {error}");
            let topics = run.snapshot.topics().clone();
            harvest.findings.push(finding_of_entry(
                &run.source,
                &page.entry,
                Some(&note),
                &topics,
                run.now(),
            ));
            match try_again {
                Some((tries, not_before)) => {
                    harvest.pages.push(PageWork { tries, not_before, ..page.clone() })
                }
                None => harvest.pages_done.push(page.key.clone()),
            }
        }
    }
    run.save(harvest, None).await?;
    Ok(true)
}

/// Whether a page is tried again, and when. Its entry is stored at once in either case.
fn try_again_at(run: &JobRun, page: &PageWork, error: &FetchError) -> Option<(u32, Timestamp)> {
    if let Some(until) = error.deferred_until() {
        return Some((page.tries, until.max(run.after(Duration::from_secs(1)))));
    }
    let tries = page.tries + 1;
    let wait =
        RETRY.saturating_mul(4u32.saturating_pow(page.tries)).max(error.retry_after().unwrap_or_default());
    (is_passing(error) && tries < MAX_TRIES).then(|| (tries, run.after(wait)))
}

fn is_passing(error: &FetchError) -> bool {
    matches!(
        error.status(),
        FetchStatus::Timeout
            | FetchStatus::Connect
            | FetchStatus::Dns
            | FetchStatus::Http429
            | FetchStatus::Http5xx
    )
}

/// What a page was read as.
struct Read {
    finding: Finding,
    fetched: Fetched,
    /// What was wrong with it, if something was.
    problem: String,
    seen: ArticlePages,
}

async fn read_on_pool(run: &JobRun, page: &PageWork, fetched: Fetched, seen: ArticlePages) -> Read {
    let (entry, url, tells) = (page.entry.clone(), page.url.clone(), tells_of_the_source(run, page));
    let (source, topics, now) = (run.source.clone(), run.snapshot.topics().clone(), run.now());
    let read = move || {
        // Sections are called so as well.
        let is_short = fetched.url.path_segments().is_none_or(|parts| parts.count() <= 2);
        let wall = detect_wall(&url, &fetched.url).filter(|_| is_short);
        let foreign = || Some(format!("it is {}", foreign_type(&fetched)?));
        if let Some(reason) = wall.clone().or_else(foreign) {
            let note = format!("the article page could not be read: {reason}");
            let finding = finding_of_entry(&source, &entry, Some(&note), &topics, now);
            let seen = match wall.filter(|_| tells) {
                Some(wall) => seen.with(PageCondition::Refused(wall), now),
                None => seen,
            };
            return Read { finding, fetched, problem: note, seen };
        }
        let page = Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now);
        let mut article: Article = extract(&page.of_type(fetched.content_type.as_deref()));
        // Those of a feed are for the feed: many keep search engines from it, and mean no article by that.
        article.reservations.extend(&fetched.reservations);
        article.reservations.sort_unstable();
        article.reservations.dedup();
        let tells = tells && !article.published.as_ref().is_some_and(|published| is_past(published.at, now));
        let seen = if tells { seen.with(seen_page(&source, &entry, &url, &article), now) } else { seen };
        let problem = if article.text.is_empty() {
            "no article text was found on the page"
        } else if seen.repeats(fingerprint(&article.text)) {
            article.text.clear();
            "its text is that of the pages before it, and was left out"
        } else {
            ""
        };
        article.problems.extend(Some(problem.to_owned()).filter(|problem| !problem.is_empty()));
        article.problems.dedup();
        let item = item_of(&source, &entry, Some((&article, &fetched.url)), now);
        let (document, matches) = topics.matches(&item, &source, ItemContext::first_seen(now));
        let finding = Finding {
            item,
            matches,
            search_tokens: document.search_tokens(),
            entry_hash: crawler::extract::entry_hash(&entry, &source),
            whole: !article.text.is_empty(),
        };
        Read { finding, fetched, problem: problem.to_owned(), seen }
    };
    let timed = move || {
        let began = Instant::now();
        (read(), began.elapsed())
    };
    let (read, took) = run.context.pool.run(timed).await;
    run.context.metrics.parsed(run.source.kind, took, 1);
    read
}

/// What there is to say of how the pages of a source are made.
fn seen_page(source: &Source, entry: &Entry, url: &Url, article: &Article) -> PageCondition {
    let title = entry.title.as_deref().or(article.title.as_deref()).unwrap_or("");
    // In listings title and time are looked for in each entry: pages may have them elsewhere.
    let is_for_pages =
        |selector: &&String| source.kind != SourceKind::Listing || selector.starts_with("selectors.text");
    PageCondition::Read {
        address: fingerprint(canonical_url(url).as_str()),
        title: fingerprint(title),
        text: Some(fingerprint(&article.text)).filter(|_| !article.text.is_empty()),
        is_dated: article.published.is_some() || entry.published.is_some(),
        missed: article.missed.iter().filter(is_for_pages).cloned().collect(),
    }
}

/// Whether a page tells how the source is made by now: it is its own, and no old one, which was made otherwise.
fn tells_of_the_source(run: &JobRun, page: &PageWork) -> bool {
    same_site(&page.url, &run.source.url) && !is_old(page, run.now())
}

/// Whether an error says something of this page, and not of how pages of its site are shown.
fn is_of_the_page(error: &FetchError) -> bool {
    matches!(error, FetchError::Http { status: 404 | 410, .. })
}

fn fingerprint(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// What a body is, where it is nothing to read as a page.
fn foreign_type(fetched: &Fetched) -> Option<String> {
    let kind = fetched.content_type.as_deref()?.split(';').next()?.trim().to_ascii_lowercase();
    let foreign = [
        "image/",
        "audio/",
        "video/",
        "font/",
        "application/pdf",
        "application/zip",
        "application/octet-stream",
    ];
    foreign.iter().any(|prefix| kind.starts_with(prefix)).then_some(kind)
}
