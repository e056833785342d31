//! Two paths find each other over the simulated network, shake hands, restart and notice the other's end.

use super::fuzz::{mutate, rounds};
use crate::srtp::MasterKey;
use crate::stats::Path;
use crate::webrtc::{Identity, PathEvent, Peer, Setup};
use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct End {
    peer: Peer,
    at: SocketAddr,
    keys: Vec<(MasterKey, MasterKey)>,
    paths: Vec<Path>,
    lost: usize,
    media: Vec<Vec<u8>>,
}

struct Pair {
    now: Instant,
    a: End,
    b: End,
    rng: StdRng,
    loss: f64,
    under_way: Vec<(u64, SocketAddr, SocketAddr, BytesMut)>,
    ms: u64,
    cut: bool,
    /// Share of datagrams that are bent on their way.
    bent: f64,
}

impl Pair {
    /// A offers and B answers.
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let end = |at: &str, controlling| {
            let at: SocketAddr = at.parse().unwrap();
            let identity = Arc::new(Identity::new().unwrap());
            End {
                peer: Peer::new(identity, at, controlling, &[], false, now).unwrap(),
                at,
                keys: Vec::new(),
                paths: Vec::new(),
                lost: 0,
                media: Vec::new(),
            }
        };
        Self {
            now,
            a: end("192.0.2.1:4000", true),
            b: end("192.0.2.2:5000", false),
            rng: StdRng::seed_from_u64(seed),
            loss: 0.0,
            under_way: Vec::new(),
            ms: 0,
            cut: false,
            bent: 0.0,
        }
    }

    fn negotiate(&mut self) {
        let offer = self.a.peer.describe(Setup::ActPass, "0");
        let setup = self.b.peer.answer_setup(&offer);
        self.b.peer.stage_restart(&offer);
        let answer = self.b.peer.describe(setup, "0");
        self.b
            .peer
            .apply(&offer, setup == Setup::Active, self.now)
            .unwrap();
        self.a
            .peer
            .apply(&answer, answer.setup == Setup::Passive, self.now)
            .unwrap();
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.ms += 1;
            self.now += Duration::from_millis(1);
            let due: Vec<_> = self.under_way.extract_if(.., |d| d.0 <= self.ms).collect();
            for (_, from, to, bytes) in due {
                let mut bytes = bytes.to_vec();
                if self.bent > 0.0 && self.rng.random_bool(self.bent) {
                    mutate(&mut bytes, &mut self.rng);
                }
                for end in [&mut self.a, &mut self.b] {
                    if end.at == to
                        && let Some(m) = end.peer.datagram(from, &bytes, self.now)
                    {
                        end.media.push(m.to_vec());
                    }
                }
            }
            if self.ms.is_multiple_of(20) {
                self.a.peer.timeout(self.now);
                self.b.peer.timeout(self.now);
            }
            self.collect();
        }
    }

    fn collect(&mut self) {
        for end in [&mut self.a, &mut self.b] {
            for (to, bytes) in end.peer.out.drain(..) {
                if !self.cut && !self.rng.random_bool(self.loss) {
                    self.under_way.push((self.ms + 5, end.at, to, bytes));
                }
            }
            for e in end.peer.events.drain(..) {
                match e {
                    PathEvent::Keys(k) => end.keys.push((k.ours, k.theirs)),
                    PathEvent::Path(p) => end.paths.push(p),
                    PathEvent::Lost => end.lost += 1,
                }
            }
        }
    }

    fn exchange_media(&mut self, bytes: &[u8]) {
        self.a.peer.send(bytes, self.now);
        self.b.peer.send(bytes, self.now);
        self.collect();
    }
}

#[test]
fn both_ends_come_to_the_same_keys_whatever_is_lost() {
    for (seed, loss) in [(1, 0.0), (2, 0.1), (3, 0.3)] {
        let mut p = Pair::new(seed);
        p.loss = loss;
        p.negotiate();
        p.run(if loss > 0.0 { 60_000 } else { 2_000 });
        assert_eq!((p.a.keys.len(), p.b.keys.len()), (1, 1), "loss {loss}");
        let ((ours, theirs), (b_ours, b_theirs)) = (&p.a.keys[0], &p.b.keys[0]);
        assert!(ours == b_theirs && theirs == b_ours && ours != theirs);
        assert_eq!(p.a.paths.last(), Some(&Path::Host));
        assert_eq!((p.a.lost, p.b.lost), (0, 0));
        p.loss = 0.0;
        p.exchange_media(&[0x80, 0, 1, 2]);
        p.run(20);
        assert_eq!((p.a.media.len(), p.b.media.len()), (1, 1));
    }
}

