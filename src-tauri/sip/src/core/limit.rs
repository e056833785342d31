//! Token buckets per source address.

use crate::config::RateLimit;
use anteroom_types::Mono;
use std::collections::HashMap;
use std::net::IpAddr;

/// Sources remembered. When full, those at rest are forgotten; if none is, newcomers share one bucket.
const SOURCES_MAX: usize = 16_384;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Mono,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: RateLimit,
    buckets: HashMap<IpAddr, Bucket>,
    shared: Bucket,
}

impl Limiter {
    pub(crate) fn new(rate: RateLimit) -> Self {
        Self {
            rate,
            buckets: HashMap::new(),
            shared: Bucket {
                tokens: f64::from(rate.burst),
                at: Mono(0),
            },
        }
    }

    /// Takes a token of `source`; false when it has none.
    pub(crate) fn take(&mut self, source: IpAddr, now: Mono) -> bool {
        let source = crate::registrar::host_of(source);
        let full = f64::from(self.rate.burst);
        if !self.buckets.contains_key(&source) && self.buckets.len() >= SOURCES_MAX {
            let rate = self.rate;
            self.buckets
                .retain(|_, b| b.tokens + (now - b.at).as_secs_f64() * rate.per_source_per_s < full);
        }
        let room = self.buckets.len() < SOURCES_MAX;
        let bucket = if room || self.buckets.contains_key(&source) {
            self.buckets.entry(source).or_insert(Bucket {
                tokens: full,
                at: now,
            })
        } else {
            &mut self.shared
        };
        bucket.tokens =
            (bucket.tokens + (now - bucket.at).as_secs_f64() * self.rate.per_source_per_s).min(full);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gets_its_burst_then_its_rate_and_others_are_not_touched() {
        let mut l = Limiter::new(RateLimit {
            per_source_per_s: 2.0,
            burst: 3,
        });
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let taken = |l: &mut Limiter, ip, ms| (0..10).filter(|_| l.take(ip, Mono::from_ms(ms))).count();
        assert_eq!(taken(&mut l, a, 0), 3);
        assert_eq!(taken(&mut l, b, 0), 3);
        assert_eq!(taken(&mut l, a, 1_000), 2);
        assert_eq!(taken(&mut l, a, 100_000), 3);
    }

    #[test]
    fn memory_is_bounded() {
        let mut l = Limiter::new(RateLimit {
            per_source_per_s: 0.001,
            burst: 1,
        });
        for n in 0..(SOURCES_MAX as u32 + 100) {
            l.take(IpAddr::from(n.to_be_bytes()), Mono(0));
        }
        assert!(l.buckets.len() <= SOURCES_MAX);
    }
}
