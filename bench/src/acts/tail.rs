//! A file whose index is at its end: until `ffprobe` tells the duration.

use super::{Act, Figure, Sample};
use crate::{
    limits,
    rows::{Candidate, Row},
    stage::{self, Places, Stage},
};
use std::{
    fs, io,
    process::{Command, Stdio},
};
use vozduxan_swarm::audio::{Encoded, Format, ffmpeg};

const PROBE: &str = "ffprobe";
/// Bit rate of the file, in kbit/s: 480 s of it are 9.6 MB.
const KBPS: u32 = 160;

struct Tail {
    stage: Stage,
    /// Where `moov` begins.
    moov: u64,
}

/// Encodes the file once for all runs.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    let folder = places.out.join("made").join(format!("tail-{}", row.seconds));
    let path = folder.join("long.m4a");
    if !path.exists() {
        fs::create_dir_all(&folder)?;
        let seconds = u32::try_from(row.seconds).map_err(io::Error::other)?;
        let unfinished = folder.with_extension("m4a.part");
        ffmpeg::encode(Encoded { format: Format::M4aMoovLast, seconds, kbps: KBPS, seed: 1 }, &unfinished)?;
        fs::rename(&unfinished, &path)?;
    }
    let moov = moov(&fs::read(&path)?).ok_or_else(|| io::Error::other("the M4A has no moov"))?;
    // Once before it counts: the program has to be read from the disk.
    Command::new(PROBE).args(["-v", "error"]).arg(&path).stdin(Stdio::null()).output()?;
    let stage = Stage::build(places, row, |builder| stage::peers(builder.folder(&folder), row))?;
    Ok(Box::new(Tail { stage, moov }))
}

/// Where the box `moov` begins (ISO/IEC 14496-12, 4.2: length and type, four bytes each).
fn moov(file: &[u8]) -> Option<u64> {
    let mut at = 0;
    loop {
        let head = file.get(at..at + 8)?;
        if &head[4..] == b"moov" {
            return Some(at as u64);
        }
        let mut len = u64::from(u32::from_be_bytes(head[..4].try_into().ok()?));
        if len == 1 {
            len = u64::from_be_bytes(file.get(at + 8..at + 16)?.try_into().ok()?);
        }
        at = at.checked_add(usize::try_from(len.max(8)).ok()?)?;
    }
}

impl Act for Tail {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let Self { stage, moov } = self;
        let host = stage.fresh(candidate, repeat)?;
        let stream = host.prepare(&stage.input(), stage.file(0), true)?;
        let output = Command::new(PROBE)
            .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", &stream.url])
            .stdin(Stdio::null())
            .output()?;
        let time = stream.called.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stdout);
        let seconds: f64 = text.trim().parse().unwrap_or(0.0);
        if (seconds - stage.row.seconds as f64).abs() > 1.0 {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("ffprobe says {text:?}: {errors}")));
        }
        let needed = stage.needed(0, 0..1) + stage.needed(0, *moov..stage.len(0));
        let limit = limits::cold(stage.row.rtt(), stage.row.rate_total(), needed, 0);
        Ok(vec![Figure::limited("duration", time, limit)].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_skipped() {
        let mut file = b"\0\0\0\x0cftypM4A ".to_vec();
        file.extend_from_slice(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab");
        file.extend_from_slice(b"\0\0\0\x08moov");
        assert_eq!(moov(&file), Some(12 + 18));
        assert_eq!(moov(&file[..20]), None);
    }
}
