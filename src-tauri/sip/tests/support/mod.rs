//! What the tests share: a user agent with an application that answers everything, and a record of what it was told.
#![allow(dead_code, unreachable_pub)]

pub mod peer;
pub mod phone;

use anteroom_sip::{Sip, SipConfig, SipEvent, Transport};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// The description with the direction that answers another's (RFC 3264 6.1).
pub fn answer_to(offer: Option<&str>) -> String {
    let direction = match offer {
        Some(o) if o.contains("a=sendonly") => "a=recvonly\r\n",
        Some(o) if o.contains("a=recvonly") => "a=sendonly\r\n",
        Some(o) if o.contains("a=inactive") => "a=inactive\r\n",
        _ => "a=sendrecv\r\n",
    };
    format!("{SDP}{direction}")
}

pub struct Running {
    pub sip: Arc<Sip>,
    pub told: Arc<Mutex<Vec<SipEvent>>>,
}

impl Running {
    pub fn addr(&self, t: Transport) -> SocketAddr {
        self.sip.local_addrs().into_iter().find(|a| a.0 == t).unwrap().1
    }

    pub fn count(&self, f: impl Fn(&SipEvent) -> bool) -> usize {
        self.told.lock().unwrap().iter().filter(|e| f(e)).count()
    }

    /// Waits until `f` holds of what was told; says what was told when it never does.
    pub async fn until(&self, what: &str, f: impl Fn(&[SipEvent]) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if f(&self.told.lock().unwrap()) {
                return;
            }
            assert!(
                Instant::now() < end,
                "never: {what}; told: {:?}",
                self.told.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Starts a user agent whose application rings and answers, and replies to every offer.
pub async fn start(cfg: SipConfig) -> Running {
    let (tx, mut rx) = mpsc::channel(256);
    let sip = Arc::new(Sip::start(cfg, tx).await.unwrap());
    let told = Arc::new(Mutex::new(Vec::new()));
    let (s, t) = (Arc::downgrade(&sip), Arc::clone(&told));
    tokio::spawn(async move {
        while let Some(e) = rx.recv().await {
            if let Some(sip) = s.upgrade() {
                match &e {
                    SipEvent::Incoming { leg, offer, .. } => {
                        let _ = sip.progress(*leg, 180, None);
                        let _ = sip.answer(*leg, answer_to(offer.as_deref()));
                    }
                    SipEvent::Offer { leg, token, sdp, .. } => {
                        let _ = sip.reply_offer(*leg, *token, answer_to(sdp.as_deref()));
                    }
                    _ => {}
                }
            }
            t.lock().unwrap().push(e);
        }
    });
    Running { sip, told }
}

/// A configuration that takes calls from anybody on a free port.
pub fn open() -> SipConfig {
    SipConfig {
        allow_direct: true,
        ..SipConfig::default()
    }
}