#[test]
fn a_restart_keeps_the_keys_and_media_flows_meanwhile() {
    let mut p = Pair::new(4);
    p.negotiate();
    p.run(1_000);
    for _ in 0..3 {
        // B is the browser whose network has changed: it offers anew.
        p.b.peer.restart_for_test();
        let offer = p.b.peer.describe(Setup::ActPass, "0");
        let setup = p.a.peer.answer_setup(&offer);
        p.a.peer.stage_restart(&offer);
        let answer = p.a.peer.describe(setup, "0");
        p.a.peer.apply(&offer, setup == Setup::Active, p.now).unwrap();
        p.exchange_media(&[0x80, 0, 9, 9]);
        p.b.peer
            .apply(&answer, answer.setup == Setup::Passive, p.now)
            .unwrap();
        p.run(1_000);
        p.exchange_media(&[0x80, 0, 1, 2]);
        p.run(20);
    }
    assert_eq!((p.a.keys.len(), p.b.keys.len()), (1, 1));
    assert_eq!((p.a.lost, p.b.lost), (0, 0));
    assert_eq!((p.a.media.len(), p.b.media.len()), (6, 6));
}

#[test]
fn a_peer_that_vanishes_is_noticed_and_one_that_ends_at_once() {
    let mut p = Pair::new(5);
    p.negotiate();
    p.run(1_000);
    p.cut = true;
    p.run(20_000);
    assert_eq!((p.a.lost, p.b.lost), (0, 0));
    p.run(20_000);
    assert_eq!((p.a.lost, p.b.lost), (1, 1));
    p.cut = false;
    p.exchange_media(&[0x80, 0, 1, 2]);
    p.run(100);
    assert!(p.a.media.is_empty(), "media went on without consent");

    let mut p = Pair::new(6);
    p.negotiate();
    p.run(1_000);
    p.a.peer.close(p.now);
    p.run(50);
    assert_eq!(p.b.lost, 1);
}

#[test]
fn strangers_are_not_believed() {
    let mut p = Pair::new(7);
    p.negotiate();
    p.run(1_000);
    let stranger: SocketAddr = "203.0.113.9:9".parse().unwrap();
    // Media and DTLS from where no check came from; a binding request without our password that claims our role.
    assert!(p.a.peer.datagram(stranger, &[0x80, 0, 1, 2, 3], p.now).is_none());
    assert!(
        p.a.peer
            .datagram(
                stranger,
                &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0],
                p.now
            )
            .is_none()
    );
    let mut request = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    request.extend_from_slice(&[7; 12]);
    request.extend_from_slice(&[0x80, 0x2a, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert!(p.a.peer.datagram(stranger, &request, p.now).is_none());
    for n in 0..=255u8 {
        p.a.peer.datagram(stranger, &[n; 40], p.now);
        p.a.peer.datagram(stranger, &[n], p.now);
    }
    p.a.peer.datagram(stranger, &[], p.now);
    p.collect();
    assert_eq!((p.a.lost, p.b.lost), (0, 0));
    assert!(p.under_way.iter().all(|d| d.2 != stranger));
    p.run(1_000);
    p.exchange_media(&[0x80, 0, 1, 2]);
    p.run(20);
    assert_eq!((p.a.media.len(), p.b.media.len()), (1, 1));
}

#[test]
fn another_certificate_than_the_described_one_gets_no_keys() {
    let mut p = Pair::new(8);
    let mut offer = p.a.peer.describe(Setup::ActPass, "0");
    offer.fingerprint = Identity::new().unwrap().fingerprint();
    let setup = p.b.peer.answer_setup(&offer);
    let answer = p.b.peer.describe(setup, "0");
    p.b.peer.apply(&offer, true, p.now).unwrap();
    p.a.peer.apply(&answer, false, p.now).unwrap();
    p.run(5_000);
    assert!(p.b.keys.is_empty());
}

#[test]
fn fuzzed_datagrams_break_nothing() {
    rounds(6, |seed| {
        let mut p = Pair::new(seed);
        p.bent = 0.3;
        p.negotiate();
        p.run(3_000);
        for n in 0..2_000u32 {
            // Of every first byte that tells one protocol from another.
            let len = p.rng.random_range(1..200);
            let mut d: Vec<u8> = (0..len).map(|_| p.rng.random()).collect();
            d[0] = [0, 1, 20, 22, 23, 64, 128, 144][n as usize % 8];
            let from = p.b.at;
            p.a.peer.datagram(from, &d, p.now);
        }
        p.bent = 0.0;
        p.run(1_000);
        // However it ended, a new start works.
        let mut p = Pair::new(seed);
        p.negotiate();
        p.run(1_000);
        assert_eq!((p.a.keys.len(), p.b.keys.len()), (1, 1));
    });
}
