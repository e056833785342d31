//! What is heard on each leg, from the effects alone: the machine's own idea of it is not asked.

use anteroom_call::bridge::Matrix;
use anteroom_call::desk::DeskEffect;
use anteroom_call::scene::{PlayNo, Source};
use anteroom_types::LegId;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Playing {
    play: PlayNo,
    /// An announcement that has come to its end: there is silence, though nobody said stop.
    ended: bool,
    ringing: bool,
}

/// The media side of a call.
#[derive(Debug, Default)]
pub(crate) struct Media {
    pub(crate) bridge: Matrix,
    playing: BTreeMap<LegId, Playing>,
    recording: Option<LegId>,
    receptionist: bool,
    /// Whether its sentence is being spoken while telephones ring.
    pub(crate) sentence: bool,
}

impl Media {
    pub(crate) fn with_receptionist() -> Self {
        Self {
            receptionist: true,
            ..Self::default()
        }
    }

    /// The caller was handed over; the receptionist only ends its sentence.
    pub(crate) fn handed_over(&mut self, sentence: bool) {
        self.receptionist = false;
        self.sentence = sentence;
    }

    /// Carries out an effect. What no media layer could do fails.
    pub(crate) fn apply(&mut self, e: &DeskEffect) {
        match e {
            DeskEffect::Connect(m) => {
                assert!(!m.lines.is_empty(), "an empty bridge");
                for l in &m.lines {
                    assert!(!l.hears.contains(&l.leg), "somebody hears themselves");
                    for h in &l.hears {
                        assert!(m.has(*h), "somebody outside the bridge is heard in it");
                    }
                    assert_ne!(self.recording, Some(l.leg), "recorded and connected");
                }
                self.bridge = m.clone();
            }
            DeskEffect::Disconnect => self.bridge = Matrix::default(),
            DeskEffect::Play { leg, play, source } => {
                let playing = Playing {
                    play: *play,
                    ended: false,
                    ringing: *source == Source::Ringback,
                };
                self.playing.insert(*leg, playing);
            }
            DeskEffect::StopPlaying { leg } => {
                assert!(self.playing.remove(leg).is_some(), "nothing to stop on {leg}");
            }
            DeskEffect::StartRecording { leg } => {
                assert!(self.recording.replace(*leg).is_none(), "two recordings");
            }
            DeskEffect::StopRecording { .. } => {
                assert!(self.recording.take().is_some(), "no recording to stop");
            }
            DeskEffect::CutSentence => self.sentence = false,
            DeskEffect::ReturnToReceptionist => self.receptionist = true,
            DeskEffect::ReceptionistDone => {
                self.receptionist = false;
                self.sentence = false;
            }
            _ => {}
        }
    }

    /// Nobody is in the bridge and played to.
    pub(crate) fn check(&self) {
        for l in &self.bridge.lines {
            assert!(
                !self.playing.contains_key(&l.leg),
                "{} is connected and played to",
                l.leg
            );
        }
    }

    /// An announcement came to its end by itself.
    pub(crate) fn ends(&mut self, leg: LegId, play: PlayNo) {
        if let Some(p) = self.playing.get_mut(&leg).filter(|p| p.play == play) {
            p.ended = true;
        }
    }

    pub(crate) fn is_playing(&self, leg: LegId, play: PlayNo) -> bool {
        self.playing.get(&leg).is_some_and(|p| p.play == play && !p.ended)
    }

    /// Whether something is heard on a leg; `is_caller` for the leg the receptionist speaks to.
    pub(crate) fn is_heard(&self, leg: LegId, is_caller: bool) -> bool {
        self.playing.get(&leg).is_some_and(|p| !p.ended)
            || self
                .bridge
                .lines
                .iter()
                .any(|l| l.leg == leg && !l.hears.is_empty())
            || self.recording == Some(leg)
            || (is_caller && (self.receptionist || self.sentence))
    }

    /// Legs something is done to.
    pub(crate) fn legs(&self) -> impl Iterator<Item = LegId> {
        let bridged = self.bridge.lines.iter().map(|l| l.leg);
        bridged.chain(self.playing.keys().copied()).chain(self.recording)
    }

    /// Whether somebody hears that a telephone rings.
    pub(crate) fn is_ringing(&self) -> bool {
        self.playing.values().any(|p| p.ringing)
    }

    /// Whether the receptionist has the caller or still speaks.
    pub(crate) const fn machine_speaks(&self) -> bool {
        self.receptionist || self.sentence
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }
}

/// Whether a source comes to an end.
pub(crate) const fn ends(source: Source) -> bool {
    matches!(source, Source::Announce(_))
}
