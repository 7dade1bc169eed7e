//! The declaration of the bridge, nothing else. `mod.rs` wraps it, `cxx/` implements it.

// The generated glue has no room for documentation of its own.
#![allow(missing_docs, clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]

#[cxx::bridge(namespace = "vozduxan")]
pub mod raw {
    /// One libtorrent setting by its settings_pack name; `text` for string settings, `number` for int and bool.
    struct Setting {
        name: String,
        number: i32,
        text: String,
    }

    struct SessionOptions {
        settings: Vec<Setting>,
        /// Contents of dht_state.dat; empty when there is none.
        dht_state: Vec<u8>,
        /// The engine picks and requests blocks itself: libtorrent is kept from doing so.
        own_picker: bool,
    }

    /// How a torrent is to be added. Exactly one of resume, torrent, magnet is not empty.
    struct AddOptions {
        id: u32,
        resume: Vec<u8>,
        torrent: Vec<u8>,
        magnet: String,
        save_path: String,
        /// The resume data counts for its metadata only: the files are hashed.
        check_files: bool,
        extra_trackers: Vec<String>,
    }

    /// What happened, in the order in which it happened per torrent. Fields that a kind does not use are 0 or empty.
    struct Event {
        kind: EventKind,
        torrent: u32,
        /// A connection; never reused within a session.
        peer: u32,
        piece: u32,
        /// Byte offset of a block within its piece, or a number that belongs to the kind.
        offset: u32,
        length: u32,
        /// Bit i of byte i/8, high bit first (BEP 3), for PeerBitfield and FilesChecked; bytes to store for the others.
        data: Vec<u8>,
        /// A block's bytes, null for all that is none. Not a Vec, which C++ could only fill byte by byte.
        bytes: UniquePtr<CxxVector<u8>>,
        text: String,
    }

    #[derive(Debug)]
    enum EventKind {
        /// A connection exists (not yet established); text: address and port; offset: 0 it came in, 1 we
        /// open it by TCP, 3 by uTP.
        PeerNew,
        /// A connection that we opened is established; the handshake follows.
        PeerConnected,
        /// The BitTorrent handshake is done; offset 1: the peer speaks BEP 6 (Fast Extension).
        PeerReady,
        /// The connection ended; text: why.
        PeerGone,
        /// Requests the peer is ready to queue (BEP 10 `reqq`), in offset.
        PeerQueue,
        /// The peer can give metadata (BEP 9), of offset bytes; 0: it does not say.
        PeerMetadata,
        /// A block of metadata, unchecked: its number in piece, bytes in data; offset: bytes of the whole, as the peer
        /// says; 0: it does not.
        MetadataBlock,
        /// The peer will not give the block of metadata in piece.
        MetadataRefused,
        PeerChoke,
        PeerUnchoke,
        PeerHaveAll,
        PeerHaveNone,
        PeerBitfield,
        PeerHave,
        /// A whole block has arrived and was handed to libtorrent; bytes: where they are watched.
        Block,
        /// A whole block has arrived and was kept from libtorrent; bytes: its content.
        BlockKept,
        /// The peer will not send this block (BEP 6).
        Reject,
        /// The piece's hash is right and its bytes are in the file.
        PiecePassed,
        PieceFailed,
        /// All files have to be hashed; libtorrent begins only once the torrent is started.
        CheckingFiles,
        /// What was on disk is known; data: the pieces at hand.
        FilesChecked,
        /// libtorrent has let go of a removed torrent: nothing of it is written any more.
        Gone,
        MetadataReceived,
        MetadataFailed,
        /// The torrent cannot go on; text: why.
        TorrentError,
        /// Writing or reading failed; text: why; offset 1: the disk is full.
        FileError,
        /// data: bencoded resume data.
        ResumeData,
        ResumeFailed,
        /// A tracker answered with offset peers; text: its URL.
        TrackerReply,
        /// text: URL and message.
        TrackerError,
        DhtBootstrap,
        /// text: where and why.
        ListenFailed,
        /// Alerts were lost; what plugins report, pieces above all, never is.
        EventsLost,
    }

    #[derive(Debug)]
    enum CommandKind {
        Request,
        Cancel,
        Disconnect,
        /// Ask for the block of metadata in piece (BEP 9).
        Metadata,
        /// How blocks are watched from now on; offset: 0 not at all, 1 their bytes are copied, 2 those of pieces that
        /// libtorrent has no block of are kept from it. What was begun one way goes on that way until its verdict.
        Watch,
    }

    /// What a peer is to be asked.
    struct Command {
        kind: CommandKind,
        peer: u32,
        piece: u32,
        /// Byte offset of the block within its piece.
        offset: u32,
        length: u32,
    }

    /// What a piece of a v2 torrent has to hash to (BEP 52).
    #[derive(Clone, Debug)]
    struct PieceRoot {
        /// Of the tree of its blocks' SHA-256s; zeros for a piece of padding.
        root: [u8; 32],
        /// Leaves of that tree; those beyond the blocks are zeros.
        leaves: u32,
        /// Bytes of the file in the piece; what follows is padding and has no hash.
        length: u32,
    }

    /// A piece's standing with libtorrent's own picker.
    struct PieceOrder {
        piece: u32,
        /// download_priority_t, 0..=7.
        priority: u8,
        /// From now; negative: no deadline.
        deadline_ms: i32,
        /// Take an earlier deadline back.
        release: bool,
    }

