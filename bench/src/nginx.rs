//! nginx as a measure for serving a file that is at hand: one process, sendfile, one file.

use crate::proc::{self, Facts};
use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the program in the arguments, and ends it with its own input: so nginx does not outlive the benchmark, however
/// that ends.
const GUARD: &str = "\"$@\" & read -r _; kill $!; wait $!";

/// A running nginx. Dropping it ends the process.
pub struct Nginx {
    guard: Child,
    process: u32,
    url: String,
}

impl Nginx {
    /// Serves `file`; `folder` is for its own files.
    ///
    /// # Errors
    /// When it is not installed (the text says what to install) or does not listen.
    pub fn start(file: &Path, folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // A free port, ours until the next line. Who takes it in between makes this measurement fail, not wrong.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let config = folder.join("nginx.conf");
        fs::write(&config, configuration(file, folder, port))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", GUARD, "sh", "nginx", "-c"])
            .arg(&config)
            .arg("-p")
            .arg(folder)
            .args(["-e", "stderr"]);
        // Debian keeps it where only root's PATH leads.
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        command.stdin(Stdio::piped()).stderr(fs::File::create(folder.join("nginx.log"))?);
        let url = format!("http://127.0.0.1:{port}/stream");
        let mut nginx = Self { guard: command.spawn()?, process: 0, url };
        let begin = Instant::now();
        loop {
            // It writes its number before it listens.
            let listens = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            let process =
                fs::read_to_string(folder.join("nginx.pid")).ok().and_then(|text| text.trim().parse().ok());
            if let (true, Some(process)) = (listens, process) {
                nginx.process = process;
                return Ok(nginx);
            }
            if begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(folder.join("nginx.log")).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "nginx does not listen (`scripts/setup.sh bench` installs it): {log}"
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where the file is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the kernel says of the process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn facts(&self) -> io::Result<Facts> {
        proc::look(self.process)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// One process in the foreground that keeps all its files in `folder`.
fn configuration(file: &Path, folder: &Path, port: u16) -> String {
    let (file, folder) = (file.display(), folder.display());
    format!(
        "daemon off;\nmaster_process off;\npid \"{folder}/nginx.pid\";\nerror_log stderr;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nodelay on;\n  tcp_nopush on;\n\
         \x20 client_body_temp_path \"{folder}/a\";\n  proxy_temp_path \"{folder}/b\";\n\
         \x20 fastcgi_temp_path \"{folder}/c\";\n  uwsgi_temp_path \"{folder}/d\";\n  scgi_temp_path \"{folder}/e\";\n\
         \x20 server {{\n    listen 127.0.0.1:{port};\n\
         \x20   location = /stream {{ alias \"{file}\"; default_type audio/flac; }}\n  }}\n}}\n"
    )
}
