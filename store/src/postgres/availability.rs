//! How sources did, and when.

use deadpool_postgres::Object;
use model::{Name, SourceState, Timestamp};

use super::read;
use crate::StoreError;
use crate::store::StateInterval;

pub(super) async fn intervals(
    client: &Object,
    only: Option<&Name>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<StateInterval>, StoreError> {
    let found = read(
        client,
        "SELECT source, at, ends, state, reason FROM (
             SELECT id, source, at, state, reason, lead(at) OVER (PARTITION BY source ORDER BY id) AS ends
             FROM availability WHERE $1::TEXT IS NULL OR source = $1) AS spell
         WHERE at < $3 AND (ends IS NULL OR ends > $2) ORDER BY source, id",
        &[&only.map(Name::as_str), &since, &until],
    )
    .await?;
    let interval = |row: &tokio_postgres::Row| StateInterval {
        source: Name::stored(row.get(0)),
        from: row.get(1),
        to: row.get(2),
        state: SourceState::parse(row.get(3)).unwrap_or(SourceState::Candidate),
        reason: row.get(4),
    };
    Ok(found.iter().map(interval).collect())
}
