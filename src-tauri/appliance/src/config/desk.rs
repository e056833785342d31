//! `[desk]`: people, their telephones, and what happens to callers who wait for them.

use super::fault::{Fault, one_of, range};
use super::network;
use anteroom_call::desk::{Briefing, DeskConfig};
use anteroom_call::parking::SLOTS_MAX;
use anteroom_call::queue::{QUEUE_CALLERS_MAX, QueueConfig};
use anteroom_call::ring::{Fallback, RingStrategy, RingTimes};
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// `[desk]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeskSection {
    /// Whether telephones of people may register here and be rung.
    pub enabled: bool,
    /// The realm telephones are challenged for. Passwords are kept hashed with it: when it changes, each is to be set anew.
    pub realm: Spanned<String>,
    /// In which order the desk's telephones ring: `all`, `in_order` or `longest_idle`.
    pub ring: Spanned<String>,
    /// How long each step rings, seconds.
    pub ring_s: u32,
    /// How long all of them ring together, seconds. An emergency while they ring begins it anew. The receptionist waits
    /// for it, whatever the policy's `handover_ms_max` is.
    pub ring_total_s: u32,
    /// What happens to a caller who was put through and whom nobody answers: `receptionist`, `queue`, `voicemail` or
    /// `callback`.
    pub nobody_answers: Spanned<String>,
    /// How who answers is told what the call is about before they have the caller: `by_device` (on the page and in the
    /// desktop window by eye, on a telephone by ear), `screen` (never by ear) or `spoken` (always by ear).
    pub briefing: Spanned<String>,
    /// Callers who may wait in the queue; who comes then goes on as after the longest wait.
    pub queue_callers: usize,
    /// How long a caller may wait in it, seconds; where no telephone of the ring group is there, a minute at the most.
    pub queue_s: u32,
    /// What then: `voicemail` or `callback`.
    pub queue_over: Spanned<String>,
    /// The key with which a caller in the queue asks to be rung back; empty for none.
    pub callback_key: String,
    /// The first parking slot, and how many there are.
    pub park_first: u16,
    /// Parking slots.
    pub park_slots: u16,
    /// Whether everybody at the desk sees who listens in to a call.
    pub show_supervisors: bool,
    /// Wrong passwords of one address within ten minutes until it is banned; 0 never bans.
    pub ban_failures: u32,
    /// How long a ban lasts, seconds.
    pub ban_s: u32,
    /// Addresses or networks that are never banned.
    pub never_banned: Vec<Spanned<String>>,
    /// STUN and TURN servers, for browsers and for us.
    pub ice: Vec<Ice>,
}

/// `[[desk.ice]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ice {
    /// `stun:HOST:PORT` or `turn:HOST:PORT`.
    pub url: Spanned<String>,
    /// The user of a TURN server that has a password for it.
    #[serde(default)]
    pub user: Option<String>,
    /// A file that holds the password and nothing else, readable by this user only.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// For a TURN server that makes passwords from a secret (coturn's `use-auth-secret`): a file that holds it and nothing
    /// else. Each handset gets a name and a password that are good for a day.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
}

impl Ice {
    /// Whether it is a TURN server, and its `HOST:PORT`.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub(crate) fn read(&self) -> Result<(bool, &str), Fault> {
        let bad = |what: String| Err(Fault::of(&self.url, what));
        let url = self.url.get_ref();
        let (kind, address) = url.split_once(':').unwrap_or(("", ""));
        let port = address.rsplit_once(':').and_then(|(_, p)| p.parse::<u16>().ok());
        if !["stun", "turn"].contains(&kind) || port.is_none() {
            return bad(format!(
                "'{url}' is no STUN or TURN server: write it like stun:turn.example:3478 or turn:turn.example:3478"
            ));
        }
        let turn = kind == "turn";
        if !turn && (self.user.is_some() || self.password_file.is_some() || self.secret_file.is_some()) {
            return bad(format!(
                "'{url}' is a STUN server, which asks for no password: take user, password_file and secret_file out, or write \
                 turn: if it is a TURN server"
            ));
        }
        if self.user.is_some() != self.password_file.is_some() {
            return bad(format!(
                "'{url}' has one of user and password_file: give both or neither"
            ));
        }
        let with_password = self.user.is_some() && self.password_file.is_some();
        if turn && with_password == self.secret_file.is_some() {
            return bad(format!(
                "'{url}' needs either user and password_file, or secret_file"
            ));
        }
        Ok((turn, address))
    }
}

