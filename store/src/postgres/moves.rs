//! Where sources' servers said that they moved.

use deadpool_postgres::Object;
use model::Name;

use super::read;
use crate::StoreError;
use crate::store::Move;

pub(super) async fn moves(client: &Object, source: &Name) -> Result<Vec<Move>, StoreError> {
    let sql = "SELECT at, moved_to FROM source_move WHERE source = $1 ORDER BY id DESC LIMIT 100";
    let found = read(client, sql, &[&source.as_str()]).await?;
    Ok(found.iter().map(|row| Move { at: row.get(0), to: row.get(1) }).collect())
}
