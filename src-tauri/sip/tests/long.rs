//! Requests that are too long for a datagram (RFC 3261 18.1.1).

mod support;

use anteroom_sip::{DialRequest, Listen, Sip, Transport};
use anteroom_types::LegId;
use std::net::SocketAddr;
use std::time::Duration;
use support::{SDP, open};
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

#[tokio::test]
async fn a_long_request_goes_over_a_connection_when_there_can_be_one() {
    let mut cfg = open();
    let tcp = Listen {
        transport: Transport::Tcp,
        ..cfg.listen[0]
    };
    cfg.listen.push(tcp);
    let (tx, _rx) = mpsc::channel(64);
    let sip = Sip::start(cfg, tx).await.unwrap();
    let long = format!(
        "{SDP}{}",
        "a=x-filler:0123456789012345678901234567890123456789\r\n".repeat(24)
    );
    let call = |n: u128, to: SocketAddr, sdp: &str| {
        sip.dial(DialRequest {
            sdp: Some(sdp.to_owned()),
            ..DialRequest::new(LegId::from_u128(n), format!("sip:desk@{to}"), "front")
        })
        .unwrap();
    };
    let (udp, listener) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(l) = tokio::net::TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, l);
        }
    };
    let to = udp.local_addr().unwrap();
    let mut buf = vec![0; 65_535];
    call(1, to, SDP);
    let n = udp.recv(&mut buf).await.unwrap();
    assert!(String::from_utf8_lossy(&buf[..n]).contains("Via: SIP/2.0/UDP"));
    call(2, to, &long);
    let (mut s, _) = listener.accept().await.unwrap();
    let n = s.read(&mut buf).await.unwrap();
    let m = String::from_utf8_lossy(&buf[..n]).into_owned();
    assert!(
        m.contains("Via: SIP/2.0/TCP") && m.contains(";transport=tcp>"),
        "{m}"
    );
    // Who takes no connection gets the datagram all the same.
    let alone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for leg in [3, 4] {
        call(leg, alone.local_addr().unwrap(), &long);
        let n = tokio::time::timeout(Duration::from_secs(5), alone.recv(&mut buf))
            .await
            .unwrap()
            .unwrap();
        let m = String::from_utf8_lossy(&buf[..n]).into_owned();
        assert!(m.starts_with("INVITE") && m.contains("Via: SIP/2.0/UDP"), "{m}");
    }
}
