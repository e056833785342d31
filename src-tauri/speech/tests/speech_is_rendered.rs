//! espeak-ng as it is installed: audio at the engine's rate, kept when approved, never when private.

mod support;

use anteroom_speech::tts::{Espeak, EspeakConfig, PromptBook, Speaker, SpeechCache};
use anteroom_speech::wav;
use anteroom_types::{Pii, UserFacing};
use std::time::Duration;

fn espeak() -> Espeak {
    Espeak::new(EspeakConfig::default())
}

fn files(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn words_become_audio_of_a_plausible_length() {
    let short = espeak().render("We are open.", "en").await.unwrap();
    let long = espeak()
        .render(
            "We are open from eight in the morning until half past six.",
            "en-GB",
        )
        .await
        .unwrap();
    let seconds = |s: &[i16]| s.len() as f32 / 16_000.0;
    assert!((0.4..3.0).contains(&seconds(&short)), "{}", seconds(&short));
    assert!((2.0..8.0).contains(&seconds(&long)) && long.len() > 2 * short.len());
    assert!(long.iter().map(|s| s.unsigned_abs()).max().unwrap() > 4_000);
    assert!(espeak().render(" . ", "en").await.unwrap().is_empty());
    // Phoneme escapes are spoken as text, not obeyed.
    let plain = espeak().render("h@l'oU", "en").await.unwrap();
    assert_eq!(espeak().render("[[h@l'oU]]", "en").await.unwrap(), plain);
}

#[tokio::test]
async fn what_cannot_be_rendered_is_a_clear_error() {
    let missing = Espeak::new(EspeakConfig {
        program: "/nonexistent/espeak".into(),
        ..EspeakConfig::default()
    });
    assert_eq!(missing.render("x", "en").await.unwrap_err().code(), "tts.program");
    assert_eq!(espeak().render("x", "-x").await.unwrap_err().code(), "tts.voice");
    assert_eq!(
        espeak().render("x", "zz-zz").await.unwrap_err().code(),
        "tts.failed"
    );
    assert_eq!(
        espeak()
            .render(&"x".repeat(5_000), "en")
            .await
            .unwrap_err()
            .code(),
        "tts.too_long"
    );
    let stuck = Espeak::new(EspeakConfig {
        time_max: Duration::ZERO,
        ..EspeakConfig::default()
    });
    assert_eq!(stuck.render("x", "en").await.unwrap_err().code(), "tts.timeout");
}

#[tokio::test]
async fn approved_texts_are_kept_within_bounds_and_private_ones_never() {
    let dir = tempfile::tempdir().unwrap();
    let cache = SpeechCache::new(dir.path().join("cache"), 200_000).unwrap();
    let speaker = Speaker::new(espeak(), Some(cache.clone()), None);
    let first = speaker.approved("We are open.", "en").await.unwrap();
    assert!(cache.has(&espeak(), "We are open.", "en"));
    // From the file: a synthesiser that does not exist is not needed.
    assert_eq!(speaker.approved("We are open.", "en").await.unwrap(), first);
    assert_eq!(files(&dir.path().join("cache")), 1);

    let private = Pii::from("Your name is Canary Smith, is that right?");
    assert!(!speaker.private(&private, "en").await.unwrap().is_empty());
    assert_eq!(files(&dir.path().join("cache")), 1);

    for i in 0..12 {
        speaker
            .approved(&format!("This is sentence number {i}."), "en")
            .await
            .unwrap();
    }
    let total: u64 = std::fs::read_dir(dir.path().join("cache"))
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    assert!(total <= 200_000, "{total}");

    let other_voice = Espeak::new(EspeakConfig {
        voice: "en-us".into(),
        ..EspeakConfig::default()
    });
    assert!(!cache.has(&other_voice, "This is sentence number 11.", "en"));
}

#[tokio::test]
async fn a_damaged_file_in_the_cache_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = SpeechCache::new(dir.path().to_owned(), 1_000_000).unwrap();
    let audio = cache.get_or_render(&espeak(), "Hello.", "en").await.unwrap();
    let file = std::fs::read_dir(dir.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::write(&file, b"not audio").unwrap();
    assert_eq!(
        cache.get_or_render(&espeak(), "Hello.", "en").await.unwrap(),
        audio
    );
    assert_eq!(wav::read_file(&file).unwrap(), *audio);
}

#[tokio::test]
async fn a_recording_replaces_a_prompt_by_language() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("en")).unwrap();
    std::fs::write(dir.path().join("greeting.wav"), wav::to_bytes(&[1; 800])).unwrap();
    std::fs::write(dir.path().join("en/greeting.wav"), wav::to_bytes(&[2; 800])).unwrap();
    std::fs::write(dir.path().join("goodbye.wav"), b"damaged").unwrap();
    let speaker = Speaker::new(espeak(), None, Some(PromptBook::new(dir.path().to_owned())));
    assert_eq!(speaker.prompt("greeting", "Hello.", "en-GB").await.unwrap()[0], 2);
    assert_eq!(speaker.prompt("greeting", "Hello.", "pl").await.unwrap()[0], 1);
    assert!(speaker.prompt("goodbye", "Goodbye.", "en").await.unwrap().len() > 3_000);
    assert!(speaker.prompt("../greeting", "Hello.", "en").await.unwrap().len() > 3_000);
}
