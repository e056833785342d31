//! What the tests share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use anteroom_store::{MasterKey, Store, StoreConfig};
use anteroom_types::event::{CallEvent, EventKind};
use anteroom_types::knowledge::{EntryStatus, KnowledgeEntry};
use anteroom_types::{CallId, EntryId, Mono, TraceId, Wall};
use std::path::Path;

pub(crate) const NOON: i64 = 1_800_000_000_000;

pub(crate) fn key() -> MasterKey {
    MasterKey::from_bytes([7; 32])
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(StoreConfig::new(dir, key())).unwrap()
}

pub(crate) fn call(n: u128) -> CallId {
    CallId::new(Wall(NOON + n as i64 * 1000), n)
}

pub(crate) fn event(call: CallId, seq: u32, kind: EventKind) -> CallEvent {
    CallEvent {
        call,
        trace: TraceId::from_u128(call.to_u128()),
        seq,
        at: Wall(NOON + i64::from(seq) * 1000),
        mono: Mono::from_ms(u64::from(seq) * 1000),
        kind,
    }
}

pub(crate) fn offered(call: CallId) -> CallEvent {
    event(
        call,
        1,
        EventKind::Offered {
            from: "+441632960999".into(),
            to: "desk".into(),
            trunk: "direct".into(),
        },
    )
}

pub(crate) fn entry(id: &str, questions: &[&str], answer: &str) -> KnowledgeEntry {
    KnowledgeEntry {
        id: EntryId::new(id).unwrap(),
        version: 0,
        language: "en".into(),
        title: id.replace('-', " "),
        questions: questions.iter().map(|q| (*q).to_owned()).collect(),
        answer: answer.to_owned(),
        status: EntryStatus::Draft,
        approved_by: None,
        approved_at: None,
        expires_at: None,
        source: None,
    }
}

/// A stand-in for an embedding: the direction depends on the text alone.
pub(crate) fn vector(seed: &str) -> Vec<f32> {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let mut s = [0; 32];
    for (i, b) in seed.bytes().enumerate() {
        s[i % 32] ^= b.rotate_left((i / 32) as u32);
    }
    let mut rng = StdRng::from_seed(s);
    (0..anteroom_store::VECTOR_DIM)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect()
}

pub(crate) fn approve(store: &Store, e: &KnowledgeEntry) -> u32 {
    let version = store.put_draft(e.clone()).unwrap();
    let vectors = e.questions.iter().map(|q| (q.clone(), vector(q))).collect();
    store
        .approve(&e.id, version, "practice-manager", Wall(NOON), vectors)
        .unwrap();
    version
}
