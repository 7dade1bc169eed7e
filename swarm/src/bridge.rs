//! The bridge to libtorrent: making torrents, seeding them, and a plain client that downloads them.
//!
//! Nothing calls from C++ into Rust. A C++ exception becomes `Err(cxx::Exception)` with its text.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "the code that cxx generates; the blocks written here have one operation each"
)]
#![allow(
    missing_docs,
    reason = "cxx copies the attributes of its items to generated ones without documentation"
)]

#[cxx::bridge(namespace = "vozduxan::swarm")]
pub(crate) mod ffi {
    /// One file that goes into a torrent.
    struct InputFile {
        /// Path inside the torrent, beginning with the torrent's name.
        path: String,
        /// Length in bytes.
        len: u64,
    }

    /// What `make_torrent` is to make.
    struct MakeSpec {
        /// Folder that holds the torrent's root.
        parent: String,
        files: Vec<InputFile>,
        piece_len: u32,
        v1: bool,
        v2: bool,
        trackers: Vec<String>,
        private_flag: bool,
    }

    /// One entry of a torrent's file list, pad files included.
    struct FileFact {
        path: String,
        /// Offset in the torrent's byte space.
        offset: u64,
        len: u64,
        pad: bool,
    }

    /// What a .torrent says, as libtorrent understands it.
    struct TorrentFacts {
        name: String,
        /// 20 bytes, or empty when the torrent has no v1 part.
        v1: Vec<u8>,
        /// 32 bytes, or empty when the torrent has no v2 part.
        v2: Vec<u8>,
        piece_len: u32,
        total_len: u64,
        /// Length of the info dictionary, which a magnet link's client fetches from peers.
        info_len: u64,
        files: Vec<FileFact>,
    }

    /// What a seeder has done so far.
    struct SeederStats {
        /// Still offers the whole torrent; false would mean that it began to check its files.
        seeding: bool,
        /// Bytes of pieces sent.
        payload_up: u64,
        /// Connected peers.
        peers: u32,
    }

    /// What the plain client is to fetch, and how.
    struct ClientSpec {
        /// Bytes of the .torrent, or empty when `magnet` says what to fetch.
        torrent: Vec<u8>,
        magnet: String,
        save_path: String,
        /// Addresses to connect to at once, as `127.1.2.3:4567`.
        peers: Vec<String>,
        tcp: bool,
        utp: bool,
        /// Files, by their place in the torrent, whose pieces are fetched into libtorrent's part file.
        parted: Vec<u32>,
    }

    /// What the plain client has got so far.
    struct ClientStats {
        finished: bool,
        payload_down: u64,
        /// Bytes that had to be thrown away because their piece's hash was wrong.
        failed: u64,
        hash_failures: u32,
        peers: u32,
        /// Connected peers that speak uTP.
        utp_peers: u32,
        /// The last error libtorrent reported, or empty.
        error: String,
    }

    unsafe extern "C++" {
        include!("vozduxan-swarm/cxx/swarm.h");

        fn make_torrent(spec: &MakeSpec) -> Result<Vec<u8>>;
        fn torrent_facts(torrent: &[u8]) -> Result<TorrentFacts>;

        type Seeder;
        fn start_seeder(torrent: &[u8], save_path: &str, send_buffer: u32) -> Result<UniquePtr<Seeder>>;
        fn port(self: &Seeder) -> u16;
        fn set_mute(self: &Seeder, mute: bool);
        fn stats(self: &Seeder) -> Result<SeederStats>;
        fn begin_stop(self: Pin<&mut Seeder>);

        type Client;
        fn start_client(spec: &ClientSpec) -> Result<UniquePtr<Client>>;
        fn wait(self: &Client, milliseconds: u32) -> Result<ClientStats>;
    }
}

// SAFETY: a Seeder is an lt::session, whose members may be called from any thread, and an atomic flag; nothing in it
// belongs to the thread that made it (cxx/seeder.cc).
unsafe impl Send for ffi::Seeder {}
// SAFETY: the methods that take `&Seeder` call thread-safe session functions or touch the atomic flag; the one that
// changes the session handle takes `Pin<&mut Seeder>`.
unsafe impl Sync for ffi::Seeder {}
// SAFETY: a Client is an lt::session and counters read and written under its own mutex (cxx/client.cc).
unsafe impl Send for ffi::Client {}
