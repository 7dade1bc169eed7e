//! Reads a stream the way a player does, at playback speed, and compares every byte with the original.

use crate::http::{self, Response};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes that a player takes at once before it slows down to playback speed.
const HEAD_START: u64 = 256 * 1024;
/// Most bytes of one read.
const STEP: u64 = 16 * 1024;

/// One open transfer, from a position to the end of the file.
pub struct Listener {
    response: Response,
    truth: Option<File>,
    /// Longest time without a byte.
    patience: Duration,
    /// Bytes per second of playback.
    byte_rate: u32,
    first: u64,
    position: u64,
    end: u64,
    started: Instant,
    /// When bytes were last received.
    fed: Instant,
    stalled: Duration,
}

/// What to read and what to expect of it.
pub struct Wish<'a> {
    /// The stream.
    pub url: &'a str,
    /// First byte wanted.
    pub first: u64,
    /// Length of the file.
    pub len: u64,
    /// The original, where there is one.
    pub truth: Option<&'a Path>,
    /// Bytes per second of playback.
    pub byte_rate: u32,
    /// Longest time without a byte.
    pub patience: Duration,
}

impl Listener {
    /// Asks for the file from a position on and returns when the first byte is here and right.
    ///
    /// # Errors
    /// When the answer is not the one RFC 9110 asks for, the byte is wrong or does not come.
    pub fn open(wish: &Wish<'_>) -> io::Result<Self> {
        let truth = wish.truth.map(File::open).transpose()?;
        let started = Instant::now();
        let response = http::get(wish.url, Some(wish.first), wish.patience)?;
        let head = &response.head;
        let expected = (206, Some(wish.len - wish.first), Some((wish.first..wish.len, wish.len)));
        if (head.status, head.body_len, head.range.clone()) != expected {
            return Err(io::Error::other(format!("bytes={}- is answered with {head:?}", wish.first)));
        }
        let mut listener = Self {
            response,
            truth,
            patience: wish.patience,
            byte_rate: wish.byte_rate,
            first: wish.first,
            position: wish.first,
            end: wish.len,
            started,
            fed: started,
            stalled: Duration::ZERO,
        };
        while listener.position == wish.first {
            listener.take(STEP)?;
        }
        // Playback, and with it the count of stalls, begins with the first byte.
        listener.started = Instant::now();
        Ok(listener)
    }

