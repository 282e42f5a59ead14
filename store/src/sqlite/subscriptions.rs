//! Subscriptions at hubs, and what these pushed.

use model::{Harvest, HubOffer, HubSecret, Name, Push, Subscription, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::rows::{limit, millis, time};
use crate::StoreError;
use crate::store::Verified;

const COLUMNS: &str =
    "source, id, hub, topic_url, secret, asked_at, lease_until, refused, is_trusted, pushes, entries, missed,
    polls_saved";

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
        source: Name::stored(row.get(0)?),
        id: row.get(1)?,
        offer: HubOffer { hub: url(2)?, topic_url: url(3)? },
        secret: HubSecret(row.get(4)?),
        asked_at: time(row.get(5)?),
        lease_until: row.get::<_, Option<i64>>(6)?.map(time),
        refused: row.get(7)?,
        is_trusted: row.get(8)?,
        pushes: count(9)?,
        entries: count(10)?,
        missed: count(11)?,
        polls_saved: row.get(12)?,
    })
}

pub(super) fn subscribe(tx: &Transaction<'_>, asked: &Subscription) -> Result<(), StoreError> {
    let Subscription { source, id, offer, secret, asked_at, .. } = asked;
    tx.prepare_cached(
        "INSERT INTO subscription (source, id, hub, topic_url, secret, asked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (source) DO UPDATE SET
            lease_until = CASE WHEN id = excluded.id THEN lease_until END,
            is_trusted = id = excluded.id AND is_trusted,
            id = excluded.id, hub = excluded.hub, topic_url = excluded.topic_url, secret = excluded.secret,
            asked_at = excluded.asked_at, refused = NULL",
    )?
    .execute(params![
        source.as_str(),
        id,
        offer.hub.as_str(),
        offer.topic_url.as_str(),
        secret.0,
        millis(*asked_at)
    ])?;
    Ok(())
}

pub(super) fn verified(tx: &Transaction<'_>, id: &str, verified: &Verified) -> Result<(), StoreError> {
    let (until, refused) = verified.parts();
    tx.prepare_cached("UPDATE subscription SET lease_until = ?2, refused = ?3 WHERE id = ?1")?
        .execute(params![id, until.map(millis), refused])?;
    Ok(())
}

pub(super) fn unsubscribe(tx: &Transaction<'_>, source: &Name) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM subscription WHERE source = ?1")?.execute([source.as_str()])?;
    tx.prepare_cached("DELETE FROM push WHERE source = ?1")?.execute([source.as_str()])?;
    Ok(())
}

pub(super) fn take(tx: &Transaction<'_>, push: &Push, most: usize) -> Result<bool, StoreError> {
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

pub(super) fn waiting(connection: &Connection, source: &Name, most: usize) -> Result<Vec<Push>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT push, at, content_type, body FROM push WHERE source = ?1 ORDER BY push LIMIT ?2",
    )?;
    let mut rows = query.query(params![source.as_str(), limit(most)])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let at: Timestamp = time(row.get(1)?);
        let (id, content_type, body) = (row.get(0)?, row.get(2)?, row.get(3)?);
        all.push(Push { id, source: source.clone(), at, content_type, body });
    }
    Ok(all)
}

pub(super) fn sources(connection: &Connection) -> Result<Vec<Name>, StoreError> {
    let mut query = connection.prepare_cached("SELECT DISTINCT source FROM push ORDER BY source")?;
    let names = query.query_map([], |row| Ok(Name::stored(row.get(0)?)))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// What was read waits no longer, and what that told is added.
pub(super) fn save(tx: &Transaction<'_>, harvest: &Harvest) -> Result<(), StoreError> {
    for id in &harvest.pushes_done {
        tx.prepare_cached("DELETE FROM push WHERE push = ?1")?.execute([id])?;
    }
    if let Some(news) = &harvest.push {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        tx.prepare_cached(
            "UPDATE subscription SET is_trusted = ?2, entries = entries + ?3, missed = missed + ?4,
                polls_saved = polls_saved + ?5 WHERE source = ?1",
        )?
        .execute(params![
            harvest.source.as_str(),
            news.is_trusted,
            count(news.entries),
            count(news.missed),
            news.polls_saved
        ])?;
    }
    Ok(())
}
