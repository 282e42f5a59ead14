//! WebSub subscriptions and pushed documents in SQLite.

use async_trait::async_trait;
use model::{Harvest, HubOffer, HubSecret, Name, Subscription, WebSubDocument};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Sqlite;
use super::rows::{limit, millis, time};
use crate::{HubDecision, StoreError, WebSub};

#[async_trait]
impl WebSub for Sqlite {
    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError> {
        let source = source.clone();
        self.read(move |connection| select_by_source(connection, &source)).await
    }

    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| select_by_id(connection, &id)).await
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<bool, StoreError> {
        let subscription = subscription.clone();
        self.write(move |tx| upsert(tx, &subscription)).await
    }

    async fn record_hub_decision(&self, id: &str, decision: &HubDecision) -> Result<(), StoreError> {
        let (id, decision) = (id.to_owned(), decision.clone());
        self.write(move |tx| update_decision(tx, &id, &decision)).await
    }

    async fn enqueue_websub_document(
        &self,
        document: &WebSubDocument,
        max_waiting: usize,
    ) -> Result<bool, StoreError> {
        let document = document.clone();
        self.write(move |tx| enqueue(tx, &document, max_waiting)).await
    }

    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError> {
        let source = source.clone();
        self.write(move |tx| begin_next(tx, &source, before)).await
    }

    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError> {
        self.read(select_waiting_sources).await
    }
}

/// The columns that [`parse_subscription`] reads.
const SUBSCRIPTION_COLUMNS: &str = "source, source_url, id, base, hub, topic_url, secret, asked_at, ask_again_at, lease_until, refused, credit,
    pushes, entries, missed, polls_saved, (SELECT count(*) FROM push WHERE push.source = subscription.source)";

pub(super) fn select_by_source(
    connection: &Connection,
    source: &Name,
) -> Result<Option<Subscription>, StoreError> {
    select_by(connection, "source", source.as_str())
}

pub(super) fn select_by_id(connection: &Connection, id: &str) -> Result<Option<Subscription>, StoreError> {
    select_by(connection, "id", id)
}

fn select_by(connection: &Connection, column: &str, value: &str) -> Result<Option<Subscription>, StoreError> {
    let sql = format!("SELECT {SUBSCRIPTION_COLUMNS} FROM subscription WHERE {column} = ?1");
    let mut query = connection.prepare_cached(&sql)?;
    query.query_row([value], |row| Ok(parse_subscription(row))).optional()?.transpose()
}

fn parse_subscription(row: &Row<'_>) -> Result<Subscription, StoreError> {
    let url = |index: usize| -> Result<url::Url, StoreError> {
        let text: String = row.get(index)?;
        text.parse().map_err(|error| StoreError::Other(format!("invalid stored URL {text:?}: {error}")))
    };
    let count = |index: usize| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(index)?.unsigned_abs()) };
    Ok(Subscription {
        source: Name::from_stored(row.get(0)?),
        source_url: url(1)?,
        id: row.get(2)?,
        base: url(3)?,
        offer: HubOffer { hub: url(4)?, topic_url: row.get(5)? },
        secret: HubSecret(row.get(6)?),
        asked_at: time(row.get(7)?),
        renew_at: time(row.get(8)?),
        lease_until: row.get::<_, Option<i64>>(9)?.map(time),
        refused: row.get(10)?,
        credit: row.get(11)?,
        pushes: count(12)?,
        entries: count(13)?,
        missed: count(14)?,
        polls_saved: row.get(15)?,
        waiting: count(16)?,
    })
}

/// Stores a subscription in place of an earlier one of its source, unless the source is not declared. The counters
/// stay; lease and credit stay only if the callback URL is the same.
pub(super) fn upsert(tx: &Transaction<'_>, subscription: &Subscription) -> Result<bool, StoreError> {
    let Subscription { source, source_url, id, base, offer, secret, asked_at, renew_at, .. } = subscription;
    let written = tx
        .prepare_cached(
        "INSERT INTO subscription (source, source_url, id, base, hub, topic_url, secret, asked_at, ask_again_at)
         SELECT name, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM source WHERE name = ?1
         ON CONFLICT (source) DO UPDATE SET
            lease_until = CASE WHEN (id, base) = (excluded.id, excluded.base) THEN lease_until END,
            credit = CASE WHEN (id, base) = (excluded.id, excluded.base) THEN credit ELSE 0 END,
            source_url = excluded.source_url, id = excluded.id, base = excluded.base, hub = excluded.hub,
            topic_url = excluded.topic_url, secret = excluded.secret, asked_at = excluded.asked_at,
            ask_again_at = excluded.ask_again_at, refused = NULL",
    )?
    .execute(params![
        source.as_str(),
        source_url.as_str(),
        id,
        base.as_str(),
        offer.hub.as_str(),
        offer.topic_url,
        secret.0,
        millis(*asked_at),
        millis(*renew_at)
    ])?;
    Ok(written > 0)
}

