//! Settings: how this node runs. The annotated `config/qyran.toml` shows every one with its default.
//!
//! Order of authority: built-in default, file, environment (`QYRAN_FETCH_DELAY=2s` is
//! `fetch.delay`), command-line flag.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::websub::WebSubSettings;
use crate::{Bytes, nearest};

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The door to the network.
    pub fetch: FetchSettings,
    /// Polling.
    pub poll: PollSettings,
    /// How much is done at once.
    pub run: RunSettings,
    /// What is kept.
    pub store: StoreSettings,
    /// What a cluster's nodes share.
    pub schedule: ScheduleSettings,
    /// Hubs that tell what is new.
    pub websub: WebSubSettings,
    /// This node of a cluster.
    pub node: NodeSettings,
    /// Clusters by name, for `--context`.
    pub context: BTreeMap<String, ContextSettings>,
    /// Logging.
    pub log: LogSettings,
}

/// The door to the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchSettings {
    /// Address of a page or mailbox where site owners reach the operator; part of `User-Agent`.
    pub contact: String,
    /// Product token: named in `User-Agent` and looked for in robots.txt.
    pub agent: String,
    /// Delay between two exchanges with a host where the source and robots.txt ask for no longer one.
    #[serde(with = "crate::duration")]
    pub delay: Duration,
    /// The longest `Crawl-delay` that is honoured to the letter; longer ones count as this.
    #[serde(with = "crate::duration")]
    pub max_crawl_delay: Duration,
    /// Until a connection stands.
    #[serde(with = "crate::duration")]
    pub connect_timeout: Duration,
    /// Until the response begins.
    #[serde(with = "crate::duration")]
    pub first_byte_timeout: Duration,
    /// Until the response is whole.
    #[serde(with = "crate::duration")]
    pub total_timeout: Duration,
    /// Largest body on the wire.
    pub max_wire_bytes: Bytes,
    /// Largest body once decoded.
    pub max_decoded_bytes: Bytes,
    /// Address ranges that the guard lets through although they are not public.
    pub allow_addresses: Vec<AddressRange>,
    /// Host names pinned to addresses.
    pub resolve: BTreeMap<String, IpAddr>,
    /// A proxy for all requests; none where empty.
    pub proxy: String,
    /// A folder of files, one for each token that a source names; none where empty.
    pub tokens: PathBuf,
}

/// Polling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollSettings {
    /// First wait after a failed poll; it grows with each further failure.
    #[serde(with = "crate::duration")]
    pub backoff: Duration,
    /// The longest wait after failed polls.
    #[serde(with = "crate::duration")]
    pub max_backoff: Duration,
    /// The longest Retry-After that is honoured to the letter; longer ones count as this.
    #[serde(with = "crate::duration")]
    pub max_retry_after: Duration,
}

/// How much is done at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSettings {
    /// Hosts visited at the same time.
    pub hosts: usize,
    /// Exchanges whose bodies may be in memory at once: the node's memory bound.
    pub credits: usize,
    /// Article pages of one source fetched in one turn.
    pub pages: usize,
    /// A host's lease; a crashed node's hosts are free after it.
    #[serde(with = "crate::duration")]
    pub lease: Duration,
    /// Work without progress for this long is stopped and counted as a crash.
    #[serde(with = "crate::duration")]
    pub stuck_after: Duration,
    /// Time for finishing what was begun once the node is told to stop.
    #[serde(with = "crate::duration")]
    pub drain: Duration,
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The data folder.
    pub data: PathBuf,
    /// Address of a PostgreSQL database, or `file:///PATH` of a file that holds it; none where empty, and the
    /// data folder is the store.
    pub url: String,
    /// Items first seen longer ago than this are removed; `0s` keeps all.
    #[serde(with = "crate::duration")]
    pub retention: Duration,
    /// Lines of history kept for each source.
    pub history: usize,
}

/// What a cluster's nodes share: which host next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSettings {
    /// Address of a Redis, or `file:///PATH` of a file that holds it; none where empty, and the data folder has
    /// the schedule.
    pub url: String,
    /// The beginning of every key: clusters with different ones share a Redis.
    pub space: String,
}

