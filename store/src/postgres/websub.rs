//! WebSub subscriptions and pushed documents in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Harvest, HubOffer, HubSecret, Name, Subscription, WebSubDocument};
use tokio_postgres::Row;

use super::{Postgres, execute, limit, read, rows, text, transaction};
use crate::{HubDecision, StoreError, WebSub};

#[async_trait]
impl WebSub for Postgres {
    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError> {
        select_by_source(&*self.client().await?, source).await
    }

    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        select_by_id(&*self.client().await?, id).await
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<bool, StoreError> {
        transaction!(self, |tx| upsert(&tx, subscription).await)
    }

    async fn record_hub_decision(&self, id: &str, decision: &HubDecision) -> Result<(), StoreError> {
        transaction!(self, |tx| update_decision(&tx, id, decision).await)
    }

    async fn enqueue_websub_document(
        &self,
        document: &WebSubDocument,
        max_waiting: usize,
    ) -> Result<bool, StoreError> {
        transaction!(self, |tx| enqueue(&tx, document, max_waiting).await)
    }

    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError> {
        transaction!(self, |tx| begin_next(&tx, source, before).await)
    }

    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError> {
        select_waiting_sources(&*self.client().await?).await
    }
}

/// The columns that [`parse_subscription`] reads.
const SUBSCRIPTION_COLUMNS: &str = "source, source_url, id, base, hub, topic_url, secret, asked_at, ask_again_at, lease_until, refused, credit,
    pushes, entries, missed, polls_saved, (SELECT count(*) FROM push WHERE push.source = subscription.source)";

pub(super) async fn select_by_source(
    client: &Object,
    source: &Name,
) -> Result<Option<Subscription>, StoreError> {
    select_by(client, "source", source.as_str()).await
}

pub(super) async fn select_by_id(client: &Object, id: &str) -> Result<Option<Subscription>, StoreError> {
    select_by(client, "id", id).await
}

async fn select_by(client: &Object, column: &str, value: &str) -> Result<Option<Subscription>, StoreError> {
    let sql = format!("SELECT {SUBSCRIPTION_COLUMNS} FROM subscription WHERE {column} = $1");
    read(client, &sql, &[&text(value)]).await?.first().map(parse_subscription).transpose()
}

fn parse_subscription(row: &Row) -> Result<Subscription, StoreError> {
    let url = |index: usize| -> Result<url::Url, StoreError> {
        let text: &str = row.get(index);
        text.parse().map_err(|error| StoreError::Other(format!("invalid stored URL {text:?}: {error}")))
    };
    let count = |index: usize| row.get::<_, i64>(index).unsigned_abs();
    Ok(Subscription {
        source: Name::from_stored(row.get(0)),
        source_url: url(1)?,
        id: row.get(2),
        base: url(3)?,
        offer: HubOffer { hub: url(4)?, topic_url: row.get(5) },
        secret: HubSecret(row.get(6)),
        asked_at: row.get(7),
        renew_at: row.get(8),
        lease_until: row.get(9),
        refused: row.get(10),
        credit: row.get(11),
        pushes: count(12),
        entries: count(13),
        missed: count(14),
        polls_saved: row.get(15),
        waiting: count(16),
    })
}

/// Stores a subscription in place of an earlier one of its source, unless the source is not declared. The counters
/// stay; lease and credit stay only if the callback URL is the same.
pub(super) async fn upsert(tx: &Transaction<'_>, subscription: &Subscription) -> Result<bool, StoreError> {
    let Subscription { source, source_url, id, base, offer, secret, asked_at, renew_at, .. } = subscription;
    let written = execute(
        tx,
        "INSERT INTO subscription (source, source_url, id, base, hub, topic_url, secret, asked_at, ask_again_at)
         SELECT name, $2, $3, $4, $5, $6, $7, $8, $9 FROM source WHERE name = $1
         ON CONFLICT (source) DO UPDATE SET
            lease_until = CASE WHEN (subscription.id, subscription.base) = (excluded.id, excluded.base)
                          THEN subscription.lease_until END,
            credit = CASE WHEN (subscription.id, subscription.base) = (excluded.id, excluded.base)
                     THEN subscription.credit ELSE 0 END,
            source_url = excluded.source_url, id = excluded.id, base = excluded.base, hub = excluded.hub,
            topic_url = excluded.topic_url, secret = excluded.secret, asked_at = excluded.asked_at,
            ask_again_at = excluded.ask_again_at, refused = NULL",
        &[
            &source.as_str(),
            &text(source_url.as_str()),
            &id,
            &text(base.as_str()),
            &text(offer.hub.as_str()),
            &text(&offer.topic_url),
            &secret.0,
            &asked_at,
            &renew_at,
        ],
    )
    .await?;
    Ok(written > 0)
}

