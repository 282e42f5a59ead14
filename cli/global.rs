//! What holds for every command: global flags, and the settings that follow from them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use config::Settings;
use model::{Clock, SystemClock};
use tracing_subscriber::EnvFilter;

use crate::terminal::failure::{Failure, log_is_json};
use crate::terminal::output::Format;

#[derive(Args)]
pub(crate) struct GlobalArgs {
    /// Settings file; config/qyran.toml shows every setting
    #[arg(long, global = true, value_name = "FILE", env = "QYRAN_CONFIG", help_heading = "Global")]
    config: Option<PathBuf>,
    /// Data folder [default: qyran-data]
    #[arg(long, global = true, value_name = "DIR", env = "QYRAN_DATA", help_heading = "Global")]
    data: Option<PathBuf>,
    /// PostgreSQL of a cluster: postgres://USER@HOST/DATABASE, or file:///PATH of a file that holds it
    #[arg(long, global = true, value_name = "URL", help_heading = "Global")]
    store: Option<String>,
    /// Redis of a cluster: redis://HOST, redis+sentinel://HOST,HOST/NAME, redis+cluster://HOST,HOST
    #[arg(long, global = true, value_name = "URL", help_heading = "Global")]
    schedule: Option<String>,
    /// A cluster that the settings name
    #[arg(long, global = true, value_name = "NAME", env = "QYRAN_CONTEXT", help_heading = "Global")]
    context: Option<String>,
    /// table, wide, json, jsonl, yaml, csv or name
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
    /// error, warn, info, debug, trace, or directives such as info,crawler=debug
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Global")]
    log_level: Option<String>,
    /// text or json
    #[arg(long, global = true, value_name = "FORMAT", value_parser = ["text", "json"], help_heading = "Global", hide_possible_values = true)]
    log_format: Option<String>,
}

/// What holds for every command.
#[derive(Clone)]
pub(crate) struct Global {
    pub(crate) settings: Settings,
    pub(crate) output: Format,
    pub(crate) clock: Arc<dyn Clock>,
    /// The data folder was named, by flag, environment or file.
    pub(crate) data_is_named: bool,
}

impl Global {
    /// Reads the settings and lets the log begin.
    pub(crate) fn resolve(args: GlobalArgs) -> anyhow::Result<Self> {
        let mut settings = Settings::load(args.config.or_else(own_settings).as_deref(), environment())?;
        if args.data.is_some() && (args.store.is_some() || args.schedule.is_some() || args.context.is_some())
        {
            return Err(Failure::usage("--data names a folder, --store, --schedule and --context a cluster")
                .hint("name one of them")
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
        begin_log(&settings)?;
        Ok(Self { settings, output: args.output, clock: Arc::new(SystemClock), data_is_named })
    }
}

/// The settings of whoever runs this, where there are any: the usual place of the XDG base directories.
fn own_settings() -> Option<PathBuf> {
    let under = |variable: &str, path: &str| Some(PathBuf::from(std::env::var_os(variable)?).join(path));
    let file = under("XDG_CONFIG_HOME", "qyran/config.toml")
        .filter(|file| file.is_absolute())
        .or_else(|| under("HOME", ".config/qyran/config.toml"))?;
    file.exists().then_some(file)
}

/// Variables of the environment that are text; others are nobody's settings.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn begin_log(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log.level).map_err(|error| {
        Failure::usage(format!("log level {:?}: {error}", settings.log.level))
            .hint("write error, warn, info, debug or trace, or directives such as info,crawler=debug")
    })?;
    // Other people's crates tell their own debugging stories; ours are enough.
    let filter = ["html5ever", "selectors", "trafilatura", "rs_trafilatura"]
        .iter()
        .filter_map(|quiet| format!("{quiet}=error").parse().ok())
        .fold(filter, EnvFilter::add_directive);
    // A log that cannot be written (a full disk, a closed pipe) is lost, and nothing else with it.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let begun = if settings.log.format == "json" {
        log_is_json();
        // Flat, as log collectors expect it: the message beside the level.
        builder.json().flatten_event(true).try_init()
    } else {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::io::IsTerminal::is_terminal(&std::io::stderr());
        builder.with_ansi(colour).with_target(false).try_init()
    };
    begun.map_err(|error| Failure::failed(format!("the log cannot begin: {error}")))?;
    // Other people's parsers may panic on what the web sends. It is caught where they are called; the
    // log is where it is told, not a backtrace in between.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}
