//! A carrier that seems to be up, by its OPTIONS, and takes no call.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Answers at its address until it is dropped.
pub struct Carrier {
    stop: Arc<AtomicBool>,
}

impl Carrier {
    /// One that refuses each INVITE with that, or says nothing to it at all.
    pub fn refusing(at: &str, with: Option<&'static str>) -> Self {
        let socket = UdpSocket::bind(at).expect("a free address");
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a time-out");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut packet = [0; 4_096];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut packet) else {
                    continue;
                };
                let request = String::from_utf8_lossy(&packet[..len]).into_owned();
                let status = match request.split(' ').next() {
                    Some("OPTIONS") => Some("200 OK"),
                    Some("INVITE") => with,
                    _ => None,
                };
                if let Some(status) = status {
                    let _ = socket.send_to(answer(&request, status).as_bytes(), from);
                }
            }
        });
        Self { stop }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A response to a request, by what RFC 3261 8.2.6 copies of it.
fn answer(request: &str, status: &str) -> String {
    const COPIED: [&str; 5] = ["Via", "From", "To", "Call-ID", "CSeq"];
    let lines = request.split("\r\n").filter_map(|l| {
        let name = l.split_once(':')?.0;
        let copied = COPIED.iter().any(|c| c.eq_ignore_ascii_case(name));
        let tag = if name.eq_ignore_ascii_case("To") && !l.contains("tag=") {
            ";tag=carrier"
        } else {
            ""
        };
        copied.then(|| format!("{l}{tag}\r\n"))
    });
    let headers: String = lines.collect();
    format!("SIP/2.0 {status}\r\n{headers}Content-Length: 0\r\n\r\n")
}
