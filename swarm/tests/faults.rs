//! Peers fail as they are told to.

#![allow(clippy::unwrap_used, reason = "a test stops where something fails")]

mod common;

use common::{ask, byte_source};
use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
    time::{Duration, Instant},
};
use vozduxan_swarm::{
    TcpMode,
    audio::Noise,
    proxy::{PeerNet, Proxies, Proxy},
};

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(60);

fn open(rate: u64) -> (Proxies, Proxy) {
    let proxies = Proxies::start().unwrap();
    let net = PeerNet {
        seeder: byte_source(),
        rate: Some(rate),
        up_rate: None,
        rtt: Duration::from_millis(10),
        tcp: TcpMode::Accept,
        utp: true,
    };
    let proxy = proxies.open(net).unwrap();
    (proxies, proxy)
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect_timeout(&proxy.address().into(), LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Reads whatever there is until nothing comes for `quiet`.
fn drain(stream: &mut TcpStream, quiet: Duration, got: &mut Vec<u8>) {
    stream.set_read_timeout(Some(quiet)).unwrap();
    let mut buffer = vec![0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("the connection ended"),
            Ok(len) => got.extend_from_slice(&buffer[..len]),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                return;
            }
        }
    }
}

#[test]
fn a_frozen_peer_is_silent_and_goes_on_without_a_burst() {
    let (_proxies, proxy) = open(1_000_000);
    let mut stream = connect(&proxy);
    let len = 600_000;
    ask(&mut stream, len);
    let mut got = vec![0; 100_000];
    stream.read_exact(&mut got).unwrap();
    proxy.freeze().unwrap();
    // What had been written before the freeze is in the kernel; after that, nothing.
    drain(&mut stream, Duration::from_millis(150), &mut got);
    let frozen = got.len();
    drain(&mut stream, Duration::from_millis(150), &mut got);
    assert_eq!(got.len(), frozen, "bytes from a frozen peer");
    assert!(frozen < len);
    assert_eq!(proxy.counts().open, 1);

    let start = Instant::now();
    proxy.unfreeze().unwrap();
    let mut rest = vec![0; len - frozen];
    stream.read_exact(&mut rest).unwrap();
    let least = (rest.len() - 4096) as f64 / 1_000_000.0;
    assert!(start.elapsed().as_secs_f64() >= least, "a burst: {:?} < {least}", start.elapsed());
    got.extend_from_slice(&rest);
    assert!(got == Noise::new(0).bytes(len), "wrong bytes");
}

#[test]
fn a_new_rate_holds_for_what_is_queued_too() {
    let (_proxies, proxy) = open(4_000);
    let mut stream = connect(&proxy);
    let len = 2_000_000;
    let start = Instant::now();
    ask(&mut stream, len);
    let mut got = vec![0; len];
    stream.read_exact(&mut got[..4096]).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "4 KiB at 4000 B/s take a second");
    // Some 28 KiB are queued: at the old rate they alone would take 7 seconds.
    proxy.set_rate(Some(10_000_000)).unwrap();
    let start = Instant::now();
    stream.read_exact(&mut got[4096..]).unwrap();
    let least = (len - 3 * 4096) as f64 / 10_000_000.0;
    assert!((least..5.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
    assert!(got == Noise::new(0).bytes(len), "wrong bytes");
}

#[test]
fn dropped_connections_are_reset_and_new_ones_work() {
    let (_proxies, proxy) = open(1_000_000);
    let mut stream = connect(&proxy);
    ask(&mut stream, 1_000_000);
    stream.read_exact(&mut [0; 1000]).unwrap();
    proxy.drop_connections().unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let mut stream = connect(&proxy);
    ask(&mut stream, 10);
    stream.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(proxy.counts().connections, 2);
}

#[test]
fn a_peer_goes_away_and_comes_back_at_the_same_address() {
    let (_proxies, proxy) = open(1_000_000);
    for _ in 0..3 {
        let mut stream = connect(&proxy);
        ask(&mut stream, 10);
        stream.read_exact(&mut [0; 10]).unwrap();
        proxy.go_away().unwrap();
        let refused = TcpStream::connect_timeout(&proxy.address().into(), LIMIT).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(stream.read(&mut [0; 1]).is_err());
        proxy.come_back().unwrap();
    }
}

#[test]
fn a_swallowing_peer_does_not_answer_at_all() {
    let (_proxies, proxy) = open(1_000_000);
    proxy.set_answering(TcpMode::Swallow, false).unwrap();
    let error = TcpStream::connect_timeout(&proxy.address().into(), Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    proxy.set_answering(TcpMode::Accept, true).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, 10);
    stream.read_exact(&mut [0; 10]).unwrap();
}

#[test]
fn the_end_of_a_stream_comes_after_its_bytes() {
    let (_proxies, proxy) = open(100_000);
    let mut stream = connect(&proxy);
    ask(&mut stream, 30_000);
    // The source sends, then reads the end of our half, and closes.
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == Noise::new(0).bytes(30_000), "{} bytes", got.len());
}

#[test]
fn stopped_proxies_say_so() {
    let (proxies, proxy) = open(1_000);
    drop(proxies);
    assert!(proxy.freeze().unwrap_err().to_string().contains("stopped"));
}
