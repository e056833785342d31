//! `[media]`: audio on the wire.

use super::fault::{Fault, one_of, range};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use toml::Spanned;

/// Pairs of ports there must be for each of `calls_max`: a caller and the telephone they talk with, and as many again for
/// the calls that telephones here place, which are not counted among the callers. What rings beside them takes from those
/// of calls that are not up.
const PAIRS_PER_CALL: usize = 4;

/// `[media]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaSection {
    /// The address RTP is received on.
    pub bind: IpAddr,
    /// UDP ports for RTP and RTCP, `FIRST-LAST`; each leg of a call, and each telephone that rings, takes an even one and
    /// the odd one after it.
    pub ports: Spanned<String>,
    /// Codecs in order of preference: `opus`, `g722`, `pcma`, `pcmu`.
    pub codecs: Vec<Spanned<String>>,
    /// `off`, `optional` or `required`.
    pub srtp: Spanned<String>,
    /// Milliseconds without a first packet before a call is ended.
    pub first_packet_timeout_ms: u64,
    /// Milliseconds of silence on the wire before a call is ended.
    pub silence_timeout_ms: u64,
    /// Estimated mean opinion score, 1 to 4.5, below which a leg is alarmed about.
    pub mos_alarm: f32,
}

impl Default for MediaSection {
    fn default() -> Self {
        let s = |t: &str| Spanned::new(0..0, t.to_owned());
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: s("20000-20399"),
            codecs: vec![s("opus"), s("g722"), s("pcma"), s("pcmu")],
            srtp: s("optional"),
            first_packet_timeout_ms: 30_000,
            silence_timeout_ms: 15_000,
            mos_alarm: 3.0,
        }
    }
}

impl MediaSection {
    pub(super) fn check(&self, calls: usize) -> Result<(), Fault> {
        let ports = ports(self.ports.get_ref()).map_err(|e| Fault::of(&self.ports, e))?;
        let (room, needed) = (pairs(&ports), calls * PAIRS_PER_CALL);
        if room < needed {
            let what = format!(
                "{calls} calls ([sip] calls_max) need {needed} pairs of ports, an even one and the next, {PAIRS_PER_CALL} for \
                 each; this range has {room}: widen it to {} ports, or lower calls_max",
                needed * 2
            );
            return Err(Fault::of(&self.ports, what));
        }
        for c in &self.codecs {
            one_of("media.codecs", c, &["opus", "g722", "pcma", "pcmu"])?;
        }
        if self.codecs.is_empty() {
            let what = "[media] codecs is empty: name at least one of opus, g722, pcma, pcmu";
            return Err(Fault::key("media.codecs", what));
        }
        one_of("media.srtp", &self.srtp, &["off", "optional", "required"])?;
        let ms = "milliseconds";
        let first = self.first_packet_timeout_ms;
        range("media.first_packet_timeout_ms", first, 1_000..=300_000, ms)?;
        let silence = self.silence_timeout_ms;
        range("media.silence_timeout_ms", silence, 1_000..=300_000, ms)?;
        range("media.mos_alarm", self.mos_alarm, 1.0..=4.5, "points")
    }

    /// That whoever is told of this machine by SIP can send it sound, too.
    pub(super) fn check_reach(&self, listens: &[IpAddr], advertise: Option<IpAddr>) -> Result<(), Fault> {
        let fault = |what: String| Err(Fault::key("media.bind", what));
        if let (true, Some(beyond)) = (self.bind.is_loopback(), listens.iter().find(|a| !a.is_loopback())) {
            return fault(format!(
                "[sip] listen takes calls on {beyond}, but [media] bind is {}, which only this machine can send sound to: \
                 every call would be silent. Set bind to the address that telephones and trunks reach this machine at",
                self.bind
            ));
        }
        if self.bind.is_unspecified() && advertise.is_none() {
            return fault(format!(
                "[media] bind is {}, which is no address that sound can be sent to: set it to one address of this machine, \
                 or name that address as advertise in [sip]",
                self.bind
            ));
        }
        if let Some(told) = advertise {
            if told.is_unspecified() || told.is_multicast() {
                let what = format!(
                    "[sip] advertise is {told}, which nobody can reach: name one address of this machine"
                );
                return Err(Fault::key("sip.advertise", what));
            }
            if told.is_ipv4() != self.bind.is_ipv4() {
                let what = format!(
                    "[sip] advertise is {told} and [media] bind is {}: both must be IPv4, or both IPv6",
                    self.bind
                );
                return Err(Fault::key("sip.advertise", what));
            }
        }
        Ok(())
    }
}

