//! Where sources' servers said that they moved.

use model::Name;
use rusqlite::Connection;

use super::rows::time;
use crate::StoreError;
use crate::store::Move;

pub(super) fn moves(connection: &Connection, source: &Name) -> Result<Vec<Move>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT at, moved_to FROM source_move WHERE source = ?1 ORDER BY id DESC LIMIT 100",
    )?;
    let found =
        query.query_map([source.as_str()], |row| Ok(Move { at: time(row.get(0)?), to: row.get(1)? }))?;
    Ok(found.collect::<Result<_, _>>()?)
}
