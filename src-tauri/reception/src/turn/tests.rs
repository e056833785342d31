//! Each test is a line with a caller on it: what is heard above, what the machine does below.

use super::*;

struct Line {
    taker: TurnTaker,
    now: Mono,
    all: Vec<(u64, TurnEffect)>,
    /// How many effects there were whenever playback was replaced or ended from outside.
    replaced: Vec<usize>,
    /// The segment that was said to have started and not to have ended.
    open: Option<SegmentId>,
}

impl Line {
    fn new() -> Self {
        let mut line = Self {
            taker: TurnTaker::new(TurnConfig::default()),
            now: Mono::from_ms(1_000),
            all: Vec::new(),
            replaced: Vec::new(),
            open: None,
        };
        line.give(TurnEvent::Tick);
        line
    }
    fn expecting(e: Expectation) -> Self {
        let mut line = Self::new();
        line.give(TurnEvent::Expect(e));
        line
    }
    fn give(&mut self, ev: TurnEvent) -> Vec<TurnEffect> {
        if matches!(ev, TurnEvent::PlaybackStarted { .. } | TurnEvent::PlaybackEnded) {
            self.replaced.push(self.all.len());
        }
        let mut out = Vec::new();
        self.taker.handle(self.now, ev, &mut out);
        for e in &out {
            match e {
                TurnEffect::SpeechStarted { segment, .. } => {
                    assert_eq!(self.open.replace(*segment), None, "it had not ended");
                }
                TurnEffect::SpeechEnded { segment } => {
                    assert_eq!(self.open.take(), Some(*segment), "it had not started");
                }
                _ => {}
            }
        }
        assert_eq!(self.open.is_some(), self.taker.caller_speaks(), "{out:?}");
        self.all
            .extend(out.iter().cloned().map(|e| (self.now.as_ms(), e)));
        out
    }
    /// Frames of `prob` for `ms`, clock and frames together.
    fn frames(&mut self, ms: u64, prob: f32) -> &mut Self {
        for _ in 0..ms.div_ceil(32) {
            self.now = self.now.plus_ms(32);
            let frame_end = self.now;
            self.give(TurnEvent::Vad { prob, frame_end });
        }
        self
    }
    fn speech(&mut self, ms: u64) -> &mut Self {
        self.frames(ms, 0.95)
    }
    fn silence(&mut self, ms: u64) -> &mut Self {
        self.frames(ms, 0.02)
    }
    /// The clock alone, called when the machine asks to be.
    fn ticks(&mut self, ms: u64) -> &mut Self {
        let until = self.now.plus_ms(ms);
        while let Some(t) = self.taker.next_timeout().filter(|t| *t <= until) {
            self.now = self.now.max(t).plus_ms(1);
            self.give(TurnEvent::Tick);
        }
        self.now = self.now.max(until);
        self
    }
    fn play(&mut self) -> &mut Self {
        self.give(TurnEvent::PlaybackStarted { interruptible: true });
        self
    }
    /// Answers the last speculation.
    fn guess(&mut self, text: &str, complete: bool) -> Vec<TurnEffect> {
        let last = self.all.iter().rev().find_map(|(_, e)| match e {
            TurnEffect::Speculate { segment, end, .. } => Some((*segment, *end)),
            _ => None,
        });
        let (segment, end) = last.expect("a speculation was asked for");
        self.give(TurnEvent::SpeculativeText {
            segment,
            end,
            text: text.into(),
            complete,
        })
    }
    fn last_turn(&self) -> Option<(SegmentId, Mono, Mono, bool, u64)> {
        self.all.iter().rev().find_map(|(at, e)| match e {
            TurnEffect::EndOfTurn {
                segment,
                start,
                end,
                forced,
            } => Some((*segment, *start, *end, *forced, *at)),
            _ => None,
        })
    }
    fn turns(&self) -> usize {
        self.count(|e| matches!(e, TurnEffect::EndOfTurn { .. }))
    }
    fn count(&self, f: impl Fn(&TurnEffect) -> bool) -> usize {
        self.all.iter().filter(|(_, e)| f(e)).count()
    }
    fn did(&self, e: &TurnEffect) -> bool {
        self.count(|x| x == e) > 0
    }
    /// Milliseconds from the end of speech to the end of the turn, after `ms` of speech.
    fn patience(mut self, text: Option<(&str, bool)>) -> u64 {
        self.speech(1_000);
        let quiet = self.now;
        if let Some((text, complete)) = text {
            self.silence(200);
            self.guess(text, complete);
        }
        self.silence(4_000);
        let (_, _, end, forced, at) = self.last_turn().expect("the turn ended");
        assert_eq!(end, quiet);
        assert!(!forced);
        at - quiet.as_ms()
    }
}