pub(super) async fn update_decision(
    tx: &Transaction<'_>,
    id: &str,
    decision: &HubDecision,
) -> Result<(), StoreError> {
    let (lease_until, refused) = decision.columns();
    let sql = "UPDATE subscription SET lease_until = $2, refused = $3, ask_again_at = $4 WHERE id = $1";
    execute(tx, sql, &[&id, &lease_until, &refused.map(text), &decision.renew_at]).await?;
    Ok(())
}

/// Removes the subscriptions of sources and their waiting documents.
pub(super) async fn unsubscribe(tx: &Transaction<'_>, sources: &[String]) -> Result<(), StoreError> {
    execute(tx, "DELETE FROM subscription WHERE source = ANY($1)", &[&sources]).await?;
    execute(tx, "DELETE FROM push WHERE source = ANY($1)", &[&sources]).await?;
    Ok(())
}

/// Stores a pushed document and counts it. Returns false if the source has no subscription, or `max_waiting`
/// documents wait already.
pub(super) async fn enqueue(
    tx: &Transaction<'_>,
    document: &WebSubDocument,
    max_waiting: usize,
) -> Result<bool, StoreError> {
    // Concurrent calls can exceed the limit by a few documents.
    let sql = "UPDATE subscription SET pushes = pushes + 1
        WHERE source = $1 AND (SELECT count(*) FROM push WHERE push.source = $1) < $2";
    if execute(tx, sql, &[&document.source.as_str(), &limit(max_waiting)]).await? == 0 {
        return Ok(false);
    }
    execute(
        tx,
        "INSERT INTO push (source, at, content_type, body) VALUES ($1, $2, $3, $4)",
        &[
            &document.source.as_str(),
            &document.at,
            &document.content_type.as_deref().map(text),
            &document.body,
        ],
    )
    .await?;
    Ok(true)
}

/// Returns the newest waiting document whose identifier is lower than `before`, and increments its tries.
pub(super) async fn begin_next(
    tx: &Transaction<'_>,
    source: &Name,
    before: Option<i64>,
) -> Result<Option<WebSubDocument>, StoreError> {
    let rows = rows(
        tx,
        "UPDATE push SET tries = tries + 1
         WHERE push = (SELECT max(push) FROM push WHERE source = $1 AND push < $2)
         RETURNING push, at, content_type, body, tries",
        &[&source.as_str(), &before.unwrap_or(i64::MAX)],
    )
    .await?;
    let document = |row: &Row| WebSubDocument {
        id: row.get(0),
        source: source.clone(),
        at: row.get(1),
        content_type: row.get(2),
        body: row.get(3),
        tries: row.get::<_, i32>(4).unsigned_abs(),
    };
    Ok(rows.first().map(document))
}

pub(super) async fn select_waiting_sources(client: &Object) -> Result<Vec<Name>, StoreError> {
    let rows = read(client, "SELECT DISTINCT source FROM push ORDER BY source", &[]).await?;
    Ok(rows.iter().map(|row| Name::from_stored(row.get(0))).collect())
}

/// Removes the documents that harvests have read, and adds their counters to the subscriptions.
pub(super) async fn save_harvests(tx: &Transaction<'_>, harvests: &[&Harvest]) -> Result<(), StoreError> {
    let done: Vec<i64> =
        harvests.iter().flat_map(|harvest| &harvest.websub_documents_done).copied().collect();
    if !done.is_empty() {
        rows(tx, "DELETE FROM push WHERE push = ANY($1)", &[&done]).await?;
    }
    for harvest in harvests {
        let Some(delta) = &harvest.updates.websub else { continue };
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let sql = "SELECT credit FROM subscription WHERE source = $1 FOR UPDATE";
        let Some(credit) = rows(tx, sql, &[&harvest.source.as_str()]).await?.first().map(|row| row.get(0))
        else {
            continue;
        };
        execute(
            tx,
            "UPDATE subscription SET credit = $2, entries = entries + $3, missed = missed + $4,
                polls_saved = polls_saved + $5 WHERE source = $1",
            &[
                &harvest.source.as_str(),
                &Subscription::credit_after(credit, delta.entries, delta.missed),
                &count(delta.entries),
                &count(delta.missed),
                &delta.polls_saved,
            ],
        )
        .await?;
    }
    Ok(())
}
