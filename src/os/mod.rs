//! The operating system: every call that the standard library has no portable name for, and nothing else.
//!
//! `storage` and `http` say what must hold: no link is followed, nobody waits for a disk, no signal reaches the host.
//! Here is how a system is asked for it. Functions take and give what the standard library has on every system, or a
//! small type of their own, so that another system changes files of this folder and no others. `tests/layers.rs` finds
//! a system's name anywhere else.
//!
//! | file | what | Linux only, and what takes its place elsewhere |
//! |---|---|---|
//! | `folder` | files and folders opened below an open folder, through no link | `openat2`: the way is walked folder by folder |
//! | `listing` | what is in an open folder | |
//! | `status` | kind, identity and blocks of a file | `openat2` from memory: not known without waiting |
//! | `file` | reading and writing at a position, flushing a folder | `preadv2` from memory: not known without waiting |
//! | `times` | when a file was changed; "used just now" | |
//! | `lock` | a file that one session holds | |
//! | `name` | file names as bytes | |
//! | `reason` | why the system refused, where the standard library has no word for it | |
//! | `space` | free bytes on a disk | |
//! | `descriptors` | how many files and sockets the process may have open | |
//! | `socket` | sending without SIGPIPE, the end of a client's input | `EPOLLRDHUP`: a look now and then |
//!
//! Only Linux has been tried. What takes the place of its calls is tried there too, where it can be compiled there.

#[cfg(not(unix))]
compile_error!(
    "vozduxan runs on Unix systems only: for this one the files in src/os/ have to be written, with the functions that \
     they have now (docs/building.md, Other systems)"
);

mod descriptors;
pub mod file;
mod folder;
mod listing;
mod lock;
pub mod name;
mod reason;
pub mod socket;
mod space;
mod status;
#[cfg(test)]
pub mod testing;
pub mod times;

pub use descriptors::most_descriptors;
pub use folder::Folder;
pub use listing::Listing;
pub use lock::LockFile;
pub use reason::is_link;
pub use space::free_space;
pub use status::{Identity, Kind, Status};
