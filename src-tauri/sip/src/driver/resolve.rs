//! From a URI to addresses (RFC 3263), and which of our own addresses a peer sees.

use super::Shared;
use crate::config::Transport;
use crate::wire::Hop;
use bytes::Bytes;
use sipx_sip::{Host, Uri};
use sipx_transport::TransportKind;
use sipx_transport::dns::{DnsResolver, ResolutionPolicy, resolve_uri, resolve_uri_bounded};
use sipx_transport::resolve::OsRng;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Addresses taken of one name.
const TARGETS_MAX: usize = 16;

/// The resolver, and a memory of source addresses.
#[derive(Debug)]
pub(crate) struct Names {
    dns: Option<Arc<DnsResolver>>,
    sources: Mutex<HashMap<IpAddr, IpAddr>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        // Without a readable resolv.conf the system's own look-up is still there.
        Self {
            dns: DnsResolver::from_system().ok().map(Arc::new),
            sources: Mutex::new(HashMap::new()),
        }
    }

    /// The address the kernel would send from. Nothing is sent to find out.
    pub(crate) fn source_for(&self, remote: SocketAddr) -> IpAddr {
        let mut known = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ip) = known.get(&remote.ip()) {
            return *ip;
        }
        let any: SocketAddr = if remote.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let found = UdpSocket::bind(any)
            .and_then(|s| s.connect(remote).and_then(|()| s.local_addr()))
            .map(|a| a.ip());
        let ip = found.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        if known.len() >= 1_024 {
            known.clear();
        }
        known.insert(remote.ip(), ip);
        ip
    }
}

/// Whether an address is of a private network or this machine.
pub(crate) fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v) => v.is_private() || v.is_loopback() || v.is_link_local(),
        IpAddr::V6(v) => v.is_loopback() || v.is_unique_local() || v.is_unicast_link_local(),
    }
}

/// Nobody is looked up to be reached by WebSocket: such a peer comes to us.
const fn kind(t: Transport) -> TransportKind {
    match t {
        Transport::Udp | Transport::Ws | Transport::Wss => TransportKind::Udp,
        Transport::Tcp => TransportKind::Tcp,
        Transport::Tls => TransportKind::Tls,
    }
}

const fn transport(k: TransportKind) -> Option<Transport> {
    match k {
        TransportKind::Udp => Some(Transport::Udp),
        TransportKind::Tcp => Some(Transport::Tcp),
        TransportKind::Tls => Some(Transport::Tls),
        _ => None,
    }
}

/// The ways to a URI, best first.
pub(crate) async fn find(shared: &Arc<Shared>, uri: &str, wanted: Option<Transport>) -> Vec<Hop> {
    let Ok(uri) = Uri::parse(Bytes::from(uri.to_owned())) else {
        return Vec::new();
    };
    let named = uri.transport().and_then(|t| match t {
        t if t.eq_ignore_ascii_case(b"udp") => Some(Transport::Udp),
        t if t.eq_ignore_ascii_case(b"tcp") => Some(Transport::Tcp),
        t if t.eq_ignore_ascii_case(b"tls") => Some(Transport::Tls),
        _ => None,
    });
    let secure = uri.scheme().is_secure().then_some(Transport::Tls);
    let wanted = secure.or(named).or(wanted);
    let name: Arc<str> = uri.host().map(ToString::to_string).unwrap_or_default().into();
    let found: Vec<(Transport, SocketAddr)> = match uri.host() {
        None => Vec::new(),
        Some(Host::Ip(ip)) => {
            let t = wanted.unwrap_or(Transport::Udp);
            vec![(t, SocketAddr::new(*ip, uri.port().unwrap_or(t.default_port())))]
        }
        Some(Host::Name(_)) => by_name(shared.names.dns.as_ref(), &uri, &name, wanted).await,
    };
    found
        .into_iter()
        .take(TARGETS_MAX)
        .filter_map(|(t, remote)| {
            let socket = match t {
                Transport::Udp => shared.socket_for(remote)?,
                _ => shared.bound.iter().position(|b| b.transport == t).unwrap_or(0),
            };
            Some(Hop {
                transport: t,
                remote,
                local: shared.local_for(t, socket, remote),
                socket,
                conn: None,
                server_name: (t == Transport::Tls).then(|| Arc::clone(&name)),
            })
        })
        .collect()
}