/// This node of a cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// The node's name; the machine's name and the process's number where empty.
    pub name: String,
    /// Where metrics and probes are served, as `127.0.0.1:9090`; nowhere where empty.
    pub listen: String,
}

/// A cluster, as commands reach it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextSettings {
    /// `store.url`.
    pub store: String,
    /// `schedule.url`.
    pub schedule: String,
    /// `schedule.space`; the default one where empty.
    pub space: String,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,crawler=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            contact: String::new(),
            agent: "Qyran".to_owned(),
            delay: Duration::from_secs(2),
            max_crawl_delay: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_secs(60),
            max_wire_bytes: Bytes(16 << 20),
            max_decoded_bytes: Bytes(32 << 20),
            allow_addresses: Vec::new(),
            resolve: BTreeMap::new(),
            proxy: String::new(),
            tokens: PathBuf::new(),
        }
    }
}

impl Default for PollSettings {
    fn default() -> Self {
        Self {
            backoff: Duration::from_secs(60),
            max_backoff: Duration::from_secs(86_400),
            max_retry_after: Duration::from_secs(86_400),
        }
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            hosts: 128,
            credits: 64,
            pages: 50,
            lease: Duration::from_secs(120),
            stuck_after: Duration::from_secs(180),
            drain: Duration::from_secs(20),
        }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("qyran-data"),
            url: String::new(),
            retention: Duration::from_secs(180 * 86_400),
            history: 200,
        }
    }
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self { url: String::new(), space: "qyran".to_owned() }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "warn".to_owned(), format: "text".to_owned() }
    }
}

/// A range of addresses: `127.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// The network's address.
    pub network: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl AddressRange {
    /// Whether an address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let ((network, width), (given, other_width)) = (bits(self.network), bits(address));
        let shift = 128 - u32::from(self.prefix);
        width == other_width
            && network.checked_shr(shift).unwrap_or(0) == given.checked_shr(shift).unwrap_or(0)
    }
}

impl std::str::FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address range; write 127.0.0.0/8 or a single address");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let network: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), |p| p.parse().map_err(|_| wrong()))?;
        if prefix > width { Err(wrong()) } else { Ok(Self { network, prefix }) }
    }
}

impl std::fmt::Display for AddressRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl Serialize for AddressRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why settings could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file does not say what settings say.
    #[error("{}: {message}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// With line and column.
        message: String,
    },
    /// An environment variable does not.
    #[error("environment variable {name}: {message}")]
    Environment {
        /// Which variable.
        name: String,
        /// Why.
        message: String,
    },
    /// A value that is readable and makes no sense.
    #[error("{0}")]
    Value(String),
}

/// What tokens of sources begin with: secrets, which are no settings.
const TOKENS: &str = "QYRAN_TOKEN_";
/// Variables that are read elsewhere.
const OTHER_VARIABLES: &[&str] = &["QYRAN_CONFIG", "QYRAN_CONTEXT", "QYRAN_DATA"];

