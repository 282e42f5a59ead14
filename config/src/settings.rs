//! Settings of a node. The annotated `config/qyran.toml` contains every setting with its default.
//!
//! Settings come from four layers; each overrides the previous ones: built-in defaults, the file, the environment
//! (`QYRAN_FETCH_DELAY=2s` sets `fetch.delay`) and command-line flags.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::address_range::AddressRange;
use crate::websub::WebSubSettings;
use crate::{Bytes, nearest};

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Outgoing requests.
    pub fetch: FetchSettings,
    /// Polling.
    pub poll: PollSettings,
    /// Concurrency and leases.
    pub run: RunSettings,
    /// Storage and retention.
    pub store: StoreSettings,
    /// The schedule that the nodes of a cluster share.
    pub schedule: ScheduleSettings,
    /// Subscriptions at WebSub hubs.
    pub websub: WebSubSettings,
    /// The identity of this node in a cluster.
    pub node: NodeSettings,
    /// Clusters by name, for `--context`.
    pub context: BTreeMap<String, ContextSettings>,
    /// Logging.
    pub log: LogSettings,
}

/// Settings of outgoing requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchSettings {
    /// The address of a web page or mailbox at which site owners reach the operator. Part of `User-Agent`.
    pub contact: String,
    /// The product token: the name in `User-Agent` and in rules of robots.txt.
    pub agent: String,
    /// Minimum delay between two requests to a host. A longer delay of the source or of robots.txt takes precedence.
    #[serde(with = "crate::duration")]
    pub delay: Duration,
    /// Upper bound on the `Crawl-delay` of robots.txt. A longer one is cut to this value.
    #[serde(with = "crate::duration")]
    pub max_crawl_delay: Duration,
    /// Timeout for establishing a connection.
    #[serde(with = "crate::duration")]
    pub connect_timeout: Duration,
    /// Timeout for the first byte of a response.
    #[serde(with = "crate::duration")]
    pub first_byte_timeout: Duration,
    /// Timeout for the complete response.
    #[serde(with = "crate::duration")]
    pub total_timeout: Duration,
    /// Upper bound on the size of a response body as transferred.
    pub max_wire_bytes: Bytes,
    /// Upper bound on the size of a response body after decompression.
    pub max_decoded_bytes: Bytes,
    /// Non-public address ranges that the address guard allows.
    pub allow_addresses: Vec<AddressRange>,
    /// Fixed addresses of host names, used instead of DNS.
    pub resolve: BTreeMap<String, IpAddr>,
    /// The proxy for all requests; empty for none.
    pub proxy: String,
    /// A folder with one file per access token of sources; empty for none.
    pub tokens: PathBuf,
}

/// Settings of polling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollSettings {
    /// The delay after a failed poll. It grows with each further failure.
    #[serde(with = "crate::duration")]
    pub backoff: Duration,
    /// Upper bound on the delay after failed polls.
    #[serde(with = "crate::duration")]
    pub max_backoff: Duration,
    /// Upper bound on the `Retry-After` of a response. A longer one is cut to this value.
    #[serde(with = "crate::duration")]
    pub max_retry_after: Duration,
}

/// Settings of concurrency and leases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSettings {
    /// The number of hosts visited concurrently.
    pub hosts: usize,
    /// The number of responses held in memory at the same time, which bounds the node's memory.
    pub credits: usize,
    /// The number of article pages of one source fetched per turn.
    pub pages: usize,
    /// The lease duration of a host. The hosts of a crashed node become available after it.
    #[serde(with = "crate::duration")]
    pub lease: Duration,
    /// The time without progress after which a job is stopped and counted as a crash.
    #[serde(with = "crate::duration")]
    pub stuck_after: Duration,
    /// The time for running jobs to finish when the node shuts down.
    #[serde(with = "crate::duration")]
    pub drain: Duration,
}

/// Settings of storage and retention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The data folder.
    pub data: PathBuf,
    /// The address of a PostgreSQL database, or `file:///PATH` of a file that contains the address. If empty, the data
    /// folder is the store.
    pub url: String,
    /// The time after which items are removed, counted from the time they were first seen; `0s` keeps all items.
    #[serde(with = "crate::duration")]
    pub retention: Duration,
    /// The number of fetch history entries kept per source.
    pub history: usize,
}

/// Settings of the schedule that the nodes of a cluster share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSettings {
    /// The address of a Redis server, or `file:///PATH` of a file that contains the address. If empty, the data folder
    /// contains the schedule.
    pub url: String,
    /// The prefix of all keys. Clusters with different prefixes can share a Redis server.
    pub space: String,
}

/// Settings of a single node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// The node's name. If empty, it consists of the host name of the machine and the process ID.
    pub name: String,
    /// The address and port that serve metrics and probes, such as `127.0.0.1:9090`; empty for none.
    pub listen: String,
}

