//! A host on the engine's Rust face, its HTTP client, and the swarm it plays from: shared by the tests that run the
//! whole engine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vozduxan::engine::{Config, Error, Input, Prepared, Role, Session};
use vozduxan::log::Logger;
use vozduxan_swarm::{Kind, PeerSpec, Swarm, TorrentSpec, builder::Builder};

/// Failure bound of everything that waits here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vozduxan-loopback-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temp dir");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A session kept on loopback, its storage and its log.
pub struct Host {
    pub session: Arc<Session>,
    pub log: Arc<Mutex<Vec<String>>>,
}

impl Host {
    pub fn start(storage: &Folder) -> Self {
        Self::start_with(storage, "")
    }

    /// `more`: lines added to the settings file.
    pub fn start_with(storage: &Folder, more: &str) -> Self {
        Self::start_with_settings(storage, &format!("{}\n{more}\n", Swarm::settings_toml()))
    }

    /// `toml`: the whole settings file; it has to keep the engine on loopback.
    pub fn start_with_settings(storage: &Folder, toml: &str) -> Self {
        std::fs::write(storage.0.join("vozduxan.toml"), toml).expect("settings");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let mut host =
            Self::begin(storage, 10 << 30, Box::new(move |line| lines.lock().push(line.to_owned())));
        host.log = log;
        host
    }

    /// With the settings file that is there. `log` stays empty: lines go to `sink`.
    pub fn begin(storage: &Folder, cache_max_bytes: u64, sink: vozduxan::log::Sink) -> Self {
        let logger = Logger::start(Arc::new(sink)).expect("log thread");
        let config = Config {
            storage_path: storage.0.clone(),
            cache_max_bytes,
            cache_ttl_secs: 3600,
            listen_port: None,
        };
        Self { session: Session::start(config, logger).expect("session"), log: Arc::default() }
    }

    pub fn prepare(&self, input: Input<'_>, file: usize, role: Role) -> Result<Prepared, Error> {
        self.session.prepare(input, i32::try_from(file).expect("small"), role, &mut |_, _| {})
    }

    pub fn prepare_torrent(&self, swarm: &Swarm, file: usize) -> Prepared {
        let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
        match self.prepare(input, file, Role::Main) {
            Ok(prepared) => prepared,
            Err(error) => panic!("prepare: {error}\n{}", self.log.lock().join("\n")),
        }
    }

    pub fn path(&self, stream: &Prepared) -> String {
        format!("/stream/{}", stream.token)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.session.stop();
    }
}

/// An answer whose body is still on its way.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    left: u64,
}

/// GET with an optional Range.
pub fn get(port: u16, path: &str, range: Option<&str>) -> Answer {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket.set_nodelay(true).expect("nodelay");
    let range = range.map_or(String::new(), |range| format!("Range: {range}\r\n"));
    let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{range}\r\n");
    socket.write_all(head.as_bytes()).expect("send");
    let mut reader = BufReader::with_capacity(64 * 1024, socket);
    let mut line = String::new();
    reader.read_line(&mut line).expect("status line");
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("header line");
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let left = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap_or(0));
    Answer { status, headers, reader, left }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    // Not every target that shares this file reads by itself.
    #[allow(dead_code)]
    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// What has come of the body.
    #[allow(dead_code)]
    pub fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left -= count as u64;
        Ok(count)
    }

    /// The next `len` bytes of the body, fewer only where the body ends.
    pub fn take(&mut self, len: u64) -> Vec<u8> {
        let len = len.min(self.left);
        let mut bytes = vec![0; usize::try_from(len).expect("fits")];
        self.reader.read_exact(&mut bytes).expect("body");
        self.left -= len;
        bytes
    }

    pub fn rest(&mut self) -> Vec<u8> {
        self.take(self.left)
    }

    /// Reads until the body is complete or the server ends the connection.
    pub fn until_cut_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 65536];
        while (bytes.len() as u64) < self.left {
            match self.reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}"),
            }
        }
        bytes
    }
}

/// A swarm of equal peers with an album.
pub fn swarm(
    folder: &Folder,
    kind: Kind,
    piece_kib: u32,
    album: vozduxan_swarm::Album,
    peers: &[PeerSpec],
) -> Swarm {
    let spec = TorrentSpec { kind, piece_len: piece_kib * 1024, ..TorrentSpec::default() };
    let builder: Builder = Swarm::builder(&folder.0).album(album).torrent(spec);
    let builder = peers.iter().fold(builder, |builder, peer| builder.peer(peer.clone()));
    builder.start().expect("swarm")
}

/// Whether `bytes` is what the source has at `at`.
#[track_caller]
pub fn same_as_source(swarm: &Swarm, file: usize, at: u64, bytes: &[u8]) {
    let source = &swarm.files().into_iter().find(|f| f.index == file).expect("a file of the torrent");
    // This part alone: some who ask measure the memory of their process, and some sources are large.
    let mut expected = vec![0; bytes.len()];
    let source_file = std::fs::File::open(&source.disk_path).expect("source");
    std::os::unix::fs::FileExt::read_exact_at(&source_file, &mut expected, at)
        .expect("so much of the source");
    assert!(expected == bytes, "wrong bytes at {at} of {}", source.torrent_path.display());
}

/// Milliseconds since.
pub fn ms(since: Instant) -> u128 {
    since.elapsed().as_millis()
}