impl Settings {
    /// Settings from an optional file and the environment.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut table = match file {
            None => Table::new(),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| SettingsError::Read { file: file.to_path_buf(), error })?;
                let wrong = |message: String| SettingsError::File { file: file.to_path_buf(), message };
                // Typed first: only then do messages carry line and column.
                toml::from_str::<Self>(&text).map_err(|error| wrong(error.to_string()))?;
                text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?
            }
        };
        for (name, value) in environment {
            let is_token = name.starts_with(TOKENS);
            if name.starts_with("QYRAN_") && !is_token && !OTHER_VARIABLES.contains(&name.as_str()) {
                overlay(&mut table, &name, &value)?;
            }
        }
        let settings: Self =
            table.try_into().map_err(|error: toml::de::Error| SettingsError::Value(error.to_string()))?;
        settings.validated()
    }

    /// Takes the addresses of one of the clusters that the settings name.
    pub fn in_context(mut self, name: &str) -> Result<Self, SettingsError> {
        let Some(context) = self.context.get(name).cloned() else {
            let known: Vec<&str> = self.context.keys().map(String::as_str).collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None if known.is_empty() => "the settings name none".to_owned(),
                None => format!("there are {}", known.join(", ")),
            };
            return Err(SettingsError::Value(format!("there is no context {name:?}; {hint}")));
        };
        self.store.url = context.store;
        self.schedule.url = context.schedule;
        if !context.space.is_empty() {
            self.schedule.space = context.space;
        }
        Ok(self)
    }

    /// Whether all values make sense together.
    pub fn validated(self) -> Result<Self, SettingsError> {
        let fetch = &self.fetch;
        let wrong = if fetch.agent.is_empty()
            || !fetch.agent.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'))
        {
            "fetch.agent must be letters, '-' and '_' (RFC 9309 §2.2.1)"
        } else if fetch.contact.chars().any(|c| c.is_control() || !c.is_ascii()) {
            "fetch.contact must be plain ASCII"
        } else if self.run.hosts == 0 || self.run.credits == 0 || self.run.pages == 0 {
            "run.hosts, run.credits and run.pages must be at least 1"
        } else if self.run.hosts > MOST || self.run.credits > MOST || self.run.pages > MOST {
            "run.hosts, run.credits and run.pages must be at most 1000000"
        } else if !is_level(&self.log.level) {
            "log.level must be error, warn, info, debug, trace or off, or directives such as info,crawler=debug"
        } else if self.run.lease < fetch.total_timeout + fetch.connect_timeout {
            "run.lease must be longer than fetch.total_timeout and fetch.connect_timeout together"
        } else if self.run.stuck_after <= fetch.total_timeout {
            "run.stuck_after must be longer than fetch.total_timeout"
        } else if self.store.url.is_empty() != self.schedule.url.is_empty() {
            "store.url and schedule.url go together: a cluster needs both, a data folder neither"
        } else if !is_space(&self.schedule.space) {
            "schedule.space must be letters, digits, '-', '_' and '.'"
        } else if !self.node.listen.is_empty() && self.node.listen.parse::<SocketAddr>().is_err() {
            "node.listen must be an address and a port, as 127.0.0.1:9090"
        } else if !self.websub.listen.is_empty() && self.websub.listen == self.node.listen {
            "node.listen and websub.listen must be two addresses: the one is for monitoring, the other for strangers"
        } else if let Some(wrong) = self.websub.wrong() {
            wrong
        } else if !matches!(self.log.format.as_str(), "text" | "json") {
            "log.format must be text or json"
        } else {
            return Ok(self);
        };
        Err(SettingsError::Value(wrong.to_owned()))
    }
}

/// More at once is a slip of the finger.
const MOST: usize = 1_000_000;

/// What keys may begin with: no braces, which place keys in a Redis Cluster.
fn is_space(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A level, or directives of which each bare word is one: another word would name a target, and silence all.
fn is_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    text.split(',').all(|part| part.contains('=') || LEVELS.contains(&part.trim().to_lowercase().as_str()))
}

