//! What comes in: datagrams judged, decrypted, counted and put where they belong.

use super::*;

impl Engine {
    /// Takes a datagram that came to `port` from `from`.
    pub(crate) fn datagram(&mut self, port: Port, from: SocketAddr, bytes: &[u8], now: Mono) {
        match (port, rtp::kind(bytes)) {
            (Port::Rtp, Kind::Rtp) => self.rtp(from, bytes, now),
            (_, Kind::Rtcp) => self.rtcp(from, bytes, now),
            _ => self.quality.malformed += 1,
        }
    }

    pub(super) fn rtp(&mut self, from: SocketAddr, bytes: &[u8], now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        let encrypted = agreed.keys.is_some();
        if self.secure && self.inbound.is_none() {
            return;
        }
        if !self.secure && !self.latch.worth_checking(from, encrypted, now) {
            self.quality.dropped_foreign += 1;
            return;
        }
        let packet = match (&mut self.inbound, rtp::ssrc(bytes)) {
            (Some(inbound), Some(ssrc)) => match inbound.rtp(ssrc, bytes) {
                Ok(plain) => rtp::parse(&plain),
                Err(_) => {
                    self.quality.dropped_foreign += 1;
                    return;
                }
            },
            _ => rtp::parse(bytes),
        };
        let known = |p: &Rtp| {
            p.payload_type == COMFORT_NOISE
                || agreed.receive.iter().any(|r| r.0 == p.payload_type)
                || agreed.receive_events.iter().any(|r| r.0 == p.payload_type)
        };
        // Our own packets come back from a peer that loops them (RFC 3550 8.2).
        let Some(packet) = packet.filter(|p| known(p) && p.ssrc != self.seed.ssrc) else {
            self.quality.malformed += 1;
            return;
        };
        if self.secure {
            self.admit(packet, now);
            return;
        }
        match self.latch.judge(from, packet.ssrc, packet.seq, encrypted, now) {
            Verdict::Foreign => self.quality.dropped_foreign += 1,
            Verdict::Wait => {}
            Verdict::Accept => self.admit(packet, now),
            Verdict::AcceptNew => {
                if self.reception.as_ref().is_some_and(|r| r.ssrc != packet.ssrc) {
                    self.change_source();
                }
                self.admit(packet, now);
            }
        }
    }

    /// A packet from the session's source. Another SSRC takes over with its second packet in a row.
    fn admit(&mut self, packet: Rtp, now: Mono) {
        if self.reception.as_ref().is_some_and(|r| r.ssrc != packet.ssrc) {
            match self.newcomer.take() {
                Some(n) if n.packet.ssrc == packet.ssrc && n.packet.seq.wrapping_add(1) == packet.seq => {
                    self.change_source();
                    self.take(n.packet, now);
                }
                _ => {
                    self.newcomer = Some(Newcomer { packet });
                    return;
                }
            }
        }
        self.take(packet, now);
    }

    fn change_source(&mut self) {
        if let Some(r) = self.reception.take() {
            self.before = (self.before.0 + r.received(), self.before.1 + r.lost());
        }
        if let Some(j) = &mut self.jitter {
            j.reset();
        }
        self.keys_in.reset();
        self.newcomer = None;
        self.last_sr = None;
    }

    fn take(&mut self, p: Rtp, now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        let codec = agreed.receive.iter().find(|r| r.0 == p.payload_type).map(|r| r.1);
        let event_hz = agreed
            .receive_events
            .iter()
            .find(|r| r.0 == p.payload_type)
            .map(|r| r.1);
        let clock_hz = codec.map_or(agreed.send.1.clock_hz(), Codec::clock_hz);
        let may_receive = agreed.may_receive;
        let reception = self
            .reception
            .get_or_insert_with(|| Reception::new(p.ssrc, p.seq, clock_hz));
        reception.packet(p.seq, p.timestamp, clock_hz, codec.is_some(), now);
        if agreed.nack {
            self.missing.came(p.ssrc, p.seq, now);
            self.ask_again(now);
        }
        if self.heard.replace(now).is_none() {
            self.event(MediaEvent::FirstPacket);
        }
        self.silence_told = false;
        if !may_receive {
            return;
        }
        if self.listened {
            let kind = match (codec, event_hz) {
                (Some(codec), _) => Passed::Audio(codec),
                (None, Some(clock_hz)) => Passed::Event { clock_hz },
                (None, None) => Passed::Noise,
            };
            self.forward(Forward::Packet(kind, p.clone()));
        }
        let Some(jitter) = &mut self.jitter else { return };
        match (codec, event_hz) {
            (Some(_), _) if !self.decoding => {}
            (Some(codec), _) => jitter.audio(codec, p.seq, p.timestamp, p.payload, now),
            (None, Some(hz)) => {
                jitter.other(p.seq, p.timestamp, now);
                if let Some(press) = self.keys_in.packet(&p.payload, p.timestamp, hz, now) {
                    self.pressed(press);
                }
            }
            (None, None) => jitter.other(p.seq, p.timestamp, now),
        }
    }

    /// The peer has pressed a key.
    pub(super) fn pressed(&mut self, press: dtmf::Press) {
        self.event(MediaEvent::Dtmf {
            digit: press.digit,
            duration_ms: press.duration_ms,
        });
        if self.listened {
            self.forward(Forward::Press(press));
        }
    }

    fn rtcp(&mut self, from: SocketAddr, bytes: &[u8], now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        let near = |ip: IpAddr| {
            self.secure
                || self.latch.target().is_some_and(|t| t.ip() == ip)
                || agreed.remote_rtcp.is_some_and(|t| t.ip() == ip)
        };
        let plain = match (&mut self.inbound, rtcp::ssrc(bytes)) {
            (Some(inbound), Some(ssrc)) if near(from.ip()) => inbound.rtcp(ssrc, bytes).ok(),
            (None, _) if near(from.ip()) && !self.secure => Some(bytes.into()),
            _ => None,
        };
        let Some(plain) = plain else {
            self.quality.dropped_foreign += 1;
            return;
        };
        let Some(heard) = rtcp::read(&plain, self.seed.ssrc, now) else {
            self.quality.malformed += 1;
            return;
        };
        if agreed
            .remote_rtcp
            .is_none_or(|r| r.ip() == from.ip() || self.latch.locked().is_some_and(|l| l.ip() == from.ip()))
        {
            self.rtcp_source = Some(from);
        }
        if let Some((ssrc, sr)) = heard.sender_report
            && self.reception.as_ref().is_none_or(|r| r.ssrc == ssrc)
        {
            self.last_sr = Some((sr, now));
        }
        for seq in heard.asked {
            self.send_again(seq);
        }
        self.quality.rtt_ms = heard.rtt_ms.or(self.quality.rtt_ms);
        self.quality.remote_loss = heard.remote_loss.or(self.quality.remote_loss);
    }
}
