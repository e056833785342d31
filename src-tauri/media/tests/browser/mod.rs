//! A real Chromium under a test's control: it loads a page from us, and runs what it is told, line by line.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const PAGE: &str = include_str!("page.html");
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// See the module. It ends with the value.
pub(crate) struct Browser {
    child: Child,
    profile: PathBuf,
    lines: mpsc::Sender<String>,
    results: mpsc::Receiver<String>,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (lines, mut next) = mpsc::channel::<String>(1);
        let (done, results) = mpsc::channel::<String>(1);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &mut next, &done).await;
            }
        });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("anteroom-media-{}-{number}", std::process::id()));
        let child = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(&url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs chromium; cargo xtask setup installs it");
        Self {
            child,
            profile,
            lines,
            results,
        }
    }

    /// Runs one expression in the page and gives back its value.
    pub(crate) async fn run(&mut self, line: &str) -> Value {
        self.lines.send(line.to_owned()).await.unwrap();
        let text = self.results.recv().await.expect("the page is gone");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value.get("error").is_none(), "{line}: {value}");
        value
    }

    /// The same for one that gives a string.
    pub(crate) async fn text(&mut self, line: &str) -> String {
        self.run(line).await.as_str().expect("not a string").to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// A string as the page's script reads it.
pub(crate) fn quoted(s: &str) -> String {
    serde_json::to_string(s).unwrap()
}

/// Serves one request; a connection each is enough.
async fn serve(stream: TcpStream, next: &mut mpsc::Receiver<String>, done: &mpsc::Sender<String>) {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    if stream.read_line(&mut first).await.is_err() {
        return;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => {
                if let Some(v) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = v.trim().parse().unwrap_or(0);
                }
            }
        }
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let (kind, text) = if first.starts_with("GET / ") {
        ("text/html", PAGE.to_owned())
    } else if first.starts_with("GET /next") {
        match next.recv().await {
            Some(line) => ("text/plain", line),
            None => return,
        }
    } else if first.starts_with("POST /result") {
        let _ = done.send(String::from_utf8_lossy(&body).into_owned()).await;
        ("text/plain", String::new())
    } else {
        ("text/plain", String::new())
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.get_mut().write_all(answer.as_bytes()).await;
    let _ = stream.get_mut().shutdown().await;
}
