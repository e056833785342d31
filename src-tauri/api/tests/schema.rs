//! The surface is a checked-in schema, and the page's types are made from it.

#![allow(
    clippy::disallowed_methods,
    reason = "the test reads and writes the checked-in files; the crate does not"
)]

use sha2::{Digest, Sha256};
use std::path::Path;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/api.json");
const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/src/lib/api.ts");

fn document() -> String {
    let mut text = serde_json::to_string_pretty(&anteroom_api::schema::document()).unwrap();
    text.push('\n');
    text
}

/// Run with `ANTEROOM_BLESS=1` to write the schema anew after a wanted change, then `npm run types` in `ui/`.
#[test]
fn the_surface_is_what_was_agreed() {
    let text = document();
    if std::env::var_os("ANTEROOM_BLESS").is_some() {
        std::fs::create_dir_all(Path::new(SCHEMA).parent().unwrap()).unwrap();
        std::fs::write(SCHEMA, &text).unwrap();
    }
    let agreed = std::fs::read_to_string(SCHEMA).unwrap_or_default();
    assert!(
        agreed == text,
        "the API changed: if that is wanted, run this test with ANTEROOM_BLESS=1, then `npm run types` in ui/"
    );
}

#[test]
fn the_pages_types_are_made_from_it() {
    let hash: String = Sha256::digest(document())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let types = std::fs::read_to_string(TYPES).unwrap_or_default();
    assert!(
        types.contains(&format!("schema sha256 {hash}")),
        "ui/src/lib/api.ts is stale: run `npm run types` in ui/"
    );
}
