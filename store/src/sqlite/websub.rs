//! Subscriptions at hubs, and what these pushed.

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
        self.read(move |connection| of_source(connection, &source)).await
    }

    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| called(connection, &id)).await
    }

    async fn subscribe(&self, asked: &Subscription) -> Result<bool, StoreError> {
        let asked = asked.clone();
        self.write(move |tx| subscribe(tx, &asked)).await
    }

    async fn record_hub_decision(&self, id: &str, answer: &HubDecision) -> Result<(), StoreError> {
        let (id, answer) = (id.to_owned(), answer.clone());
        self.write(move |tx| record_hub_decision(tx, &id, &answer)).await
    }

    async fn enqueue_websub_document(&self, push: &WebSubDocument, most: usize) -> Result<bool, StoreError> {
        let push = push.clone();
        self.write(move |tx| take(tx, &push, most)).await
    }

    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError> {
        let source = source.clone();
        self.write(move |tx| next(tx, &source, before)).await
    }

    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError> {
        self.read(sources).await
    }
}

const COLUMNS: &str = "source, source_url, id, base, hub, topic_url, secret, asked_at, ask_again_at, lease_until, refused, credit,
    pushes, entries, missed, polls_saved, (SELECT count(*) FROM push WHERE push.source = subscription.source)";

pub(super) fn of_source(connection: &Connection, source: &Name) -> Result<Option<Subscription>, StoreError> {
    one(connection, "source", source.as_str())
}

pub(super) fn called(connection: &Connection, id: &str) -> Result<Option<Subscription>, StoreError> {
    one(connection, "id", id)
}

fn one(connection: &Connection, column: &str, value: &str) -> Result<Option<Subscription>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM subscription WHERE {column} = ?1");
    let mut query = connection.prepare_cached(&sql)?;
    query.query_row([value], |row| Ok(subscription(row))).optional()?.transpose()
}

fn subscription(row: &Row<'_>) -> Result<Subscription, StoreError> {
    let url = |index: usize| -> Result<url::Url, StoreError> {
        let text: String = row.get(index)?;
        text.parse().map_err(|error| StoreError::Other(format!("{text}: {error}")))
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

pub(super) fn subscribe(tx: &Transaction<'_>, asked: &Subscription) -> Result<bool, StoreError> {
    let Subscription { source, source_url, id, base, offer, secret, asked_at, renew_at, .. } = asked;
    let kept = tx
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
    Ok(kept > 0)
}

pub(super) fn record_hub_decision(
    tx: &Transaction<'_>,
    id: &str,
    answer: &HubDecision,
) -> Result<(), StoreError> {
    let (lease_until, refused) = answer.parts();
    tx.prepare_cached(
        "UPDATE subscription SET lease_until = ?2, refused = ?3, ask_again_at = ?4 WHERE id = ?1",
    )?
    .execute(params![id, lease_until.map(millis), refused, millis(answer.renew_at)])?;
    Ok(())
}

pub(super) fn unsubscribe(tx: &Transaction<'_>, source: &Name) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM subscription WHERE source = ?1")?.execute([source.as_str()])?;
    tx.prepare_cached("DELETE FROM push WHERE source = ?1")?.execute([source.as_str()])?;
    Ok(())
}

pub(super) fn take(tx: &Transaction<'_>, push: &WebSubDocument, most: usize) -> Result<bool, StoreError> {
    let is_taken = tx
        .prepare_cached(
            "UPDATE subscription SET pushes = pushes + 1
             WHERE source = ?1 AND (SELECT count(*) FROM push WHERE push.source = ?1) < ?2",
        )?
        .execute(params![push.source.as_str(), limit(most)])?;
    if is_taken == 0 {
        return Ok(false);
    }
    tx.prepare_cached("INSERT INTO push (source, at, content_type, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![push.source.as_str(), millis(push.at), push.content_type, push.body])?;
    Ok(true)
}

/// The newest document that came before another, or before now.
pub(super) fn next(
    tx: &Transaction<'_>,
    source: &Name,
    before: Option<i64>,
) -> Result<Option<WebSubDocument>, StoreError> {
    let mut query = tx.prepare_cached(
        "UPDATE push SET tries = tries + 1
         WHERE push = (SELECT max(push) FROM push WHERE source = ?1 AND push < ?2)
         RETURNING push, at, content_type, body, tries",
    )?;
    let push = query.query_row(params![source.as_str(), before.unwrap_or(i64::MAX)], |row| {
        Ok(WebSubDocument {
            id: row.get(0)?,
            source: source.clone(),
            at: time(row.get(1)?),
            content_type: row.get(2)?,
            body: row.get(3)?,
            tries: row.get(4)?,
        })
    });
    Ok(push.optional()?)
}

pub(super) fn sources(connection: &Connection) -> Result<Vec<Name>, StoreError> {
    let mut query = connection.prepare_cached("SELECT DISTINCT source FROM push ORDER BY source")?;
    let names = query.query_map([], |row| Ok(Name::from_stored(row.get(0)?)))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// What was read waits no longer, and what that told is added.
pub(super) fn save(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    for id in &harvest.websub_documents_done {
        tx.prepare_cached("DELETE FROM push WHERE push = ?1")?.execute([id])?;
    }
    if let Some(outcome) = &harvest.updates.websub {
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
            Subscription::credit_after(credit, outcome.entries, outcome.missed),
            count(outcome.entries),
            count(outcome.missed),
            outcome.polls_saved
        ])?;
    }
    Ok(())
}
