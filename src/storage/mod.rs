//! Files on disk.

mod atomic;
mod error;
mod evict;
mod instance;
mod layout;
#[cfg(test)]
mod scratch;
mod settings;
mod usage;

pub use error::Error;
pub use evict::{Entry, Verdict, evict};
pub use settings::*;
