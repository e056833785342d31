//! Which calls the telephone has, and what is shown of them.

use anteroom_api::Brief;
use anteroom_appliance::{DesktopEnd, LocalAudio};
use anteroom_sound::{SoundEvent, Use};
use anteroom_types::{CallId, LegId, Purpose};
use serde::Serialize;
use std::collections::VecDeque;

/// Notices kept for who looks.
const NOTICES_MAX: usize = 8;

/// Where a call of this telephone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// It rings here.
    Ringing,
    /// It was dialled here, and nobody has answered.
    Dialling,
    /// The two talk.
    Talking,
    /// The other side waits.
    Held,
}

/// A call of this telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallView {
    /// What commands call it by.
    pub leg: LegId,
    /// The call on the board; none for one that was dialled here.
    pub call: Option<CallId>,
    /// Who it is with: a number, a colleague's name, or what was dialled. Personal data of the call, for this screen.
    pub with: String,
    /// Whether it cannot wait.
    pub urgent: bool,
    /// Where it stands.
    pub state: CallState,
    /// What the receptionist has learnt, while it rings.
    pub brief: Option<Brief>,
}

/// Something that whoever sits here should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Notice {
    /// A device is gone. What follows says what is used instead.
    Lost {
        /// `microphone`, `headset` or `ringer`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A device is in use that was not chosen.
    Instead {
        /// For what.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// There is no device.
    Missing {
        /// For what.
        what: &'static str,
    },
    /// Somebody else took the call.
    Elsewhere,
    /// What was dialled could not be reached; a SIP status.
    Refused {
        /// The status.
        status: u16,
    },
}

/// What a window shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// Whose telephone it is.
    pub user: String,
    /// Its calls, oldest first.
    pub calls: Vec<CallView>,
    /// Whether nothing of the microphone is sent.
    pub muted: bool,
    /// The devices in use now, by name.
    pub microphone: Option<String>,
    /// Where the caller is heard.
    pub headset: Option<String>,
    /// Where it rings.
    pub ringer: Option<String>,
    /// How loud the microphone is, decibels of full scale.
    pub microphone_db: f32,
    /// How loud the headset is.
    pub headset_db: f32,
    /// The latest notices, oldest first, numbered so that each is shown once.
    pub notices: Vec<(u64, Notice)>,
}

pub(crate) struct Leg {
    pub(crate) leg: LegId,
    pub(crate) call: Option<CallId>,
    pub(crate) with: anteroom_types::Pii<String>,
    pub(crate) urgent: bool,
    pub(crate) state: CallState,
    pub(crate) brief: Option<Brief>,
    pub(crate) audio: Option<LocalAudio>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) legs: Vec<Leg>,
    pub(crate) in_use: [Option<String>; 3],
    notices: VecDeque<(u64, Notice)>,
    noticed: u64,
}

const fn place(what: Use) -> usize {
    match what {
        Use::Microphone => 0,
        Use::Headset => 1,
        Use::Ringer => 2,
    }
}

const fn word(what: Use) -> &'static str {
    match what {
        Use::Microphone => "microphone",
        Use::Headset => "headset",
        Use::Ringer => "ringer",
    }
}

impl State {
    pub(crate) fn leg(&mut self, leg: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|l| l.leg == leg)
    }

    /// The call that is talked on, or dialled.
    pub(crate) fn active(&self) -> Option<&Leg> {
        let on = |l: &&Leg| matches!(l.state, CallState::Talking | CallState::Dialling);
        self.legs.iter().find(on)
    }

    pub(crate) fn rings(&self) -> bool {
        self.legs.iter().any(|l| l.state == CallState::Ringing)
    }

    /// Whether it rings and nobody talks here: a bell in the ear of somebody who talks helps nobody.
    pub(crate) fn rings_aloud(&self) -> bool {
        self.rings() && self.active().is_none()
    }

    fn notice(&mut self, notice: Notice) {
        self.noticed += 1;
        if self.notices.len() >= NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back((self.noticed, notice));
    }

    pub(crate) fn sound(&mut self, event: SoundEvent) {
        match event {
            SoundEvent::Opened { what, name, instead } => {
                self.in_use[place(what)] = Some(name.clone());
                if instead {
                    let what = word(what);
                    self.notice(Notice::Instead { what, name });
                }
            }
            SoundEvent::Lost { what, name } => {
                self.in_use[place(what)] = None;
                let what = word(what);
                self.notice(Notice::Lost { what, name });
            }
            SoundEvent::Missing { what } => {
                self.in_use[place(what)] = None;
                let what = word(what);
                self.notice(Notice::Missing { what });
            }
        }
    }

    /// A leg is over; none when it is not known.
    pub(crate) fn ended(&mut self, leg: LegId, why: DesktopEnd) -> Option<Leg> {
        let at = self.legs.iter().position(|l| l.leg == leg)?;
        match why {
            DesktopEnd::AnsweredElsewhere => self.notice(Notice::Elsewhere),
            DesktopEnd::Refused(status) => self.notice(Notice::Refused { status }),
            DesktopEnd::HungUp | DesktopEnd::GivenUp => {}
        }
        Some(self.legs.remove(at))
    }

    pub(crate) fn view(&self, user: &str, muted: bool, (microphone_db, headset_db): (f32, f32)) -> View {
        let calls = self.legs.iter().map(|l| CallView {
            leg: l.leg,
            call: l.call,
            with: l.with.open(Purpose::Staff).clone(),
            urgent: l.urgent,
            state: l.state,
            brief: l.brief.clone(),
        });
        let [microphone, headset, ringer] = self.in_use.clone();
        View {
            user: user.to_owned(),
            calls: calls.collect(),
            muted,
            microphone,
            headset,
            ringer,
            microphone_db,
            headset_db,
            notices: self.notices.iter().cloned().collect(),
        }
    }
}
