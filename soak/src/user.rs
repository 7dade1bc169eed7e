//! One user of the session: a few open streams, and the next thing that comes to mind.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use vozduxan::engine::{Error, Input, Role};

use crate::host::Shared;
use crate::http::{Ending, get};

/// Most streams that a user keeps open.
const STREAMS: usize = 4;

/// See the module.
pub struct User<'a> {
    shared: &'a Shared,
    number: usize,
    dice: Rng,
    streams: Vec<Open>,
    sources: HashMap<(usize, usize), File>,
}

struct Open {
    offer: usize,
    file: usize,
    token: String,
    len: u64,
    /// The session it belongs to.
    restarts: u64,
}

impl<'a> User<'a> {
    /// Nothing open yet.
    pub fn new(shared: &'a Shared, number: usize, seed: u64) -> Self {
        let dice = Rng::with_seed(seed);
        Self { shared, number, dice, streams: Vec::new(), sources: HashMap::new() }
    }

    /// Acts until the run is over.
    pub fn act(mut self) {
        while !self.shared.over.load(Ordering::Relaxed) {
            self.shared.is_alive(self.number);
            let restarts = self.shared.restarts.load(Ordering::SeqCst);
            self.streams.retain(|stream| stream.restarts == restarts);
            let result = match self.dice.u32(..100) {
                0..20 => self.prepare(Role::Main),
                20..28 => self.prepare(Role::Background),
                28..60 => self.read(),
                60..75 => self.seek(),
                75..80 => self.list(),
                80..84 => self.nonsense(),
                84..96 => self.release(),
                _ => self.evict(),
            };
            if let Err(why) = result {
                self.shared.fail(why);
            }
        }
    }

    fn prepare(&mut self, role: Role) -> Result<(), String> {
        if self.streams.len() >= STREAMS {
            return self.release();
        }
        let shared = self.shared;
        let offer = self.dice.usize(..shared.offers.len());
        let file = self.dice.usize(..shared.offers[offer].files.len());
        let torrent = &shared.offers[offer];
        let input = match self.dice.u32(..3) {
            0 => Input { magnet: Some(&torrent.magnet), torrent: None },
            1 => Input { magnet: None, torrent: Some(&torrent.torrent) },
            _ => Input { magnet: Some(&torrent.magnet), torrent: Some(&torrent.torrent) },
        };
        let restarts = shared.restarts.load(Ordering::SeqCst);
        let mut last = 0.0;
        let mut back = None;
        let result = shared.session().prepare(input, torrent.files[file].index, role, &mut |share, _| {
            if share < last || !(0.0..=1.0).contains(&share) {
                back = Some(format!("progress went from {last} to {share}"));
            }
            last = share;
        });
        match (result, back) {
            (_, Some(why)) => Err(why),
            (Ok(stream), _) => {
                let len = std::fs::metadata(&torrent.files[file].path).map_or(0, |metadata| metadata.len());
                if stream.file_len != len {
                    return Err(format!("a file of {len} bytes was said to have {}", stream.file_len));
                }
                shared.count(if role == Role::Main { "prepare" } else { "prefetch" });
                // Odd: which session it came from cannot be said.
                if restarts.is_multiple_of(2) {
                    self.streams.push(Open { offer, file, token: stream.token, len, restarts });
                }
                Ok(())
            }
            (Err(Error::Superseded), _) => {
                shared.count("superseded");
                Ok(())
            }
            (Err(Error::ShuttingDown), _) => {
                self.pause();
                Ok(())
            }
            (Err(error), _) => Err(format!("prepare: {error}")),
        }
    }

    fn pick(&mut self) -> Option<usize> {
        (!self.streams.is_empty()).then(|| self.dice.usize(..self.streams.len()))
    }