impl Default for DeskSection {
    fn default() -> Self {
        let s = |t: &str| Spanned::new(0..0, t.to_owned());
        Self {
            enabled: true,
            realm: s("anteroom"),
            ring: s("all"),
            ring_s: 25,
            ring_total_s: 45,
            nobody_answers: s("receptionist"),
            briefing: s("by_device"),
            queue_callers: 30,
            queue_s: 20 * 60,
            queue_over: s("callback"),
            callback_key: "1".into(),
            park_first: 71,
            park_slots: 9,
            show_supervisors: true,
            ban_failures: 5,
            ban_s: 3_600,
            never_banned: Vec::new(),
            ice: Vec::new(),
        }
    }
}

impl DeskSection {
    /// The parking slots: the first, and the one after the last.
    #[must_use]
    pub fn slots(&self) -> std::ops::Range<u32> {
        let first = u32::from(self.park_first);
        first..first + u32::from(self.park_slots)
    }

    /// Whether a slot is fetched by dialling this.
    #[must_use]
    pub fn is_slot(&self, dialled: &str) -> bool {
        dialled.parse().is_ok_and(|n: u32| self.slots().contains(&n))
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let ways = ["receptionist", "queue", "voicemail", "callback"];
        one_of("desk.ring", &self.ring, &["all", "in_order", "longest_idle"])?;
        one_of("desk.nobody_answers", &self.nobody_answers, &ways)?;
        one_of("desk.queue_over", &self.queue_over, &["voicemail", "callback"])?;
        one_of(
            "desk.briefing",
            &self.briefing,
            &["by_device", "screen", "spoken"],
        )?;
        range("desk.ring_s", self.ring_s, 5..=120, "seconds")?;
        range("desk.ring_total_s", self.ring_total_s, 5..=300, "seconds")?;
        if self.ring_s > self.ring_total_s {
            let what = format!(
                "[desk] ring_s is {} and ring_total_s is {}: one step cannot ring longer than all of them together",
                self.ring_s, self.ring_total_s
            );
            return Err(Fault::key("desk.ring_s", what));
        }
        range("desk.queue_s", self.queue_s, 30..=3_600, "seconds")?;
        range(
            "desk.queue_callers",
            self.queue_callers,
            0..=QUEUE_CALLERS_MAX,
            "callers",
        )?;
        range(
            "desk.park_first",
            self.park_first,
            1..=9_999,
            "(a number that is dialled)",
        )?;
        range("desk.park_slots", self.park_slots, 0..=SLOTS_MAX, "slots")?;
        range(
            "desk.ban_failures",
            self.ban_failures,
            0..=1_000,
            "wrong passwords (0: never ban)",
        )?;
        range("desk.ban_s", self.ban_s, 1..=2_592_000, "seconds")?;
        let key = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
        if self.callback_key.len() > 1 || !self.callback_key.chars().all(key) {
            let what = format!(
                "[desk] callback_key is '{}': write one key of a telephone, 0 to 9, * or #, or \"\" for none",
                self.callback_key
            );
            return Err(Fault::key("desk.callback_key", what));
        }
        for n in &self.never_banned {
            network(n.get_ref()).map_err(|e| Fault::of(n, e))?;
        }
        for server in &self.ice {
            server.read()?;
        }
        let realm = self.realm.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if realm.is_empty() || realm.len() > 64 || !realm.chars().all(plain) {
            let what = "[desk] realm must be 1 to 64 letters, digits, dots, dashes and underlines";
            return Err(Fault::of(&self.realm, what));
        }
        Ok(())
    }

