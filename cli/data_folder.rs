//! The data folder: `store.db`, `schedule.db`, and a lock for whoever runs a node on it.

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
    /// Opens the folder, beginning it where there is none.
    pub(crate) fn create(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.store.data;
        std::fs::create_dir_all(path).map_err(|error| {
            Failure::failed(format!("the data folder {} cannot be made: {error}", path.display()))
                .hint("name another one with --data DIR")
        })?;
        Self::open_files(settings)
    }

    /// Opens a folder that is there.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Self> {
        Self::check_there(&settings.store.data)?;
        Self::open_files(settings)
    }

    /// Opens a folder that is there, to look at it: also where nothing can be written, as on a full disk,
    /// in a mounted backup, in another user's folder. Nothing is made there.
    pub(crate) fn to_read(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.store.data;
        Self::check_there(path)?;
        let file = path.join("store.db");
        let told = |error: StoreError| Failure::failed(format!("{}: {error}", file.display()));
        if path.join("schedule.db").exists() {
            match store::Sqlite::open(&file, settings.store.history) {
                Ok(_) => return Self::open_files(settings),
                Err(StoreError::ReadOnly(_) | StoreError::Full(_) | StoreError::Disk(_)) => (),
                Err(error) => return Err(told(error).into()),
            }
        }
        let store = store::Sqlite::open_read_only(&file, settings.store.history).map_err(told)?;
        // What a schedule holds can be rebuilt; for looking at what is stored, an empty one does.
        let schedule = Arc::new(scheduler::InMemory::default());
        Ok(Self { path: path.clone(), store: Arc::new(store), schedule })
    }

    fn check_there(path: &Path) -> anyhow::Result<()> {
        if path.join("store.db").exists() {
            return Ok(());
        }
        Err(Failure::not_found(format!("there is no data in {}", path.display()))
            .hint("declare sources and topics with `qyran apply -f DIR`, or name the folder with --data DIR")
            .into())
    }

    fn open_files(settings: &Settings) -> anyhow::Result<Self> {
        let path = &settings.store.data;
        let named =
            |file: &str, error: String| Failure::failed(format!("{}: {error}", path.join(file).display()));
        let store = store::Sqlite::open(&path.join("store.db"), settings.store.history)
            .map_err(|error| named("store.db", error.to_string()))?;
        let schedule = scheduler::Sqlite::open(&path.join("schedule.db")).map_err(|error| {
            named("schedule.db", error.to_string())
                .hint("if the file is damaged, move it away: a schedule is rebuilt from the store")
        })?;
        Ok(Self { path: path.clone(), store: Arc::new(store), schedule: Arc::new(schedule) })
    }

    /// Keeps every other node off the folder until the lock is dropped or the process ends.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Lock> {
        let file = path.join("lock");
        let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", file.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&file).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                lock.set_len(0).map_err(failed)?;
                writeln!(lock, "{}", std::process::id()).map_err(failed)?;
                Ok(Lock { _file: lock })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: a holder that has not written its number yet is unknown.
                let _ = lock.read_to_string(&mut holder);
                let who = if holder.trim().is_empty() {
                    String::new()
                } else {
                    format!(" (pid {})", holder.trim())
                };
                Err(Failure::failed(format!("another qyran runs on {}{who}", path.display()))
                    .hint("stop it first, or name another folder with --data DIR; all other commands work meanwhile")
                    .into())
            }
            Err(TryLockError::Error(error)) => Err(failed(error).into()),
        }
    }
}

/// The right to run a node on a folder. The system takes it back when the process ends, however it ends.
pub(crate) struct Lock {
    _file: File,
}
