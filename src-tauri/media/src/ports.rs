//! The pool of media ports.

use crate::error::MediaError;
use std::collections::VecDeque;
use std::net::{IpAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Even ports whose odd neighbour is in the range too. One that was given back goes to the end of the queue, so that
/// late packets of a call that has ended do not reach the next.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Mutex<VecDeque<u16>>,
}

impl Pool {
    pub(crate) fn new(ports: RangeInclusive<u16>) -> Self {
        let last = *ports.end();
        Self {
            free: Mutex::new(ports.filter(|p| p % 2 == 0 && *p != 0 && *p < last).collect()),
        }
    }

    pub(crate) fn free(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u16>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a pair of ports and binds them. Pairs that another program holds are passed over.
    pub(crate) fn lease(self: &Arc<Self>, bind: IpAddr) -> Result<(Lease, UdpSocket, UdpSocket), MediaError> {
        let mut taken = Vec::new();
        let mut trouble = MediaError::NoPorts;
        // Each pair at most once; those that fail go back when `taken` is dropped.
        for _ in 0..self.free() {
            let Some(port) = self.lock().pop_front() else {
                break;
            };
            let lease = Lease {
                port,
                pool: Arc::clone(self),
            };
            match (open(bind, port), open(bind, port + 1)) {
                (Ok(rtp), Ok(rtcp)) => return Ok((lease, rtp, rtcp)),
                (Err(e), _) | (_, Err(e)) => {
                    if e.kind() != std::io::ErrorKind::AddrInUse {
                        // Another port will not help against a wrong address or too few descriptors.
                        return Err(MediaError::Socket(e));
                    }
                    trouble = MediaError::Socket(e);
                    taken.push(lease);
                }
            }
        }
        Err(trouble)
    }
}

fn open(bind: IpAddr, port: u16) -> std::io::Result<UdpSocket> {
    let s = UdpSocket::bind((bind, port))?;
    s.set_nonblocking(true)?;
    Ok(s)
}

/// A pair of ports, given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    port: u16,
    pool: Arc<Pool>,
}

impl Lease {
    /// The even one, for RTP.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.lock().push_back(self.port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_come_back_last() {
        assert_eq!(Pool::new(18_001..=18_001).free(), 0);
        assert_eq!(Pool::new(18_000..=18_000).free(), 0);
        let pool = Arc::new(Pool::new(18_001..=18_008));
        assert_eq!(pool.free(), 3);
        let ip = IpAddr::from([127, 0, 0, 1]);
        let first = pool.lease(ip).unwrap();
        let second = pool.lease(ip).unwrap();
        assert_eq!((first.0.port() % 2, pool.free()), (0, 1));
        let port = first.0.port();
        drop(first);
        assert_ne!(pool.lease(ip).unwrap().0.port(), port);
        drop(second);
        assert_eq!(pool.free(), 3);
    }

    #[test]
    fn ports_another_program_holds_are_passed_over() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let _held = UdpSocket::bind((ip, 18_021)).unwrap();
        let pool = Arc::new(Pool::new(18_020..=18_023));
        let got = pool.lease(ip).unwrap();
        assert_eq!(got.0.port(), 18_022);
        assert!(matches!(pool.lease(ip), Err(MediaError::Socket(_))));
        assert_eq!(pool.free(), 1);
    }
}
