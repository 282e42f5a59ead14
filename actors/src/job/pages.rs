//! The pages job: it fetches the article pages of one source from one host.

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

/// Maximum attempts to fetch a page after temporary failures; then the item is kept as its entry describes it.
const MAX_TRIES: u32 = 4;
/// The age from which a publication counts as old. Pages of old publications wait after those of new ones.
const OLD_AGE: Duration = Duration::from_secs(3 * 86_400);
/// Maximum old pages fetched in one turn if other jobs wait for the host.
const MAX_OLD_PAGES_PER_TURN: usize = 4;
/// The first wait between attempts to fetch a page. Each further wait is four times as long.
const FIRST_RETRY_WAIT: Duration = Duration::from_secs(60);

/// Fetches waiting pages, up to the limit of a turn. Each page is stored as soon as it is read.
pub(crate) async fn pages(run: &mut JobRun) -> Result<(), JobError> {
    let limit = run.context.remaining_pages(&run.source.name);
    let limit = if run.is_canary() { limit.min(1) } else { limit };
    let host = run.job.host.clone();
    let waiting_pages = load_waiting(run, limit + 1).await?;
    let limit = limit.min(turn_limit(run, &waiting_pages));
    let mut is_interrupted = false;
    let stored = load_article_pages(run).await?;
    let mut article_pages = stored.clone();
    for page in waiting_pages.iter().take(limit) {
        if run.context.is_draining() || !run.refresh() {
            is_interrupted = true;
            break;
        }
        if !fetch_page(run, page, &mut article_pages).await? {
            is_interrupted = true;
            break;
        }
        run.context.count_page(&run.source.name);
    }
    let next_due = next_due(run, is_interrupted || waiting_pages.len() > limit).await?;
    tracing::debug!(source = %run.source.name, %host, pages = waiting_pages.len(), "pages fetched");
    // The declaration of the source may have changed meanwhile.
    let has_update = article_pages != stored && run.refresh();
    let mut harvest = run.harvest();
    harvest.updates.article_pages = has_update.then_some(article_pages);
    run.save(harvest, Some(run.settlement(next_due, Vec::new()))).await.map(drop)
}

/// Loads the condition of the source's last article pages.
async fn load_article_pages(run: &JobRun) -> Result<ArticlePages, JobError> {
    let record = run.context.store.source(&run.source.name).await?;
    Ok(record.and_then(|record| record.article_pages).unwrap_or_default())
}

/// Returns the number of pages to fetch in this turn: all new ones, which come first, and a few old ones. A sitemap
/// with a million old pages thus does not delay other sources. The limit does not apply to a single pass, which has
/// no later turns.
fn turn_limit(run: &JobRun, pages: &[PageWork]) -> usize {
    if run.context.config.pass.is_some() || !run.has_waiting_jobs {
        return pages.len();
    }
    pages.iter().filter(|page| !is_old(page, run.now())).count() + MAX_OLD_PAGES_PER_TURN
}

fn is_old(page: &PageWork, now: Timestamp) -> bool {
    page.entry.dated().is_some_and(|date| is_old_date(date, now))
}

fn is_old_date(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).is_ok_and(|age| age > OLD_AGE)
}

async fn load_waiting(run: &JobRun, limit: usize) -> Result<Vec<PageWork>, JobError> {
    Ok(run.context.store.pages(&run.source.name, &run.job.host, run.now(), limit).await?)
}

/// Returns the due time of the remaining pages: at once if more are ready, else the time of the first retry; `None`
/// if no page waits.
async fn next_due(run: &JobRun, has_more: bool) -> Result<Option<Timestamp>, JobError> {
    if has_more {
        return Ok(Some(run.after(Duration::from_millis(1))));
    }
    let first = run.context.store.next_page(&run.source.name, &run.job.host).await?;
    Ok(first.map(|not_before| not_before.max(run.after(Duration::from_millis(1)))))
}

