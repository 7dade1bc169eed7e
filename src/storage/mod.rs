//! Files on disk.

mod atomic;
mod beneath;
mod delete;
mod error;
mod evict;
mod instance;
mod layout;
mod read;
#[cfg(test)]
mod scratch;
mod settings;
mod usage;

pub use error::Error;
pub use evict::{Entry, Verdict, evict};
pub use read::DataFile;
pub use settings::*;
