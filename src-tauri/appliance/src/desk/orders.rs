//! What screens ask of the desk.

use crate::call::{Leave, ToCall};
use crate::engine::{Engine, lock};
use anteroom_api::{ApiError, Automation, BriefingKind, DeskCommand, DeskDone, Handset, PeoplePage, Who};
use anteroom_call::desk::{Asking, By, Command, ControlError, Supervision};
use anteroom_call::party::{PersonId, Target};
use anteroom_sip::SipUser;
use anteroom_types::{CallId, TaskId, UserFacing};
use bytes::Bytes;
use rand::Rng as _;
use rand::distr::Alphanumeric;
use std::net::SocketAddr;
use tokio::sync::{mpsc, oneshot};

/// The path of SIP over WebSocket on the page's server.
const WS_PATH: &str = "/sip";
/// Characters of a browser's password: 190 bits.
const PASSWORD_CHARS: usize = 32;
/// Characters of a browser's user name beyond its prefix.
const NAME_CHARS: usize = 10;

fn random(n: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(n)
        .map(|b| char::from(b).to_ascii_lowercase())
        .collect()
}

/// A password that nobody can guess.
pub(super) fn secret() -> String {
    random(PASSWORD_CHARS)
}

fn refused(status: u16, code: &str, message: &str, hint: &str) -> ApiError {
    ApiError::new(status, code, message, hint)
}

fn no_desk() -> ApiError {
    refused(
        503,
        "desk.not_configured",
        "No desk is configured on this machine.",
        "Ask whoever looks after the machine to switch [desk] on.",
    )
}

fn of(e: &(impl UserFacing + std::fmt::Display)) -> ApiError {
    refused(409, e.code(), &format!("{e}."), &e.hint())
}

impl Engine {
    /// What a browser needs to be a telephone. Each time it is asked for, a name and a password are made that are good
    /// for this run of the appliance.
    ///
    /// # Errors
    /// When there is no desk.
    pub fn handset(&self, who: &Who) -> Result<Handset, ApiError> {
        let config = &self.shared.config.desk;
        if !config.enabled {
            return Err(no_desk());
        }
        let (user, password) = (format!("browser-{}", random(NAME_CHARS)), random(PASSWORD_CHARS));
        let realm = config.realm.get_ref();
        let digests = SipUser::browser(user.clone(), realm, &password);
        let (users, display_name) = {
            let mut people = lock(&self.shared.desk.people);
            let of = who.user.as_deref().filter(|u| people.has(u));
            let name = of.map_or_else(|| "Front desk".to_owned(), |u| people.name(u));
            let there = self.shared.sip.registrations();
            let is_there = |u: &str| there.iter().any(|c| c.user == u);
            people.add_browser(&user, of, &name, digests, is_there);
            (people.sip_users(), name)
        };
        self.shared.sip.set_users(users).map_err(|e| of(&e))?;
        Ok(Handset {
            user,
            password,
            domain: realm.clone(),
            ws_path: WS_PATH.into(),
            ice_servers: self.shared.desk.ice.of_browser(self.shared.clock.wall()),
            display_name,
        })
    }

    /// A browser opens SIP over WebSocket: what it sends goes into the one end, what it is to be sent comes out of the
    /// other. None without a desk, or when there are too many connections.
    #[must_use]
    pub fn sip_socket(
        &self,
        from: SocketAddr,
        secure: bool,
    ) -> Option<(mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>)> {
        if !self.shared.config.desk.enabled {
            return None;
        }
        let flow = self.shared.sip.websocket(from, secure).ok()?;
        Some((flow.tx, flow.rx))
    }

    /// Everybody a call can be given to.
    #[must_use]
    pub fn people(&self) -> PeoplePage {
        let contacts = self.shared.sip.registrations();
        PeoplePage {
            people: lock(&self.shared.desk.people).page(&contacts),
        }
    }

    /// How the kill switch stands.
    #[must_use]
    pub fn automation(&self) -> Automation {
        let s = self.shared.desk.switch();
        Automation {
            on: s.on,
            since: s.since,
            by: s.by,
        }
    }

    /// Throws the kill switch.
    #[must_use]
    pub fn set_automation(&self, who: &Who, on: bool) -> Automation {
        let by = who.user.clone();
        let shared = &self.shared;
        shared.desk.set_automation(on, by, &shared.clock, &shared.store);
        tracing::warn!(on, role = ?who.role, "automation was switched");
        self.automation()
    }