/// The usable pairs of a range: even ports whose odd neighbour is in it, too.
fn pairs(ports: &RangeInclusive<u16>) -> usize {
    let (first, last) = (usize::from(*ports.start()), usize::from(*ports.end()));
    last.div_ceil(2).saturating_sub(first.div_ceil(2))
}

pub(super) fn ports(s: &str) -> Result<RangeInclusive<u16>, String> {
    let bad = || format!("'{s}' is no port range: write it like 20000-20399, from 1024 upwards");
    let (a, b) = s.split_once('-').ok_or_else(bad)?;
    let (a, b): (u16, u16) = (
        a.trim().parse().map_err(|_| bad())?,
        b.trim().parse().map_err(|_| bad())?,
    );
    if a < 1024 || b <= a { Err(bad()) } else { Ok(a..=b) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fine};
    use super::*;

    #[test]
    fn pairs_are_counted_as_sessions_take_them() {
        for (range, expected) in [
            (20_000..=20_399, 200),
            (20_001..=20_399, 199),
            (20_000..=20_398, 199),
            (20_001..=20_002, 0),
            (20_000..=20_001, 1),
            (65_534..=65_535, 1),
        ] {
            assert_eq!(pairs(&range), expected, "{range:?}");
        }
    }

    #[test]
    fn there_are_ports_for_every_leg_of_every_call() {
        check(
            "[media]\nports = \"20000-20010\"",
            "a.toml:2: 50 calls ([sip] calls_max) need 200 pairs of ports",
        );
        check("[media]\nports = \"20001-20400\"", "a.toml:2: 50 calls");
        fine("[sip]\ncalls_max = 2\n[media]\nports = \"20000-20015\"");
        check(
            "[media]\nports = \"80-20400\"",
            "a.toml:2: '80-20400' is no port range",
        );
    }

    #[test]
    fn sound_can_reach_us_wherever_calls_can() {
        let bind = |sip: &str, media: &str| format!("[sip]\n{sip}\n[media]\n{media}\n");
        let listen = "listen = [\"udp:0.0.0.0:5060\"]";
        check(&bind(listen, ""), "a.toml:3: [sip] listen takes calls on 0.0.0.0");
        let advertise = "listen = [\"udp:0.0.0.0:5060\"]\nadvertise = \"203.0.113.5\"";
        check(
            &bind(advertise, ""),
            "a.toml:4: [sip] listen takes calls on 0.0.0.0",
        );
        check(
            &bind(
                "listen = [\"tcp:192.0.2.5:5060\", \"udp:127.0.0.1:5060\"]",
                "bind = \"127.0.0.1\"",
            ),
            "a.toml:4: [sip] listen takes calls on 192.0.2.5",
        );
        check(
            &bind(listen, "bind = \"0.0.0.0\""),
            "a.toml:4: [media] bind is 0.0.0.0",
        );
        check(
            &bind(advertise, "bind = \"::\""),
            "a.toml:3: [sip] advertise is 203.0.113.5 and [media] bind is ::",
        );
        check(
            &bind(
                "listen = [\"udp:0.0.0.0:5060\"]\nadvertise = \"0.0.0.0\"",
                "bind = \"0.0.0.0\"",
            ),
            "a.toml:3: [sip] advertise is 0.0.0.0",
        );
        fine(&bind(listen, "bind = \"192.0.2.5\""));
        fine(&bind(advertise, "bind = \"0.0.0.0\""));
        fine(&bind("listen = [\"udp:127.0.0.1:0\", \"tcp:[::1]:0\"]", ""));
    }

    #[test]
    fn a_call_is_given_time_to_be_heard() {
        for (line, says) in [
            (
                "first_packet_timeout_ms = 0",
                "[media] first_packet_timeout_ms is 0: it must be 1000",
            ),
            ("silence_timeout_ms = 999", "[media] silence_timeout_ms is 999"),
            (
                "mos_alarm = nan",
                "[media] mos_alarm is NaN: it must be 1 to 4.5 points",
            ),
            ("codecs = []", "[media] codecs is empty"),
            (
                "codecs = [\"g729\"]",
                "[media] codecs cannot be 'g729': write one of: opus",
            ),
        ] {
            check(&format!("[media]\n{line}"), &format!("a.toml:2: {says}"));
        }
    }
}
