//! The desk: handsets, people, and what staff do with a call that is theirs.

use crate::access::Role;
use anteroom_types::{CallId, LegId, Side, TaskId, Wall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a user, in bytes.
pub const USER_BYTES_MAX: usize = 64;
/// Longest note that goes with a call that is given on, in characters.
pub const NOTE_CHARS_MAX: usize = 500;
/// Lines of the conversation that a briefing carries.
pub const BRIEF_LINES_MAX: usize = 8;
/// People a list holds.
pub const PEOPLE_MAX: usize = 500;

/// Who asks: a role, and the user behind it when the access code belongs to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// In which role they are signed in.
    pub role: Role,
    /// Which user they are; none when the code or link they came by belongs to nobody in particular.
    pub user: Option<String>,
}

impl Who {
    /// What the record calls them: the user, or the role of whoever is nobody in particular.
    #[must_use]
    pub fn name(&self) -> String {
        self.user.clone().unwrap_or_else(|| self.role.as_str().to_owned())
    }
}

/// An ICE server, as `RTCIceServer` (W3C WebRTC 4.2.4) wants it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IceServer {
    /// Addresses, `stun:…`, `turn:…` or `turns:…`.
    pub urls: Vec<String>,
    /// The name for TURN.
    pub username: Option<String>,
    /// The password for TURN, short-lived.
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceServer({:?}, [secret])", self.urls)
    }
}

/// What a browser needs to be a telephone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handset {
    /// The user part of its SIP address.
    pub user: String,
    /// The password for its registration. Made for this session; it ends with it.
    pub password: String,
    /// The domain of its SIP address, which is also the realm it is challenged for.
    pub domain: String,
    /// The path of SIP over WebSocket (RFC 7118) on the server that gave the page, e.g. `/sip`.
    pub ws_path: String,
    /// How to get through address translation; may be empty.
    pub ice_servers: Vec<IceServer>,
    /// The name others see.
    pub display_name: String,
}

impl fmt::Debug for Handset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handset([secret])")
    }
}

/// Where a person stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonState {
    /// Has a telephone and is not on it.
    Free,
    /// Is being rung.
    Ringing,
    /// Is on a call.
    Talking,
    /// Has asked not to be rung.
    Busy,
    /// Has no telephone registered.
    Away,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A SIP telephone.
    DeskPhone,
    /// A page in a browser.
    Browser,
    /// The desktop program's own audio.
    Desktop,
}

/// A person's device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// What it is.
    pub kind: DeviceKind,
    /// Its name, e.g. its user agent or its place.
    pub name: String,
    /// Whether it is registered now.
    pub online: bool,
}

/// Somebody a call can be given to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// Their user name: what [`DeskCommand`]s call them by.
    pub user: String,
    /// Their name for others.
    pub name: String,
    /// Where they stand.
    pub state: PersonState,
    /// Their devices.
    pub devices: Vec<Device>,
}

/// Everybody a call can be given to, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeoplePage {
    /// The people.
    pub people: Vec<Person>,
}

/// How the person a call is given to learns what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BriefingKind {
    /// The two speak before the caller is put through.
    Spoken,
    /// They read it on their screen and accept or decline.
    Text,
}

/// The body of `POST /api/v1/calls/{id}/desk`: what somebody at the desk does with the call.
///
/// Whoever sends it acts with the leg they have in the call; commands that need none say so.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum DeskCommand {
    /// Holds the caller, with music.
    Hold,
    /// Takes the caller back from hold.
    Resume,
    /// Parks the call, so that anybody can take it.
    Park {
        /// Where; none for the first free slot. The answer says which it is.
        slot: Option<u32>,
    },
    /// Takes a parked call. Needs no leg: the asker's handset is rung.
    Retrieve {
        /// From where.
        slot: u32,
    },
    /// Gives the call on at once (blind).
    Transfer {
        /// To whom: a user, or a number their rights let them ring.
        to: String,
        /// A note for their screen.
        briefing: Option<String>,
    },
    /// Gives the call on with a briefing first; the caller is held meanwhile.
    Warm {
        /// To whom.
        to: String,
        /// How they are briefed.
        briefing: BriefingKind,
        /// A note for their screen.
        note: Option<String>,
    },
    /// Takes the call offered with a briefing.
    Accept,
    /// Does not take the call offered. It goes on ringing at others, or back to who offered it.
    Decline,
    /// Puts the caller through to the person being briefed.
    Complete,
    /// Stops giving the call on and goes back to the caller.
    Abort,
    /// Brings all three together: the caller, the asker and the person being briefed.
    Join,
    /// Leaves a call of three; the others go on.
    Leave,
    /// Listens without being heard. Managers only; others in the call are told, as policy says. Needs no leg.
    Listen,
    /// Is heard by staff, not by the caller. Managers only. Needs no leg.
    Whisper,
    /// Is heard by all. Managers only. Needs no leg.
    Barge,
    /// Lets the caller leave a message. Needs no leg.
    Voicemail,
    /// Promises the caller to be rung back, makes the task and ends the call. Needs no leg.
    Callback {
        /// A note for whoever rings back.
        note: Option<String>,
        /// When it is due; none for the clinic's usual time.
        due: Option<Wall>,
    },
    /// Ends the call.
    HangUp,
    /// Takes a call that rings at others. Needs no leg.
    Pickup,
    /// Keeps nothing of what is said and keyed from now on, for instance while a payment card is read out. It ends by itself when
    /// the talk does.
    PauseRecording,
    /// Goes on recording and transcribing.
    ResumeRecording,
}