    /// Reads for `duration` at playback speed, or to the end of the file, or until `pulse` answers false. `pulse` is
    /// called many times a second with the position of playback.
    ///
    /// # Errors
    /// When a byte is wrong, none comes for too long, or the transfer is cut.
    pub fn listen(&mut self, duration: Duration, mut pulse: impl FnMut(&Self) -> bool) -> io::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < duration && self.position < self.end && pulse(self) {
            let allowed = self.due(self.started.elapsed()) + HEAD_START;
            let taken = self.position - self.first;
            if taken < allowed {
                self.take((allowed - taken).min(STEP))?;
            } else {
                // The pace itself, not a wait for something to happen.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Bytes received.
    pub fn bytes(&self) -> u64 {
        self.position - self.first
    }

    /// Where playback is: behind what was received, at the file's pace.
    pub fn playback(&self) -> u64 {
        self.position.min(self.first + self.due(self.started.elapsed().saturating_sub(self.stalled)))
    }

    /// How long playback would have stood still for want of bytes.
    pub fn stalled(&self) -> Duration {
        self.stalled
    }

    /// Bytes that playback of `time` takes.
    fn due(&self, time: Duration) -> u64 {
        (u128::from(self.byte_rate) * time.as_micros() / 1_000_000) as u64
    }

    /// Takes what has come, `most` bytes at most; nothing may have.
    fn take(&mut self, most: u64) -> io::Result<()> {
        let mut buffer = [0; STEP as usize];
        let hungry = self.due(self.started.elapsed().saturating_sub(self.stalled)) >= self.bytes();
        let asked = Instant::now();
        let len = match self.response.read(&mut buffer[..most as usize]) {
            Ok(0) => {
                let text = format!("the transfer was cut at byte {} of {}", self.position, self.end);
                return Err(io::Error::other(text));
            }
            Ok(len) => len,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        if hungry && self.bytes() > 0 {
            self.stalled += asked.elapsed();
        }
        if len > 0 {
            self.fed = Instant::now();
            self.compare(&buffer[..len])?;
            self.position += len as u64;
        } else if self.fed.elapsed() > self.patience {
            let text = format!("no byte for {} s at byte {}", self.patience.as_secs(), self.position);
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        Ok(())
    }

    fn compare(&self, bytes: &[u8]) -> io::Result<()> {
        if self.position + bytes.len() as u64 > self.end {
            return Err(io::Error::other("more bytes than Content-Length said"));
        }
        let Some(truth) = &self.truth else { return Ok(()) };
        let mut expected = vec![0; bytes.len()];
        truth.read_exact_at(&mut expected, self.position)?;
        match bytes.iter().zip(&expected).position(|(a, b)| a != b) {
            None => Ok(()),
            Some(at) => Err(io::Error::other(format!("byte {} is wrong", self.position + at as u64))),
        }
    }
}

/// Bytes per second of playback by content type. A guess that is good enough to read at about the right speed and to
/// turn a position into a time; the files of the demonstration are WAV, where it is exact.
pub fn byte_rate(mime: &str) -> u32 {
    match mime {
        "audio/wav" | "audio/x-wav" | "audio/wave" => crate::album::BYTE_RATE,
        "audio/flac" | "audio/x-flac" => 125_000,
        "audio/mpeg" => 40_000,
        _ => 32_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// A server for one request that sends `answer`, and the URL to ask.
    fn serve(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).unwrap();
            let _ = socket.write_all(&answer);
        });
        url
    }

    /// Opens at `first` and reads to the end; the server answers with `head` and then `body`.
    fn listen(truth: &[u8], first: u64, head: &str, body: &[u8]) -> Result<u64, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(truth).unwrap();
        let url = serve([head.as_bytes(), b"\r\n\r\n", body].concat());
        let wish = Wish {
            url: &url,
            first,
            len: truth.len() as u64,
            truth: Some(file.path()),
            byte_rate: 1_000_000_000,
            patience: Duration::from_secs(10),
        };
        let mut listener = Listener::open(&wish).map_err(|error| error.to_string())?;
        listener.listen(Duration::from_secs(60), |_| true).map_err(|error| error.to_string())?;
        Ok(listener.bytes())
    }

    fn head(first: usize, len: usize) -> String {
        let (body_len, last) = (len - first, len - 1);
        format!("HTTP/1.1 206 P\r\nContent-Length: {body_len}\r\nContent-Range: bytes {first}-{last}/{len}")
    }

    fn noise(len: u32) -> Vec<u8> {
        (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    #[test]
    fn right_bytes_pass() {
        let truth = noise(300_000);
        assert_eq!(listen(&truth, 100_000, &head(100_000, 300_000), &truth[100_000..]), Ok(200_000));
    }

    #[test]
    fn one_wrong_byte_is_found_and_named() {
        let truth = noise(300_000);
        let mut body = truth.clone();
        body[123_456] ^= 1;
        assert_eq!(listen(&truth, 0, &head(0, 300_000), &body), Err("byte 123456 is wrong".into()));
    }

    #[test]
    fn a_missing_byte_is_found() {
        let truth = noise(50_000);
        let text = listen(&truth, 0, &head(0, 50_000), &truth[..49_999]).unwrap_err();
        assert_eq!(text, "the transfer was cut at byte 49999 of 50000");
    }

    #[test]
    fn the_wrong_range_is_found() {
        let truth = noise(50_000);
        for head in [
            head(0, 50_000),
            "HTTP/1.1 200 OK\r\nContent-Length: 50000".into(),
            "HTTP/1.1 404 No".into(),
            "HTTP/1.1 206 P\r\nContent-Range: bytes 7-49999/50000".into(),
        ] {
            assert!(listen(&truth, 7, &head, &truth[7..]).is_err(), "{head}");
        }
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let patience = Duration::from_millis(50);
        let wish = Wish { url: &url, first: 0, len: 1, truth: None, byte_rate: 1, patience };
        assert!(Listener::open(&wish).is_err());
    }
}
