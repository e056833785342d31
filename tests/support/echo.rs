//! An end of RTP that says what it hears: sipp's own echo keeps the packet's SSRC, which makes it a loop (RFC 3550, 8.2).

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SSRC: [u8; 4] = [0xec, 0x40, 0xec, 0x40];

/// Sends every RTP packet back to where it came from, as a source of its own, until it is dropped.
pub struct Echo {
    pub port: u16,
    stop: Arc<AtomicBool>,
}

impl Echo {
    pub fn start() -> Self {
        let port = super::free_ports();
        let socket = UdpSocket::bind(("127.0.0.1", port)).expect("a free port");
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a time-out");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut packet = [0; 2_048];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut packet) else {
                    continue;
                };
                if len > 12 {
                    packet[8..12].copy_from_slice(&SSRC);
                    let _ = socket.send_to(&packet[..len], from);
                }
            }
        });
        Self { port, stop }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
