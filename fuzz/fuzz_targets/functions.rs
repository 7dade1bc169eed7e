//! The ten C functions in any order with any arguments, on a session that is kept on loopback.
#![no_main]

use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use vozduxan::abi::*;
use vozduxan_fuzz::{disturb, v1, v2};

#[derive(Arbitrary, Clone, Debug)]
enum Given {
    Nothing,
    Bytes(Vec<u8>),
    V1(Vec<u8>),
    V2(Vec<u8>),
    /// One whose data is on disk: its prepare is over at once, and its token is good.
    Here,
    /// A length without bytes, bytes without a length.
    NullWithLength,
    EmptyWithPointer,
}

#[derive(Arbitrary, Clone, Debug)]
enum Token {
    Null,
    Text(Vec<u8>),
    /// Of an earlier prepare.
    Known(u8),
}

#[derive(Arbitrary, Clone, Debug)]
enum Op {
    Prepare {
        magnet: Option<Vec<u8>>,
        torrent: Given,
        file: c_int,
        main: bool,
        tell: bool,
    },
    Notify(Token, i64),
    Release(Token),
    Stats(Token),
    /// What a player reads of it.
    Get(Token, u16),
    List {
        magnet: Option<Vec<u8>>,
        torrent: Given,
    },
    FreeTwice,
    FreeNull,
    Evict,
    Port,
    WithoutSession,
    DestroyNow,
}

#[derive(Arbitrary, Debug)]
struct Story {
    listen_port: c_int,
    max_bytes: u64,
    ttl: u32,
    settings: Option<String>,
    ops: Vec<Op>,
}

const SETTINGS: &str = "[network]\nlisten_interfaces = \"127.0.0.1:0\"\ndht = false\nlsd = false\nupnp = false\n\
                        public_trackers = false\n[log]\nlevel = \"quiet\"\n";

/// SHA-1 of 16 KiB of zeros.
const ZEROS: [u8; 20] = [
    0x89, 0x72, 0x56, 0xb6, 0x70, 0x9e, 0x1a, 0x4d, 0xa9, 0xda, 0xba, 0x92, 0xb6, 0xbd, 0xe3, 0x9c, 0xcf,
    0xcc, 0xd8, 0xc1,
];
const NAME: &str = "zeros.mp3";
const LEN: usize = 2 * 16 * 1024;

/// A torrent of zeros.
fn here() -> Vec<u8> {
    let mut torrent = format!("d4:infod6:lengthi{LEN}e4:name{}:{NAME}", NAME.len()).into_bytes();
    torrent.extend(b"12:piece lengthi16384e6:pieces40:");
    torrent.extend([ZEROS, ZEROS].concat());
    torrent.extend(b"ee");
    torrent
}

/// Reads from a stream; `true`: it is one.
fn get(port: u16, token: &[u8], from: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut request = b"GET /stream/".to_vec();
    request.extend(token.iter().filter(|byte| byte.is_ascii_graphic()));
    request.extend(
        format!(" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nRange: bytes={from}-\r\nConnection: close\r\n\r\n")
            .bytes(),
    );
    let mut answer = Vec::new();
    if socket.write_all(&request).and_then(|()| socket.read_to_end(&mut answer).map(drop)).is_err() {
        return false;
    }
    let is_served = answer.starts_with(b"HTTP/1.1 206");
    if is_served && let Some(head) = answer.windows(4).position(|part| part == b"\r\n\r\n") {
        let body = &answer[head + 4..];
        assert!(body.len() <= LEN - usize::from(from) && body.iter().all(|byte| *byte == 0), "wrong bytes");
    }
    is_served
}

extern "C" fn hear(_: *const c_char, _: *mut c_void) {}

extern "C" fn progress(share: f32, status: *const c_char, _: *mut c_void) {
    assert!((0.0..=1.0).contains(&share) && !status.is_null());
}

/// A pointer of the host's that the engine passes around.
#[derive(Clone, Copy)]
struct Session(*mut VozduxanSession);
// SAFETY: every function of the interface may be called from any thread.
unsafe impl Send for Session {}

