//! A web server with one page, of another origin than the engine's, as a host's user interface is.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::host::PATIENCE;

/// The page: functions that a test calls through the browser's driver.
const PAGE: &str = include_str!("page.html");

/// Answers every request with the page until dropped.
pub struct Page {
    port: u16,
    over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Page {
    pub fn serve() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let server = thread::spawn(move || {
            for connection in listener.incoming() {
                if end.load(Ordering::Acquire) {
                    return;
                }
                // A browser may open a connection and change its mind.
                let _ = connection.map(answer);
            }
        });
        Self { port, over, server: Some(server) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the server, which looks at the flag.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.server.take().map(JoinHandle::join);
    }
}

/// Reads a request's head and sends the page.
fn answer(connection: TcpStream) -> std::io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut connection = reader.into_inner();
    let len = PAGE.len();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{PAGE}"
    )?;
    connection.shutdown(Shutdown::Write)
}
