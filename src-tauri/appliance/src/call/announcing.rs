//! What people and callers are played: tones, music, and the desk's announcements.

use super::Call;
use super::people::Voiced;
use super::placing::is_told;
use anteroom_call::desk::DeskInput;
use anteroom_call::scene::{Announcement, Greeting, PlayNo, Source};
use anteroom_media::{MediaHandle, music};
use anteroom_reception::policy::Script;
use anteroom_types::{LegId, Pii, Purpose, RATE_HZ};
use std::sync::Arc;

/// The tone after which a message is recorded.
const TONE_HZ: f32 = 1_000.0;
const TONE_MS: u32 = 400;
/// Between two pips for a member of staff whose other end is on hold, and how long one is.
const PIP_EVERY_MS: u32 = 5_000;
const PIP_MS: u32 = 60;
/// Lines of the conversation that are spoken to somebody who answers, and characters of each: the caller waits meanwhile.
const BRIEF_LINES: usize = 2;
const BRIEF_LINE_CHARS: usize = 120;

impl Call {
    pub(super) fn play(&mut self, leg: LegId, play: PlayNo, source: Source) {
        let say = self.legs.say();
        let sound = match source {
            Source::Ringback => music::ringback(),
            Source::Music => music::on_hold(),
            Source::Reminder => tone(PIP_MS, PIP_EVERY_MS),
            Source::Announce(what) => return self.announce(leg, play, what),
        };
        if let Some(h) = self.handle_of(leg)
            && let Err(e) = h.play_loop(say, sound)
        {
            self.warn("a sound could not be played", &e);
        }
    }

    pub(super) fn stop_playing(&mut self, leg: LegId) {
        let speaks = self.legs.plays.values().any(|(l, _)| *l == leg);
        self.legs.plays.retain(|_, (l, _)| *l != leg);
        if let Some(h) = self.handle_of(leg) {
            h.stop_loop();
            if speaks {
                h.clear();
            }
        }
    }

    fn announce(&mut self, leg: LegId, play: PlayNo, what: Announcement) {
        // A place that nobody hears of is out of date by the time they do, and the next would wait behind it.
        let deaf = self.handle_of(leg).is_some_and(MediaHandle::is_held);
        if deaf && matches!(what, Announcement::QueuePosition { .. }) {
            let audio = None;
            self.voices.spawn(async move { Voiced { leg, play, audio } });
            return;
        }
        let words = match what {
            Announcement::Brief { asks } => (None, self.briefing(leg, asks)),
            _ => self.words_of(what),
        };
        let private = matches!(what, Announcement::Brief { .. });
        self.say_on(leg, play, words, private);
    }

