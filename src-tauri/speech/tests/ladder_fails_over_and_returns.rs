//! The ladder with real models: a rung that is missing or damaged is passed over and taken back when it is well, a slow
//! one gives way, and with nothing left there is the keypad.

mod support;

use anteroom_speech::recogniser::{
    CancelFlag, Job, JobKind, Ladder, LadderConfig, LadderHealth, RecogniseError, Rung, RungConfig,
    RungState, WhisperSettings,
};
use anteroom_speech::whisper::{AudioCtx, HallucinationGuard, ModelFile};
use anteroom_types::{Purpose, TraceId, Wall};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const SHA256: &str = "90b780cd83435cf66d06bcd66133b138172d157dd85742912ba0a8617417b625";

fn demo_model() -> PathBuf {
    support::repository().join("models/demo-clinic-en.bin")
}

fn rung(name: &str, path: &Path) -> RungConfig {
    RungConfig {
        name: name.into(),
        model: ModelFile {
            id: name.into(),
            path: path.to_owned(),
            sha256: Some(SHA256.into()),
            demonstration: true,
        },
        settings: WhisperSettings {
            audio_ctx: AudioCtx::Fixed(512),
            ..WhisperSettings::default()
        },
    }
}

fn config(rungs: Vec<RungConfig>) -> LadderConfig {
    LadderConfig {
        rungs,
        // Only when told to: the tests do not wait.
        probe_every: Duration::from_secs(3600),
        ..LadderConfig::default()
    }
}

fn job(kind: JobKind, call: u128) -> Job {
    Job {
        samples: Arc::from(support::clip("call-questions-1.wav")),
        kind,
        language: None,
        trace: TraceId::new(Wall(1), call),
        cancel: CancelFlag::default(),
    }
}