/// The addresses of a cluster, selected by `--context`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextSettings {
    /// The value of `store.url`.
    pub store: String,
    /// The value of `schedule.url`.
    pub schedule: String,
    /// The value of `schedule.space`. If empty, the setting stays unchanged.
    pub space: String,
}

/// Settings of logging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// The level: `error`, `warn`, `info`, `debug`, `trace` or `off`, or directives such as `info,crawler=debug`.
    pub level: String,
    /// The format: `text` or `json`.
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

/// The reason why settings are unusable.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings file {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        error: std::io::Error,
    },
    /// The file is not valid TOML, or contains an unknown key or a value of the wrong type.
    #[error("{}: {message}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason, with line and column.
        message: String,
    },
    /// An environment variable names no setting or has an invalid value.
    #[error("environment variable {name}: {message}")]
    Environment {
        /// The variable.
        name: String,
        /// The reason.
        message: String,
    },
    /// A value is out of range or contradicts another one.
    #[error("{0}")]
    Value(String),
}

/// Prefix of the environment variables that contain access tokens of sources. These are secrets, not settings.
const TOKEN_PREFIX: &str = "QYRAN_TOKEN_";
/// Environment variables that other code reads.
const OTHER_VARIABLES: &[&str] = &["QYRAN_CONFIG", "QYRAN_CONTEXT", "QYRAN_DATA"];

impl Settings {
    /// Loads settings from an optional file and the environment. Fails with [`SettingsError`] for an unreadable file,
    /// an unknown setting or an invalid value.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut table = match file {
            None => Table::new(),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| SettingsError::Read { file: file.to_path_buf(), error })?;
                let file_error = |message: String| SettingsError::File { file: file.to_path_buf(), message };
                // Only errors of the typed parser contain line and column, so it runs first.
                toml::from_str::<Self>(&text).map_err(|error| file_error(error.to_string()))?;
                text.parse().map_err(|error: toml::de::Error| file_error(error.to_string()))?
            }
        };
        for (name, value) in environment {
            let is_token = name.starts_with(TOKEN_PREFIX);
            if name.starts_with("QYRAN_") && !is_token && !OTHER_VARIABLES.contains(&name.as_str()) {
                apply_variable(&mut table, &name, &value)?;
            }
        }
        let settings: Self =
            table.try_into().map_err(|error: toml::de::Error| SettingsError::Value(error.to_string()))?;
        settings.validated()
    }

    /// Applies the addresses of the context `name`. Fails with [`SettingsError::Value`] if the settings do not contain
    /// it.
    pub fn in_context(mut self, name: &str) -> Result<Self, SettingsError> {
        let Some(context) = self.context.get(name).cloned() else {
            let names: Vec<&str> = self.context.keys().map(String::as_str).collect();
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None if names.is_empty() => "add a section [context.NAME] to the settings".to_owned(),
                None => format!("the settings contain {}", names.join(", ")),
            };
            return Err(SettingsError::Value(format!("unknown context {name:?}; {hint}")));
        };
        self.store.url = context.store;
        self.schedule.url = context.schedule;
        if !context.space.is_empty() {
            self.schedule.space = context.space;
        }
        Ok(self)
    }

    /// Checks the values of the settings and their consistency. Fails with [`SettingsError::Value`].
    pub fn validated(self) -> Result<Self, SettingsError> {
        let fetch = &self.fetch;
        let error = if fetch.agent.is_empty()
            || !fetch.agent.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'))
        {
            "fetch.agent must consist of ASCII letters, '-' and '_' (RFC 9309 §2.2.1)"
        } else if fetch.contact.chars().any(|c| c.is_control() || !c.is_ascii()) {
            "fetch.contact must consist of printable ASCII characters"
        } else if self.run.hosts == 0 || self.run.credits == 0 || self.run.pages == 0 {
            "run.hosts, run.credits and run.pages must be at least 1"
        } else if [self.run.hosts, self.run.credits, self.run.pages]
            .iter()
            .any(|count| *count > MAX_RUN_COUNT)
        {
            "run.hosts, run.credits and run.pages must be at most 1000000"
        } else if !is_log_filter(&self.log.level) {
            "log.level must be error, warn, info, debug, trace or off, or directives such as info,crawler=debug"
        } else if self.run.lease < fetch.total_timeout + fetch.connect_timeout {
            "run.lease must be longer than fetch.total_timeout and fetch.connect_timeout together"
        } else if self.run.stuck_after <= fetch.total_timeout {
            "run.stuck_after must be longer than fetch.total_timeout"
        } else if self.store.url.is_empty() != self.schedule.url.is_empty() {
            "store.url and schedule.url must be set together: a cluster needs both, a data folder needs neither"
        } else if !is_key_prefix(&self.schedule.space) {
            "schedule.space must consist of ASCII letters, digits, '-', '_' and '.'"
        } else if !self.node.listen.is_empty() && self.node.listen.parse::<SocketAddr>().is_err() {
            "node.listen must be an IP address and a port, such as 127.0.0.1:9090"
        } else if !self.websub.listen.is_empty() && self.websub.listen == self.node.listen {
            "node.listen and websub.listen must differ: the former is for monitoring, the latter is open to hubs"
        } else if let Some(error) = self.websub.find_error() {
            error
        } else if !matches!(self.log.format.as_str(), "text" | "json") {
            "log.format must be text or json"
        } else {
            return Ok(self);
        };
        Err(SettingsError::Value(error.to_owned()))
    }
}

