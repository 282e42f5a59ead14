//! Configuration by the operator: settings (`config/qyran.toml`) and declared objects (YAML).
//!
//! Invalid input is rejected as a whole. Messages state the location, the reason and a remedy; for objects, all
//! problems are reported at once. The central types are [`Settings`], [`Object`] and [`Problem`].
//!
//! The crate does not apply objects, which the store does, and implements no behaviour that a setting controls.

mod address_range;
mod duration;
mod nearest;
pub mod objects;
mod problem;
mod settings;
mod size;
mod websub;
pub mod yaml;

pub use address_range::AddressRange;
pub use duration::{DurationError, format_duration, parse_duration};
pub use nearest::nearest;
pub use objects::Object;
pub use problem::Problem;
pub use settings::{
    FetchSettings, LogSettings, PollSettings, RunSettings, Settings, SettingsError, StoreSettings,
};
pub use size::{Bytes, SizeError};
pub use websub::WebSubSettings;
