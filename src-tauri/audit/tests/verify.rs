//! Any change, removal, reordering or cut of a chain is found.
use anteroom_audit::export::{FORMAT, Line, LineVerifier};
use anteroom_audit::{
    AppendError, Bad, Chain, DETAIL_BYTES_MAX, Digest, Entry, SignedHead, Why, public_key, verify,
};
use anteroom_types::Wall;
use proptest::prelude::*;
use serde_json::{Value, json};

const SEED: [u8; 32] = [42; 32];

fn chain(n: u64) -> (Vec<Entry>, Chain) {
    let mut chain = Chain::new();
    let entries = (1..=n)
        .map(|i| {
            chain
                .append(
                    Wall(i as i64 * 10),
                    "call.decided",
                    "system",
                    &format!("C{i}"),
                    json!({"n": i, "é": "ü"}),
                )
                .unwrap()
        })
        .collect();
    (entries, chain)
}

fn head(chain: &Chain) -> SignedHead {
    SignedHead::sign(chain, Wall(1), &SEED).unwrap()
}

fn key() -> Digest {
    public_key(&SEED)
}

#[track_caller]
fn bad(entries: &[Entry], heads: &[SignedHead], seq: u64, why: Why) {
    let report = verify(entries, heads, &key());
    assert!(!report.ok && report.head.is_none());
    assert_eq!(report.first_bad, Some(Bad { seq, why }));
}

#[test]
fn a_chain_as_it_was_written_is_good() {
    let (entries, end) = chain(20);
    let report = verify(&entries, &[head(&Chain::new()), head(&end)], &key());
    assert!(report.ok, "{report:?}");
    assert_eq!((report.entries, report.heads, report.signed_up_to), (20, 2, 20));
    assert_eq!(report.head, Some(end.hash()));
    assert!(verify(&[], &[], &key()).ok);
    let (_, middle) = chain(12);
    assert_eq!(verify(&entries, &[head(&middle)], &key()).signed_up_to, 12);
}

#[test]
fn each_kind_of_tampering_is_named() {
    let (good, end) = chain(9);
    let h = head(&end);
    let mut e = good.clone();
    e[4].detail = json!({"n": 6});
    bad(&e, &[], 5, Why::Changed);
    let mut e = good.clone();
    e.remove(4);
    bad(&e, &[], 5, Why::Order);
    let mut e = good.clone();
    e.swap(2, 3);
    bad(&e, &[], 3, Why::Order);
    bad(&good[..7], std::slice::from_ref(&h), 8, Why::Cut);
    assert!(
        verify(&good[..7], &[], &key()).ok,
        "a bare chain does not notice; that is what heads are for"
    );
    // A forger without the key can make a chain that holds together, but not one the head agrees with.
    let mut forged = Chain::new();
    let other: Vec<Entry> = (0..9)
        .map(|_| forged.append(Wall(0), "a", "b", "c", json!({})).unwrap())
        .collect();
    assert!(verify(&other, &[], &key()).ok);
    bad(&other, std::slice::from_ref(&h), 9, Why::Rewritten);
    let forged_head = SignedHead::sign(&forged, Wall(1), &[1; 32]).unwrap();
    bad(&other, &[forged_head], 9, Why::Signature);
    let mut later = h;
    later.at = Wall(2);
    bad(&good, &[later], 9, Why::Signature);
    let mut renumbered = good.clone();
    renumbered.remove(4);
    for (i, e) in renumbered.iter_mut().enumerate() {
        e.seq = i as u64 + 1;
    }
    bad(&renumbered, &[], 5, Why::Link);
}

#[test]
fn what_has_no_safe_canonical_form_is_refused_and_leaves_the_chain_alone() {
    let (_, mut c) = chain(1);
    let before = c;
    let mut deep = json!(1);
    for _ in 0..20 {
        deep = json!([deep]);
    }
    for detail in [
        json!(0.5),
        json!({"a": [u64::MAX]}),
        deep,
        json!("x".repeat(DETAIL_BYTES_MAX)),
    ] {
        assert!(c.append(Wall(0), "a", "b", "c", detail).is_err());
    }
    for name in ["", &"x".repeat(201)] {
        assert!(matches!(
            c.append(Wall(0), "a", name, "c", Value::Null),
            Err(AppendError::Name("actor"))
        ));
    }
    assert!(c.append(Wall(i64::MAX), "a", "b", "c", Value::Null).is_err());
    assert_eq!(c, before);
    c.append(Wall(0), "a", "b", "c", json!(-9_007_199_254_740_991_i64))
        .unwrap();
}