/// Lays one variable over the table: the default's type says how its text is read.
fn overlay(table: &mut Table, name: &str, text: &str) -> Result<(), SettingsError> {
    let wrong = |message: String| SettingsError::Environment { name: name.to_owned(), message };
    let defaults = Table::try_from(Settings::default()).map_err(|error| wrong(error.to_string()))?;
    let mut known = Vec::new();
    // Contexts have names of their own: they are written in a file.
    for (section, keys) in defaults.iter().filter(|(section, _)| *section != "context") {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let variable = format!("QYRAN_{section}_{key}").to_uppercase();
            if variable == name {
                let value = match value {
                    Value::String(_) => Value::String(text.to_owned()),
                    _ => format!("v = {text}")
                        .parse::<Table>()
                        .ok()
                        .and_then(|mut table| table.remove("v"))
                        .ok_or_else(|| wrong(format!("{text:?} is not a TOML value")))?,
                };
                let inner = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
                if let Some(inner) = inner.as_table_mut() {
                    inner.insert(key.clone(), value);
                }
                return Ok(());
            }
            known.push(variable);
        }
    }
    let hint = nearest(name, known.iter().map(String::as_str))
        .map_or(String::new(), |near| format!("; did you mean {near}?"));
    Err(wrong(format!("no such setting{hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_annotated_file_says_exactly_the_defaults() {
        let annotated: Settings = toml::from_str(include_str!("../qyran.toml")).unwrap();
        assert_eq!(annotated, Settings::default());
        let all = Table::try_from(Settings::default()).unwrap();
        let file: Table = include_str!("../qyran.toml").parse().unwrap();
        for (section, keys) in &all {
            for key in keys.as_table().unwrap().keys() {
                assert!(file[section].as_table().unwrap().contains_key(key), "{section}.{key} is not shown");
            }
        }
    }

    #[test]
    fn the_environment_overrides_and_typos_are_told() {
        let settings = Settings::load(
            None,
            env(&[("QYRAN_FETCH_DELAY", "5s"), ("QYRAN_RUN_HOSTS", "7"), ("HOME", "/")]),
        )
        .unwrap();
        assert_eq!((settings.fetch.delay, settings.run.hosts), (Duration::from_secs(5), 7));
        let ranges =
            Settings::load(None, env(&[("QYRAN_FETCH_ALLOW_ADDRESSES", "['127.0.0.0/8']")])).unwrap();
        assert!(ranges.fetch.allow_addresses[0].contains("127.9.9.9".parse().unwrap()));
        let error = Settings::load(None, env(&[("QYRAN_FETCH_DELLAY", "5s")])).unwrap_err();
        assert!(error.to_string().contains("did you mean QYRAN_FETCH_DELAY?"), "{error}");
        assert!(Settings::load(None, env(&[("QYRAN_RUN_HOSTS", "many")])).is_err());
        assert!(Settings::load(None, env(&[("QYRAN_FETCH_AGENT", "a b")])).is_err());
        assert!(Settings::load(None, env(&[("QYRAN_LOG_LEVEL", "wran")])).is_err());
        assert!(Settings::load(None, env(&[("QYRAN_LOG_LEVEL", "info,crawler=debug")])).is_ok());
        assert!(Settings::load(None, env(&[("QYRAN_RUN_CREDITS", "9000000000000000000")])).is_err());
    }

    #[test]
    fn ranges_hold_what_they_say() {
        for (range, address, inside) in [
            ("127.0.0.0/8", "127.255.0.1", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("10.0.0.5", "10.0.0.5", true),
            ("10.0.0.5", "10.0.0.6", false),
            ("::1", "::1", true),
            ("0.0.0.0/0", "::1", false),
        ] {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{range} {address}");
        }
        assert!("127.0.0.0/33".parse::<AddressRange>().is_err());
    }

    #[test]
    fn contexts_are_taken_by_name() {
        let text = "[context.kz]\nstore = 'postgres://db/q'\nschedule = 'redis://r'\nspace = 'kz'";
        let settings: Settings = toml::from_str(text).unwrap();
        let kz = settings.clone().in_context("kz").unwrap().validated().unwrap();
        assert_eq!((kz.store.url.as_str(), kz.schedule.space.as_str()), ("postgres://db/q", "kz"));
        let error = settings.in_context("kx").unwrap_err().to_string();
        assert!(error.contains("did you mean kz?"), "{error}");
    }

    #[test]
    fn a_cluster_needs_both_addresses() {
        let half = Settings::load(None, env(&[("QYRAN_STORE_URL", "postgres://db/q")])).unwrap_err();
        assert!(half.to_string().contains("schedule.url"), "{half}");
        assert!(Settings::load(None, env(&[("QYRAN_SCHEDULE_SPACE", "a{b}")])).is_err());
        assert!(Settings::load(None, env(&[("QYRAN_NODE_LISTEN", "9090")])).is_err());
        assert!(Settings::load(None, env(&[("QYRAN_NODE_LISTEN", "127.0.0.1:9090")])).is_ok());
    }
}