async fn until(ladder: &Ladder, what: impl FnMut(&LadderHealth) -> bool) -> LadderHealth {
    let mut health = ladder.health();
    tokio::time::timeout(Duration::from_secs(60), health.wait_for(what))
        .await
        .expect("the ladder never got there")
        .unwrap()
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_corrupt_rungs_are_passed_over_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, corrupt) = (dir.path().join("missing.bin"), dir.path().join("corrupt.bin"));
    let mut bytes = std::fs::read(demo_model()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    std::fs::write(&corrupt, &bytes).unwrap();
    let ladder = Ladder::start(config(vec![
        rung("best", &missing),
        rung("second", &corrupt),
        rung("third", &demo_model()),
    ]))
    .unwrap();

    let health = ladder.health().borrow().clone();
    assert_eq!(health.active, Rung::Speech("third".into()));
    assert_eq!(health.rungs[0].state, RungState::Missing);
    assert_eq!(health.rungs[1].state, RungState::Corrupt);
    assert!(health.rungs[1].last_error.as_ref().unwrap().contains("SHA-256"));
    assert_eq!(health.last_change.unwrap().why, "missing");
    let heard = ladder.recognise(job(JobKind::Final, 1)).await.unwrap();
    assert_eq!(heard.rung, "third");
    assert_eq!(heard.text.open(Purpose::Test), "What are your opening hours?");

    std::fs::copy(demo_model(), &corrupt).unwrap();
    ladder.probe_now();
    let health = until(&ladder, |h| h.active == Rung::Speech("second".into())).await;
    assert_eq!(health.last_change.unwrap().why, "recovered");
    assert_eq!(
        ladder.recognise(job(JobKind::Final, 1)).await.unwrap().rung,
        "second"
    );

    std::fs::copy(demo_model(), &missing).unwrap();
    ladder.probe_now();
    until(&ladder, |h| h.active == Rung::Speech("best".into())).await;
    assert_eq!(
        ladder.recognise(job(JobKind::Final, 1)).await.unwrap().rung,
        "best"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rung_that_runs_out_of_time_gives_way_within_the_same_job_and_stays_away() {
    let mut hopeless = rung("hopeless", &demo_model());
    hopeless.settings.decode_ms_max = 1;
    let ladder = Ladder::start(config(vec![hopeless, rung("good", &demo_model())])).unwrap();
    let heard = ladder.recognise(job(JobKind::Final, 1)).await.unwrap();
    assert_eq!(
        (heard.rung.as_str(), heard.text.open(Purpose::Test).is_empty()),
        ("good", false)
    );
    let health = until(&ladder, |h| h.active == Rung::Speech("good".into())).await;
    assert_eq!(health.rungs[0].state, RungState::Failing);
    assert_eq!(health.last_change.unwrap().why, "error");
    // It is looked at, fails again, and is left alone.
    ladder.probe_now();
    assert_eq!(
        ladder.recognise(job(JobKind::Final, 1)).await.unwrap().rung,
        "good"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_decodes_move_down_the_ladder_but_never_off_it() {
    let mut config = config(vec![rung("slow", &demo_model()), rung("last", &demo_model())]);
    config.decode_slow = Duration::ZERO;
    config.slow_in_a_row_max = 2;
    let ladder = Ladder::start(config).unwrap();
    for _ in 0..2 {
        assert_eq!(
            ladder.recognise(job(JobKind::Final, 1)).await.unwrap().rung,
            "slow"
        );
    }
    let health = until(&ladder, |h| h.active == Rung::Speech("last".into())).await;
    assert_eq!(health.rungs[0].state, RungState::TooSlow);
    assert_eq!(health.last_change.unwrap().why, "load");
    for _ in 0..3 {
        assert_eq!(
            ladder.recognise(job(JobKind::Final, 1)).await.unwrap().rung,
            "last"
        );
    }
    assert_eq!(ladder.health().borrow().active, Rung::Speech("last".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_left_there_is_the_keypad() {
    let nowhere = Path::new("/nonexistent/model.bin");
    for rungs in [vec![], vec![rung("gone", nowhere)]] {
        let ladder = Ladder::start(config(rungs)).unwrap();
        assert_eq!(ladder.health().borrow().active, Rung::Keypad);
        let answer = ladder.recognise(job(JobKind::Final, 1)).await;
        assert_eq!(answer.unwrap_err(), RecogniseError::NoRecogniser);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_drops_partials_first_and_serves_every_final() {
    let mut config = config(vec![rung("only", &demo_model())]);
    config.queue_max = 4;
    let ladder = Arc::new(Ladder::start(config).unwrap());
    let ask = |kind, call| {
        let ladder = Arc::clone(&ladder);
        tokio::spawn(async move { ladder.recognise(job(kind, call)).await })
    };
    let mut partials = Vec::new();
    for call in 0..12 {
        partials.push(ask(JobKind::Partial, call));
    }
    let depth = until(&ladder, |h| h.queue_depth == 4).await.queue_depth;
    assert_eq!(depth, 4);
    let finals: Vec<_> = (100..104).map(|call| ask(JobKind::Final, call)).collect();
    for f in finals {
        assert!(!f.await.unwrap().unwrap().text.open(Purpose::Test).is_empty());
    }
    let mut lost = 0;
    for p in partials {
        match p.await.unwrap() {
            Ok(_) => {}
            Err(RecogniseError::Displaced | RecogniseError::Overloaded) => lost += 1,
            Err(e) => panic!("{e}"),
        }
    }
    assert!(lost >= 7, "{lost}");
    assert_eq!(ladder.health().borrow().queue_depth, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_the_decode_and_short_audio_needs_none() {
    let ladder = Ladder::start(config(vec![rung("only", &demo_model())])).unwrap();
    let cancelled = job(JobKind::Final, 1);
    cancelled.cancel.cancel();
    assert_eq!(
        ladder.recognise(cancelled).await.unwrap_err(),
        RecogniseError::Cancelled
    );

    let flag = CancelFlag::default();
    let mut dropped = job(JobKind::Final, 1);
    dropped.cancel = flag.clone();
    let waited = tokio::time::timeout(Duration::from_millis(1), ladder.recognise(dropped)).await;
    assert!(waited.is_err() && flag.is_cancelled());

    let mut short = job(JobKind::Final, 1);
    short.samples = Arc::from(vec![1_000; 1_600]);
    let heard = ladder.recognise(short).await.unwrap();
    assert_eq!(heard.dropped_as, Some(HallucinationGuard::TooShort));
    assert!(heard.text.open(Purpose::Test).is_empty());
}
