//! What goes out: audio, keypad events and reports.

use super::relay::Came;
use super::*;

/// How long a source may pause before we send silence of our own in its place, in milliseconds.
const RELAY_GAP_MS_MAX: u64 = 2_000;

impl Engine {
    pub(super) fn send_audio(&mut self, now: Mono) -> Frame {
        // Taken whether or not it is sent, so that it never grows old.
        let heard = self.hearing.next();
        if self.device.is_some() {
            return self.play_locally(heard, now);
        }
        let Some((may_send, (payload_type, codec), events)) =
            self.agreed.as_ref().map(|a| (a.may_send, a.send, a.send_events))
        else {
            return SILENCE;
        };
        let step = codec.ticks(FRAME_MS);
        if self.may_relay(codec, now) && self.relay.is_running() {
            self.seed.timestamp = self.seed.timestamp.wrapping_add(step);
            return heard.unwrap_or(SILENCE);
        }
        if std::mem::take(&mut self.relay).is_running() {
            self.marker = true;
        }
        let timestamp = self.next_timestamp();
        self.seed.timestamp = timestamp.wrapping_add(step);
        self.relayed_to = None;
        if !may_send {
            return SILENCE;
        }
        let tx = match self.keys_out.tick(FRAME_MS, events.map_or(8_000, |e| e.1)) {
            Sending::Event(_, e) if events.is_some() => {
                let began = timestamp.wrapping_sub(codec.ticks(e.began_ms_ago));
                let event_type = events.map_or(payload_type, |e| e.0);
                self.send_packet(event_type, e.marker, began, &e.payload);
                self.marker = true;
                return SILENCE;
            }
            // Without telephone-event the tones themselves go, in the audio.
            Sending::Event(key, e) => key_tone(key, e.began_ms_ago),
            Sending::Pause => SILENCE,
            Sending::Nothing => self.said_over(heard, now),
        };
        let mut payload = std::mem::take(&mut self.payload);
        let encoded = self.encoder.as_mut().map(|e| e.encode(&tx, &mut payload));
        if matches!(encoded, Some(Ok(()))) && !payload.is_empty() {
            let marker = std::mem::take(&mut self.marker);
            self.send_packet(payload_type, marker, timestamp, &payload);
        }
        self.payload = payload;
        tx
    }

    /// What we have to say, in place of or over what is heard.
    fn said_over(&mut self, heard: Option<Frame>, now: Mono) -> Frame {
        let mut seen = Vec::new();
        let said = self.playout.next(&mut |e| seen.push(e));
        self.played(seen, now);
        match (said, heard) {
            (Some((said, Over::Mix)), Some(heard)) => self.hearing.over(&said, &heard),
            (Some((said, _)), _) => said,
            (None, heard) => heard.unwrap_or(SILENCE),
        }
    }

    /// The person at the device hears the same as the peer of any leg would, keys as tones.
    fn play_locally(&mut self, heard: Option<Frame>, now: Mono) -> Frame {
        let tx = if self.held {
            SILENCE
        } else {
            match self.keys_out.tick(FRAME_MS, 8_000) {
                Sending::Event(key, e) => key_tone(key, e.began_ms_ago),
                Sending::Pause => SILENCE,
                Sending::Nothing => self.said_over(heard, now),
            }
        };
        if let Some(device) = &self.device {
            device.play(&tx);
        }
        tx
    }

    /// The timestamp of what we send next of our own: never before the end of what was relayed.
    pub(super) fn next_timestamp(&self) -> u32 {
        let own = self.seed.timestamp;
        match self.relayed_to {
            Some(to) if to.wrapping_sub(own).cast_signed() > 0 => to,
            _ => own,
        }
    }