/// A command as text is personal data: the note and the number are the caller's affair.
impl fmt::Debug for DeskCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeskCommand({})", self.name())
    }
}

impl DeskCommand {
    /// Its name on the wire; fit for the log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::Park { .. } => "park",
            Self::Retrieve { .. } => "retrieve",
            Self::Transfer { .. } => "transfer",
            Self::Warm { .. } => "warm",
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Listen => "listen",
            Self::Whisper => "whisper",
            Self::Barge => "barge",
            Self::Voicemail => "voicemail",
            Self::Callback { .. } => "callback",
            Self::HangUp => "hang_up",
            Self::Pickup => "pickup",
            Self::PauseRecording => "pause_recording",
            Self::ResumeRecording => "resume_recording",
        }
    }

    /// Whether `role` may give it. Being heard or hearing unasked is for managers.
    #[must_use]
    pub const fn allowed_to(&self, role: Role) -> bool {
        match self {
            Self::Listen | Self::Whisper | Self::Barge => matches!(role, Role::Manager),
            _ => matches!(role, Role::FrontDesk | Role::Manager),
        }
    }

    /// What is wrong with it, if anything: a sentence that repeats nothing of what was sent.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let too_long =
            |note: &Option<String>| note.as_ref().is_some_and(|n| n.chars().count() > NOTE_CHARS_MAX);
        let bad_name =
            |to: &str| to.trim().is_empty() || to.len() > USER_BYTES_MAX || to.chars().any(char::is_control);
        match self {
            Self::Transfer { to, .. } | Self::Warm { to, .. } if bad_name(to) => {
                Some("The person to give the call to is missing or is no name.")
            }
            Self::Transfer { briefing: note, .. } | Self::Warm { note, .. } | Self::Callback { note, .. }
                if too_long(note) =>
            {
                Some("The note is longer than 500 characters.")
            }
            _ => None,
        }
    }
}

/// What a command came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeskDone {
    /// The slot the call is parked in.
    pub slot: Option<u32>,
    /// The task that was made.
    pub task: Option<TaskId>,
}

/// The kill switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Automation {
    /// Whether callers are answered by the machine.
    pub on: bool,
    /// Since when; none when it has not been touched since the start.
    pub since: Option<Wall>,
    /// Who switched it: a user's name; none when nobody in particular did.
    pub by: Option<String>,
}

/// The body of `POST /api/v1/automation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutomationRequest {
    /// Whether callers are to be answered by the machine.
    pub on: bool,
}

/// A line of a briefing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BriefLine {
    /// Who spoke.
    pub side: Side,
    /// The words.
    pub text: String,
}

/// What somebody who is rung learns of the call before they answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Brief {
    /// Why the caller rings, if the receptionist has learnt it: the name of the gate's rule or of the intent.
    pub reason: Option<String>,
    /// The last lines, oldest first, at most [`BRIEF_LINES_MAX`].
    pub lines: Vec<BriefLine>,
    /// A note of whoever gives the call on.
    pub note: Option<String>,
    /// Who that is; none when it is the receptionist.
    pub by: Option<String>,
    /// Whether accepting or declining is asked for ([`BriefingKind::Text`]).
    pub wants_answer: bool,
}

/// Where a call stands at the desk. Times are wall-clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum DeskStage {
    /// The machine talks to the caller.
    Automation,
    /// Waits in the queue, with music.
    Queued {
        /// Place in the queue, from 1.
        position: u32,
        /// Since when.
        since: Wall,
        /// Expected wait in seconds, if it can be told.
        wait_s: Option<u32>,
    },
    /// Rings at people.
    Ringing {
        /// At whom: users.
        who: Vec<String>,
        /// Since when.
        since: Wall,
    },
    /// A person, or several, talk to the caller.
    Talking {
        /// Who: users.
        who: Vec<String>,
        /// Since when.
        since: Wall,
    },
    /// Held, with music.
    Held {
        /// By whom: a user.
        by: String,
        /// Since when.
        since: Wall,
    },
    /// Held while the person it is given to is rung or briefed.
    Consulting {
        /// Who gives it.
        by: String,
        /// To whom.
        to: String,
        /// How they are briefed.
        briefing: BriefingKind,
        /// Whether they have answered.
        answered: bool,
        /// Since when.
        since: Wall,
    },
    /// Parked.
    Parked {
        /// Where.
        slot: u32,
        /// By whom: a user.
        by: String,
        /// Since when.
        since: Wall,
        /// When it rings again at who parked it, if it does.
        returns_at: Option<Wall>,
    },
    /// Leaves a message.
    Voicemail {
        /// Since when.
        since: Wall,
    },
}

