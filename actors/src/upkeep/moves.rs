//! Permanent moves of sources: a source that its server redirects permanently is declared at the new URL. The audit
//! trail records the change.

use std::collections::HashMap;
use std::time::Duration;

use crawler::read;
use model::{Source, SourceKind, SourceState, Timestamp, Watch};
use service::BackendError;
use store::{AuditRecord, Move, Objects, SourceRecord};
use url::Url;

use crate::context::Context;

/// The time for which each poll must be redirected before a move is followed. A redirect of a few hours may be a
/// mistake.
const MIN_MOVE_AGE: Duration = Duration::from_secs(86_400);

/// Declares moved sources at their new URLs. Polls have followed the redirect meanwhile, so the new URLs are
/// readable.
pub(crate) async fn follow_moves(context: &Context) -> Result<(), BackendError> {
    let (store, now) = (&context.store, context.clock.now());
    let version = store.objects_version().await?;
    let records = store.sources().await?;
    let sources_at = count_sources_by_url(&records);
    let mut followed = Vec::new();
    for record in records.iter().filter(|record| record.moved_to.is_some()) {
        let moves = store.moves(&record.source.name).await?;
        if let Some((url, since)) = move_target(record, moves.first(), &sources_at) {
            followed.push((Source { url, ..record.source.clone() }, record.source.url.clone(), since));
        }
    }
    if followed.is_empty() {
        return Ok(());
    }
    let sources = followed.iter().map(|(source, ..)| source.clone()).collect();
    // A concurrent edit by an operator takes precedence. The next round tries again.
    store
        .declare(&Objects { sources, expected_version: Some(version), ..Objects::default() }, false, now)
        .await?;
    for (source, from, since) in followed {
        tracing::info!(source = %source.name, %from, to = %source.url, "followed the permanent move of a source");
        let record = AuditRecord {
            at: now,
            who: format!("node {}", context.config.name),
            action: "source follow".to_owned(),
            target: format!("source/{} from {from} to {}", source.name, source.url),
            reason: format!("redirected permanently since {}", model::rfc3339(since)),
        };
        store.audit(&record).await?;
    }
    Ok(())
}

/// Counts the sources that are declared at, or redirected to, each URL.
fn count_sources_by_url(records: &[SourceRecord]) -> HashMap<Url, usize> {
    let mut counts = HashMap::new();
    for record in records {
        let target = record.moved_to.as_deref().and_then(|url| Url::parse(url).ok());
        for url in [Some(record.source.url.clone()), target].into_iter().flatten() {
            *counts.entry(url).or_default() += 1;
        }
    }
    counts
}

/// Returns the new URL of a source and the start of its redirect, or `None` if the source stays at its declared URL.
fn move_target(
    record: &SourceRecord,
    last_move: Option<&Move>,
    sources_at: &HashMap<Url, usize>,
) -> Option<(Url, Timestamp)> {
    let source = &record.source;
    let to = Url::parse(record.moved_to.as_deref()?).ok()?;
    let since = last_move.filter(|last| last.to == record.moved_to)?.at;
    // The age ends at the last successful poll: a redirect that no later poll confirmed is a single observation.
    let is_lasting =
        Duration::try_from(record.last_ok?.duration_since(since)).unwrap_or_default() >= MIN_MOVE_AGE;
    // Platforms redirect for other reasons.
    let is_plain = matches!(
        source.kind,
        SourceKind::Feed | SourceKind::Sitemap | SourceKind::Listing | SourceKind::Json
    );
    let is_healthy =
        record.state == SourceState::Live && record.failures == 0.0 && source.watch() == Watch::On;
    // The redirect of a search may lose the query, and a token is meant for the declared URL only.
    let is_bound = source.is_searched() || read::token_of(source).is_some();
    let is_as_secure = source.url.scheme() != "https" || to.scheme() == "https";
    // A catch-all redirect leads a section to the front page, or several sections to the same URL.
    let is_front = to.path() == "/" && source.url.path() != "/";
    let is_shared = sources_at.get(&to).is_some_and(|sources| *sources > 1);
    let is_followed =
        is_lasting && is_plain && is_healthy && !is_bound && is_as_secure && !is_front && !is_shared;
    is_followed.then_some((to, since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + hours * 3600).unwrap()
    }

    fn record() -> SourceRecord {
        SourceRecord {
            source: Source { url: "https://a.kz/rss".parse().unwrap(), ..stage::source("a.kz") },
            state: SourceState::Live,
            reason: String::new(),
            failures: 0.0,
            failed_polls: 0,
            since: at(-100),
            last_ok: Some(at(0)),
            last_poll: Some(at(0)),
            next_poll: None,
            interval: None,
            rhythm: None,
            article_pages: None,
            page_window: None,
            validators: None,
            moved_to: Some("https://b.kz/feed".to_owned()),
            pages_waiting: 0,
        }
    }

    /// Each case violates one condition. The second case is the control.
    #[test]
    fn only_a_lasting_move_of_a_single_healthy_source_is_followed() {
        type Change = fn(&mut SourceRecord);
        let cases: [(&str, Change, i64, bool); 12] = [
            ("no poll since the redirect began", |record| record.last_ok = Some(at(-23)), -24, false),
            ("a lasting move", |_| (), -24, true),
            ("a move of an hour", |_| (), -1, false),
            ("a failing source", |record| record.failures = 0.25, -24, false),
            ("a source with a broken layout", |record| record.state = SourceState::BrokenLayout, -24, false),
            ("a paused source", |record| record.source.paused = true, -24, false),
            (
                "a redirect to the front page",
                |record| record.moved_to = Some("https://b.kz/".to_owned()),
                -24,
                false,
            ),
            (
                "a redirect from https to http",
                |record| record.moved_to = Some("http://b.kz/feed".to_owned()),
                -24,
                false,
            ),
            ("a source with a token", |record| record.source.token = Some(stage::name("secret")), -24, false),
            (
                "a searched source",
                |record| record.source.url = "https://a.kz/?q={query}".parse().unwrap(),
                -24,
                false,
            ),
            ("a source on a platform", |record| record.source.kind = SourceKind::Telegram, -24, false),
            (
                "a redirect to the URL of another source",
                |record| record.moved_to = Some("https://c.kz/feed".to_owned()),
                -24,
                false,
            ),
        ];
        for (case, change, since, expected) in cases {
            let mut record = record();
            change(&mut record);
            let other = SourceRecord {
                source: Source { url: "https://c.kz/feed".parse().unwrap(), ..stage::source("c.kz") },
                moved_to: None,
                ..record.clone()
            };
            let sources_at = count_sources_by_url(&[record.clone(), other]);
            let last_move = Move { at: at(since), to: record.moved_to.clone() };
            let target = move_target(&record, Some(&last_move), &sources_at);
            assert_eq!(target.is_some(), expected, "{case}");
            assert!(move_target(&record, None, &sources_at).is_none(), "{case}, without a recorded move");
        }
    }
}