#[track_caller]
fn near(got: u64, want: u64) {
    assert!(got >= want && got <= want + 64, "{got} ms instead of {want}");
}

#[test]
fn patience_follows_the_question() {
    near(Line::expecting(Expectation::Question).patience(None), 700);
    near(Line::expecting(Expectation::YesNo).patience(None), 500);
    near(Line::expecting(Expectation::Name).patience(None), 900);
    near(Line::expecting(Expectation::Date).patience(None), 1_600);
    near(Line::expecting(Expectation::Number).patience(None), 2_600);
}

#[test]
fn a_complete_sentence_ends_the_turn_sooner() {
    near(
        Line::expecting(Expectation::Question).patience(Some(("Is there parking?", true))),
        350,
    );
    near(
        Line::expecting(Expectation::Question).patience(Some(("I would like to", false))),
        700,
    );
    near(
        Line::expecting(Expectation::Number).patience(Some(("07700 900142", true))),
        900,
    );
}

#[test]
fn pauses_in_a_dictated_number_do_not_cut_it() {
    let mut line = Line::expecting(Expectation::Number);
    for _ in 0..3 {
        line.speech(900).silence(2_500);
        // What is there so far is no whole number.
        line.guess("oh seven seven", false);
    }
    assert_eq!(line.turns(), 0);
    line.speech(900).silence(3_000);
    assert_eq!(line.turns(), 1);
    let (_, start, end, _, _) = line.last_turn().unwrap();
    assert!(end.ms_since(start) > 10_000, "all of it is one segment");
}

#[test]
fn a_stale_guess_does_not_hurry_a_longer_turn() {
    let mut line = Line::new();
    line.speech(600).silence(200);
    let old = line.all.last().cloned();
    let Some((_, TurnEffect::Speculate { segment, end, .. })) = old else {
        panic!("{old:?}")
    };
    line.speech(400);
    assert!(line.did(&TurnEffect::CancelSpeculation { segment }));
    line.silence(200);
    line.give(TurnEvent::SpeculativeText {
        segment,
        end,
        text: "Is there parking?".into(),
        complete: true,
    });
    line.silence(250);
    assert_eq!(line.turns(), 0, "the answer was to the older speculation");
    line.silence(300);
    assert_eq!(line.turns(), 1);
}

#[test]
fn pre_roll_is_kept() {
    let mut line = Line::new();
    line.silence(1_000);
    let speech_at = line.now;
    line.speech(500).silence(1_000);
    let (_, start, ..) = line.last_turn().unwrap();
    assert_eq!(speech_at.ms_since(start), 300);
}

#[test]
fn a_turn_ends_although_frames_stop() {
    let mut line = Line::new();
    line.speech(800);
    let quiet = line.now;
    line.ticks(2_000);
    let (_, _, end, _, at) = line.last_turn().expect("the clock ends it");
    assert_eq!(end, quiet);
    assert!(at - quiet.as_ms() <= 700 + 150 + 10);
}

#[test]
fn comfort_noise_between_the_thresholds_does_not_hold_the_line() {
    let mut line = Line::new();
    line.speech(800);
    let quiet = line.now;
    line.frames(6_000, 0.42);
    let (_, _, end, forced, at) = line.last_turn().expect("the watchdog ends it");
    assert!(forced);
    near(at - quiet.as_ms(), 3_000);
    assert!(end.ms_since(quiet) <= 300);
}

#[test]
fn a_turn_has_a_longest_length() {
    let mut line = Line::new();
    line.speech(70_000);
    assert_eq!(line.turns(), 2);
    assert!(line.last_turn().unwrap().3);
    assert_eq!(line.count(|e| matches!(e, TurnEffect::SpeechStarted { .. })), 3);
}

#[test]
fn words_over_playback_pause_and_then_drop_it() {
    let mut line = Line::new();
    line.play().silence(500);
    let onset = line.now;
    line.speech(160);
    let paused_at = line
        .all
        .iter()
        .find(|(_, e)| *e == TurnEffect::PausePlayback)
        .unwrap()
        .0;
    near(paused_at - onset.as_ms(), 120);
    line.speech(300);
    let out = line.guess("No, I want", false);
    assert!(out.contains(&TurnEffect::DropPlayback), "{out:?}");
    line.speech(300).silence(900);
    assert_eq!(line.turns(), 1, "the words are the turn");
}

