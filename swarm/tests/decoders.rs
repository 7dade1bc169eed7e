//! Generated audio decodes: ffmpeg is asked where it is installed.

#![allow(clippy::unwrap_used, reason = "a test stops where something fails")]

use std::{path::Path, process::Command, time::Instant};
use vozduxan_swarm::audio::{self, Encoded, FlacSpec, Format, Mp3Spec, ffmpeg};

/// Decodes `path` and fails on any complaint of ffmpeg's; answers the duration in seconds.
fn decode(path: &Path) -> f64 {
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-xerror", "-i"])
        .arg(path)
        .args(["-map", "0", "-f", "null", "-"])
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&decoded.stderr);
    assert!(decoded.status.success() && complaints.is_empty(), "{}: {complaints}", path.display());
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(probe.stdout).unwrap().trim().parse().unwrap()
}

/// Whether ffmpeg can be asked; says so if not.
fn ffmpeg_is_there() -> bool {
    let there = ffmpeg::is_installed();
    if !there {
        println!("ffmpeg is not installed: its part of this test is left out (package `ffmpeg`)");
    }
    there
}

#[test]
fn files_made_here_decode() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("a.wav"), audio::wav(1_000_044, 1)).unwrap();
    let flac = FlacSpec { len: 2_000_000, picture_len: 200_000, padding_len: 8192, seek_points: 30, seed: 2 };
    std::fs::write(path("a.flac"), audio::flac(flac)).unwrap();
    let mp3 = Mp3Spec { len: 1_000_000, kbps: 320, id3v2_len: 150_000, id3v1: true, seed: 3 };
    std::fs::write(path("a.mp3"), audio::mp3(mp3)).unwrap();
    std::fs::write(path("cover.jpg"), audio::jpeg(100_000, 4)).unwrap();
    if !ffmpeg_is_there() {
        return;
    }
    assert!((decode(&path("a.wav")) - 1_000_000.0 / 176_400.0).abs() < 0.01);
    assert!((decode(&path("a.flac")) - 1_791_700.0 / 176_400.0).abs() < 0.05);
    assert!((decode(&path("a.mp3")) - 849_872.0 / 40_000.0).abs() < 0.1);
    decode(&path("cover.jpg").canonicalize().unwrap());
}

#[test]
fn every_frame_of_a_flac_file_decodes_to_the_noise_that_was_put_in() {
    if !ffmpeg_is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.flac");
    std::fs::write(&path, audio::flac(FlacSpec { len: 1_000_000, seed: 9, ..FlacSpec::default() })).unwrap();
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&path)
        .args(["-f", "s16be", "-"])
        .output()
        .unwrap();
    // The first block: 4096 samples of the left channel, then as many of the right.
    let noise = audio::Noise::new(9).bytes(16_384);
    for (sample, frame) in decoded.stdout.chunks(4).take(4096).enumerate() {
        assert_eq!(frame[..2], noise[2 * sample..][..2], "left {sample}");
        assert_eq!(frame[2..], noise[8192 + 2 * sample..][..2], "right {sample}");
    }
}

#[test]
fn encoded_files_decode_and_are_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    for (format, name) in [
        (Format::OggOpus, "a.opus"),
        (Format::OggVorbis, "a.ogg"),
        (Format::M4aMoovLast, "last.m4a"),
        (Format::M4aMoovFirst, "first.m4a"),
    ] {
        let path = dir.path().join(name);
        let spec = Encoded { format, seconds: 5, kbps: 128, seed: 7 };
        let made = ffmpeg::encode(spec, &path);
        if !ffmpeg_is_there() {
            assert!(made.unwrap_err().to_string().contains("install"));
            continue;
        }
        made.unwrap();
        assert!((decode(&path) - 5.0).abs() < 0.2);
        let bytes = std::fs::read(&path).unwrap();
        let place = |what: &[u8]| bytes.windows(4).position(|four| four == what);
        if format == Format::M4aMoovLast {
            assert!(place(b"moov") > place(b"mdat"));
        }
        if format == Format::M4aMoovFirst {
            assert!(place(b"moov") < place(b"mdat"));
        }
        ffmpeg::encode(spec, &path).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes, "{name} differs the second time");
    }
}

#[test]
fn large_files_are_quick_to_make() {
    let start = Instant::now();
    let file = audio::flac(FlacSpec { len: 80_000_000, seed: 1, ..FlacSpec::default() });
    println!("80 MB of FLAC in {:?}", start.elapsed());
    assert!(file.len() > 79_900_000);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
