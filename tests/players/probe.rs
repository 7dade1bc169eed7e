//! ffprobe: what a file is and how long it plays, told before the file is there.

use std::ffi::OsStr;
use std::process::Command;

use crate::program::{installed, run};
use crate::shelf::Track;
use crate::stage::Stage;

/// Bytes per second: a track takes six seconds and more, ffprobe a fraction of one and what it waits for.
const RATE: u64 = 600_000;

/// What ffprobe says of `input`, one `key=value` per line.
fn probe(input: &OsStr) -> String {
    let mut command = Command::new("ffprobe");
    let entries = "format=format_name,duration,size,bit_rate:stream=codec_name,sample_rate,channels,duration";
    command.args(["-v", "error", "-select_streams", "a", "-show_entries", entries]);
    run(command.args(["-of", "default=noprint_wrappers=1"]).arg(input))
}

#[test]
fn ffprobe_tells_codec_and_duration_while_the_file_downloads() {
    if !installed(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let stage = Stage::new(RATE);
    for track in Track::ALL {
        let before = stage.sent();
        let stream = stage.prepare(track);
        let found = probe(stream.url.as_ref());
        let sent = stage.sent() - before;
        stage.host.session.release(&stream.token);
        println!("{track:?}: {sent} of {} bytes sent", stream.file_len);
        assert_eq!(found, probe(track.source().as_os_str()), "{track:?}\n{}", stage.log());
        assert!(found.contains(&format!("codec_name={}\n", track.codec())), "{track:?}: {found}");
        let duration = found.lines().rev().find_map(|line| line.strip_prefix("duration="));
        let duration: f64 = duration.and_then(|text| text.parse().ok()).expect("a duration");
        assert!((duration - track.seconds()).abs() < 0.1, "{track:?}: {duration} s");
        assert!(sent < stream.file_len, "{track:?}: the file was whole before ffprobe answered");
    }
}