#[test]
fn a_cough_over_playback_pauses_and_resumes_it() {
    let mut line = Line::new();
    line.play().silence(500).speech(160).silence(200);
    assert!(line.did(&TurnEffect::PausePlayback));
    let segment = line.open.expect("it is a segment");
    let out = line.guess("", false);
    assert_eq!(
        out,
        [TurnEffect::SpeechEnded { segment }, TurnEffect::ResumePlayback]
    );
    line.silence(2_000);
    assert_eq!(line.turns(), 0);
}

#[test]
fn the_verdict_is_never_later_than_half_a_second() {
    for speaks_on in [false, true] {
        let mut line = Line::new();
        line.play().silence(320).speech(130);
        let paused = line.now;
        if speaks_on {
            line.speech(600);
            assert!(line.did(&TurnEffect::DropPlayback));
        } else {
            line.ticks(600);
            assert!(line.did(&TurnEffect::ResumePlayback));
        }
        let at = line
            .all
            .iter()
            .find(|(_, e)| matches!(e, TurnEffect::DropPlayback | TurnEffect::ResumePlayback))
            .unwrap()
            .0;
        assert!(at - paused.as_ms() <= 500 + 32, "{}", at - paused.as_ms());
    }
}

#[test]
fn a_late_yes_still_counts_after_the_resume() {
    let mut line = Line::expecting(Expectation::YesNo);
    line.play().silence(320).speech(190).silence(560);
    assert!(line.did(&TurnEffect::ResumePlayback));
    let out = line.guess("Yes.", true);
    assert!(matches!(
        out.as_slice(),
        [TurnEffect::DropPlayback, TurnEffect::EndOfTurn { .. }]
    ));
}

#[test]
fn a_listener_who_says_mhm_does_not_interrupt() {
    let mut line = Line::new();
    line.play().silence(500).speech(250).silence(200);
    assert!(line.guess("Mhm.", true).contains(&TurnEffect::ResumePlayback));
    assert!(!line.did(&TurnEffect::DropPlayback));
    let mut line = Line::expecting(Expectation::YesNo);
    line.play().silence(500).speech(250).silence(200);
    assert!(line.guess("Okay.", true).contains(&TurnEffect::DropPlayback));
}

#[test]
fn the_first_sentence_of_an_emergency_is_not_interrupted() {
    let mut line = Line::new();
    line.give(TurnEvent::PlaybackStarted { interruptible: false });
    line.speech(1_500).silence(900);
    assert!(!line.did(&TurnEffect::PausePlayback));
    assert_eq!(line.turns(), 1, "it is heard all the same");
}

#[test]
fn a_yes_that_the_detector_nearly_missed_is_accepted() {
    let mut line = Line::expecting(Expectation::YesNo);
    line.silence(500).frames(64, 0.45).silence(150);
    assert!(
        line.count(|e| matches!(e, TurnEffect::Speculate { .. })) == 1,
        "{:?}",
        line.all
    );
    let out = line.guess("Yes.", true);
    assert!(matches!(out.as_slice(), [TurnEffect::EndOfTurn { .. }]));
    // Nothing there: nothing happens.
    let mut line = Line::expecting(Expectation::YesNo);
    line.silence(500).frames(64, 0.45).silence(150);
    assert_eq!(line.guess("", false), []);
    // A question is not that short.
    let mut line = Line::expecting(Expectation::Question);
    line.silence(500).frames(64, 0.6).silence(150);
    assert_eq!(line.all, []);
}