    /// The strategy of `ring`; the file was checked.
    #[must_use]
    pub fn strategy(&self) -> RingStrategy {
        ring_strategy(self.ring.get_ref()).unwrap_or(RingStrategy::All)
    }
    /// What follows when nobody answers; the file was checked.
    #[must_use]
    pub fn nobody_answers(&self) -> Fallback {
        fallback(self.nobody_answers.get_ref()).unwrap_or(Fallback::Receptionist)
    }
    /// How who answers is briefed; the file was checked.
    #[must_use]
    pub fn briefing(&self) -> Briefing {
        briefing(self.briefing.get_ref()).unwrap_or(Briefing::ByDevice)
    }
    /// How the queue behaves for one caller; the rest is as usual.
    #[must_use]
    pub fn waiting(&self, usual: DeskConfig) -> DeskConfig {
        DeskConfig {
            queue_ms_max: u64::from(self.queue_s.clamp(30, 3_600)) * 1000,
            after_queue: fallback(self.queue_over.get_ref()).unwrap_or(Fallback::Callback),
            callback_key: self.callback_key.chars().next(),
            ..usual
        }
    }
    /// The queue itself.
    #[must_use]
    pub fn queue(&self) -> QueueConfig {
        QueueConfig {
            callers_max: self.queue_callers,
            ..QueueConfig::default()
        }
    }
    /// How long telephones ring.
    #[must_use]
    pub fn times(&self) -> RingTimes {
        RingTimes {
            step_ms: u64::from(self.ring_s.clamp(5, 120)) * 1000,
            total_ms: u64::from(self.ring_total_s.clamp(5, 300)) * 1000,
        }
    }
    /// The longest that telephones ring for a caller whom the receptionist puts through with a sentence of so many
    /// milliseconds at the most, milliseconds.
    #[must_use]
    pub fn rings_ms_max(&self, sentence_ms: u64) -> u64 {
        self.waiting(DeskConfig::default())
            .rings_ms_max(self.times(), sentence_ms)
    }
}

fn ring_strategy(name: &str) -> Option<RingStrategy> {
    match name {
        "all" => Some(RingStrategy::All),
        "in_order" => Some(RingStrategy::InOrder),
        "longest_idle" => Some(RingStrategy::LongestIdle),
        _ => None,
    }
}

fn briefing(name: &str) -> Option<Briefing> {
    match name {
        "by_device" => Some(Briefing::ByDevice),
        "screen" => Some(Briefing::Screen),
        "spoken" => Some(Briefing::Spoken),
        _ => None,
    }
}

fn fallback(name: &str) -> Option<Fallback> {
    match name {
        "receptionist" => Some(Fallback::Receptionist),
        "queue" => Some(Fallback::Queue),
        "voicemail" => Some(Fallback::Voicemail),
        "callback" => Some(Fallback::Callback),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fine};

    #[test]
    fn what_callers_wait_for_has_a_range() {
        for (line, says) in [
            ("ring_s = 1", "[desk] ring_s is 1: it must be 5 to 120 seconds"),
            (
                "ring_total_s = 301",
                "[desk] ring_total_s is 301: it must be 5 to 300 seconds",
            ),
            ("ring_s = 60", "[desk] ring_s is 60 and ring_total_s is 45"),
            (
                "queue_s = 0",
                "[desk] queue_s is 0: it must be 30 to 3600 seconds",
            ),
            (
                "queue_callers = 100000",
                "[desk] queue_callers is 100000: it must be 0 to 100 callers",
            ),
            (
                "park_slots = 5000",
                "[desk] park_slots is 5000: it must be 0 to 100 slots",
            ),
            ("park_first = 0", "[desk] park_first is 0"),
            ("ban_s = 0", "[desk] ban_s is 0: it must be 1"),
            (
                "callback_key = \"xyz\"",
                "[desk] callback_key is 'xyz': write one key",
            ),
            ("callback_key = \"a\"", "[desk] callback_key is 'a'"),
        ] {
            check(&format!("[desk]\n{line}"), &format!("a.toml:2: {says}"));
        }
        fine("[desk]\ncallback_key = \"\"\nring_s = 60\nring_total_s = 60\nqueue_callers = 0");
    }

    #[test]
    fn a_word_that_is_none_is_told_with_its_key() {
        check(
            "[desk]\nqueue_over = \"voicemial\"",
            "a.toml:2: [desk] queue_over cannot be 'voicemial': write one of: voicemail, callback",
        );
        check("[desk]\nrealm = \"a b\"", "a.toml:2: [desk] realm must be");
    }

    #[test]
    fn servers_have_what_they_ask_for_and_no_more() {
        let server = |lines: &str| format!("[[desk.ice]]\nurl = {lines}");
        fine(&server("\"stun:turn.example:3478\""));
        fine(&server("\"turn:turn.example:3478\"\nsecret_file = \"s\""));
        check(
            &server("\"stun:turn.example:3478\"\nsecret_file = \"s\""),
            "a.toml:2: 'stun:turn.example:3478' is a STUN server",
        );
        check(
            &server("\"turn:turn.example:3478\"\nuser = \"u\"\nsecret_file = \"s\""),
            "a.toml:2: 'turn:turn.example:3478' has one of user and password_file",
        );
        check(
            &server("\"turn:turn.example:3478\""),
            "a.toml:2: 'turn:turn.example:3478' needs either",
        );
    }
}
