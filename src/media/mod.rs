//! What a file of the torrent is, and what its first bytes promise: a leaf of pure rules.
//!
//! The problem: a scheduler that knows only "file 7, 31,204,992 bytes" cannot say when a player will make a
//! sound. A 2.7 MB cover picture may stand before the first audio frame, the index a player reads first may
//! stand at the other end of the file, and "30 seconds ahead" is 0.5 MB of MP3 or 21 MB of DSD.
//!
//! | question | answered by |
//! |---|---|
//! | is it audio, and which `Content-Type`? | [`MediaType::by_name`], else [`sniff`]; both together: [`identify`] |
//! | where does the music start, how fast does it run, what is read at the end? | [`examine`], and before any byte is here [`first_guess`] |
//! | which file is played after this one? | [`next_audio`] |
//!
//! Nothing here waits or reads files. [`examine`] is called again whenever more verified bytes are at hand,
//! starts from the beginning each time (a few small reads), and names the bytes it misses; the caller decides
//! whether they are worth fetching for that reason alone.

mod facts;
mod frame;
mod id3;
mod kind;
mod order;
mod sniff;

pub use facts::{ByteRate, Bytes, Examination, Facts, examine, first_guess};
pub use kind::{Kind, MediaType, UNKNOWN_MIME, mime};
pub use order::{natural_order, next_audio};
pub use sniff::{SNIFF_LEN, identify, sniff};