    #[derive(Debug)]
    struct FileInfo {
        /// Path inside the torrent with `/` between folders; the torrent's name is not part of it.
        path: String,
        /// Path on disk below the save path.
        disk_path: String,
        /// First byte in the torrent's byte space.
        offset: u64,
        length: u64,
        pad: bool,
        symlink: bool,
    }

    /// The info dictionary as far as the engine needs it.
    #[derive(Debug)]
    struct Metadata {
        name: String,
        piece_length: u32,
        piece_count: u32,
        total_length: u64,
        private_torrent: bool,
        files: Vec<FileInfo>,
        /// 20 bytes or empty.
        v1: Vec<u8>,
        /// 32 bytes or empty.
        v2: Vec<u8>,
        /// URLs in the .torrent file; empty where the metadata does not come from one.
        trackers: Vec<String>,
    }

    struct MagnetInfo {
        v1: Vec<u8>,
        v2: Vec<u8>,
        name: String,
        /// URLs (`tr=`).
        trackers: Vec<String>,
        /// Addresses with ports (`x.pe=`).
        peers: Vec<String>,
    }

    extern "Rust" {
        /// Fills a vector at once: through cxx's own `push_back` every byte is four calls, and resume data of a large
        /// torrent took longer to carry over than to make. Nothing else of Rust is called by C++.
        fn copied(bytes: &[u8]) -> Vec<u8>;
    }

    unsafe extern "C++" {
        include!("vozduxan/cxx/shim.h");

        type Shim;

        fn new_shim(options: &SessionOptions) -> Result<UniquePtr<Shim>>;
        fn inspect_torrent(bytes: &[u8]) -> Result<Metadata>;
        fn inspect_magnet(uri: &str) -> Result<MagnetInfo>;
        /// The metadata inside resume data; an error when it holds none.
        fn inspect_resume(bytes: &[u8]) -> Result<Metadata>;

        /// Waits until events are there or wake was called; false when the time ran out.
        fn wait(self: &Shim, quiet_ms: u32, milliseconds: u32) -> bool;
        fn wake(self: &Shim);
        fn take_events(self: &Shim, events: &mut Vec<Event>) -> Result<()>;

        fn add(self: &Shim, options: &AddOptions) -> Result<()>;
        fn start(self: &Shim, torrent: u32);
        fn stop_gossip(self: &Shim, torrent: u32) -> Result<()>;
        fn remove(self: &Shim, torrent: u32);
        fn metadata(self: &Shim, torrent: u32) -> Result<Metadata>;
        /// Makes the metadata of a torrent that was added by magnet known to it; false when it does not match.
        fn set_metadata(self: &Shim, torrent: u32, torrent_file: &[u8]) -> bool;
        /// Gives a torrent its info dictionary; false when the hash is another.
        fn set_info(self: &Shim, torrent: u32, info: &[u8]) -> bool;
        fn command(self: &Shim, torrent: u32, commands: &[Command]);
        fn prioritize(self: &Shim, torrent: u32, orders: &[PieceOrder]);
        /// Ends the connection `peer`, if it is still there, and connects to the address at once, by uTP or TCP.
        fn dial(self: &Shim, torrent: u32, peer: u32, address: &str, port: u16, utp: bool);
        /// Connects again to everybody who gave data and has no connection, however often that has failed. If there is
        /// nobody of that kind, or with `pardon`, also to everybody whom libtorrent has banned.
        fn retry_givers(self: &Shim, torrent: u32, pardon: bool);
        fn move_torrent(self: &Shim, old: u32, new_number: u32, save_path: &str) -> Result<()>;
        /// Hands libtorrent a piece that was put together elsewhere; it is hashed like any other.
        fn add_piece(self: &Shim, torrent: u32, piece: u32, bytes: &[u8]);
        /// SHA-1 of every piece, 20 bytes each; empty for a torrent without them (v2 only) or without metadata.
        fn piece_hashes(self: &Shim, torrent: u32) -> Result<Vec<u8>>;
        /// The roots of every piece; empty for a torrent that has SHA-1s, and while one root is not known.
        fn piece_roots(self: &Shim, torrent: u32) -> Result<Vec<PieceRoot>>;
        /// SHA-1.
        fn sha1(bytes: &[u8]) -> [u8; 20];
        /// SHA-256.
        fn sha256(bytes: &[u8]) -> [u8; 32];
        fn add_trackers(self: &Shim, torrent: u32, urls: &[String]);
        fn trackers(self: &Shim, torrent: u32) -> Result<Vec<String>>;
        fn remove_trackers(self: &Shim, torrent: u32, urls: &[String]) -> Result<()>;
        fn request_resume(self: &Shim, torrent: u32);
        fn recheck(self: &Shim, torrent: u32);
        fn recover(self: &Shim, torrent: u32);
        fn announce(self: &Shim, torrent: u32);
        fn announce_to_dht(self: &Shim, torrent: u32);
        /// Empty when there are no nodes in it.
        fn dht_state(self: &Shim) -> Result<Vec<u8>>;
        fn dht_nodes(self: &Shim) -> u32;
        /// Ends the session and joins its threads.
        fn shut_down(self: &Shim);
    }
}

fn copied(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}
