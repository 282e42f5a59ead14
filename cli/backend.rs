//! The store and the schedule that a command uses: those of a data folder, or PostgreSQL and Redis of a cluster.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use config::Settings;
use model::DisabledProtections;
use scheduler::{Address, Redis, Schedule};
use store::{Postgres, Store};

use crate::data_folder::DataFolder;
use crate::global::Global;
use crate::terminal::failure::Failure;

/// An open store and schedule.
pub(crate) struct Backend {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schedule: Arc<dyn Schedule>,
    pub(crate) location: Location,
    /// The name of the node under which this process takes leases.
    pub(crate) node: String,
}

/// The location of the data.
pub(crate) enum Location {
    Folder(PathBuf),
    Cluster { store: String, schedule: String },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Cluster { store, schedule } => write!(f, "{store}, scheduled by {schedule}"),
        }
    }
}

impl Backend {
    /// Opens the backend for a node. Creates the data folder if it does not exist, and rejects a Redis server that
    /// would lose leases.
    pub(crate) async fn open_for_node(
        global: &Global,
        disabled: &DisabledProtections,
    ) -> anyhow::Result<Self> {
        if !is_cluster(&global.settings) {
            return Ok(DataFolder::create(&global.settings)?.into());
        }
        let (name, clock) = (node_name(global), global.clock.clone());
        let space = &global.settings.schedule.space;
        let redis = Redis::connect(schedule_address(&global.settings)?, space, &name, clock).await?;
        let redis = redis.without(disabled);
        Self::cluster(&global.settings, redis, name).await
    }

    /// Opens the backend for declarations. Creates the data folder if it does not exist.
    pub(crate) async fn create(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::connect(global).await,
            false => Ok(DataFolder::create(&global.settings)?.into()),
        }
    }

    /// Opens an existing backend for changes.
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::connect(global).await,
            false => Ok(DataFolder::open(&global.settings)?.into()),
        }
    }

    /// Opens an existing backend for reading.
    pub(crate) async fn open_read_only(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::connect(global).await,
            false => Ok(DataFolder::open_read_only(&global.settings)?.into()),
        }
    }

    /// Opens the backend of a cluster, for commands that a data folder does not support.
    pub(crate) async fn open_cluster(global: &Global) -> anyhow::Result<Self> {
        Self::require_cluster(global)?;
        Self::connect(global).await
    }

    /// Fails if the settings name no cluster, or if its addresses are invalid.
    pub(crate) fn require_cluster(global: &Global) -> anyhow::Result<()> {
        if is_cluster(&global.settings) {
            return schedule_address(&global.settings).map(drop);
        }
        Err(Failure::usage("this command needs a cluster, but the settings name a data folder")
            .hint("name one with --store URL --schedule URL, or --context NAME")
            .into())
    }

    /// Returns true if there is a cluster, or a data folder with a store.
    pub(crate) fn exists(global: &Global) -> bool {
        is_cluster(&global.settings) || global.settings.store.data.join("store.db").exists()
    }

    /// Connects to the cluster. Redis is connected on its first use, since many commands do not need it.
    async fn connect(global: &Global) -> anyhow::Result<Self> {
        let (name, clock) = (node_name(global), global.clock.clone());
        let space = &global.settings.schedule.space;
        let redis = Redis::at(schedule_address(&global.settings)?, space, &name, clock);
        Self::cluster(&global.settings, redis, name).await
    }

    async fn cluster(settings: &Settings, redis: Redis, node: String) -> anyhow::Result<Self> {
        let postgres = Postgres::connect(&store_address(settings)?, settings.store.history).await?;
        let location = Location::Cluster {
            store: postgres.server().to_owned(),
            schedule: format!("Redis at {}", schedule_address(settings)?),
        };
        Ok(Self { store: Arc::new(postgres), schedule: Arc::new(redis), location, node })
    }
}

impl From<DataFolder> for Backend {
    fn from(folder: DataFolder) -> Self {
        let DataFolder { path, store, schedule } = folder;
        // The lock of a data folder admits one node, which takes its own leases back after a crash.
        Self { store, schedule, location: Location::Folder(path), node: "local".to_owned() }
    }
}

/// Returns true if the settings name a cluster.
pub(crate) fn is_cluster(settings: &Settings) -> bool {
    !settings.store.url.is_empty()
}

/// Returns the address of the PostgreSQL database.
pub(crate) fn store_address(settings: &Settings) -> anyhow::Result<String> {
    address("store", &settings.store.url)
}

fn schedule_address(settings: &Settings) -> anyhow::Result<Address> {
    let text = address("schedule", &settings.schedule.url)?;
    text.parse().map_err(|error: scheduler::AddressError| {
        Failure::usage(format!("invalid schedule address: {error}"))
            .hint("--schedule redis://HOST, redis+sentinel://HOST,HOST/NAME or redis+cluster://HOST,HOST")
            .into()
    })
}

/// Returns an address. `file://PATH` names a file that contains it, so that a password need not be in a flag.
fn address(what: &str, text: &str) -> anyhow::Result<String> {
    let Some(path) = text.strip_prefix("file://") else { return Ok(text.to_owned()) };
    let read = std::fs::read_to_string(path)
        .map_err(|error| Failure::failed(format!("cannot read the {what} address from {path}: {error}")))?;
    Ok(read.trim().to_owned())
}

/// Returns the name of the node with its start time, so that it does not take over the leases of an earlier process with
/// the same name.
fn node_name(global: &Global) -> String {
    let name = match global.settings.node.name.as_str() {
        "" => format!("{}-{}", host_name(), std::process::id()),
        name => name.to_owned(),
    };
    format!("{name}~{:x}", global.clock.now().as_millisecond())
}

pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "node".to_owned(),
        name => name.to_owned(),
    }
}