#[test]
fn silence_is_answered_again_and_again() {
    let mut line = Line::new();
    line.ticks(30_000);
    let counts: Vec<u32> = line
        .all
        .iter()
        .filter_map(|(_, e)| match e {
            TurnEffect::NothingHeard { count } => Some(*count),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [1, 2, 3, 4]);
    line.give(TurnEvent::Dtmf);
    line.ticks(7_500);
    assert!(line.did(&TurnEffect::NothingHeard { count: 1 }));
}

#[test]
fn who_holds_us_is_not_expected_to_speak() {
    let mut line = Line::new();
    line.ticks(7_500);
    assert!(line.did(&TurnEffect::NothingHeard { count: 1 }));
    // What they said before is a turn; the silence after it is nobody's.
    line.speech(900);
    line.give(TurnEvent::Held(true));
    line.silence(800);
    let segment = line.last_turn().expect("the turn ended").0;
    line.give(TurnEvent::FinalText {
        segment,
        text: "".into(),
    });
    let before = line.all.len();
    line.silence(600_000).ticks(600_000);
    assert_eq!(line.all[before..], []);
    assert_eq!(line.taker.next_timeout(), None);
    line.give(TurnEvent::Held(false));
    line.ticks(6_900);
    assert_eq!(line.all[before..], [], "the clock starts anew");
    line.ticks(200);
    let (_, last) = line.all.last().unwrap();
    assert_eq!(*last, TurnEffect::NothingHeard { count: 1 });
}

#[test]
fn what_stands_still_on_hold_is_not_given_up() {
    let mut line = Line::new();
    line.play().silence(500);
    line.give(TurnEvent::Held(true));
    line.ticks(3_600_000);
    line.give(TurnEvent::Held(false));
    line.ticks(200_000);
    assert_eq!(line.all, []);
    // Said over it at the last moment: the verdict does not wait for the caller.
    line.speech(160);
    line.give(TurnEvent::Held(true));
    line.silence(700);
    assert!(line.did(&TurnEffect::ResumePlayback));
}

#[test]
fn a_recogniser_that_never_answers_does_not_mute_the_line() {
    let mut line = Line::new();
    line.speech(900).silence(800);
    assert_eq!(line.turns(), 1);
    line.ticks(5_100);
    assert!(line.did(&TurnEffect::WatchdogFired {
        which: Watchdog::NoTranscript
    }));
    assert!(line.did(&TurnEffect::NotRecognised));
    assert!(!line.did(&TurnEffect::NothingHeard { count: 1 }));
}

#[test]
fn a_recogniser_that_fails_is_not_taken_for_a_silent_caller() {
    let mut line = Line::new();
    line.speech(900).silence(800);
    let segment = line.last_turn().unwrap().0;
    let out = line.give(TurnEvent::RecogniserFailed { segment });
    assert_eq!(out, [TurnEffect::NotRecognised]);
}

#[test]
fn words_that_were_not_understood_are_asked_for_at_once() {
    let mut line = Line::new();
    line.speech(900).silence(800);
    let segment = line.last_turn().unwrap().0;
    let out = line.give(TurnEvent::FinalText {
        segment,
        text: "".into(),
    });
    assert_eq!(out, [TurnEffect::NothingHeard { count: 1 }]);
    // A knock at the table is not worth a word.
    let mut line = Line::new();
    line.speech(160).silence(800);
    let segment = line.last_turn().unwrap().0;
    let out = line.give(TurnEvent::FinalText {
        segment,
        text: "".into(),
    });
    assert_eq!(out, []);
}

#[test]
fn speech_ends_although_it_was_no_turn() {
    // A cough: decoded while it is still silent, and no words were in it.
    let mut line = Line::new();
    line.speech(250).silence(200);
    let segment = line.open.expect("it is a segment");
    line.guess("", false);
    line.silence(600);
    assert_eq!((line.turns(), line.open), (0, None));
    let cancelled = TurnEffect::CancelSpeculation { segment };
    assert!(line.did(&TurnEffect::SpeechEnded { segment }) && line.did(&cancelled));
    // The same over playback, decoded too late for the verdict.
    let mut line = Line::new();
    line.play().silence(500).speech(160);
    assert!(line.open.is_some());
    line.ticks(600);
    assert!(line.did(&TurnEffect::ResumePlayback) && line.open.is_none());
    // A turn says so before it is over.
    let mut line = Line::new();
    line.speech(900).silence(800);
    let segment = line.last_turn().unwrap().0;
    let ended = line
        .all
        .iter()
        .position(|(_, e)| *e == TurnEffect::SpeechEnded { segment });
    let turn = line
        .all
        .iter()
        .position(|(_, e)| matches!(e, TurnEffect::EndOfTurn { .. }));
    assert!(ended < turn, "{:?}", line.all);
}

#[test]
fn playback_that_never_ends_is_given_up() {
    let mut line = Line::new();
    line.play().ticks(250_000);
    assert!(line.did(&TurnEffect::WatchdogFired {
        which: Watchdog::Playback
    }));
}

#[test]
fn odd_frames_are_harmless() {
    let mut line = Line::new();
    let frame_end = line.now.plus_ms(32);
    for prob in [f32::NAN, f32::INFINITY, -1.0] {
        line.give(TurnEvent::Vad { prob, frame_end });
    }
    line.give(TurnEvent::Vad {
        prob: 0.9,
        frame_end: Mono(u64::MAX),
    });
    line.give(TurnEvent::Vad {
        prob: 0.9,
        frame_end: Mono(0),
    });
    assert_eq!(line.turns(), 0);
}

/// Any events whatever, then only ticks: something happens within the bound, every time.
#[test]
fn from_any_state_ticks_lead_to_an_effect() {
    let bound = TurnConfig::default().effect_ms_max();
    for seed in 0..3_000_u64 {
        let mut rng = crate::tests_rng::Rng::new(seed);
        let mut line = Line::new();
        for _ in 0..rng.below(60) {
            random_step(&mut line, &mut rng);
        }
        line.give(TurnEvent::Held(false));
        for _ in 0..3 {
            let from = line.now;
            let before = line.all.len();
            while line.all.len() == before {
                let t = line.taker.next_timeout();
                let t = t.unwrap_or_else(|| panic!("seed {seed}: no deadline"));
                line.now = line.now.max(t).plus_ms(1);
                line.give(TurnEvent::Tick);
                assert!(line.now.ms_since(from) <= bound, "seed {seed}: mute");
            }
        }
        check_order(&line, seed);
    }
}

fn random_step(line: &mut Line, rng: &mut crate::tests_rng::Rng) {
    let segment = SegmentId(u32::try_from(rng.below(6)).unwrap());
    let text: anteroom_types::Pii<String> = ["", "Yes.", "mhm", "Is there parking?"][rng.index(4)].into();
    match rng.below(13) {
        12 => drop(line.give(TurnEvent::Held(rng.below(2) == 0))),
        0 | 1 => drop(line.speech(rng.below(900))),
        2 => drop(line.frames(rng.below(900), 0.42)),
        3 | 4 => drop(line.silence(rng.below(1_500))),
        5 => drop(line.ticks(rng.below(2_000))),
        6 => {
            let interruptible = rng.below(3) > 0;
            line.give(TurnEvent::PlaybackStarted { interruptible });
        }
        7 => drop(line.give(TurnEvent::PlaybackEnded)),
        8 => {
            let end = Mono::from_ms(line.now.as_ms().saturating_sub(rng.below(400)));
            let ends: Vec<Mono> = line
                .all
                .iter()
                .filter_map(|(_, e)| match e {
                    TurnEffect::Speculate { end, .. } => Some(*end),
                    _ => None,
                })
                .collect();
            let end = ends.last().copied().filter(|_| rng.below(2) == 0).unwrap_or(end);
            let complete = rng.below(2) == 0;
            line.give(TurnEvent::SpeculativeText {
                segment,
                end,
                text,
                complete,
            });
        }
        9 => drop(line.give(TurnEvent::FinalText { segment, text })),
        10 => drop(line.give(TurnEvent::RecogniserFailed { segment })),
        _ => {
            let all = [
                Expectation::Question,
                Expectation::YesNo,
                Expectation::Name,
                Expectation::Number,
                Expectation::Date,
                Expectation::Keypad,
            ];
            line.give(TurnEvent::Expect(all[rng.index(6)]));
        }
    }
}

/// A segment ends at most once, spans are the right way round, and a pause is followed by exactly one verdict.
fn check_order(line: &Line, seed: u64) {
    let mut ended = Vec::new();
    let mut paused = false;
    for (i, (_, e)) in line.all.iter().enumerate() {
        if line.replaced.contains(&i) {
            paused = false;
        }
        match e {
            TurnEffect::EndOfTurn {
                segment, start, end, ..
            } => {
                assert!(!ended.contains(segment), "seed {seed}: {segment:?} ended twice");
                assert!(start < end, "seed {seed}");
                ended.push(*segment);
            }
            TurnEffect::Speculate { start, end, .. } => assert!(start < end, "seed {seed}"),
            TurnEffect::PausePlayback => {
                assert!(!paused, "seed {seed}: paused twice");
                paused = true;
            }
            TurnEffect::ResumePlayback => {
                assert!(paused, "seed {seed}: resumed what plays");
                paused = false;
            }
            TurnEffect::DropPlayback => paused = false,
            _ => {}
        }
    }
}