/// Upper bound on the counts in the section `run`. A larger value is a mistake.
const MAX_RUN_COUNT: usize = 1_000_000;

/// Returns true if a text may be the prefix of Redis keys. Braces are invalid, since they select the slot of a key in a
/// Redis Cluster.
fn is_key_prefix(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Returns true if a text is a log level or a list of directives in which each word without `=` is a level. Any other
/// word would be a target, and would silence all other targets.
fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    text.split(',').all(|part| part.contains('=') || LEVELS.contains(&part.trim().to_lowercase().as_str()))
}

/// Sets the value of one environment variable in the table. The type of the setting's default decides how the text is
/// parsed: a string is taken as is, any other type as TOML.
fn apply_variable(table: &mut Table, name: &str, text: &str) -> Result<(), SettingsError> {
    let variable_error = |message: String| SettingsError::Environment { name: name.to_owned(), message };
    let defaults = Table::try_from(Settings::default()).map_err(|error| variable_error(error.to_string()))?;
    let mut variables = Vec::new();
    // Contexts have names chosen by the operator, so only the file can contain them.
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
                        .ok_or_else(|| variable_error(format!("{text:?} is not a valid TOML value")))?,
                };
                let entry = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
                if let Some(section) = entry.as_table_mut() {
                    section.insert(key.clone(), value);
                }
                return Ok(());
            }
            variables.push(variable);
        }
    }
    let hint = nearest(name, variables.iter().map(String::as_str))
        .map_or(String::new(), |near| format!("; did you mean {near}?"));
    Err(variable_error(format!("unknown setting{hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_annotated_file_contains_all_defaults() {
        let annotated: Settings = toml::from_str(include_str!("../qyran.toml")).unwrap();
        assert_eq!(annotated, Settings::default());
        let all = Table::try_from(Settings::default()).unwrap();
        let file: Table = include_str!("../qyran.toml").parse().unwrap();
        for (section, keys) in &all {
            for key in keys.as_table().unwrap().keys() {
                assert!(file[section].as_table().unwrap().contains_key(key), "{section}.{key} is missing");
            }
        }
    }

    #[test]
    fn the_environment_overrides_defaults_and_typos_are_rejected() {
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
    fn ranges_contain_only_their_addresses() {
        for (range, address, is_inside) in [
            ("127.0.0.0/8", "127.255.0.1", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("10.0.0.5", "10.0.0.5", true),
            ("10.0.0.5", "10.0.0.6", false),
            ("::1", "::1", true),
            ("0.0.0.0/0", "::1", false),
        ] {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), is_inside, "{range} {address}");
        }
        assert!("127.0.0.0/33".parse::<AddressRange>().is_err());
    }

    #[test]
    fn contexts_are_applied_by_name() {
        let text = "[context.kz]\nstore = 'postgres://db/q'\nschedule = 'redis://r'\nspace = 'kz'";
        let settings: Settings = toml::from_str(text).unwrap();
        let kz = settings.clone().in_context("kz").unwrap().validated().unwrap();
        assert_eq!((kz.store.url.as_str(), kz.schedule.space.as_str()), ("postgres://db/q", "kz"));
        let error = settings.in_context("kx").unwrap_err().to_string();
        assert!(error.contains("did you mean kz?"), "{error}");
    }

    #[test]
    fn a_cluster_needs_both_addresses() {
        let error = Settings::load(None, env(&[("QYRAN_STORE_URL", "postgres://db/q")])).unwrap_err();
        assert!(error.to_string().contains("schedule.url"), "{error}");
        assert!(Settings::load(None, env(&[("QYRAN_SCHEDULE_SPACE", "a{b}")])).is_err());
        assert!(Settings::load(None, env(&[("QYRAN_NODE_LISTEN", "9090")])).is_err());
        assert!(Settings::load(None, env(&[("QYRAN_NODE_LISTEN", "127.0.0.1:9090")])).is_ok());
    }
}
