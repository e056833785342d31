//! Timers of a leg: retransmission until acknowledged, and session timers (RFC 4028).

use super::{Core, LegTimer, Purpose};
use crate::dialog::{Call, Phase, SentInvite};
use crate::event::EndWhy;
use crate::wire;
use anteroom_types::LegId;
use sipx_sip::session::{Accepted, MinSe, Refresher, Session, SessionExpires, adopt};
use sipx_sip::{HeaderName, Headers, Method};
use std::time::Duration;

impl Core {
    /// Contact, capabilities and session timer of a 2xx, or of a request that makes or refreshes a dialog.
    pub(super) fn describe(h: &mut Headers, call: &Call, timer: Option<&Accepted>) {
        wire::set(h, HeaderName::Contact, call.dialog.contact.clone());
        // Only users' telephones may transfer and take over.
        let (allow, supported) = match call.device {
            Some(_) => (wire::ALLOW_REGISTRAR, wire::SUPPORTED_REGISTRAR),
            None => (wire::ALLOW, wire::SUPPORTED),
        };
        wire::set(h, HeaderName::Allow, allow);
        wire::set(h, HeaderName::Supported, supported);
        if let Some(t) = timer {
            let value = SessionExpires {
                interval: t.interval,
                refresher: Some(t.refresher),
            };
            wire::set(h, HeaderName::SessionExpires, value.to_string());
            if t.require {
                wire::set(h, HeaderName::Require, sipx_sip::session::OPTION_TAG);
            }
        }
    }

    /// The timer runs on the terms of our 2xx.
    pub(super) fn adopt_terms(&mut self, call: &mut Call, terms: Option<Accepted>) {
        call.session = terms.map(|t| Session {
            interval: t.interval,
            we_refresh: t.refresher == Refresher::Uas,
        });
        self.arm_session(call);
    }

    /// The timer runs on the terms of their 2xx (RFC 4028 7.2).
    pub(super) fn adopt_response(&mut self, call: &mut Call, h: &Headers, peer_can: bool) {
        let terms = h.typed::<SessionExpires>().and_then(Result::ok);
        // Without support at the far end a refresh of ours is only a probe, which RTP's silence does better.
        let asked = peer_can.then(|| call.session.map(|s| s.interval)).flatten();
        call.session = adopt(terms, asked);
        self.arm_session(call);
    }

    pub(super) fn arm_session(&mut self, call: &Call) {
        match call.session {
            Some(s) => self.leg_timer(call.leg, LegTimer::Session, s.act_after()),
            None => self.clear_leg_timer(call.leg, LegTimer::Session),
        }
    }

    /// Session headers of a request of ours.
    pub(super) fn ask_session(&self, h: &mut Headers, min: Option<Duration>, refresher: Option<Refresher>) {
        let floor = Duration::from_secs(u64::from(self.cfg.min_se_s.max(90)));
        let min = min.unwrap_or(floor).max(floor);
        let interval = Duration::from_secs(self.cfg.session_expires_s.into()).max(min);
        wire::set(
            h,
            HeaderName::SessionExpires,
            SessionExpires { interval, refresher }.to_string(),
        );
        wire::set(h, HeaderName::MinSe, min.as_secs().to_string());
    }

    pub(super) fn min_se(h: &Headers) -> Option<Duration> {
        h.typed::<MinSe>().and_then(Result::ok).map(|m| m.0)
    }

    pub(super) fn on_leg_timer(&mut self, leg: LegId, timer: LegTimer) {
        self.with_call(leg, |core, call| match timer {
            LegTimer::Resend => core.resend(call),
            LegTimer::ResendReliable => core.resend_reliable(call),
            LegTimer::Session => core.on_session(call),
            LegTimer::Glare => core.on_glare(call),
            LegTimer::Setup => core.on_setup(call),
            LegTimer::Cancelled => core.kill(call, EndWhy::Cancelled),
            LegTimer::Unheard => core.on_unheard(call),
        });
    }

    /// RFC 3261 13.3.1.4: the 2xx goes out again at T1, doubling to T2, until 64 T1 have passed; then BYE.
    fn resend(&mut self, call: &mut Call) {
        let (t2, give_up) = (self.t.t2, self.t.timeout());
        let Phase::Confirmed(c) = &mut call.phase else {
            return;
        };
        let Some(u) = &mut c.unacked else { return };
        if self.now - u.since >= give_up {
            c.unacked = None;
            self.send_bye(call, EndWhy::AckTimeout);
            return;
        }
        u.interval = (u.interval * 2).min(t2);
        let (key, response, next) = (u.key.clone(), u.response.clone(), u.interval);
        let left = give_up.saturating_sub(self.now - u.since);
        self.respond(&key, response);
        self.leg_timer(call.leg, LegTimer::Resend, next.min(left));
    }

