//! How often sign-in may be tried.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Tries in a row from one place.
const BURST: u32 = 8;
/// After that, one every so often.
const REFILL: Duration = Duration::from_secs(8);
/// Tries in a row from everywhere together.
const GLOBAL_BURST: u32 = 64;
/// After that, one every so often.
const GLOBAL_REFILL: Duration = Duration::from_millis(500);
/// Places remembered. When full, places that have recovered are forgotten; if none has, only the limit over all counts.
const PLACES_MAX: usize = 4_096;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    filled_at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant, burst: u32, refill: Duration) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.filled_at);
        let gained = u32::try_from(elapsed.as_millis() / refill.as_millis()).unwrap_or(u32::MAX);
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(burst);
            self.filled_at = if self.left == burst {
                now
            } else {
                self.filled_at + refill * gained
            };
        }
        if self.left == 0 {
            return Err(refill.saturating_sub(now.saturating_duration_since(self.filled_at)));
        }
        self.left -= 1;
        Ok(())
    }
    fn recovered(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.filled_at) >= REFILL * BURST
    }
}

/// Token buckets, one per place and one over all. Time is an argument.
#[derive(Debug)]
pub(crate) struct Limiter {
    places: HashMap<IpAddr, Bucket>,
    all: Bucket,
}

impl Limiter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            places: HashMap::new(),
            all: Bucket {
                left: GLOBAL_BURST,
                filled_at: now,
            },
        }
    }

    /// Takes one try of `ip`, or says how long to wait.
    pub(crate) fn take(&mut self, ip: IpAddr, now: Instant) -> Result<(), Duration> {
        let place = place(ip);
        if !self.places.contains_key(&place) && self.places.len() >= PLACES_MAX {
            self.places.retain(|_, b| !b.recovered(now));
        }
        if self.places.contains_key(&place) || self.places.len() < PLACES_MAX {
            self.places
                .entry(place)
                .or_insert(Bucket {
                    left: BURST,
                    filled_at: now,
                })
                .take(now, BURST, REFILL)?;
        }
        self.all.take(now, GLOBAL_BURST, GLOBAL_REFILL)
    }

    /// A right code: the place starts afresh.
    pub(crate) fn forgive(&mut self, ip: IpAddr) {
        self.places.remove(&place(ip));
    }
}

/// One subscriber line: an IPv4 address, or the /64 of an IPv6 address.
fn place(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_place_runs_out_and_recovers_while_others_go_on() {
        let t = Instant::now();
        let mut l = Limiter::new(t);
        for _ in 0..BURST {
            l.take(A, t).unwrap();
        }
        assert_eq!(l.take(A, t), Err(REFILL));
        assert!(l.take(B, t).is_ok());
        assert!(l.take(A, t + REFILL).is_ok());
        assert!(l.take(A, t + REFILL).is_err());
        l.forgive(A);
        assert!(l.take(A, t + REFILL).is_ok());
    }

    #[test]
    fn a_whole_ipv6_subnet_is_one_place() {
        let t = Instant::now();
        let mut l = Limiter::new(t);
        for n in 0..BURST {
            l.take(format!("2001:db8::{n}").parse().unwrap(), t).unwrap();
        }
        assert!(l.take("2001:db8::ffff".parse().unwrap(), t).is_err());
        assert!(l.take("2001:db8:0:1::1".parse().unwrap(), t).is_ok());
    }

    #[test]
    fn many_places_together_are_limited_too_and_the_table_is_bounded() {
        let t = Instant::now();
        let mut l = Limiter::new(t);
        let passed = (0..10_000u32)
            .filter(|n| l.take(IpAddr::V4((0x0a00_0000 + n).into()), t).is_ok())
            .count();
        assert_eq!(passed, GLOBAL_BURST as usize);
        assert!(l.places.len() <= PLACES_MAX);
    }
}