async fn by_name(
    dns: Option<&Arc<DnsResolver>>,
    uri: &Uri,
    name: &str,
    wanted: Option<Transport>,
) -> Vec<(Transport, SocketAddr)> {
    if let Some(dns) = dns {
        let policy = ResolutionPolicy::default();
        let answer = resolve_uri_bounded(uri, dns, &mut OsRng, wanted.map(kind), policy).await;
        let targets = match answer {
            Ok(t) => t,
            // One question without a clear answer, such as the A record of a domain that has only SRV, refuses the whole
            // look-up; what was answered is then taken for what it is.
            Err(_) => {
                let mut uri = uri.clone();
                if let Some(t) = wanted.filter(|_| uri.transport().is_none()) {
                    uri.push_param(sipx_sip::params::Param::new("transport", t.as_param()));
                }
                let mut random = OsRng;
                let lenient = resolve_uri(&uri, dns, &mut random);
                tokio::time::timeout(policy.resolution_timeout, lenient)
                    .await
                    .unwrap_or_default()
            }
        };
        let found: Vec<_> = targets
            .into_iter()
            .filter_map(|t| Some((transport(t.transport)?, t.addr)))
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
    // Names of /etc/hosts, and machines without a resolver.
    let t = wanted.unwrap_or(Transport::Udp);
    let port = uri.port().unwrap_or(t.default_port());
    let look = tokio::net::lookup_host((name.to_owned(), port));
    match tokio::time::timeout(Duration::from_secs(5), look).await {
        Ok(Ok(found)) => found.map(|a| (t, a)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(out: &mut Vec<u8>, n: &str) {
        for label in n.split('.') {
            out.push(u8::try_from(label.len()).unwrap());
            out.extend_from_slice(label.as_bytes());
        }
        out.push(0);
    }

    /// A name server that knows one domain: two registrars by SRV, the second preferred.
    fn answer(query: &[u8]) -> Vec<u8> {
        let mut labels = Vec::new();
        let mut i = 12;
        while query[i] != 0 {
            let n = usize::from(query[i]);
            labels.push(String::from_utf8_lossy(&query[i + 1..=i + n]).to_lowercase());
            i += n + 1;
        }
        let asked = labels.join(".");
        let kind = u16::from_be_bytes([query[i + 1], query[i + 2]]);
        let mut records: Vec<(u16, Vec<u8>)> = Vec::new();
        match (asked.as_str(), kind) {
            ("_sip._udp.trunk.test", 33) => {
                for (priority, host) in [(20u16, "b.trunk.test"), (10, "a.trunk.test")] {
                    let mut d = Vec::new();
                    d.extend_from_slice(&priority.to_be_bytes());
                    d.extend_from_slice(&[0, 1]);
                    d.extend_from_slice(&5070u16.to_be_bytes());
                    name(&mut d, host);
                    records.push((33, d));
                }
            }
            ("a.trunk.test", 1) => records.push((1, vec![192, 0, 2, 10])),
            ("b.trunk.test", 1) => records.push((1, vec![192, 0, 2, 20])),
            _ => {}
        }
        let mut out = query[..2].to_vec();
        out.extend_from_slice(&[0x85, 0x80, 0, 1]);
        out.extend_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(&query[12..i + 5]);
        for (kind, data) in records {
            name(&mut out, &asked);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            out.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
            out.extend_from_slice(&data);
        }
        out
    }

    #[tokio::test]
    async fn a_domain_is_found_by_srv_in_order_of_priority() {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buf = [0; 1_500];
            while let Ok((n, from)) = server.recv_from(&mut buf).await {
                let _ = server.send_to(&answer(&buf[..n]), from).await;
            }
        });
        let dns = Arc::new(DnsResolver::for_nameserver(addr, Duration::from_secs(2)).unwrap());
        let uri = Uri::parse(Bytes::from_static(b"sip:trunk.test")).unwrap();
        let found = by_name(Some(&dns), &uri, "trunk.test", Some(Transport::Udp)).await;
        let expected: Vec<(Transport, SocketAddr)> = ["192.0.2.10:5070", "192.0.2.20:5070"]
            .iter()
            .map(|a| (Transport::Udp, a.parse().unwrap()))
            .collect();
        assert_eq!(found, expected);
    }
}