    /// Carries out what somebody at the desk wants of a call.
    ///
    /// # Errors
    /// When the call is over or not in a state for it, or nobody to ring is there; each says what to do.
    pub async fn desk_command(
        &self,
        who: &Who,
        call: CallId,
        command: DeskCommand,
    ) -> Result<DeskDone, ApiError> {
        let mut done = DeskDone::default();
        let by = who.user.as_deref().map(PersonId::new).map(By::Person);
        if let DeskCommand::PauseRecording | DeskCommand::ResumeRecording = command {
            let on = command == DeskCommand::PauseRecording;
            self.order(call, |reply| ToCall::Private { by, on, reply })
                .await?;
            return Ok(done);
        }
        let (mut note, mut due) = (None, None);
        let mut leave = None;
        let command = match command {
            DeskCommand::Hold => Command::Hold,
            DeskCommand::Resume => Command::Resume,
            DeskCommand::Park { slot } => {
                let wanted = slot.map(|s| u16::try_from(s).unwrap_or(u16::MAX));
                let slot = lock(&self.shared.desk.parking)
                    .reserve(call, wanted)
                    .map_err(|e| of(&e))?;
                done.slot = Some(u32::from(slot));
                Command::Park { slot }
            }
            DeskCommand::Retrieve { slot } => {
                let at = lock(&self.shared.desk.parking).at(u16::try_from(slot).unwrap_or(u16::MAX));
                if at != Some(call) {
                    return Err(refused(
                        409,
                        "desk.not_parked",
                        "That call is not parked there.",
                        "Look at the board: somebody may have fetched it.",
                    ));
                }
                Command::Take { at: self.mine(who)? }
            }
            DeskCommand::Pickup => Command::Take { at: self.mine(who)? },
            DeskCommand::Transfer { to: whom, briefing } => {
                note = briefing;
                let to;
                (to, leave) = self.theirs(who, &whom)?;
                Command::Blind { to }
            }
            DeskCommand::Warm {
                to: whom,
                briefing,
                note: says,
            } => {
                note = says;
                let how = match briefing {
                    BriefingKind::Spoken => Asking::ByVoice,
                    BriefingKind::Text => Asking::Screen,
                };
                let to;
                (to, leave) = self.theirs(who, &whom)?;
                Command::Warm { to, how }
            }
            DeskCommand::Accept => Command::Accept,
            DeskCommand::Decline => Command::Decline,
            DeskCommand::Complete => Command::Complete,
            DeskCommand::Abort => Command::Abort,
            DeskCommand::Join => Command::Join,
            DeskCommand::Leave => Command::Leave,
            DeskCommand::Listen => self.supervise(who, Supervision::Listen)?,
            DeskCommand::Whisper => self.supervise(who, Supervision::Whisper)?,
            DeskCommand::Barge => self.supervise(who, Supervision::Barge)?,
            DeskCommand::Voicemail => Command::Voicemail,
            DeskCommand::Callback {
                note: says,
                due: when,
            } => {
                (note, due) = (says, when);
                Command::Callback
            }
            DeskCommand::HangUp => Command::HangUp,
            // Dealt with above: they change nothing of who hears whom.
            DeskCommand::PauseRecording | DeskCommand::ResumeRecording => return Ok(done),
        };
        let parked = done.slot.and_then(|s| u16::try_from(s).ok());
        let order = |reply| ToCall::Order {
            by,
            command,
            note,
            due,
            leave,
            reply,
        };
        let ordered = self.order(call, order).await;
        if ordered.is_err()
            && let Some(slot) = parked
        {
            lock(&self.shared.desk.parking).release(slot, call);
        }
        done.task = ordered?;
        Ok(done)
    }

    async fn order(
        &self,
        call: CallId,
        order: impl FnOnce(oneshot::Sender<Result<Option<TaskId>, ControlError>>) -> ToCall,
    ) -> Result<Option<TaskId>, ApiError> {
        let gone = || {
            refused(
                404,
                "desk.no_call",
                "That call is not in progress.",
                "Look for it in the history.",
            )
        };
        let to = lock(&self.shared.calls).get(&call).cloned().ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        to.send(order(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(|e| of(&e))
    }

    fn supervise(&self, who: &Who, how: Supervision) -> Result<Command, ApiError> {
        Ok(Command::Supervise {
            how,
            at: self.mine(who)?,
        })
    }

    /// The telephones of whoever asks.
    fn mine(&self, who: &Who) -> Result<Vec<Target>, ApiError> {
        let contacts = self.shared.sip.registrations();
        let people = lock(&self.shared.desk.people);
        let targets = match &who.user {
            Some(user) => people.targets(user, &contacts),
            None => people.only_browser(&contacts),
        };
        if targets.is_empty() {
            return Err(refused(
                409,
                "desk.no_telephone",
                "You have no telephone that could ring.",
                "Open the handset on this page, or sign in with a passcode of your own.",
            ));
        }
        Ok(targets)
    }

    /// The telephones of a colleague, or a number outside with leave to ring it.
    fn theirs(&self, who: &Who, whom: &str) -> Result<(Vec<Target>, Option<Leave>), ApiError> {
        let shared = &self.shared;
        let contacts = shared.sip.registrations();
        let (colleague, targets) = if shared.desk.is_emergency(whom) {
            (false, Vec::new())
        } else {
            let people = lock(&shared.desk.people);
            (people.has(whom), people.targets(whom, &contacts))
        };
        if !targets.is_empty() {
            return Ok((targets, None));
        }
        if colleague {
            return Err(refused(
                409,
                "desk.nobody_there",
                "None of their telephones is there.",
                "Choose somebody else, or let the caller leave a message.",
            ));
        }
        let user = who.user.as_deref().ok_or_else(|| {
            refused(
                403,
                "desk.no_rights",
                "Nobody in particular may ring a number outside.",
                "Sign in with a passcode of your own.",
            )
        })?;
        let now = shared.clock.wall();
        let (open, _) = shared.clinic.open_state(now);
        let outside = shared
            .desk
            .outside(&shared.sip, user, whom, now, open)
            .map_err(|e| of(&e))?;
        let leave = Leave::new(user, outside);
        Ok((vec![leave.target()], Some(leave)))
    }
}