/// Whose leg it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LegParty {
    /// The caller's.
    Caller,
    /// A user's.
    User {
        /// Whose.
        user: String,
    },
}

/// How media runs between a leg's far end and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaPath {
    /// Straight.
    Direct,
    /// Through a TURN relay.
    Relayed,
}

/// How well a leg is heard, as measured by us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LegQuality {
    /// RTP packets received.
    pub packets: u64,
    /// Packets lost on the way to us.
    pub lost: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 6.4.1).
    pub jitter_ms: f32,
    /// Round-trip time in milliseconds, if the far end reports.
    pub rtt_ms: Option<f32>,
    /// Estimated mean opinion score, 1 to 4.5.
    pub mos: f32,
}

/// A leg of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeskLeg {
    /// Which.
    pub leg: LegId,
    /// Whose.
    pub party: LegParty,
    /// Whether it is held.
    pub held: bool,
    /// The codec agreed, once there is one.
    pub codec: Option<String>,
    /// Whether its media is encrypted.
    pub encrypted: bool,
    /// How media runs, if known.
    pub path: Option<MediaPath>,
    /// How well it is heard, once measured.
    pub quality: Option<LegQuality>,
}

/// A call in progress, as the desk sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallDesk {
    /// The call.
    pub call: CallId,
    /// Where it stands.
    pub stage: DeskStage,
    /// What to know before answering; none until somebody is rung.
    pub brief: Option<Brief>,
    /// Its legs.
    pub legs: Vec<DeskLeg>,
    /// Whether whoever has the caller put the call on hold by [`DeskCommand::Hold`]; a telephone's own hold is at its leg.
    #[serde(default)]
    pub on_hold: bool,
    /// Users who listen or whisper, where policy lets staff see it.
    pub listeners: Vec<String>,
    /// Whether recording and transcription are paused, for instance while a payment card is read out.
    #[serde(default)]
    pub recording_paused: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DeskCommand, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn commands_are_named_in_the_body() {
        assert_eq!(read(r#"{"command":"hang_up"}"#).unwrap(), DeskCommand::HangUp);
        assert_eq!(
            read(r#"{"command":"park"}"#).unwrap(),
            DeskCommand::Park { slot: None }
        );
        let warm = read(r#"{"command":"warm","to":"anna","briefing":"text"}"#).unwrap();
        assert_eq!(warm.name(), "warm");
        for bad in [
            r#"{"command":"explode"}"#,
            r#"{"command":"retrieve"}"#,
            r#"{"command":"park","slot":-1}"#,
            r#"{"command":"transfer","to":"a","briefng":"x"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_managers_listen_in() {
        for (command, roles) in [
            (DeskCommand::Listen, vec![Role::Manager]),
            (DeskCommand::Whisper, vec![Role::Manager]),
            (DeskCommand::Barge, vec![Role::Manager]),
            (DeskCommand::Hold, vec![Role::FrontDesk, Role::Manager]),
        ] {
            let may: Vec<_> = Role::ALL.into_iter().filter(|r| command.allowed_to(*r)).collect();
            assert_eq!(may, roles, "{command:?}");
        }
    }

    #[test]
    fn names_and_notes_are_limited_and_never_printed() {
        let transfer = |to: &str, note: &str| DeskCommand::Transfer {
            to: to.into(),
            briefing: Some(note.into()),
        };
        assert_eq!(transfer("anna", "asks for Dr Canary").fault(), None);
        for bad in [
            transfer(" ", ""),
            transfer("a\r\nVia: x", ""),
            transfer(&"x".repeat(65), ""),
            transfer("anna", &"ä".repeat(501)),
        ] {
            assert!(bad.fault().is_some());
        }
        assert!(!format!("{:?}", transfer("anna", "Canary")).contains("Canary"));
    }

    #[test]
    fn credentials_are_never_printed() {
        let h = Handset {
            user: "desk".into(),
            password: "canary".into(),
            domain: "anteroom.local".into(),
            ws_path: "/sip".into(),
            ice_servers: vec![IceServer {
                urls: vec![],
                username: None,
                credential: Some("canary".into()),
            }],
            display_name: "Desk".into(),
        };
        assert!(!format!("{h:?} {:?}", h.ice_servers).contains("canary"));
    }
}