fn torrent_of(given: &Given) -> (Vec<u8>, bool) {
    let disturbed = |seed, data: &[u8]| disturb(seed, &mut Unstructured::new(data)).unwrap_or_default();
    let some = |bytes: Vec<u8>| {
        let any = !bytes.is_empty();
        (bytes, any)
    };
    match given {
        Given::Nothing | Given::NullWithLength | Given::EmptyWithPointer => (Vec::new(), false),
        Given::Bytes(bytes) => (bytes.clone(), !bytes.is_empty()),
        Given::Here => (here(), true),
        Given::V1(data) => some(disturbed(v1(), data)),
        Given::V2(data) => some(disturbed(v2(), data)),
    }
}

/// Pointer and length as a careless host passes them.
fn raw(given: &Given, bytes: &[u8]) -> (*const u8, usize) {
    match given {
        Given::Nothing => (null(), 0),
        Given::NullWithLength => (null(), 1000),
        Given::EmptyWithPointer => (b"x".as_ptr(), 0),
        _ => (bytes.as_ptr(), bytes.len()),
    }
}

fn text(bytes: &[u8]) -> CString {
    CString::new(bytes.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>())
        .expect("no NUL is left")
}

/// Prepares block until their torrent gives data or the session ends, so each has a thread; it hands back its token.
fn prepare(session: Session, op: Op) -> std::thread::JoinHandle<CString> {
    std::thread::spawn(move || {
        let session = session;
        let Op::Prepare { magnet, torrent, file, main, tell } = op else { return CString::default() };
        let magnet = magnet.map(|bytes| text(&bytes));
        let (bytes, _) = torrent_of(&torrent);
        let (data, len) = raw(&torrent, &bytes);
        let pointer = magnet.as_ref().map_or(null(), |magnet| magnet.as_ptr());
        let tell: VozduxanProgressFn = if tell { Some(progress) } else { None };
        // SAFETY: all pointers are NULL or live as long as the call.
        let info = unsafe {
            vozduxan_stream_prepare(session.0, pointer, data, len, file, c_int::from(main), tell, null_mut())
        };
        assert_eq!(info.error_msg[255], 0);
        assert_eq!(info.error == VozduxanError::VOZDUXAN_OK, info.url[0] != 0);
        assert_eq!(info.error == VozduxanError::VOZDUXAN_OK, info.error_msg[0] == 0);
        text(&info.token.map(|c| c as u8))
    })
}

