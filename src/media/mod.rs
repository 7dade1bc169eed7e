//! What a file of the torrent is, and what its first bytes promise: a leaf of pure rules.
//!
//! The problem: a scheduler that knows only "file 7, 31,204,992 bytes" cannot say when a player will make a
//! sound. A 2.7 MB cover picture may stand before the first audio frame, the index a player reads first may
//! stand at the other end of the file, and "30 seconds ahead" is 0.5 MB of MP3 or 21 MB of DSD.
//!
//! | question | answered by |
//! |---|---|
//! | which file is played after this one? | [`next_audio`] |
//!

mod kind;
mod order;

pub use kind::{Kind, MediaType, UNKNOWN_MIME, mime};
pub use order::{natural_order, next_audio};