    /// Whether packets of the only session heard can go out as they came: same codec, nobody on hold, and nothing of
    /// ours to say. A source that has long sent nothing is not waited for, lest our peer take the line for dead.
    fn may_relay(&self, codec: Codec, now: Mono) -> bool {
        self.hearing.only().is_some_and(|s| {
            s.codec == Some(codec)
                && !s.held
                && s.relayed.is_none_or(|at| now.ms_since(at) < RELAY_GAP_MS_MAX)
        }) && self.agreed.as_ref().is_some_and(|a| a.may_send)
            && self.playout.is_idle()
            && self.keys_out.is_idle()
    }

    /// Something from a session that is heard, by the number of its link.
    pub(crate) fn forwarded(&mut self, link: u64, f: &Forward, now: Mono) {
        match f {
            Forward::Packet(kind, packet) => self.relay(link, *kind, packet, now),
            Forward::Press(press) => {
                let passed = self
                    .hearing
                    .source(link)
                    .is_none_or(|s| s.event == Some(press.timestamp));
                let may_send = match &self.agreed {
                    Some(a) => a.may_send,
                    None => self.device.is_some() && !self.held,
                };
                if !passed && may_send {
                    self.keys_out.push_held(press.digit, press.duration_ms, FRAME_MS);
                }
            }
            Forward::Held(held) => {
                if let Some(s) = self.hearing.source(link) {
                    s.held = *held;
                }
            }
            Forward::Gone => self.hearing.remove(link),
        }
    }

    fn relay(&mut self, link: u64, kind: Passed, p: &Rtp, now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        let ((payload_type, codec), events, noise) = (agreed.send, agreed.send_events, agreed.comfort_noise);
        let Some(source) = self.hearing.source(link) else {
            return;
        };
        if let Passed::Audio(c) = kind {
            source.codec = Some(c);
            // It has spoken, so it may be waited for again.
            source.relayed = None;
        }
        if !self.may_relay(codec, now) {
            return;
        }
        let payload_type = match (kind, events) {
            (Passed::Audio(_), _) => payload_type,
            (Passed::Event { clock_hz }, Some((t, hz))) if hz == clock_hz && p.payload.len() >= 4 => t,
            (Passed::Noise, _) if noise => COMFORT_NOISE,
            _ => {
                self.relay.skip(p.ssrc, p.seq);
                return;
            }
        };
        let came = Came {
            ssrc: p.ssrc,
            seq: p.seq,
            timestamp: p.timestamp,
            clock_hz: codec.clock_hz(),
            timed: !matches!(kind, Passed::Event { .. }),
        };
        let from = self.next_timestamp();
        let Some(numbers) = self.relay.numbers(came, &mut self.seed.seq, from, now) else {
            return;
        };
        if let Some(source) = self.hearing.source(link) {
            source.relayed = Some(now);
            if came.timed {
                let lasts = codec
                    .payload_ticks(&p.payload)
                    .filter(|_| kind != Passed::Noise)
                    .unwrap_or(0);
                let to = numbers.timestamp.wrapping_add(lasts);
                if self
                    .relayed_to
                    .is_none_or(|t| to.wrapping_sub(t).cast_signed() > 0)
                {
                    self.relayed_to = Some(to);
                }
            } else {
                source.event = Some(p.timestamp);
            }
        }
        let marker = p.marker || numbers.begins || std::mem::take(&mut self.marker);
        self.send_numbered(payload_type, numbers.seq, marker, numbers.timestamp, &p.payload);
    }

