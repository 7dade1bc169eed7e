//! mpv: plays and seeks without a complaint, and what it plays is the file.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::json;

use crate::host::Folder;
use crate::mpv_ipc::{Mpv, PLAIN};
use crate::program::{installed, run};
use crate::shelf::Track;
use crate::stage::Stage;

/// Bytes per second, a few times what the tracks need.
const RATE: u64 = 2_000_000;
/// Seconds of music that count as "it plays".
const A_WHILE: f64 = 0.4;

#[test]
fn mpv_plays_and_seeks() {
    if !installed(&["ffmpeg", "mpv"]) {
        return;
    }
    let stage = Stage::new(RATE);
    let folder = Folder::new();
    let mut mpv = Mpv::start(&folder.0);
    mpv.ask(json!(["observe_property", 1, "time-pos"]));
    for track in Track::ALL {
        let stream = stage.prepare(track);
        mpv.send(json!(["loadfile", stream.url]));
        mpv.event("playback-restart");
        plays_from(&mut mpv, 0.0);
        let duration = mpv.ask(json!(["get_property", "duration"])).as_f64().expect("seconds");
        assert!((duration - track.seconds()).abs() < 0.1, "{track:?}: {duration} s");
        // Acted on before the next line is read; the restart that follows is this seek's.
        mpv.send(json!(["seek", 70, "absolute-percent"]));
        mpv.event("seek");
        mpv.event("playback-restart");
        plays_from(&mut mpv, duration * 0.69);
        mpv.send(json!(["stop"]));
        mpv.event("end-file");
        stage.host.session.release(&stream.token);
    }
    mpv.quit();
}

/// Waits until the playback position, which is at least `from`, has moved on for a while.
#[track_caller]
fn plays_from(mpv: &mut Mpv, from: f64) {
    let mut first = None;
    mpv.until("the position moves", |line| {
        // Null between two files.
        let at = line["data"].as_f64().filter(|_| line["name"] == "time-pos")?;
        let first = *first.get_or_insert(at);
        assert!(first >= from, "plays from {first} s, not from {from} s");
        (at > first + A_WHILE).then_some(())
    });
}

/// Samples that mpv plays from `input` between `start` (in percent of its length) and two seconds later.
fn samples(input: &str, start: u32, out: &Path) -> Vec<u8> {
    let mut command = Command::new("mpv");
    command.args(PLAIN).args(["--ao=pcm", "--ao-pcm-waveheader=no", "--audio-format=s16"]);
    command.arg(format!("--ao-pcm-file={}", out.display()));
    run(command.args([&format!("--start={start}%"), "--length=2", "--", input]));
    fs::read(out).expect("written by mpv")
}

#[test]
fn two_mpv_on_one_url_play_what_the_file_has() {
    if !installed(&["ffmpeg", "mpv"]) {
        return;
    }
    let stage = Stage::new(RATE);
    let folder = Folder::new();
    for track in Track::ALL {
        let stream = stage.prepare(track);
        let starts = [70, 5];
        let got = thread::scope(|scope| {
            let (url, folder) = (&stream.url, &folder.0);
            let players = starts
                .map(|start| scope.spawn(move || samples(url, start, &folder.join(format!("url-{start}")))));
            players.map(|player| player.join())
        });
        stage.host.session.release(&stream.token);
        let source = track.source();
        let source = source.to_str().expect("UTF-8");
        for (got, start) in got.into_iter().zip(starts) {
            let got = got.unwrap_or_else(|_| panic!("{track:?} from {start} %\n{}", stage.log()));
            let wanted = samples(source, start, &folder.0.join("file"));
            assert!(wanted.len() > 100_000, "{track:?}: two seconds of samples");
            assert!(got == wanted, "{track:?} from {start} %: {} and {} bytes", got.len(), wanted.len());
        }
    }
}
