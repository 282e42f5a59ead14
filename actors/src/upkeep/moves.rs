//! Sources whose servers say that they moved for good are declared where they moved to, with the operator's audit as history.

use std::collections::HashMap;
use std::time::Duration;

use crawler::read;
use model::{Source, SourceKind, SourceState, Timestamp, Watch};
use service::BackendError;
use store::{AuditRecord, Move, Objects, SourceRecord};
use url::Url;

use crate::context::Context;

/// A server is to say so for this long, each time it is asked: who is led astray for an evening is not followed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(86_400);

/// Declares sources where they moved to. What was read through the redirect all the while is known to be readable there.
pub(crate) async fn follow(context: &Context) -> Result<(), BackendError> {
    let (store, now) = (&context.store, context.clock.now());
    let version = store.objects_version().await?;
    let records = store.sources().await?;
    let led_to = led_to(&records);
    let mut followed = Vec::new();
    for record in records.iter().filter(|record| record.moved_to.is_some()) {
        let moves = store.moves(&record.source.name).await?;
        if let Some((url, since)) = whither(record, moves.first(), &led_to) {
            followed.push((Source { url, ..record.source.clone() }, record.source.url.clone(), since));
        }
    }
    if followed.is_empty() {
        return Ok(());
    }
    let sources = followed.iter().map(|(source, ..)| source.clone()).collect();
    // An operator who edits them at this moment is right; the next round looks again.
    store
        .declare(&Objects { sources, expected_version: Some(version), ..Objects::default() }, false, now)
        .await?;
    for (source, from, since) in followed {
        tracing::info!(source = %source.name, %from, to = %source.url, "moved for good: it is read there from now on");
        let record = AuditRecord {
            at: now,
            who: format!("node {}", context.config.name),
            action: "source follow".to_owned(),
            target: format!("source/{} from {from} to {}", source.name, source.url),
            reason: format!("its server has said so since {}", model::rfc3339(since)),
        };
        store.audit(&record).await?;
    }
    Ok(())
}

/// How many sources are, or are led, to each address.
fn led_to(records: &[SourceRecord]) -> HashMap<Url, usize> {
    let mut led_to = HashMap::new();
    for record in records {
        let moved = record.moved_to.as_deref().and_then(|url| Url::parse(url).ok());
        for url in [Some(record.source.url.clone()), moved].into_iter().flatten() {
            *led_to.entry(url).or_default() += 1;
        }
    }
    led_to
}

/// Where a source is to be read from now on, and since when its server has said so; `None`: where it is.
fn whither(
    record: &SourceRecord,
    last: Option<&Move>,
    led_to: &HashMap<Url, usize>,
) -> Option<(Url, Timestamp)> {
    let source = &record.source;
    let to = Url::parse(record.moved_to.as_deref()?).ok()?;
    let since = last.filter(|last| last.to == record.moved_to)?.at;
    // As it was asked last: that it said so a day ago, and was not asked since, is one word.
    let is_lasting =
        Duration::try_from(record.last_ok?.duration_since(since)).unwrap_or_default() >= PATIENCE;
    // Platforms lead elsewhere for reasons of their own.
    let is_plain = matches!(
        source.kind,
        SourceKind::Feed | SourceKind::Sitemap | SourceKind::Listing | SourceKind::Json
    );
    let is_well = record.state == SourceState::Live && record.failures == 0.0 && source.watch() == Watch::On;
    // A search that is led elsewhere may have lost its query; a token was meant for where it was declared.
    let is_bound = source.is_searched() || read::token_of(source).is_some();
    let is_guarded = source.url.scheme() != "https" || to.scheme() == "https";
    // A catch-all: what was one section of many ends at the front page, or where others end.
    let is_front = to.path() == "/" && source.url.path() != "/";
    let is_shared = led_to.get(&to).is_some_and(|sources| *sources > 1);
    let is_right = is_lasting && is_plain && is_well && !is_bound && is_guarded && !is_front && !is_shared;
    is_right.then_some((to, since))
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

    /// Each guard, one at a time; the first is the control.
    #[test]
    fn only_a_lasting_move_of_one_source_to_its_like_is_followed() {
        type Change = fn(&mut SourceRecord);
        let cases: [(&str, Change, i64, bool); 12] = [
            ("that was not asked since", |record| record.last_ok = Some(at(-23)), -24, false),
            ("a move", |_| (), -24, true),
            ("of an hour", |_| (), -1, false),
            ("while it fails", |record| record.failures = 0.25, -24, false),
            ("of one that is not read", |record| record.state = SourceState::BrokenLayout, -24, false),
            ("of one that is paused", |record| record.source.paused = true, -24, false),
            ("to the front page", |record| record.moved_to = Some("https://b.kz/".to_owned()), -24, false),
            (
                "to where it can be overheard",
                |record| record.moved_to = Some("http://b.kz/feed".to_owned()),
                -24,
                false,
            ),
            ("of one with a token", |record| record.source.token = Some(stage::name("secret")), -24, false),
            (
                "of a search",
                |record| record.source.url = "https://a.kz/?q={query}".parse().unwrap(),
                -24,
                false,
            ),
            ("on a platform", |record| record.source.kind = SourceKind::Telegram, -24, false),
            (
                "to where another is",
                |record| record.moved_to = Some("https://c.kz/feed".to_owned()),
                -24,
                false,
            ),
        ];
        for (what, change, since, expected) in cases {
            let mut record = record();
            change(&mut record);
            let other = SourceRecord {
                source: Source { url: "https://c.kz/feed".parse().unwrap(), ..stage::source("c.kz") },
                moved_to: None,
                ..record.clone()
            };
            let led_to = led_to(&[record.clone(), other]);
            let last = Move { at: at(since), to: record.moved_to.clone() };
            let found = whither(&record, Some(&last), &led_to);
            assert_eq!(found.is_some(), expected, "{what}");
            assert!(whither(&record, None, &led_to).is_none(), "{what}, of which nothing is noted");
        }
    }
}
