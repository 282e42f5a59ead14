//! The job that fetches article pages of a source from one host.

use std::time::Duration;

use crawler::extract::{Article, extract, item_of};
use crawler::read::Page;
use crawler::{FetchError, Fetched, Want};
use model::{Entry, FetchStatus, Finding, PageWork, Timestamp};
use tokio::time::Instant;

use crate::visit::{Interrupted, Visit, finding_of_entry};

/// A page that cannot be had for passing reasons is tried so often, then its entry stands for it.
const MAX_TRIES: u32 = 4;
/// Pages of publications that are older than this wait behind what is new, whoever found them.
const OLD: Duration = Duration::from_secs(3 * 86_400);
/// So many of these are fetched in one turn, where others wait for the host.
const OLD_IN_A_TURN: usize = 4;
/// First wait between tries of a page; it grows fourfold.
const RETRY: Duration = Duration::from_secs(60);

/// Fetches waiting pages, at most a turn's worth. Each is stored as it comes.
pub(crate) async fn pages(visit: &mut Visit) -> Result<(), Interrupted> {
    let limit = visit.context.pages_left(&visit.source.name);
    let limit = if visit.is_canary() { limit.min(1) } else { limit };
    let host = visit.job.host.clone();
    let waiting = waiting(visit, limit + 1).await?;
    let limit = limit.min(behind_what_is_new(visit, &waiting));
    let mut interrupted = false;
    for page in waiting.iter().take(limit) {
        if visit.context.is_draining() || !visit.refresh() {
            interrupted = true;
            break;
        }
        if !one_page(visit, page).await? {
            interrupted = true;
            break;
        }
        visit.context.had_page(&visit.source.name);
    }
    let next_due = next_due(visit, interrupted || waiting.len() > limit).await?;
    tracing::debug!(source = %visit.source.name, %host, pages = waiting.len(), "pages fetched");
    visit.keep(visit.harvest(), Some(visit.settlement(next_due, Vec::new()))).await.map(drop)
}

/// How many pages this turn is for: all that are new, which come first, and a few that are old. A sitemap of a million old pages
/// takes its time, and no other source's. A single pass has nothing that comes later.
fn behind_what_is_new(visit: &Visit, waiting: &[PageWork]) -> usize {
    let now = visit.now();
    let is_old = |page: &PageWork| {
        let age = page.entry.dated().map(|dated| now.duration_since(dated));
        age.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age > OLD)
    };
    if visit.context.config.pass.is_some() || !visit.others_wait {
        return waiting.len();
    }
    waiting.iter().filter(|page| !is_old(page)).count() + OLD_IN_A_TURN
}

async fn waiting(visit: &Visit, limit: usize) -> Result<Vec<PageWork>, Interrupted> {
    let pages = visit.context.store.pages(&visit.source.name, &visit.job.host, visit.now(), limit).await;
    pages.map_err(|error| Interrupted::Storage(error.to_string()))
}

/// When the rest is due: at once where more is ready, when the first may be tried again, or never.
async fn next_due(visit: &Visit, more: bool) -> Result<Option<Timestamp>, Interrupted> {
    if more {
        return Ok(Some(visit.after(Duration::from_millis(1))));
    }
    let first = visit.context.store.next_page(&visit.source.name, &visit.job.host).await;
    let first = first.map_err(|error| Interrupted::Storage(error.to_string()))?;
    Ok(first.map(|not_before| not_before.max(visit.after(Duration::from_millis(1)))))
}

/// Fetches one page. False: the turn is over, the page waits on.
async fn one_page(visit: &mut Visit, page: &PageWork) -> Result<bool, Interrupted> {
    let result = visit.fetch(&page.url, &Want::default()).await;
    if matches!(result, Err(FetchError::LeaseEnds)) {
        return Ok(false);
    }
    let mut harvest = visit.harvest();
    match result {
        Ok(fetched) => {
            let (finding, fetched, problem) = read_on_pool(visit, page.entry.clone(), fetched).await;
            let mut line = visit.record(&page.url, Ok(&fetched), usize::from(finding.whole), problem.clone());
            if !problem.is_empty() {
                line.status = FetchStatus::Unreadable;
            }
            harvest.fetches.push(line);
            harvest.findings.push(finding);
            visit.tell_of_host(&mut harvest, model::HostHealth::came_through);
            harvest.pages_done.push(page.key.clone());
        }
        Err(error) => {
            let line = visit.record(&page.url, Err(&error), 0, String::new());
            if is_passing(&error) && visit.is_canary() {
                let source = visit.source.name.clone();
                visit.tell_of_host(&mut harvest, |health| {
                    health.failed(&source, false, &line, &error.to_string(), line.at);
                });
            }
            harvest.fetches.push(line);
            let note = format!("the article page could not be read: {error}");
            let topics = visit.roster.topics.clone();
            harvest.findings.push(finding_of_entry(
                &visit.source,
                &page.entry,
                Some(&note),
                &topics,
                visit.now(),
            ));
            match try_again_at(visit, page, &error) {
                Some((tries, not_before)) => {
                    harvest.pages.push(PageWork { tries, not_before, ..page.clone() })
                }
                None => harvest.pages_done.push(page.key.clone()),
            }
        }
    }
    visit.keep(harvest, None).await?;
    Ok(true)
}

/// Whether a page is tried again, and when. Its entry is stored at once in either case.
fn try_again_at(visit: &Visit, page: &PageWork, error: &FetchError) -> Option<(u32, Timestamp)> {
    if let Some(until) = error.deferred_until() {
        return Some((page.tries, until.max(visit.after(Duration::from_secs(1)))));
    }
    let tries = page.tries + 1;
    let wait =
        RETRY.saturating_mul(4u32.saturating_pow(page.tries)).max(error.retry_after().unwrap_or_default());
    (is_passing(error) && tries < MAX_TRIES).then(|| (tries, visit.after(wait)))
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

/// The finding that a page makes, and what was wrong with it, if something was.
async fn read_on_pool(visit: &Visit, entry: Entry, fetched: Fetched) -> (Finding, Fetched, String) {
    let (source, topics, now) = (visit.source.clone(), visit.roster.topics.clone(), visit.now());
    let read = move || {
        if let Some(kind) = foreign_type(&fetched) {
            let note = format!("the article page could not be read: it is {kind}");
            return (finding_of_entry(&source, &entry, Some(&note), &topics, now), fetched, note);
        }
        let page = Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now);
        let mut article: Article = extract(&page.of_type(fetched.content_type.as_deref()));
        // Those of a feed are for the feed: many keep search engines from it, and mean no article by that.
        article.reservations.extend(&fetched.reservations);
        article.reservations.sort_unstable();
        article.reservations.dedup();
        let problem = if article.text.is_empty() {
            "no article text was found on the page".to_owned()
        } else {
            String::new()
        };
        let item = item_of(&source, &entry, Some((&article, &fetched.url)), now);
        let (document, matches) = topics.matches(&item, &source, now);
        let finding = Finding {
            item,
            matches,
            search_tokens: document.search_tokens(),
            entry_hash: crawler::extract::entry_hash(&entry, &source),
            whole: !article.text.is_empty(),
        };
        (finding, fetched, problem)
    };
    let timed = move || {
        let began = Instant::now();
        (read(), began.elapsed())
    };
    let (read, took) = visit.context.pool.run(timed).await;
    visit.context.metrics.parsed(visit.source.kind, took, 1);
    read
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
