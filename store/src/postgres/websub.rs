//! Subscriptions at hubs, and what these pushed.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use model::{Harvest, HubOffer, HubSecret, Name, Subscription, WebSubDocument};
use tokio_postgres::Row;

use super::{Postgres, execute, limit, read, rows, text, transaction};
use crate::{HubDecision, StoreError, WebSub};

#[async_trait]
impl WebSub for Postgres {
    async fn subscription(&self, source: &Name) -> Result<Option<Subscription>, StoreError> {
        of_source(&*self.client().await?, source).await
    }

    async fn subscription_by_id(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        called(&*self.client().await?, id).await
    }

    async fn subscribe(&self, asked: &Subscription) -> Result<bool, StoreError> {
        transaction!(self, |tx| subscribe(&tx, asked).await)
    }

    async fn record_hub_decision(&self, id: &str, answer: &HubDecision) -> Result<(), StoreError> {
        transaction!(self, |tx| record_hub_decision(&tx, id, answer).await)
    }

    async fn enqueue_websub_document(&self, push: &WebSubDocument, most: usize) -> Result<bool, StoreError> {
        transaction!(self, |tx| take(&tx, push, most).await)
    }

    async fn next_websub_document(
        &self,
        source: &Name,
        before: Option<i64>,
    ) -> Result<Option<WebSubDocument>, StoreError> {
        transaction!(self, |tx| next(&tx, source, before).await)
    }

    async fn sources_with_websub_documents(&self) -> Result<Vec<Name>, StoreError> {
        sources(&*self.client().await?).await
    }
}

const COLUMNS: &str = "source, source_url, id, base, hub, topic_url, secret, asked_at, ask_again_at, lease_until, refused, credit,
    pushes, entries, missed, polls_saved, (SELECT count(*) FROM push WHERE push.source = subscription.source)";

pub(super) async fn of_source(client: &Object, source: &Name) -> Result<Option<Subscription>, StoreError> {
    one(client, "source", source.as_str()).await
}

pub(super) async fn called(client: &Object, id: &str) -> Result<Option<Subscription>, StoreError> {
    one(client, "id", id).await
}

async fn one(client: &Object, column: &str, value: &str) -> Result<Option<Subscription>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM subscription WHERE {column} = $1");
    read(client, &sql, &[&text(value)]).await?.first().map(subscription).transpose()
}

fn subscription(row: &Row) -> Result<Subscription, StoreError> {
    let url = |index: usize| -> Result<url::Url, StoreError> {
        let text: &str = row.get(index);
        text.parse().map_err(|error| StoreError::Other(format!("{text}: {error}")))
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

pub(super) async fn subscribe(tx: &Transaction<'_>, asked: &Subscription) -> Result<bool, StoreError> {
    let Subscription { source, source_url, id, base, offer, secret, asked_at, renew_at, .. } = asked;
    let kept = execute(
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
    Ok(kept > 0)
}

pub(super) async fn record_hub_decision(
    tx: &Transaction<'_>,
    id: &str,
    answer: &HubDecision,
) -> Result<(), StoreError> {
    let (lease_until, refused) = answer.parts();
    let sql = "UPDATE subscription SET lease_until = $2, refused = $3, ask_again_at = $4 WHERE id = $1";
    execute(tx, sql, &[&id, &lease_until, &refused.map(text), &answer.renew_at]).await?;
    Ok(())
}

pub(super) async fn unsubscribe(tx: &Transaction<'_>, sources: &[String]) -> Result<(), StoreError> {
    execute(tx, "DELETE FROM subscription WHERE source = ANY($1)", &[&sources]).await?;
    execute(tx, "DELETE FROM push WHERE source = ANY($1)", &[&sources]).await?;
    Ok(())
}

pub(super) async fn take(
    tx: &Transaction<'_>,
    push: &WebSubDocument,
    most: usize,
) -> Result<bool, StoreError> {
    // Several at the same time may be a few more than that.
    let sql = "UPDATE subscription SET pushes = pushes + 1
        WHERE source = $1 AND (SELECT count(*) FROM push WHERE push.source = $1) < $2";
    if execute(tx, sql, &[&push.source.as_str(), &limit(most)]).await? == 0 {
        return Ok(false);
    }
    execute(
        tx,
        "INSERT INTO push (source, at, content_type, body) VALUES ($1, $2, $3, $4)",
        &[&push.source.as_str(), &push.at, &push.content_type.as_deref().map(text), &push.body],
    )
    .await?;
    Ok(true)
}

/// The newest document that came before another, or before now.
pub(super) async fn next(
    tx: &Transaction<'_>,
    source: &Name,
    before: Option<i64>,
) -> Result<Option<WebSubDocument>, StoreError> {
    let found = rows(
        tx,
        "UPDATE push SET tries = tries + 1
         WHERE push = (SELECT max(push) FROM push WHERE source = $1 AND push < $2)
         RETURNING push, at, content_type, body, tries",
        &[&source.as_str(), &before.unwrap_or(i64::MAX)],
    )
    .await?;
    let push = |row: &Row| WebSubDocument {
        id: row.get(0),
        source: source.clone(),
        at: row.get(1),
        content_type: row.get(2),
        body: row.get(3),
        tries: row.get::<_, i32>(4).unsigned_abs(),
    };
    Ok(found.first().map(push))
}

pub(super) async fn sources(client: &Object) -> Result<Vec<Name>, StoreError> {
    let found = read(client, "SELECT DISTINCT source FROM push ORDER BY source", &[]).await?;
    Ok(found.iter().map(|row| Name::from_stored(row.get(0))).collect())
}

/// What was read waits no longer, and what that told is added.
pub(super) async fn save(tx: &Transaction<'_>, harvests: &[&Harvest]) -> Result<(), StoreError> {
    let done: Vec<i64> =
        harvests.iter().flat_map(|harvest| &harvest.websub_documents_done).copied().collect();
    if !done.is_empty() {
        rows(tx, "DELETE FROM push WHERE push = ANY($1)", &[&done]).await?;
    }
    for harvest in harvests {
        let Some(outcome) = &harvest.updates.websub else { continue };
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
                &Subscription::credit_after(credit, outcome.entries, outcome.missed),
                &count(outcome.entries),
                &count(outcome.missed),
                &outcome.polls_saved,
            ],
        )
        .await?;
    }
    Ok(())
}
