//! The lines are what they say: never faster, and hardly slower.
//!
//! "Never early" is asserted exactly. "Hardly late" is printed, and asserted only within a factor that a busy machine
//! does not reach.

#![allow(clippy::unwrap_used, reason = "a test stops where something fails")]

mod common;

use common::{ask, byte_source};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};
use vozduxan_swarm::{
    TcpMode,
    audio::Noise,
    proxy::{PeerNet, Proxies},
};

/// What may arrive at once.
const PART: f64 = 4096.0;

fn net(rate: u64, rtt: Duration) -> PeerNet {
    PeerNet { seeder: byte_source(), rate: Some(rate), up_rate: None, rtt, tcp: TcpMode::Accept, utp: true }
}

/// Reads `len` bytes and checks them; `early(bytes, when)` is asked after every read.
fn read_all(stream: &mut TcpStream, len: usize, mut early: impl FnMut(usize, Instant)) {
    let expected = Noise::new(0).bytes(len);
    let mut got = Vec::with_capacity(len);
    let mut buffer = vec![0; 65_536];
    while got.len() < len {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "ended after {} of {len} bytes", got.len());
        got.extend_from_slice(&buffer[..n]);
        early(got.len(), Instant::now());
    }
    assert!(got == expected, "wrong bytes");
}

#[test]
fn a_connection_takes_two_round_trips_and_the_rate() {
    let mut late = Vec::new();
    for (rate, milliseconds, len) in [
        (4_000_000, 40, 1_500_000),
        (150_000, 80, 120_000),
        (1_000_000, 0, 300_000),
        (10_000_000, 10, 3_000_000),
    ] {
        let rtt = Duration::from_millis(milliseconds);
        let proxies = Proxies::start().unwrap();
        let proxy = proxies.open(net(rate, rtt)).unwrap();
        let mut ratios: Vec<f64> = (0..3)
            .map(|_| {
                let start = Instant::now();
                let mut stream = TcpStream::connect(proxy.address()).unwrap();
                ask(&mut stream, len);
                read_all(&mut stream, len, |bytes, when| {
                    let on_line = (when - start).saturating_sub(2 * rtt).as_secs_f64();
                    assert!(
                        bytes as f64 <= on_line * rate as f64 + PART,
                        "{bytes} bytes after {on_line} s at {rate}"
                    );
                });
                let limit = (2 * rtt).as_secs_f64() + len as f64 / rate as f64;
                start.elapsed().as_secs_f64() / limit
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!("{rate} B/s, {milliseconds} ms: {:.4} of the limit (median of {ratios:.4?})", ratios[1]);
        assert!(ratios[0] >= 1.0, "early: {ratios:?}");
        late.push(ratios[1]);
        assert_eq!(proxy.counts().down_bytes, 3 * len as u64);
    }
    assert!(late.iter().all(|&ratio| ratio < 3.0), "late: {late:?}");
}

#[test]
fn a_live_connection_answers_after_one_round_trip() {
    let rtt = Duration::from_millis(50);
    let proxies = Proxies::start().unwrap();
    let proxy = proxies.open(net(4_000_000, rtt)).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times: Vec<Duration> = (0..8)
        .map(|_| {
            let start = Instant::now();
            ask(&mut stream, 100);
            read_all(&mut stream, 100, |_, _| {});
            start.elapsed()
        })
        .collect();
    let first = times.remove(0);
    assert!(first >= 2 * rtt && times.iter().all(|&time| time >= rtt), "{first:?} {times:?}");
    times.sort();
    println!("round trip of {rtt:?}: {:?}", times[3]);
    assert!(times[3] < 3 * rtt, "{times:?}");
}

#[test]
fn connections_share_a_peers_line() {
    let (rate, rtt, len) = (2_000_000, Duration::from_millis(20), 300_000);
    let proxies = Proxies::start().unwrap();
    let address = proxies.open(net(rate, rtt)).unwrap().address();
    let start = Instant::now();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                ask(&mut stream, len);
                read_all(&mut stream, len, |_, _| {});
                start.elapsed()
            })
        })
        .collect();
    let ends: Vec<Duration> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    let all = 4.0 * len as f64 / rate as f64;
    let last = ends.iter().max().unwrap().as_secs_f64();
    assert!(last >= all + (2 * rtt).as_secs_f64(), "early: {ends:?}");
    // Nobody is served first and whole: all end in the last half.
    assert!(ends.iter().all(|end| end.as_secs_f64() >= all / 2.0), "unfair: {ends:?}");
}

#[test]
fn datagrams_keep_delay_rate_and_a_short_queue() {
    let (rate, rtt) = (1_000_000u64, Duration::from_millis(40));
    let source = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let std::net::SocketAddr::V4(seeder) = source.local_addr().unwrap() else { panic!("bound to IPv4") };
    // Echoes the first packet, then floods: 200 packets of 1000 bytes at once.
    thread::spawn(move || {
        let mut buffer = [0; 2000];
        let (len, client) = source.recv_from(&mut buffer).unwrap();
        source.send_to(&buffer[..len], client).unwrap();
        source.recv_from(&mut buffer).unwrap();
        for number in 0..200u32 {
            buffer[..4].copy_from_slice(&number.to_le_bytes());
            source.send_to(&buffer[..1000], client).unwrap();
        }
        // Stays open until the process ends.
        thread::park();
    });
    let proxies = Proxies::start().unwrap();
    let proxy = proxies.open(PeerNet { seeder, ..net(rate, rtt) }).unwrap();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();

    let start = Instant::now();
    client.send(b"hello").unwrap();
    let mut buffer = [0; 2000];
    assert_eq!(client.recv(&mut buffer).unwrap(), 5);
    assert!(start.elapsed() >= rtt, "early: {:?}", start.elapsed());
    assert!(start.elapsed() < 3 * rtt, "late: {:?}", start.elapsed());

    let start = Instant::now();
    client.send(b"flood").unwrap();
    let mut numbers = Vec::new();
    // The queue holds 32 KiB, and what leaves while the flood comes in makes room for a little more.
    while numbers.len() < 32 {
        assert_eq!(client.recv(&mut buffer).unwrap(), 1000);
        numbers.push(u32::from_le_bytes(buffer[..4].try_into().unwrap()));
        let on_line = (start.elapsed().saturating_sub(rtt)).as_secs_f64();
        assert!(numbers.len() as f64 * 1000.0 <= on_line * rate as f64 + PART);
    }
    assert!(numbers.is_sorted(), "{numbers:?}");
    let counts = proxy.counts();
    assert!(counts.udp_dropped > 50, "{counts:?}");
    assert_eq!((counts.udp_flows, counts.connections), (1, 0));
}

#[test]
fn an_unlimited_line_is_quick() {
    let proxies = Proxies::start().unwrap();
    let proxy = proxies.open(PeerNet { rate: None, ..net(1, Duration::ZERO) }).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    let start = Instant::now();
    let len = 64 << 20;
    ask(&mut stream, len);
    read_all(&mut stream, len, |_, _| {});
    let rate = len as f64 / start.elapsed().as_secs_f64();
    println!("unlimited: {:.0} MB/s", rate / 1e6);
    assert!(rate > 20e6, "{rate} B/s");
    stream.flush().unwrap();
}
