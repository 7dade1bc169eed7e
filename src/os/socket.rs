//! What tokio's sockets leave to the system: writing without a signal, and the end of a client's input.

use std::io::{self, IoSlice};
#[cfg(any(test, not(target_os = "linux")))]
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Apple's systems know no such flag; [`never_signal`] does it there, for the whole socket.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// To be called once before [`send`], so that no write can raise SIGPIPE, which ends a process that does not ignore it.
///
/// # Errors
/// The system's. Such a socket must not be written to.
#[cfg(not(target_vendor = "apple"))]
pub fn never_signal(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// The same for Apple's systems.
///
/// # Errors
/// The system's. Such a socket must not be written to.
#[cfg(target_vendor = "apple")]
pub fn never_signal(stream: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_nosigpipe(stream, true)?)
}

/// Writes what there is room for, gathered, as one call, and without a signal. Never waits.
///
/// # Errors
/// The system's, `WouldBlock` and `Interrupted` too.
pub fn send(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut no_control = SendAncillaryBuffer::default();
    Ok(sendmsg(stream, slices, &mut no_control, NO_SIGNAL)?)
}

/// Says that nothing more will be written; reading goes on.
///
/// # Errors
/// The system's.
pub fn end_output(stream: &TcpStream) -> io::Result<()> {
    Ok(shutdown(stream, Shutdown::Write)?)
}

/// Resolves when the other side sends no more: it closed the connection, or its own half of it. Also while something
/// is unread.
#[cfg(target_os = "linux")]
pub async fn input_ended(stream: &TcpStream) {
    // PRIORITY is the end of input (EPOLLRDHUP) or out-of-band data, which has no place in HTTP. READABLE would be
    // true all the time while something is unread.
    let _ = stream.ready(Interest::PRIORITY).await;
}

/// Resolves when the other side sends no more: it closed the connection, or its own half of it. Also while something
/// is unread, at most [`LOOK`] later then.
#[cfg(not(target_os = "linux"))]
pub async fn input_ended(stream: &TcpStream) {
    input_ended_by_looking(stream).await;
}

/// Between two looks at a socket that has something unread. A client that left holds a transfer for that long.
#[cfg(any(test, not(target_os = "linux")))]
const LOOK: Duration = Duration::from_millis(250);

/// For systems that do not tell the end of input apart from input: waits for either, and while there is input, looks
/// again now and then.
#[cfg(any(test, not(target_os = "linux")))]
async fn input_ended_by_looking(stream: &TcpStream) {
    while let Ok(ready) = stream.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown, TcpStream as StdStream};

    use tokio::net::TcpListener;

    use super::*;

    /// A connection: the client's end, which blocks, and ours.
    async fn pair() -> (StdStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = listener.accept().await.unwrap().0;
        never_signal(&ours).unwrap();
        (client, ours)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() });
    }

    #[test]
    fn what_is_sent_arrives_in_order_and_then_it_ends() {
        run(async {
            let (mut client, ours) = pair().await;
            let slices = [IoSlice::new(b"head "), IoSlice::new(b"body")];
            ours.writable().await.unwrap();
            assert_eq!(send(&ours, &slices).unwrap(), 9);
            end_output(&ours).unwrap();
            let mut text = String::new();
            client.read_to_string(&mut text).unwrap();
            assert_eq!(text, "head body");
        });
    }

    /// Both ways must see it, with something unread and without.
    #[test]
    fn the_end_of_input_is_seen_behind_what_is_unread() {
        run(async {
            for unread in [&b""[..], b"a request"] {
                let (mut client, ours) = pair().await;
                client.write_all(unread).unwrap();
                let looking = async { tokio::join!(input_ended(&ours), input_ended_by_looking(&ours)) };
                let early = tokio::time::timeout(Duration::from_millis(20), looking).await;
                assert!(early.is_err(), "the client may still send");
                client.shutdown(Shutdown::Write).unwrap();
                tokio::join!(input_ended(&ours), input_ended_by_looking(&ours));
            }
        });
    }
}
