//! Tauri's part of the build: which commands there are, and who may call them.

use tauri_build::{AppManifest, Attributes};

/// What the headset's window may ask of us; nothing else can.
const COMMANDS: &[&str] = &[
    "view", "answer", "hang_up", "hold", "mute", "press", "dial", "devices", "settings", "choose",
];

fn main() {
    let attributes = Attributes::new().app_manifest(AppManifest::new().commands(COMMANDS));
    if let Err(e) = tauri_build::try_build(attributes) {
        println!("cargo::error={e:#}");
    }
}
