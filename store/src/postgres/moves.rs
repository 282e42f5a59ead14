//! Where sources' servers said that they moved.

use deadpool_postgres::Object;
use model::Name;

use super::read;
use crate::StoreError;
use crate::store::Move;

pub(super) async fn moves(client: &Object, source: &Name) -> Result<Vec<Move>, StoreError> {
    // A database of the version before keeps no record of it.
    if !client.query_one("SELECT to_regclass('source_move') IS NOT NULL", &[]).await?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let sql = "SELECT at, moved_to FROM source_move WHERE source = $1 ORDER BY id DESC LIMIT 100";
    let found = read(client, sql, &[&source.as_str()]).await?;
    Ok(found.iter().map(|row| Move { at: row.get(0), to: row.get(1) }).collect())
}