/// Fetches one page. Returns false if the lease has expired: the page keeps waiting.
async fn fetch_page(
    run: &mut JobRun,
    page: &PageWork,
    article_pages: &mut ArticlePages,
) -> Result<bool, JobError> {
    let result = run.fetch(&page.url, &FetchParams::default()).await;
    if matches!(result, Err(FetchError::LeaseExpired)) {
        return Ok(false);
    }
    let mut harvest = run.harvest();
    match result {
        Ok(fetched) => {
            let reading = read_on_pool(run, page, fetched, std::mem::take(article_pages)).await;
            let PageReading { finding, fetched, problem, article_pages: updated } = reading;
            *article_pages = updated;
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
            if is_temporary(&error) && run.is_canary() {
                let source = run.source.name.clone();
                run.update_host_health(&mut harvest, |health| {
                    health.record_failure(&source, false, &line, &error.to_string(), line.at);
                });
            }
            harvest.fetches.push(line);
            let retry = retry_of(run, page, &error);
            if retry.is_none() && is_representative(run, page) && !concerns_one_page(&error) {
                let condition = PageCondition::Refused(error.to_string());
                *article_pages = std::mem::take(article_pages).with(condition, run.now());
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
            match retry {
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

/// Returns the number of attempts and the time of the retry of a page; `None` if it is not retried. Its entry is
/// stored at once in either case.
fn retry_of(run: &JobRun, page: &PageWork, error: &FetchError) -> Option<(u32, Timestamp)> {
    if let Some(until) = error.deferred_until() {
        return Some((page.tries, until.max(run.after(Duration::from_secs(1)))));
    }
    let tries = page.tries + 1;
    let backoff = FIRST_RETRY_WAIT
        .saturating_mul(4u32.saturating_pow(page.tries))
        .max(error.retry_after().unwrap_or_default());
    (is_temporary(error) && tries < MAX_TRIES).then(|| (tries, run.after(backoff)))
}

fn is_temporary(error: &FetchError) -> bool {
    matches!(
        error.status(),
        FetchStatus::Timeout
            | FetchStatus::Connect
            | FetchStatus::Dns
            | FetchStatus::Http429
            | FetchStatus::Http5xx
    )
}

/// The result of reading an article page.
struct PageReading {
    finding: Finding,
    fetched: Fetched,
    /// The problem of the page; empty if there is none.
    problem: String,
    article_pages: ArticlePages,
}

/// Reads and matches an article page on the CPU pool.
async fn read_on_pool(
    run: &JobRun,
    page: &PageWork,
    fetched: Fetched,
    article_pages: ArticlePages,
) -> PageReading {
    let (entry, url) = (page.entry.clone(), page.url.clone());
    let is_representative = is_representative(run, page);
    let (source, topics, now) = (run.source.clone(), run.snapshot.topics().clone(), run.now());
    let read_page = move || {
        // A longer path may contain the same word as the name of a section.
        let is_short = fetched.url.path_segments().is_none_or(|parts| parts.count() <= 2);
        let wall = detect_wall(&url, &fetched.url).filter(|_| is_short);
        let foreign_reason = || Some(format!("its content type is {}", foreign_type(&fetched)?));
        if let Some(reason) = wall.clone().or_else(foreign_reason) {
            let note = format!("the article page could not be read: {reason}");
            let finding = finding_of_entry(&source, &entry, Some(&note), &topics, now);
            let article_pages = match wall.filter(|_| is_representative) {
                Some(wall) => article_pages.with(PageCondition::Refused(wall), now),
                None => article_pages,
            };
            return PageReading { finding, fetched, problem: note, article_pages };
        }
        let page = Page::new(&fetched.url, &fetched.body, &source.selectors, source.timezone.as_deref(), now);
        let mut article: Article = extract(&page.of_type(fetched.content_type.as_deref()));
        // Only reservations of the page apply to the article. Those of a feed concern the feed itself: many
        // publishers exclude it from search engines.
        article.reservations.extend(&fetched.reservations);
        article.reservations.sort_unstable();
        article.reservations.dedup();
        let is_representative = is_representative
            && !article.published.as_ref().is_some_and(|published| is_old_date(published.at, now));
        let article_pages = match is_representative {
            true => article_pages.with(page_condition(&source, &entry, &url, &article), now),
            false => article_pages,
        };
        let problem = if article.text.is_empty() {
            "no article text was found on the page"
        } else if article_pages.repeats(fingerprint(&article.text)) {
            article.text.clear();
            "discarded the article text: earlier pages have the same text"
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
        PageReading { finding, fetched, problem: problem.to_owned(), article_pages }
    };
    let timed = move || {
        let started_at = Instant::now();
        (read_page(), started_at.elapsed())
    };
    let (reading, duration) = run.context.pool.run(timed).await;
    run.context.metrics.record_parse(run.source.kind, duration, 1);
    reading
}

/// Returns the condition of an article page, as evidence for the layout of the source's pages.
fn page_condition(source: &Source, entry: &Entry, url: &Url, article: &Article) -> PageCondition {
    let title = entry.title.as_deref().or(article.title.as_deref()).unwrap_or("");
    // The title and time selectors of a listing apply to its entries: pages may have other layouts.
    let is_page_selector =
        |selector: &&String| source.kind != SourceKind::Listing || selector.starts_with("selectors.text");
    PageCondition::Read {
        address: fingerprint(canonical_url(url).as_str()),
        title: fingerprint(title),
        text: Some(fingerprint(&article.text)).filter(|_| !article.text.is_empty()),
        is_dated: article.published.is_some() || entry.published.is_some(),
        missed: article.missed.iter().filter(is_page_selector).cloned().collect(),
    }
}

/// Returns true if a page shows the current layout of the source: it is on the source's own site, and it is not old.
fn is_representative(run: &JobRun, page: &PageWork) -> bool {
    same_site(&page.url, &run.source.url) && !is_old(page, run.now())
}

/// Returns true if an error concerns only this page, not all pages of its site.
fn concerns_one_page(error: &FetchError) -> bool {
    matches!(error, FetchError::Http { status: 404 | 410, .. })
}

fn fingerprint(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// Returns the content type of a response that is not a page.
fn foreign_type(fetched: &Fetched) -> Option<String> {
    let content_type = fetched.content_type.as_deref()?.split(';').next()?.trim().to_ascii_lowercase();
    let foreign_prefixes = [
        "image/",
        "audio/",
        "video/",
        "font/",
        "application/pdf",
        "application/zip",
        "application/octet-stream",
    ];
    foreign_prefixes.iter().any(|prefix| content_type.starts_with(prefix)).then_some(content_type)
}
