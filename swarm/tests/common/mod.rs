//! What several tests need: a source of bytes to put behind a proxy.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    thread,
};
use vozduxan_swarm::audio::Noise;

/// Bytes made and sent at a time.
const STEP: usize = 16 * 1024;

/// A server that, for every eight bytes it gets (a length, little-endian), sends so many bytes of noise. It runs until
/// the test process ends.
pub fn byte_source() -> SocketAddrV4 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            thread::spawn(move || {
                let mut wish = [0; 8];
                while stream.read_exact(&mut wish).is_ok() {
                    let len = usize::try_from(u64::from_le_bytes(wish)).unwrap();
                    // Piece by piece: the first byte must not wait for the last to be made.
                    for from in (0..len).step_by(STEP) {
                        let mut bytes = Vec::new();
                        Noise::new(0).append(from as u64 / 8, STEP.min(len - from), &mut bytes);
                        if stream.write_all(&bytes).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

/// Asks a byte source for `len` bytes.
pub fn ask(stream: &mut TcpStream, len: usize) {
    stream.write_all(&(len as u64).to_le_bytes()).unwrap();
}