    /// RFC 3262 3: the same for a reliable provisional, without the limit of T2; then the INVITE is refused.
    fn resend_reliable(&mut self, call: &mut Call) {
        let give_up = self.t.timeout();
        let Phase::Incoming(i) = &mut call.phase else {
            return;
        };
        let key = i.key.clone();
        let Some(s) = &mut i.sent else { return };
        if self.now - s.since >= give_up {
            self.reply(&key, 504, &[]);
            self.kill(call, EndWhy::PrackTimeout);
            return;
        }
        s.interval *= 2;
        let (response, next) = (s.response.clone(), s.interval);
        let left = give_up.saturating_sub(self.now - s.since);
        self.respond(&key, response);
        self.leg_timer(call.leg, LegTimer::ResendReliable, next.min(left));
    }

    fn on_setup(&mut self, call: &mut Call) {
        match &call.phase {
            Phase::Incoming(i) => {
                let key = i.key.clone();
                self.reply(&key, 480, &[]);
                self.kill(call, EndWhy::SetupTimeout);
            }
            Phase::Outgoing(_) => {
                self.do_cancel(call);
                self.end(call, EndWhy::SetupTimeout);
            }
            _ => {}
        }
    }

    fn on_session(&mut self, call: &mut Call) {
        let Some(s) = call.session else { return };
        if !s.we_refresh {
            self.send_bye(call, EndWhy::SessionExpired);
            return;
        }
        let Phase::Confirmed(c) = &mut call.phase else {
            return;
        };
        if c.reinvite.is_some() || c.updating || call.ours || call.theirs.is_some() || c.unacked.is_some() {
            // Something is under way that may refresh the session itself.
            self.leg_timer(call.leg, LegTimer::Session, Duration::from_secs(5));
            return;
        }
        if call.peer_update {
            c.updating = true;
            let branch = self.branch();
            let mut r = call.dialog.request(Method::Update, &branch);
            Self::describe(&mut r.headers, call, None);
            self.refresh_headers(&mut r.headers, s);
            let hop = self.hop_for(call);
            if self.send_request(r, hop, Purpose::Update(call.leg)).is_none() {
                self.kill(call, EndWhy::TransportLost);
            }
        } else {
            let sdp = call.local_sdp.clone();
            self.send_reinvite(call, sdp, true);
        }
        // Should the refresh get no answer at all, the transaction's own time-out ends the call.
    }

    pub(super) fn refresh_headers(&self, h: &mut Headers, s: Session) {
        let refresher = if s.we_refresh {
            Refresher::Uac
        } else {
            Refresher::Uas
        };
        wire::set(
            h,
            HeaderName::SessionExpires,
            SessionExpires {
                interval: s.interval,
                refresher: Some(refresher),
            }
            .to_string(),
        );
        wire::set(h, HeaderName::MinSe, self.cfg.min_se_s.max(90).to_string());
    }

    fn on_glare(&mut self, call: &mut Call) {
        let Phase::Confirmed(c) = &call.phase else { return };
        let Some((sdp, tries)) = call.glare.take() else {
            return;
        };
        if c.reinvite.is_some() || c.updating || call.theirs.is_some() || call.ours || c.unacked.is_some() {
            call.glare = Some((sdp, tries));
            self.leg_timer(call.leg, LegTimer::Glare, Duration::from_millis(500));
            return;
        }
        call.glare = Some((sdp.clone(), tries));
        self.send_reinvite(call, sdp, false);
    }

    /// Sends a re-INVITE.
    pub(super) fn send_reinvite(&mut self, call: &mut Call, sdp: Option<String>, refresh: bool) {
        let branch = self.branch();
        let mut r = call.dialog.request(Method::Invite, &branch);
        Self::describe(&mut r.headers, call, None);
        match call.session {
            Some(s) => self.refresh_headers(&mut r.headers, s),
            None if call.peer_timer => self.ask_session(&mut r.headers, None, None),
            None => {}
        }
        if let Some(sdp) = &sdp {
            let body = wire::set_body(&mut r.headers, Some(("application/sdp", sdp.as_bytes())));
            r.set_body(body);
        }
        if let Phase::Confirmed(c) = &mut call.phase {
            call.ours = sdp.is_some();
            c.reinvite = Some(SentInvite { sdp, refresh });
        }
        let hop = self.hop_for(call);
        if self.send_request(r, hop, Purpose::Reinvite(call.leg)).is_none() {
            self.kill(call, EndWhy::TransportLost);
        }
    }
}