fuzz_target!(|story: Story| {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = format!("{SETTINGS}{}", story.settings.as_deref().unwrap_or_default());
    // What the text adds may be no TOML; then all of it would be ignored and the engine would leave loopback.
    let (parsed, complaints) = vozduxan::storage::Settings::parse(&settings);
    let stays = complaints.is_empty() && parsed.network.listen_interfaces.as_deref() == Some("127.0.0.1:0");
    let settings =
        if stays && !parsed.network.dht && !parsed.network.lsd { settings } else { SETTINGS.to_owned() };
    std::fs::write(folder.path().join("vozduxan.toml"), settings).expect("settings");
    std::fs::write(folder.path().join(NAME), vec![0; LEN]).expect("data");
    let path = text(folder.path().as_os_str().as_encoded_bytes());
    let config = VozduxanConfig {
        storage_path: path.as_ptr(),
        cache_max_bytes: story.max_bytes,
        cache_ttl_secs: story.ttl,
        listen_port: story.listen_port,
        log_fn: Some(hear),
        log_userdata: null_mut(),
    };
    // SAFETY: the configuration lives as long as the call.
    let session = Session(unsafe { vozduxan_session_create(&config) });
    assert!(!session.0.is_null());
    let mut blocked = Vec::new();
    // One that is good, so that the rest of the story is about something.
    let first = Op::Prepare { magnet: None, torrent: Given::Here, file: 0, main: false, tell: true };
    let mut tokens: Vec<CString> = vec![prepare(session, first).join().expect("a prepare panicked")];
    // SAFETY: the session lives.
    let port = u16::try_from(unsafe { vozduxan_session_http_port(session.0) }).expect("a port");
    assert!(get(port, tokens[0].as_bytes(), 1000), "what is on disk is not served");
    for op in story.ops.into_iter().take(24) {
        let token = |token: &Token| match token {
            Token::Null => None,
            Token::Text(bytes) => Some(text(bytes)),
            Token::Known(n) => tokens.get(usize::from(*n) % tokens.len().max(1)).cloned(),
        };
        let pointer = |text: &Option<CString>| text.as_ref().map_or(null(), |text| text.as_ptr());
        match op {
            Op::Prepare { .. } => {
                let is_here = matches!(&op, Op::Prepare { torrent: Given::Here, .. });
                let answer = prepare(session, op);
                // Most are over soon: later operations get their tokens.
                let limit = Instant::now() + Duration::from_millis(if is_here { 300 } else { 3 });
                while !answer.is_finished() && Instant::now() < limit {
                    std::thread::sleep(Duration::from_millis(1));
                }
                blocked.push(answer);
            }
            Op::Notify(name, at) => {
                let name = token(&name);
                // SAFETY: NULL or a C string that lives as long as the call; so below.
                unsafe { vozduxan_stream_notify_position(session.0, pointer(&name), at) }
            }
            Op::Release(name) => {
                let name = token(&name);
                // SAFETY: as above.
                unsafe { vozduxan_stream_release(session.0, pointer(&name)) }
            }
            Op::Stats(name) => {
                let name = token(&name);
                // SAFETY: as above.
                let stats = unsafe { vozduxan_stream_stats(session.0, pointer(&name)) };
                assert!(stats.download_rate_bytes >= 0 && stats.num_peers >= 0);
            }
            Op::Get(name, from) => {
                // SAFETY: any session is allowed.
                let port = unsafe { vozduxan_session_http_port(session.0) };
                if let (Some(name), Ok(port)) = (token(&name), u16::try_from(port)) {
                    get(port, name.as_bytes(), from);
                }
            }
            Op::List { magnet, torrent } => {
                let (bytes, given) = torrent_of(&torrent);
                let (data, len) = raw(&torrent, &bytes);
                // A magnet alone would wait for metadata that nobody has.
                let magnet = magnet.filter(|_| given).map(|bytes| text(&bytes));
                // SAFETY: as above.
                let mut list = unsafe { vozduxan_list_files(session.0, pointer(&magnet), data, len) };
                assert_eq!(list.error == VozduxanError::VOZDUXAN_OK, !list.files.is_null());
                assert_eq!(list.error == VozduxanError::VOZDUXAN_OK, list.error_msg[0] == 0);
                // SAFETY: the list of the call above.
                unsafe { vozduxan_file_list_free(&mut list) };
                assert!(list.files.is_null() && list.count == 0);
                // SAFETY: an empty list.
                unsafe { vozduxan_file_list_free(&mut list) };
            }
            Op::FreeTwice => {
                // SAFETY: no input is allowed.
                let mut list = unsafe { vozduxan_list_files(session.0, null(), null(), 0) };
                for _ in 0..2 {
                    // SAFETY: the list of the call above.
                    unsafe { vozduxan_file_list_free(&mut list) };
                }
            }
            // SAFETY: NULL is allowed.
            Op::FreeNull => unsafe { vozduxan_file_list_free(null_mut()) },
            // SAFETY: any session is allowed.
            Op::Evict => unsafe { vozduxan_session_evict(session.0) },
            // SAFETY: any session is allowed.
            Op::Port => drop(unsafe { vozduxan_session_http_port(session.0) }),
            Op::WithoutSession => {
                // SAFETY: NULL is allowed.
                let info =
                    unsafe { vozduxan_stream_prepare(null_mut(), null(), null(), 0, 0, 1, None, null_mut()) };
                assert_eq!(info.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
            }
            // SAFETY: any session is allowed, also one that is destroyed.
            Op::DestroyNow => unsafe { vozduxan_session_destroy(session.0) },
        }
        if blocked.iter().any(|it: &std::thread::JoinHandle<CString>| it.is_finished()) {
            let (over, still): (Vec<_>, Vec<_>) = blocked.into_iter().partition(|it| it.is_finished());
            blocked = still;
            tokens.extend(
                over.into_iter().map(|it| it.join().expect("a prepare panicked")).filter(|it| !it.is_empty()),
            );
        }
    }
    // SAFETY: any session is allowed.
    unsafe { vozduxan_session_destroy(session.0) };
    blocked.into_iter().for_each(|it| drop(it.join().expect("a prepare panicked")));
});
