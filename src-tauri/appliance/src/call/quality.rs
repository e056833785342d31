//! How well the legs of a call are heard: shown while they are up, told when they end, and alarmed about.

use super::Call;
use anteroom_media::Quality;
use anteroom_types::{EventKind, LegId};

/// Packets before anything is made of what was measured: ten seconds.
const PACKETS_MIN: u64 = 500;

impl Call {
    /// A leg was measured.
    pub(super) async fn measured(&mut self, leg: LegId, q: &Quality) {
        self.show_desk();
        let poor = q.packets_rx + q.lost >= PACKETS_MIN && q.mos < self.shared.config.media.mos_alarm;
        if !poor || self.alarmed.contains(&leg) {
            return;
        }
        self.alarmed.push(leg);
        self.shared.metrics.poor_legs.inc();
        tracing::warn!(trace = %self.story.trace(), mos = q.mos, lost = q.lost, jitter_ms = q.jitter_ms,
            path = q.path.name(), "a leg is heard badly");
        let who = self.user_at(leg);
        self.story.tell(EventKind::PoorQuality { who, mos: q.mos }).await;
    }

    /// A leg has ended, and this was heard of it.
    pub(super) async fn tell_quality(&mut self, leg: LegId, q: &Quality) {
        let who = self.user_at(leg);
        let quality = EventKind::Quality {
            who,
            codec: q.codec.map(|c| c.name().to_owned()),
            path: Some(q.path.name().to_owned()),
            packets: q.packets_rx,
            lost: q.lost,
            jitter_ms: q.jitter_ms,
            rtt_ms: q.rtt_ms,
            mos: q.mos,
        };
        self.story.tell(quality).await;
    }

    /// Whose telephone a leg goes to; none for a caller's.
    fn user_at(&self, leg: LegId) -> Option<String> {
        if leg == self.leg {
            return self.arrival.placed.as_ref().map(|p| p.by.who.as_str().to_owned());
        }
        self.legs.all.get(&leg).map(|l| l.who.clone())
    }
}
