//! What the operator writes: settings (`config/qyran.toml`) and declared objects (YAML).
//!
//! Two halves that share their manners: everything wrong is told at once, with file, line and a
//! remedy, and nothing half-read travels on. The types that matter: [`Settings`], [`Object`],
//! [`Problem`].
//!
//! What is not here: applying objects (that is the store's), and any behaviour that a setting
//! switches.

mod duration;
mod nearest;
pub mod objects;
mod problem;
mod settings;
mod size;
mod websub;
pub mod yaml;

pub use duration::{DurationError, parse_duration, print_duration};
pub use nearest::nearest;
pub use objects::Object;
pub use problem::Problem;
pub use settings::{
    AddressRange, FetchSettings, LogSettings, PollSettings, RunSettings, Settings, SettingsError,
    StoreSettings,
};
pub use size::{Bytes, SizeError};
pub use websub::WebSubSettings;
