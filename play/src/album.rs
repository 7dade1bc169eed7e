//! The music of the demonstration: bells struck at random on a pentatonic scale, as WAV files.
//!
//! It is heard where there is a sound device, so it should not hurt. And every byte is compared with it, so a byte from
//! the wrong place must never look right: each sample carries noise of its own in its lowest bits, too faint to hear.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Samples per second and channel.
const SAMPLE_RATE: u32 = 44_100;
/// Bytes of one sample of both channels, 16 bits each.
const FRAME_LEN: u32 = 4;
/// Bytes per second of the files.
pub const BYTE_RATE: u32 = SAMPLE_RATE * FRAME_LEN;
/// Samples between two bells: a quarter of a second.
const BELL_SPACING: u64 = SAMPLE_RATE as u64 / 4;
/// Bells that still ring; the oldest is struck again.
const VOICES: usize = 8;
/// By how much a bell fades from sample to sample: to a thousandth within two seconds.
const FADE: f64 = 0.999_92;
/// A major pentatonic scale over two octaves from A3, in Hz.
const SCALE: [f64; 10] = [220.0, 247.5, 275.0, 330.0, 366.67, 440.0, 495.0, 550.0, 660.0, 733.33];

/// The tracks. One name is not ASCII: most real albums have such.
const TRACKS: [&str; 3] = ["01 - Morning.wav", "02 - Noon.wav", "03 - Вечер.wav"];

/// Writes the album's folder, tracks of `seconds` and a cover, below `parent`; answers the folder.
///
/// # Errors
/// When files cannot be written.
pub fn write(parent: &Path, seconds: u32) -> io::Result<PathBuf> {
    let root = parent.join("Loopback Bells");
    std::fs::create_dir_all(&root)?;
    for (seed, name) in (1..).zip(TRACKS) {
        let mut file = BufWriter::new(std::fs::File::create(root.join(name))?);
        track(seconds, seed, &mut file)?;
        file.flush()?;
    }
    std::fs::write(root.join("cover.jpg"), vozduxan_swarm::audio::jpeg(60_000, 1))?;
    Ok(root)
}

/// One bell: a resonator that rings at its pitch and fades, two multiplications a sample.
#[derive(Clone, Copy, Default)]
struct Bell {
    now: f64,
    before: f64,
    pitch: f64,
    /// 0 is left, 1 is right.
    place: f64,
}

impl Bell {
    fn strike(pitch: f64, place: f64) -> Self {
        let angle = std::f64::consts::TAU * pitch / f64::from(SAMPLE_RATE);
        // `before` is the sample one step back, so that the first one is zero and nothing clicks.
        Self { now: 0.0, before: -angle.sin() / FADE, pitch: 2.0 * FADE * angle.cos(), place }
    }

    fn ring(&mut self) -> f64 {
        let next = self.pitch * self.now - FADE * FADE * self.before;
        self.before = self.now;
        self.now = next;
        next
    }
}

/// Writes one WAV file.
fn track(seconds: u32, seed: u64, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&header(seconds * BYTE_RATE))?;
    let mut bells = [Bell::default(); VOICES];
    for n in 0..u64::from(seconds) * u64::from(SAMPLE_RATE) {
        if n % BELL_SPACING == 0 {
            let chance = scramble(seed << 40 | n);
            let pitch = SCALE[(chance % SCALE.len() as u64) as usize];
            let place = f64::from((chance >> 32) as u8) / 255.0;
            bells[(n / BELL_SPACING) as usize % VOICES] = Bell::strike(pitch, place);
        }
        let (mut left, mut right) = (0.0, 0.0);
        for bell in &mut bells {
            let sound = bell.ring();
            left += sound * (1.0 - bell.place);
            right += sound * bell.place;
        }
        let noise = scramble(!(seed << 40 | n));
        out.write_all(&sample(left, noise).to_le_bytes())?;
        out.write_all(&sample(right, noise >> 32).to_le_bytes())?;
    }
    Ok(())
}

/// A sample of at most half the full scale, with five bits of noise.
fn sample(sound: f64, noise: u64) -> i16 {
    let loud = (sound * 5_000.0).clamp(-16_000.0, 16_000.0);
    loud as i16 + (noise & 31) as i16
}

/// The 44 bytes before the samples: RIFF/WAVE, PCM.
fn header(data_len: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(44);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + data_len).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    // Length of the fmt chunk; PCM (1) and two channels, 16 bits each.
    for number in [16, 2 << 16 | 1, SAMPLE_RATE, BYTE_RATE, 16 << 16 | FRAME_LEN] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data_len.to_le_bytes());
    out
}

/// A number that looks unrelated to `x` (splitmix64, Steele, Lea and Flood 2014).
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn made(seconds: u32, seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        track(seconds, seed, &mut out).unwrap();
        out
    }

    #[test]
    fn a_track_is_a_wav_of_its_length() {
        let file = made(1, 1);
        assert_eq!(file.len(), 44 + BYTE_RATE as usize);
        let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!((&file[..4], &file[8..16], &file[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
        assert_eq!((field(4) as usize, field(40)), (file.len() - 8, BYTE_RATE));
        assert_eq!((field(24), field(28)), (SAMPLE_RATE, BYTE_RATE));
    }

    /// Bytes that are moved, repeated or from another track must be noticed.
    #[test]
    fn no_place_looks_like_another() {
        let (first, second) = (made(2, 1), made(2, 2));
        let mut seen = HashSet::new();
        for place in first[44..].chunks_exact(32).chain(second[44..].chunks_exact(32)) {
            assert!(seen.insert(place.to_vec()), "the same 32 bytes twice");
        }
    }

    #[test]
    fn it_is_heard_and_not_clipped() {
        let file = made(4, 3);
        let samples = file[44..].chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]]));
        let loudest = samples.map(i16::unsigned_abs).max().unwrap();
        assert!((2_000..=16_031).contains(&loudest), "{loudest}");
    }
}