    fn send_packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) {
        if self.target().is_none() {
            return;
        }
        let seq = self.seed.seq;
        self.seed.seq = seq.wrapping_add(1);
        self.send_numbered(payload_type, seq, marker, timestamp, payload);
    }

    fn send_numbered(&mut self, payload_type: u8, seq: u16, marker: bool, timestamp: u32, payload: &[u8]) {
        let Some(to) = self.target() else { return };
        let plain = rtp::packet(payload_type, seq, marker, timestamp, self.seed.ssrc, payload);
        let bytes = match &mut self.outbound {
            Some(o) => match o.rtp(&plain) {
                Ok(b) => b.to_vec(),
                Err(_) => return,
            },
            None => plain,
        };
        self.quality.packets_tx += 1;
        self.octets_tx = self
            .octets_tx
            .wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        self.active_tx = true;
        if self.agreed.as_ref().is_some_and(|a| a.nack) {
            self.sent.keep(seq, &bytes);
        }
        self.outgoing.push(Outgoing {
            port: Port::Rtp,
            to,
            bytes,
        });
    }

    /// A packet the peer has lost, as it was: its number has been used, and the receiver knows repeats.
    pub(super) fn send_again(&mut self, seq: u16) {
        if let Some(to) = self.target()
            && let Some(bytes) = self.sent.again(seq)
        {
            self.quality.resent += 1;
            self.outgoing.push(Outgoing {
                port: Port::Rtp,
                to,
                bytes,
            });
        }
    }

    /// Asks for what has not come and may still be of use.
    pub(super) fn ask_again(&mut self, now: Mono) {
        let (true, Some(r)) = (self.agreed.as_ref().is_some_and(|a| a.nack), &self.reception) else {
            return;
        };
        let lost = self.missing.due(self.quality.rtt_ms.unwrap_or(20.0), now);
        if lost.is_empty() {
            return;
        }
        let (Some(to), Some(plain)) = (
            self.target(),
            rtcp::write_nack(self.seed.ssrc, r.ssrc, &lost, &self.seed.cname),
        ) else {
            return;
        };
        let bytes = match &mut self.outbound {
            Some(o) => match o.rtcp(&plain) {
                Ok(b) => b.to_vec(),
                Err(_) => return,
            },
            None => plain,
        };
        self.quality.asked_again += lost.len() as u64;
        self.outgoing.push(Outgoing {
            port: Port::Rtp,
            to,
            bytes,
        });
    }

    pub(super) fn report(&mut self, now: Mono) {
        if now < self.rtcp_due || self.agreed.is_none() {
            return;
        }
        self.rtcp_due = now.plus_ms(rtcp::INTERVAL_MS);
        self.send_report(false, now);
        let q = self.quality();
        self.event(MediaEvent::Quality(q));
    }

    pub(super) fn send_report(&mut self, bye: bool, now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        // Towards where the peer's own reports come from, else where it asked for them, moved as its RTP was moved.
        let moved = self
            .latch
            .locked()
            .filter(|l| agreed.remote.is_none_or(|r| r.ip() != l.ip()));
        let to = if agreed.mux || self.secure {
            self.target()
        } else {
            self.rtcp_source
                .or_else(|| moved.and_then(|l| Some(SocketAddr::new(l.ip(), l.port().checked_add(1)?))))
                .or(agreed.remote_rtcp)
        };
        let port = if agreed.mux || self.secure {
            Port::Rtp
        } else {
            Port::Rtcp
        };
        let Some(to) = to else { return };
        let sent = rtcp::Sent {
            ssrc: self.seed.ssrc,
            packets: self.quality.packets_tx as u32,
            octets: self.octets_tx,
            timestamp: self.seed.timestamp,
            active: std::mem::take(&mut self.active_tx),
        };
        let Some(plain) = rtcp::write(
            &sent,
            self.reception.as_mut(),
            self.last_sr,
            &self.seed.cname,
            bye,
            now,
        ) else {
            return;
        };
        let bytes = match &mut self.outbound {
            Some(o) => match o.rtcp(&plain) {
                Ok(b) => b.to_vec(),
                Err(_) => return,
            },
            None => plain,
        };
        self.outgoing.push(Outgoing { port, to, bytes });
    }
}

/// Twenty milliseconds of a key's tones.
fn key_tone(key: char, began_ms_ago: u32) -> Frame {
    let from = began_ms_ago as usize * RATE_HZ as usize / 1000;
    std::array::from_fn(|n| tone::dtmf_sample(key, from + n, RATE_HZ))
}
