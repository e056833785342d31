//! What ships inside the program: the sample clinic and the demonstration calls.

use include_dir::{Dir, include_dir};

/// The sample clinic: policy, hours, safety words, intents, calibration and knowledge.
static CLINIC: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../assets/clinic");
/// Synthetic callers' turns, 8 kHz mu-law WAV.
pub static DEMO_CALLS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../assets/demo-calls");

/// The text of a file of the sample clinic.
pub(crate) fn clinic(name: &str) -> &'static str {
    CLINIC
        .get_file(name)
        .and_then(include_dir::File::contents_utf8)
        .unwrap_or_default()
}

/// The documents of the sample clinic's knowledge: name and bytes.
pub fn knowledge() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let files = CLINIC.get_dir("knowledge").map(Dir::files).into_iter().flatten();
    files.filter_map(|f| Some((f.path().file_name()?.to_str()?, f.contents())))
}

/// A demonstration clip.
#[must_use]
pub fn demo_call(name: &str) -> Option<&'static [u8]> {
    DEMO_CALLS.get_file(name).map(include_dir::File::contents)
}
