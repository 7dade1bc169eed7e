//! Files on disk.

mod settings;
pub use settings::*;
