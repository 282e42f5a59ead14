//! Tests of backups, and of full disks and damaged, newer and unwritable files.

use super::*;

#[tokio::test]
async fn a_backup_is_a_complete_store() {
    let (folder, store) = sqlite_file().await;
    save(&store, &[harvest(1, vec![finding("1", "сөз", DAY1, &["t"])])]).await;
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    assert_eq!(Sqlite::open(&copy, 3).unwrap().totals().await.unwrap(), store.totals().await.unwrap());
}

#[tokio::test]
async fn a_full_disk_is_reported_and_loses_nothing() {
    let (_folder, store) = sqlite_file().await;
    store.limit_pages(60);
    let version = store.objects_version().await.unwrap();
    let big = "сөз ".repeat(200_000);
    let error =
        store.save(&vec![harvest(1, vec![finding("1", &big, DAY1, &[])])].into(), version).await.unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    store.limit_pages(100_000);
    assert_eq!(save(&store, &[harvest(1, vec![finding("1", "сөз", DAY1, &[])])]).await[0].new_items, 1);
}

#[tokio::test]
async fn damaged_newer_and_unwritable_files_give_different_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, "this is not a database, but it is long enough to be read as one".repeat(100))
        .unwrap();
    assert!(matches!(Sqlite::open(&path, 3), Err(StoreError::Damaged(_))));
    let newer = folder.path().join("newer.db");
    drop(Sqlite::open(&newer, 3).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Sqlite::open(&newer, 3), Err(StoreError::Version { actual: 99, .. })));
    assert!(matches!(
        Sqlite::open(&folder.path().join("no/such/folder.db"), 3),
        Err(StoreError::ReadOnly(_))
    ));
}
