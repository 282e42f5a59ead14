//! The store and the schedule of a command: a data folder, or the PostgreSQL and the Redis of a cluster.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use config::Settings;
use scheduler::{Address, Redis, Schedule};
use store::{Postgres, Store};

use crate::data_folder::DataFolder;
use crate::global::Global;
use crate::terminal::failure::Failure;

/// The store and the schedule that a command works on.
pub(crate) struct Backend {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schedule: Arc<dyn Schedule>,
    pub(crate) place: Place,
    /// The node name under which this process takes leases, if it takes any.
    pub(crate) node: String,
}

/// What tests switch off, to show what it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protection {
    /// A node ends its work when its lease ends.
    Deadline,
    /// A harvest that cannot be stored is kept until it can, and fetching stops meanwhile.
    Retry,
    /// What a harvest holds and what is remembered of its source are stored together or not at all.
    Transaction,
    /// A Redis that may not know every lease hands out nothing for a while.
    Embargo,
    /// A master that still answers is left when Sentinels name another.
    Following,
    /// A node that is told to stop ends what it began and hands its hosts over.
    Drain,
}

/// The location of the store and the schedule.
pub(crate) enum Place {
    Folder(PathBuf),
    Cluster { store: String, schedule: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Cluster { store, schedule } => write!(f, "{store}, scheduled by {schedule}"),
        }
    }
}

impl Backend {
    /// To run a node: begins a data folder where there is none, and refuses a Redis that would lose leases.
    pub(crate) async fn to_run(global: &Global, without: &[Protection]) -> anyhow::Result<Self> {
        if !is_cluster(&global.settings) {
            return Ok(DataFolder::create(&global.settings)?.into());
        }
        let (name, clock) = (node_name(global), global.clock.clone());
        let space = &global.settings.schedule.space;
        let redis = Redis::connect(schedule_address(&global.settings)?, space, &name, clock).await?;
        let redis = if without.contains(&Protection::Embargo) { redis.without_embargo() } else { redis };
        let redis = if without.contains(&Protection::Following) { redis.without_following() } else { redis };
        Self::cluster(&global.settings, redis, name).await
    }

    /// Opens the backend for declaring objects. Creates a missing data folder.
    pub(crate) async fn create(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::open_cluster(global).await,
            false => Ok(DataFolder::create(&global.settings)?.into()),
        }
    }

    /// Opens an existing backend for changes. Fails if the data folder holds no data.
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::open_cluster(global).await,
            false => Ok(DataFolder::open(&global.settings)?.into()),
        }
    }

    /// Opens an existing backend for reading. Fails if the data folder holds no data.
    pub(crate) async fn to_read(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::open_cluster(global).await,
            false => Ok(DataFolder::to_read(&global.settings)?.into()),
        }
    }

    /// Opens a cluster, for commands that do not support a data folder. Fails if no cluster is configured.
    pub(crate) async fn of_cluster(global: &Global) -> anyhow::Result<Self> {
        Self::check_is_cluster(global)?;
        Self::open_cluster(global).await
    }

    /// Fails if no cluster is configured, or if the address of its schedule is invalid.
    pub(crate) fn check_is_cluster(global: &Global) -> anyhow::Result<()> {
        if is_cluster(&global.settings) {
            return schedule_address(&global.settings).map(drop);
        }
        Err(Failure::usage("this command needs a cluster, not a data folder")
            .hint("name a cluster with --store URL --schedule URL, or --context NAME")
            .into())
    }

    /// Returns true if a cluster is configured, or if the data folder holds a store.
    pub(crate) fn is_there(global: &Global) -> bool {
        is_cluster(&global.settings) || global.settings.store.data.join("store.db").exists()
    }

    /// Opens a cluster. Connects to its Redis on first use: many commands never need it.
    async fn open_cluster(global: &Global) -> anyhow::Result<Self> {
        let (name, clock) = (node_name(global), global.clock.clone());
        let space = &global.settings.schedule.space;
        let redis = Redis::at(schedule_address(&global.settings)?, space, &name, clock);
        Self::cluster(&global.settings, redis, name).await
    }

    async fn cluster(settings: &Settings, redis: Redis, node: String) -> anyhow::Result<Self> {
        let postgres = Postgres::connect(&store_address(settings)?, settings.store.history).await?;
        let place = Place::Cluster {
            store: postgres.server().to_owned(),
            schedule: format!("Redis at {}", schedule_address(settings)?),
        };
        Ok(Self { store: Arc::new(postgres), schedule: Arc::new(redis), place, node })
    }
}

impl From<DataFolder> for Backend {
    fn from(folder: DataFolder) -> Self {
        let DataFolder { path, store, schedule } = folder;
        // A data folder has only one node (its lock ensures that). A constant name lets that node take back its own
        // leases after a crash.
        Self { store, schedule, place: Place::Folder(path), node: "local".to_owned() }
    }
}

/// Returns true if the settings name a cluster.
pub(crate) fn is_cluster(settings: &Settings) -> bool {
    !settings.store.url.is_empty()
}

/// Returns the address of the PostgreSQL database. Fails if the address is in a file that cannot be read.
pub(crate) fn store_address(settings: &Settings) -> anyhow::Result<String> {
    address("store", &settings.store.url)
}

fn schedule_address(settings: &Settings) -> anyhow::Result<Address> {
    let text = address("schedule", &settings.schedule.url)?;
    text.parse().map_err(|error: scheduler::AddressError| {
        Failure::usage(format!("invalid schedule address: {error}"))
            .hint("use --schedule redis://HOST, redis+sentinel://HOST,HOST/NAME or redis+cluster://HOST,HOST")
            .into()
    })
}

/// Returns an address, or the content of the file that a `file://` address names: a password can stay out of flags.
fn address(role: &str, text: &str) -> anyhow::Result<String> {
    let Some(path) = text.strip_prefix("file://") else { return Ok(text.to_owned()) };
    let content = std::fs::read_to_string(path).map_err(|error| {
        Failure::failed(format!("could not read the {role} address from {path}: {error}"))
    })?;
    Ok(content.trim().to_owned())
}

/// Returns the node's name and its start time. The time keeps a process from taking the leases of an earlier process of
/// the same name for its own.
fn node_name(global: &Global) -> String {
    let name = match global.settings.node.name.as_str() {
        "" => format!("{}-{}", host_name(), std::process::id()),
        name => name.to_owned(),
    };
    format!("{name}~{:x}", global.clock.now().as_millisecond())
}

/// Returns the host name of this machine, or `node` if it is unknown.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "node".to_owned(),
        name => name.to_owned(),
    }
}