/// Fixed so that a chain written today verifies with every later version.
#[test]
fn the_bytes_that_are_hashed_and_signed_never_change() {
    let mut c = Chain::new();
    let e = c
        .append(
            Wall(1_700_000_000_000),
            "call.answered",
            "system",
            "X",
            json!({"b": 1, "a": [true, null, "é\n"]}),
        )
        .unwrap();
    assert_eq!(
        String::from_utf8(e.canonical().unwrap()).unwrap(),
        format!(
            r#"{{"actor":"system","at":1700000000000,"detail":{{"a":[true,null,"é\n"],"b":1}},"kind":"call.answered","prev":"{}","seq":1,"subject":"X"}}"#,
            "0".repeat(64)
        )
    );
    assert_eq!(Some(e.hash), e.expected_hash());
    assert!(head(&c).is_signed_by(&key()));
}

fn export(entries: &[Entry], heads: &[SignedHead]) -> Vec<String> {
    let mut lines = vec![Line::AnteroomAudit {
        format: FORMAT,
        public_key: key(),
    }];
    lines.extend(entries.iter().cloned().map(Line::Entry));
    lines.extend(heads.iter().cloned().map(Line::Head));
    lines.iter().map(|l| l.to_text().unwrap()).collect()
}

fn check(lines: &[String], trusted: Option<Digest>) -> anteroom_audit::export::ExportReport {
    let mut v = LineVerifier::new(trusted, vec![]);
    lines.iter().for_each(|l| v.push(l));
    v.finish()
}

#[test]
fn an_export_verifies_offline() {
    let (entries, end) = chain(6);
    let lines = export(&entries, &[head(&end)]);
    let report = check(&lines, Some(key()));
    assert!(report.report.ok && report.key_trusted, "{report:?}");
    assert_eq!(report.report.signed_up_to, 6);
    assert!(!check(&lines, None).key_trusted);
    assert!(
        !check(&lines, Some(Digest([9; 32]))).report.ok,
        "another key's heads"
    );
    assert!(!check(&lines[1..], Some(key())).report.ok, "no first line");
    assert!(!check(&[], Some(key())).report.ok);
    let mut garbage = lines.clone();
    garbage.insert(3, "{}".into());
    assert_eq!(
        check(&garbage, None).report.first_bad.unwrap().why,
        Why::Unreadable
    );
    let mut cut = lines.clone();
    cut.remove(6);
    assert!(
        !check(&cut, Some(key())).report.ok,
        "the last entry is gone, the head stayed"
    );
    // Heads that were kept elsewhere convict a file whose own head was cut off with the tail.
    let mut v = LineVerifier::new(Some(key()), vec![head(&end)]);
    lines[..5].iter().for_each(|l| v.push(l));
    assert_eq!(
        v.finish().report.first_bad,
        Some(Bad {
            seq: 5,
            why: Why::Cut
        })
    );
}

fn detail() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1i64 << 53) + 1..(1i64 << 53)).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_chain_survives_its_export(details in prop::collection::vec(detail(), 1..12)) {
        let mut c = Chain::new();
        let entries: Vec<Entry> =
            details.into_iter().map(|d| c.append(Wall(5), "k", "a", "s", d).unwrap()).collect();
        let report = check(&export(&entries, &[head(&c)]), Some(key()));
        prop_assert!(report.report.ok, "{:?}", report);
        prop_assert_eq!(report.report.entries, entries.len() as u64);
    }

    #[test]
    fn any_edit_of_a_signed_chain_is_found(n in 2u64..12, at in 0usize..12, what in 0u8..9) {
        let (mut e, end) = chain(n);
        let h = head(&end);
        let at = at % e.len();
        let before = e.clone();
        match what {
            0 => e[at].at.0 += 1,
            1 => e[at].kind.push('x'),
            2 => e[at].actor.push('x'),
            3 => e[at].subject.push('x'),
            4 => e[at].detail = json!({"n": 0}),
            5 => e[at].hash.0[at % 32] ^= 1,
            6 => { e.remove(at); }
            7 => { let d = e[at].clone(); e.insert(at, d); }
            _ => e.rotate_left(at),
        }
        prop_assert_eq!(verify(&e, &[h], &key()).ok, e == before);
    }
}
