//! The global flags, and the settings that result from them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use config::Settings;
use model::{Clock, SystemClock};
use tracing_subscriber::EnvFilter;

use crate::terminal::failure::Failure;
use crate::terminal::message::use_json_log;
use crate::terminal::output::Format;

#[derive(Args)]
pub(crate) struct GlobalArgs {
    /// Settings file; config/qyran.toml lists every setting
    #[arg(long, global = true, value_name = "FILE", env = "QYRAN_CONFIG", help_heading = "Global")]
    config: Option<PathBuf>,
    /// Data folder [default: qyran-data]
    #[arg(long, global = true, value_name = "DIR", env = "QYRAN_DATA", help_heading = "Global")]
    data: Option<PathBuf>,
    /// PostgreSQL of a cluster: postgres://USER@HOST/DATABASE, or file:///PATH of a file that contains the URL
    #[arg(long, global = true, value_name = "URL", help_heading = "Global")]
    store: Option<String>,
    /// Redis of a cluster: redis://HOST, redis+sentinel://HOST,HOST/NAME, redis+cluster://HOST,HOST
    #[arg(long, global = true, value_name = "URL", help_heading = "Global")]
    schedule: Option<String>,
    /// Cluster from the contexts of the settings file
    #[arg(long, global = true, value_name = "NAME", env = "QYRAN_CONTEXT", help_heading = "Global")]
    context: Option<String>,
    /// Output format: table, wide, json, jsonl, yaml, csv or name
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Global",
        hide_possible_values = true
    )]
    pub(crate) output: Format,
    /// Log level: error, warn, info, debug, trace, or directives such as info,crawler=debug
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Global")]
    log_level: Option<String>,
    /// Log format: text or json
    #[arg(long, global = true, value_name = "FORMAT", value_parser = ["text", "json"], help_heading = "Global", hide_possible_values = true)]
    log_format: Option<String>,
}

/// The settings and the clock of every command.
#[derive(Clone)]
pub(crate) struct Global {
    pub(crate) settings: Settings,
    pub(crate) output: Format,
    pub(crate) clock: Arc<dyn Clock>,
    /// True if a flag, the environment or the settings file names the data folder.
    pub(crate) data_is_named: bool,
}

impl Global {
    /// Loads the settings and starts the log.
    pub(crate) fn resolve(args: GlobalArgs) -> anyhow::Result<Self> {
        let mut settings = Settings::load(args.config.or_else(user_settings).as_deref(), environment())?;
        if args.data.is_some() && (args.store.is_some() || args.schedule.is_some() || args.context.is_some())
        {
            return Err(Failure::usage(
                "--data names a folder, but --store, --schedule and --context name a cluster",
            )
            .hint("use either --data or the flags of a cluster")
            .into());
        }
        if args.data.is_some() {
            (settings.store.url, settings.schedule.url) = Default::default();
        }
        if let Some(name) = &args.context {
            settings = settings.in_context(name)?;
        }
        settings.store.url = args.store.unwrap_or(settings.store.url);
        settings.schedule.url = args.schedule.unwrap_or(settings.schedule.url);
        let data_is_named = args.data.is_some() || settings.store.data != Settings::default().store.data;
        settings.store.data = args.data.unwrap_or(settings.store.data);
        settings.log.level = args.log_level.unwrap_or(settings.log.level);
        settings.log.format = args.log_format.unwrap_or(settings.log.format);
        let settings = settings.validated()?;
        start_log(&settings)?;
        Ok(Self { settings, output: args.output, clock: Arc::new(SystemClock), data_is_named })
    }
}

/// Returns the user's settings file if it exists, in the XDG base directories.
fn user_settings() -> Option<PathBuf> {
    let under = |variable: &str, path: &str| Some(PathBuf::from(std::env::var_os(variable)?).join(path));
    let file = under("XDG_CONFIG_HOME", "qyran/config.toml")
        .filter(|file| file.is_absolute())
        .or_else(|| under("HOME", ".config/qyran/config.toml"))?;
    file.exists().then_some(file)
}

/// Returns the environment variables that are valid UTF-8; the others cannot be settings.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn start_log(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log.level).map_err(|error| {
        Failure::usage(format!("invalid log level {:?}: {error}", settings.log.level))
            .hint("use error, warn, info, debug or trace, or directives such as info,crawler=debug")
    })?;
    // These dependencies log their internals below the level of errors.
    let filter = ["html5ever", "selectors", "trafilatura", "rs_trafilatura"]
        .iter()
        .filter_map(|target| format!("{target}=error").parse().ok())
        .fold(filter, EnvFilter::add_directive);
    // A log that cannot be written (full disk, closed pipe) is lost; the command continues.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let result = if settings.log.format == "json" {
        use_json_log();
        // Log collectors expect flat records, with the message next to the level.
        builder.json().flatten_event(true).try_init()
    } else {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::io::IsTerminal::is_terminal(&std::io::stderr());
        builder.with_ansi(colour).with_target(false).try_init()
    };
    result.map_err(|error| Failure::failed(format!("could not start the log: {error}")))?;
    // Third-party parsers may panic on documents of the web. Their callers catch the panic; it belongs in the log as one
    // record, not on stderr as a backtrace.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}