    /// Some bytes from anywhere.
    fn read(&mut self) -> Result<(), String> {
        let Some(at) = self.pick() else { return Ok(()) };
        let len = self.streams[at].len;
        let start = self.dice.u64(..len);
        let end = self.dice.u64(start..len);
        match self.dice.u32(..4) {
            0 => self.fetch(at, 0, "bytes=0-", len),
            1 => self.fetch(at, start, &format!("bytes={start}-{end}"), len),
            2 => self.fetch(at, start, &format!("bytes=-{}", len - start), 200_000),
            _ => {
                let wanted = self.dice.u64(1..400_000);
                self.fetch(at, start, &format!("bytes={start}-"), wanted)
            }
        }
    }

    /// A jump as players do it: tell, then read from there.
    fn seek(&mut self) -> Result<(), String> {
        let Some(at) = self.pick() else { return Ok(()) };
        let position = self.dice.u64(..self.streams[at].len);
        self.shared.session().notify_position(&self.streams[at].token, i64::try_from(position).unwrap_or(0));
        let wanted = self.dice.u64(1..150_000);
        self.shared.count("seek");
        self.fetch(at, position, &format!("bytes={position}-"), wanted)
    }

    fn fetch(&mut self, at: usize, start: u64, range: &str, wanted: u64) -> Result<(), String> {
        let stream = &self.streams[at];
        let path = &self.shared.offers[stream.offer].files[stream.file].path;
        let source = match self.sources.entry((stream.offer, stream.file)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(File::open(path).map_err(|error| error.to_string())?)
            }
        };
        let mut offset = start;
        let mut expected = vec![0; 32 * 1024];
        let port = self.shared.session().http_port();
        let ending = get(port, &format!("/stream/{}", stream.token), range, wanted, |bytes| {
            let expected = &mut expected[..bytes.len()];
            source.read_exact_at(expected, offset).map_err(|error| error.to_string())?;
            if expected != bytes {
                return Err(format!("WRONG BYTES in {} from {offset} ({range})", path.display()));
            }
            offset += bytes.len() as u64;
            Ok(())
        })?;
        let stale = stream.restarts != self.shared.restarts.load(Ordering::SeqCst);
        match ending {
            Ending::Complete => self.shared.count("read"),
            Ending::Cut => self.shared.count("cut"),
            Ending::Refused(_) | Ending::Unreachable if stale => self.shared.count("of an older session"),
            Ending::Unreachable => return Err(format!("nobody listens at port {port}")),
            Ending::Refused(status) => return Err(format!("{range}: status {status}")),
        }
        Ok(())
    }

    fn list(&mut self) -> Result<(), String> {
        let shared = self.shared;
        let offer = &shared.offers[self.dice.usize(..shared.offers.len())];
        match shared.session().list_files(Input { magnet: Some(&offer.magnet), torrent: None }) {
            Ok(files) if files.len() >= offer.files.len() => shared.count("list"),
            Ok(files) => return Err(format!("a list of {} files", files.len())),
            Err(Error::ShuttingDown) => self.pause(),
            Err(error) => return Err(format!("list: {error}")),
        }
        Ok(())
    }

    /// The session is being restarted: whoever asks again at once asks a million times.
    fn pause(&self) {
        self.shared.count("shut down");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    /// Tokens that are none.
    fn nonsense(&mut self) -> Result<(), String> {
        let session = self.shared.session();
        for token in ["", "../../etc/passwd", "0", "\u{1f3b5}"] {
            session.notify_position(token, i64::MIN);
            session.release(token);
            if session.stats(token) != vozduxan::engine::Stats::default() {
                return Err("figures for a token that is none".into());
            }
        }
        self.shared.count("nonsense");
        Ok(())
    }

    fn release(&mut self) -> Result<(), String> {
        let Some(at) = self.pick() else { return Ok(()) };
        let stream = self.streams.swap_remove(at);
        self.shared.session().release(&stream.token);
        self.shared.count("release");
        Ok(())
    }

    fn evict(&mut self) -> Result<(), String> {
        self.shared.session().evict();
        self.shared.count("evict");
        Ok(())
    }
}
