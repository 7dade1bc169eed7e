//! ffmpeg: every sample of a stream is that of the file.

use std::ffi::OsStr;
use std::process::Command;
use std::thread;

use crate::program::{installed, run};
use crate::shelf::Track;
use crate::stage::Stage;

/// Bytes per second: a track takes one to two seconds, so decoding waits for the swarm.
const RATE: u64 = 3_000_000;

/// Hash of the samples that ffmpeg decodes from `input`, from `start` seconds on.
fn samples(input: &OsStr, start: Option<f64>) -> String {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]);
    if let Some(start) = start {
        command.args(["-ss", &start.to_string()]);
    }
    run(command.arg("-i").arg(input).args(["-map", "0:a", "-c:a", "pcm_s16le", "-f", "md5", "-"]))
}

#[test]
fn ffmpeg_decodes_the_samples_of_the_file() {
    if !installed(&["ffmpeg"]) {
        return;
    }
    let stage = Stage::new(RATE);
    for track in Track::ALL {
        let stream = stage.prepare(track);
        // The seek comes first: afterwards its target would be there.
        for start in [Some(track.seconds() * 0.7), None] {
            let (got, wanted) =
                (samples(stream.url.as_ref(), start), samples(track.source().as_os_str(), start));
            assert_eq!(got, wanted, "{track:?} from {start:?}\n{}", stage.log());
        }
        stage.host.session.release(&stream.token);
    }
}

#[test]
fn two_readers_of_one_url_leave_each_other_alone() {
    if !installed(&["ffmpeg"]) {
        return;
    }
    let stage = Stage::new(RATE);
    for track in [Track::Flac, Track::OggVorbis, Track::M4aMoovLast] {
        let stream = stage.prepare(track);
        let starts = [None, Some(track.seconds() * 0.5)];
        let got = thread::scope(|scope| {
            let url = stream.url.as_ref();
            let readers = starts.map(|start| scope.spawn(move || samples(url, start)));
            readers.map(|reader| reader.join())
        });
        stage.host.session.release(&stream.token);
        for (got, start) in got.into_iter().zip(starts) {
            let got = got.unwrap_or_else(|_| panic!("{track:?} from {start:?}\n{}", stage.log()));
            assert_eq!(got, samples(track.source().as_os_str(), start), "{track:?} from {start:?}");
        }
    }
}
