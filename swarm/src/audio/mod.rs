//! Audio files made on the spot, the same for the same seed.
//!
//! Tests compare bytes, so the content must betray every mistake: it is noise, incompressible and different at every
//! position (`noise`). Programs under test parse headers and players decode, so the files are valid: WAV, FLAC and MP3
//! are written here; Ogg and M4A come from the `ffmpeg` program where it is installed.

mod crc;
pub mod ffmpeg;
pub mod flac;
pub mod jpeg;
pub mod mp3;
pub mod noise;
pub mod wav;

pub use ffmpeg::{Encoded, Format};
pub use flac::{FlacSpec, flac};
pub use jpeg::jpeg;
pub use mp3::{Mp3Spec, mp3};
pub use noise::Noise;
pub use wav::wav;

/// Sampling rate of the WAV and FLAC files, in Hz.
pub const SAMPLE_RATE: u32 = 44_100;
/// Channels of the WAV and FLAC files.
pub const CHANNELS: u16 = 2;
/// Bytes per second of the audio in the WAV files, and within a third of a percent in the FLAC files.
pub const PCM_RATE: u32 = SAMPLE_RATE * CHANNELS as u32 * 2;