pub(super) fn update_decision(
    tx: &Transaction<'_>,
    id: &str,
    decision: &HubDecision,
) -> Result<(), StoreError> {
    let (lease_until, refused) = decision.columns();
    tx.prepare_cached(
        "UPDATE subscription SET lease_until = ?2, refused = ?3, ask_again_at = ?4 WHERE id = ?1",
    )?
    .execute(params![id, lease_until.map(millis), refused, millis(decision.renew_at)])?;
    Ok(())
}

/// Removes the subscription of a source and its waiting documents.
pub(super) fn unsubscribe(tx: &Transaction<'_>, source: &Name) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM subscription WHERE source = ?1")?.execute([source.as_str()])?;
    tx.prepare_cached("DELETE FROM push WHERE source = ?1")?.execute([source.as_str()])?;
    Ok(())
}

/// Stores a pushed document and counts it. Returns false if the source has no subscription, or `max_waiting`
/// documents wait already.
pub(super) fn enqueue(
    tx: &Transaction<'_>,
    document: &WebSubDocument,
    max_waiting: usize,
) -> Result<bool, StoreError> {
    let counted = tx
        .prepare_cached(
            "UPDATE subscription SET pushes = pushes + 1
             WHERE source = ?1 AND (SELECT count(*) FROM push WHERE push.source = ?1) < ?2",
        )?
        .execute(params![document.source.as_str(), limit(max_waiting)])?;
    if counted == 0 {
        return Ok(false);
    }
    tx.prepare_cached("INSERT INTO push (source, at, content_type, body) VALUES (?1, ?2, ?3, ?4)")?.execute(
        params![document.source.as_str(), millis(document.at), document.content_type, document.body],
    )?;
    Ok(true)
}

/// Returns the newest waiting document whose identifier is lower than `before`, and increments its tries.
pub(super) fn begin_next(
    tx: &Transaction<'_>,
    source: &Name,
    before: Option<i64>,
) -> Result<Option<WebSubDocument>, StoreError> {
    let mut query = tx.prepare_cached(
        "UPDATE push SET tries = tries + 1
         WHERE push = (SELECT max(push) FROM push WHERE source = ?1 AND push < ?2)
         RETURNING push, at, content_type, body, tries",
    )?;
    let document = query.query_row(params![source.as_str(), before.unwrap_or(i64::MAX)], |row| {
        Ok(WebSubDocument {
            id: row.get(0)?,
            source: source.clone(),
            at: time(row.get(1)?),
            content_type: row.get(2)?,
            body: row.get(3)?,
            tries: row.get(4)?,
        })
    });
    Ok(document.optional()?)
}

pub(super) fn select_waiting_sources(connection: &Connection) -> Result<Vec<Name>, StoreError> {
    let mut query = connection.prepare_cached("SELECT DISTINCT source FROM push ORDER BY source")?;
    let names = query.query_map([], |row| Ok(Name::from_stored(row.get(0)?)))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Removes the documents that a harvest has read, and adds its counters to the subscription.
pub(super) fn save_harvest(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    for id in &harvest.websub_documents_done {
        tx.prepare_cached("DELETE FROM push WHERE push = ?1")?.execute([id])?;
    }
    if let Some(delta) = &harvest.updates.websub {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let credit: Option<i64> = tx
            .prepare_cached("SELECT credit FROM subscription WHERE source = ?1")?
            .query_row([harvest.source.as_str()], |row| row.get(0))
            .optional()?;
        let credit = credit.unwrap_or(0);
        tx.prepare_cached(
            "UPDATE subscription SET credit = ?2, entries = entries + ?3, missed = missed + ?4,
                polls_saved = polls_saved + ?5 WHERE source = ?1",
        )?
        .execute(params![
            harvest.source.as_str(),
            Subscription::credit_after(credit, delta.entries, delta.missed),
            count(delta.entries),
            count(delta.missed),
            delta.polls_saved
        ])?;
    }
    Ok(())
}
