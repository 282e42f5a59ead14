//! Where everything is kept: a data folder, or the PostgreSQL and the Redis of a cluster.

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

/// What a command works on.
pub(crate) struct Backend {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schedule: Arc<dyn Schedule>,
    pub(crate) place: Place,
    /// Whose leases these are, if this process takes any.
    pub(crate) node: String,
}

/// Where it is.
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
    pub(crate) async fn to_run(global: &Global, disabled: &DisabledProtections) -> anyhow::Result<Self> {
        if !is_cluster(&global.settings) {
            return Ok(DataFolder::create(&global.settings)?.into());
        }
        let (name, clock) = (node_name(global), global.clock.clone());
        let space = &global.settings.schedule.space;
        let redis = Redis::connect(schedule_address(&global.settings)?, space, &name, clock).await?;
        let redis = redis.without(disabled);
        Self::cluster(&global.settings, redis, name).await
    }

    /// To declare objects: begins a data folder where there is none.
    pub(crate) async fn create(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::reached(global).await,
            false => Ok(DataFolder::create(&global.settings)?.into()),
        }
    }

    /// To change something that is there.
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::reached(global).await,
            false => Ok(DataFolder::open(&global.settings)?.into()),
        }
    }

    /// To look at something that is there.
    pub(crate) async fn to_read(global: &Global) -> anyhow::Result<Self> {
        match is_cluster(&global.settings) {
            true => Self::reached(global).await,
            false => Ok(DataFolder::to_read(&global.settings)?.into()),
        }
    }

    /// A cluster, for what a data folder has not.
    pub(crate) async fn of_cluster(global: &Global) -> anyhow::Result<Self> {
        Self::check_is_cluster(global)?;
        Self::reached(global).await
    }

    /// Whether it is a cluster that is named at all, and by addresses that are some.
    pub(crate) fn check_is_cluster(global: &Global) -> anyhow::Result<()> {
        if is_cluster(&global.settings) {
            return schedule_address(&global.settings).map(drop);
        }
        Err(Failure::usage("this is about a cluster, and a data folder is none")
            .hint("name one with --store URL --schedule URL, or --context NAME")
            .into())
    }

    /// Whether there is anything to look at.
    pub(crate) fn is_there(global: &Global) -> bool {
        is_cluster(&global.settings) || global.settings.store.data.join("store.db").exists()
    }

    /// A cluster whose Redis is connected to when it is first needed: many commands never need it.
    async fn reached(global: &Global) -> anyhow::Result<Self> {
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
        // One node a data folder (its lock sees to that): it takes its own leases back after a crash.
        Self { store, schedule, place: Place::Folder(path), node: "local".to_owned() }
    }
}

/// Whether addresses of a cluster are given.
pub(crate) fn is_cluster(settings: &Settings) -> bool {
    !settings.store.url.is_empty()
}

/// The address of the PostgreSQL database.
pub(crate) fn store_address(settings: &Settings) -> anyhow::Result<String> {
    address("store", &settings.store.url)
}

fn schedule_address(settings: &Settings) -> anyhow::Result<Address> {
    let text = address("schedule", &settings.schedule.url)?;
    text.parse().map_err(|error: scheduler::AddressError| {
        Failure::usage(format!("the schedule's address: {error}"))
            .hint("--schedule redis://HOST, redis+sentinel://HOST,HOST/NAME or redis+cluster://HOST,HOST")
            .into()
    })
}

/// An address, or what the file holds that it names: a password need not stand in a flag.
fn address(what: &str, text: &str) -> anyhow::Result<String> {
    let Some(path) = text.strip_prefix("file://") else { return Ok(text.to_owned()) };
    let read = std::fs::read_to_string(path).map_err(|error| {
        Failure::failed(format!("the {what}'s address is to be read from {path}: {error}"))
    })?;
    Ok(read.trim().to_owned())
}

/// The node's name, and when it began: what an earlier process of this name held is not taken for its own.
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