    /// Has words spoken on a leg; [`Self::voiced`] goes on when they are rendered.
    pub(super) fn say_on(
        &mut self,
        leg: LegId,
        play: PlayNo,
        (script, text): (Option<&'static str>, Pii<String>),
        private: bool,
    ) {
        let shared = Arc::clone(&self.shared);
        let trace = self.story.trace();
        self.voices.spawn(async move {
            let audio = shared.speech.speak(&text, script, private).await;
            if let Err(e) = &audio {
                tracing::error!(trace = %trace, error = %anteroom_types::error::chain(e), "something could not be said");
            }
            Voiced {
                leg,
                play,
                audio: audio.ok(),
            }
        });
    }

    /// What whoever answered `leg` and has no screen is told of the caller.
    fn briefing(&self, leg: LegId, asks: bool) -> Pii<String> {
        let clinic = self.shared.clinic();
        let say = |s: Script| clinic.policy().say(clinic.language(), s, &[]);
        if self.urgent && !asks {
            return Pii::new(say(Script::BriefingUrgent));
        }
        let mut words = say(Script::Briefing);
        let mut add = |more: &str| {
            words.push(' ');
            words.push_str(more);
        };
        // A number outside may be somebody's answering machine.
        let ours = self.legs.all.get(&leg).is_some_and(|l| l.outside.is_none());
        match &self.given.0 {
            _ if !ours => {}
            Some(note) => add(&shortened(note)),
            None => {
                for line in self.story.last_heard(BRIEF_LINES) {
                    add(&shortened(line.open(Purpose::Staff)));
                }
            }
        }
        if asks {
            add(&say(Script::BriefingKeys));
        }
        Pii::new(words)
    }

    /// The words of an announcement, and the script they are of, if they are one's alone.
    fn words_of(&self, what: Announcement) -> (Option<&'static str>, Pii<String>) {
        let policy = self.shared.clinic().policy();
        let language = self.shared.clinic().language();
        let say = |s: Script, values: &[(&str, &str)]| policy.say(language, s, values);
        let fixed = |s: Script| (Some(s.name()), Pii::new(say(s, &[])));
        match what {
            // What it is about depends on whom it is said to.
            Announcement::Brief { .. } => fixed(Script::Briefing),
            Announcement::OneMoment => fixed(Script::OneMoment),
            Announcement::WillRingBack => fixed(Script::WillRingBack),
            Announcement::NobodyFree => {
                let mut words = say(Script::HandoverFailed, &[]);
                words.push(' ');
                words.push_str(&say(Script::Goodbye, &[]));
                (None, Pii::new(words))
            }
            Announcement::CallbackNoted => fixed(Script::CallbackNoted),
            Announcement::QueuePosition {
                position,
                wait_min,
                offer_callback,
            } => {
                let position = position.to_string();
                let mut words = match wait_min {
                    Some(m) => say(
                        Script::QueueWait,
                        &[("position", &position), ("minutes", &m.to_string())],
                    ),
                    None => say(Script::QueuePosition, &[("position", &position)]),
                };
                if offer_callback {
                    words.push(' ');
                    words.push_str(&say(Script::QueueCallback, &[]));
                }
                (None, Pii::new(words))
            }
            Announcement::VoicemailGreeting(Greeting::Busy) => fixed(Script::VoicemailBusy),
            Announcement::VoicemailGreeting(Greeting::Closed) => fixed(Script::VoicemailClosed),
            Announcement::MessageKept => fixed(Script::MessageKept),
            Announcement::ParkedAt(slot) => (
                None,
                Pii::new(say(Script::ParkedAt, &[("slot", &slot.to_string())])),
            ),
            Announcement::AnsweredElsewhere => fixed(Script::AnsweredElsewhere),
            Announcement::CallerGone => fixed(Script::CallerGone),
            Announcement::NoAnswer => fixed(Script::NoAnswer),
            Announcement::Busy => fixed(Script::NumberBusy),
            Announcement::CannotBePlaced => fixed(Script::CannotBePlaced),
        }
    }

    /// An announcement was rendered: it is played, if it still matters.
    pub(super) async fn voiced(&mut self, v: Voiced) {
        let Voiced { leg, play, audio } = v;
        let say = self.legs.say();
        let ms = audio
            .as_ref()
            .map_or(0, |a| a.len() as u64 * 1000 / u64::from(RATE_HZ));
        // Somebody may have come to the line while it was rendered: they are not spoken over.
        let wanted = self.desk.plays(leg, play) || is_told(play);
        let line = self.handle_of(leg).filter(|_| wanted).zip(audio);
        if line.is_some_and(|(h, audio)| h.play(say, audio).is_ok()) {
            self.legs.plays.insert(say, (leg, play));
            self.desk(DeskInput::PlayStarted { leg, play, ms }).await;
        } else {
            self.desk(DeskInput::Played { leg, play }).await;
            self.told(play).await;
        }
    }
}

/// The tone after which a message is recorded.
pub(super) fn record_tone() -> Arc<[i16]> {
    tone(TONE_MS, TONE_MS)
}

/// A soft tone, and silence after it until `every_ms` are over.
fn tone(ms: u32, every_ms: u32) -> Arc<[i16]> {
    let samples = |ms: u32| (RATE_HZ / 1000 * ms) as usize;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a tone of a fraction of a second at a quarter of full scale"
    )]
    let wave = (0..samples(ms)).map(|n| {
        let at = n as f32 / RATE_HZ as f32;
        ((std::f32::consts::TAU * TONE_HZ * at).sin() * 6_000.0) as i16
    });
    let rest = samples(every_ms).saturating_sub(samples(ms));
    wave.chain(std::iter::repeat_n(0, rest)).collect()
}

/// A line that is spoken to staff while the caller waits: no longer than it may be, and no half word.
fn shortened(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(BRIEF_LINE_CHARS) {
        None => line.to_owned(),
        Some((end, _)) => {
            let cut = &line[..end];
            let end = cut.rfind(char::is_whitespace).unwrap_or(end);
            format!("{}.", cut[..end].trim_end_matches([',', '.', ' ']))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_line_ends_with_a_whole_word() {
        assert_eq!(
            shortened(" I need a repeat prescription. "),
            "I need a repeat prescription."
        );
        let long = "a word and ".repeat(20);
        let cut = shortened(&long);
        let words = cut.strip_suffix('.').unwrap();
        let rest = long.strip_prefix(words);
        assert!(
            cut.len() <= 121 && rest.is_some_and(|r| r.starts_with(' ')),
            "{cut}"
        );
        assert!(shortened(&"x".repeat(500)).len() <= 121);
    }
}
