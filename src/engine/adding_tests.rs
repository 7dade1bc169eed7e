//! The engine's thread, step by step, on a libtorrent of its own that no packet leaves.

use std::time::Instant;

use super::*;
use crate::bridge::Bridge;
use crate::engine::disk::Disk;
use crate::engine::inbox::{Command, Inbox};
use crate::engine::prepare::{Opened, Prepare};
use crate::engine::reach::Reach;
use crate::engine::streams::Streams;
use crate::engine::tuning::{network, tuning, ways};
use crate::engine::waiter::{Promise, Waiter};
use crate::engine::{Config, Input, Role};
use crate::log::Logger;
use crate::storage::testing::Scratch;
use crate::storage::{Settings, Store};

/// A track of one byte.
const TORRENT: &[u8] =
    b"d4:infod6:lengthi1e4:name5:a.mp312:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

struct Stage {
    engine: Engine,
    disk: Arc<Disk>,
    _runtime: tokio::runtime::Runtime,
    folder: Scratch,
}

impl Stage {
    fn new() -> Self {
        let folder = Scratch::new();
        let (settings, complaints) = Settings::parse(
            "[network]\nlisten_interfaces = \"127.0.0.1:0\"\ndht = false\nlsd = false\nupnp = false\nutp = false\n\
             public_trackers = false\n",
        );
        assert!(complaints.is_empty(), "{complaints:?}");
        let config = Config {
            storage_path: folder.to_path_buf(),
            cache_max_bytes: 1 << 30,
            cache_ttl_secs: 60,
            listen_port: None,
        };
        let bridge = Bridge::start(&network(&settings, &config), Vec::new(), true).expect("libtorrent");
        let bridge = Arc::new(bridge);
        let store = Arc::new(Store::open(&folder).expect("storage"));
        let inbox = Arc::new(Inbox::default());
        inbox.connect(Arc::clone(&bridge));
        let disk = Arc::new(Disk::start(Arc::clone(&store), Arc::clone(&inbox)).expect("a thread"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let reach = Reach::start(&ways(&settings), runtime.handle(), &inbox);
        let streams = Arc::new(Streams::new(Arc::clone(&inbox)));
        let log = Logger::start(Arc::new(Box::new(|_: &str| {}))).expect("a thread");
        let engine = Engine::new(
            bridge,
            inbox,
            streams,
            store,
            Arc::clone(&disk),
            log,
            tuning(&settings, &config),
            reach,
            Instant::now(),
        );
        Self { engine, disk, _runtime: runtime, folder }
    }

    /// Calls for the track; the engine has heard of it when this returns.
    fn prepare(&mut self) -> Arc<Waiter<Opened>> {
        self.prepare_from(Source::parse(Input { magnet: None, torrent: Some(TORRENT) }).expect("a torrent"))
    }

    fn prepare_from(&mut self, source: Source) -> Arc<Waiter<Opened>> {
        let home = self.engine.store.home(source.hashes.key(), "a.mp3").expect("a home");
        let waiter = Waiter::new("");
        self.engine.command(Command::Prepare(Box::new(Prepare {
            source,
            stored: Stored { home: Some(home), ..Stored::default() },
            file: 0,
            role: Role::Main,
            waiter: Promise::new(&waiter),
            called: Duration::ZERO,
        })));
        waiter
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.disk.stop();
    }
}

#[test]
fn a_move_that_fails_is_told_and_the_next_call_begins_anew() {
    let mut stage = Stage::new();
    let waiter = stage.prepare();
    let id = *stage.engine.torrents.keys().next().expect("it was added");
    let home = stage.engine.torrents[&id].home.clone().expect("a home");
    // What is not in the session cannot be moved.
    stage.engine.bridge.remove(id);
    stage.engine.move_to(id, home);
    assert!(stage.engine.torrents.is_empty(), "it stays, and every call for it fails");
    match waiter.wait(&mut |_, _| {}) {
        Err(Error::Internal(text)) => {
            assert!(text.contains("could not be opened in"), "{text}");
            assert!(text.contains(&*stage.folder.to_string_lossy()), "{text}");
        }
        other => panic!("{other:?}"),
    }
    stage.prepare();
    let torrent = stage.engine.torrents.values().next().expect("it was added anew");
    assert!(torrent.error.is_none() && torrent.id != id);
}

#[test]
fn a_magnet_whose_stored_metadata_was_deleted_meanwhile_asks_peers_for_it() {
    let mut stage = Stage::new();
    let mut source = Source::parse(Input { magnet: None, torrent: Some(TORRENT) }).expect("a torrent");
    // As it is when its data was looked up, and deleted before it was added: libtorrent gets the magnet only.
    source.magnet = Some(format!("magnet:?xt=urn:btih:{}", source.hashes.key()));
    source.torrent = None;
    stage.prepare_from(source);
    let (id, torrent) = stage.engine.torrents.iter().next().expect("it was added");
    assert!(torrent.meta.is_none(), "nobody will ask for what libtorrent does not have");
    assert!(stage.engine.bridge.metadata(*id).is_err());
    assert_eq!(torrent.jobs.len(), 1, "who called waits");
}
