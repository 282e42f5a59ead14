//! The data folder: `store.db`, `schedule.db`, and a lock file for the node that runs on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::Settings;
use scheduler::Schedule;
use store::{Store, StoreError};

use crate::terminal::failure::Failure;

/// An open data folder.
pub(crate) struct DataFolder {
    pub(crate) path: PathBuf,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schedule: Arc<dyn Schedule>,
}

impl DataFolder {
    /// Opens the folder. Creates a missing one.
    pub(crate) fn create(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.store.data;
        std::fs::create_dir_all(path).map_err(|error| {
            Failure::failed(format!("could not create the data folder {}: {error}", path.display()))
                .hint("choose another folder with --data DIR")
        })?;
        Self::open_files(settings)
    }

    /// Opens an existing folder.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Self> {
        Self::check_exists(&settings.store.data)?;
        Self::open_files(settings)
    }

    /// Opens an existing folder for reading, even if it is not writable: on a full disk, in a mounted backup, in another
    /// user's folder. Creates no files there.
    pub(crate) fn open_read_only(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.store.data;
        Self::check_exists(path)?;
        let file = path.join("store.db");
        let describe =
            |error: StoreError| Failure::failed(format!("cannot open {}: {error}", file.display()));
        if path.join("schedule.db").exists() {
            match store::Sqlite::open(&file, settings.store.history) {
                Ok(_) => return Self::open_files(settings),
                Err(StoreError::ReadOnly(_) | StoreError::Full(_) | StoreError::Disk(_)) => (),
                Err(error) => return Err(describe(error).into()),
            }
        }
        let store = store::Sqlite::open_read_only(&file, settings.store.history).map_err(describe)?;
        // The schedule can be rebuilt from the store. An empty one is enough to read the store.
        let schedule = Arc::new(scheduler::InMemory::default());
        Ok(Self { path: path.clone(), store: Arc::new(store), schedule })
    }

    fn check_exists(path: &Path) -> anyhow::Result<()> {
        if path.join("store.db").exists() {
            return Ok(());
        }
        Err(Failure::not_found(format!("no data in {}", path.display()))
            .hint(
                "declare sources and topics with `qyran apply -f DIR`, or choose the folder with --data DIR",
            )
            .into())
    }

    fn open_files(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.store.data;
        let in_file = |file: &str, error: String| {
            Failure::failed(format!("cannot open {}: {error}", path.join(file).display()))
        };
        let store = store::Sqlite::open(&path.join("store.db"), settings.store.history)
            .map_err(|error| in_file("store.db", error.to_string()))?;
        let schedule = scheduler::Sqlite::open(&path.join("schedule.db")).map_err(|error| {
            in_file("schedule.db", error.to_string())
                .hint("if the file is damaged, move it away: the schedule is rebuilt from the store")
        })?;
        Ok(Self { path: path.clone(), store: Arc::new(store), schedule: Arc::new(schedule) })
    }

    /// Locks the folder against other nodes, until the lock is dropped or the process ends. Fails if another process holds
    /// the lock.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Lock> {
        let file = path.join("lock");
        let describe =
            |error: std::io::Error| Failure::failed(format!("cannot open {}: {error}", file.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&file).map_err(describe)?;
        match lock.try_lock() {
            Ok(()) => {
                lock.set_len(0).map_err(describe)?;
                writeln!(lock, "{}", std::process::id()).map_err(describe)?;
                Ok(Lock { _file: lock })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // For the message only: the holder may not have written its process number yet.
                let _ = lock.read_to_string(&mut holder);
                let process = if holder.trim().is_empty() {
                    String::new()
                } else {
                    format!(" (pid {})", holder.trim())
                };
                Err(Failure::failed(format!("another qyran runs on {}{process}", path.display()))
                    .hint("stop it first, or choose another folder with --data DIR; all other commands work while it runs")
                    .into())
            }
            Err(TryLockError::Error(error)) => Err(describe(error).into()),
        }
    }
}

/// The lock of a node on a folder. The operating system releases it when the process ends, even by a crash.
pub(crate) struct Lock {
    _file: File,
}
