//! A telephone made of a socket and text, which knows how to answer a challenge.

use anteroom_sip::{RegistrarConfig, Secret, Sip, SipConfig, SipUser, Transport, WebSocketFlow, ha1};
use md5::{Digest, Md5};
use sha2::Sha256;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

pub const REALM: &str = "clinic";
pub const PASSWORD: &str = "correct horse";

/// A configuration with a registrar, on a UDP and a TCP port.
pub fn with_registrar() -> SipConfig {
    let mut cfg = SipConfig {
        registrar: Some(RegistrarConfig {
            realm: REALM.into(),
            domains: vec!["clinic.test".into()],
            expires_max_s: 3_600,
            ..RegistrarConfig::default()
        }),
        ..SipConfig::default()
    };
    let mut tcp = cfg.listen[0];
    tcp.transport = Transport::Tcp;
    cfg.listen.push(tcp);
    cfg
}

pub fn users(names: &[&str]) -> Vec<SipUser> {
    names.iter().map(|n| SipUser::new(*n, REALM, PASSWORD)).collect()
}

pub fn header<'a>(m: &'a str, name: &str) -> Option<&'a str> {
    headers(m, name).into_iter().next()
}

pub fn headers<'a>(m: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("{}:", name.to_ascii_lowercase());
    m.lines()
        .take_while(|l| !l.is_empty())
        .filter(|l| l.to_ascii_lowercase().starts_with(&head))
        .map(|l| l[head.len()..].trim())
        .collect()
}

pub fn status(m: &str) -> u16 {
    m.strip_prefix("SIP/2.0 ")
        .and_then(|r| r.get(..3))
        .and_then(|c| c.parse().ok())
        .unwrap_or_else(|| panic!("no response: {m}"))
}

/// A quoted parameter of a challenge.
pub fn param<'a>(challenge: &'a str, name: &str) -> &'a str {
    let at = challenge.find(&format!("{name}=\"")).expect(name) + name.len() + 2;
    challenge[at..].split('"').next().unwrap()
}

fn hash(sha256: bool, text: &str) -> String {
    let bytes = if sha256 {
        Sha256::digest(text).to_vec()
    } else {
        Md5::digest(text).to_vec()
    };
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a user knows.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
    pub sha256: bool,
}

impl Login {
    pub fn new(user: &str) -> Self {
        Self {
            user: user.into(),
            password: PASSWORD.into(),
            sha256: true,
        }
    }

    /// Credentials for a nonce.
    pub fn answer(&self, nonce: &str, nc: u32, method: &str, uri: &str) -> String {
        let h = ha1(&self.user, REALM, &self.password);
        let secret: &Secret = if self.sha256 { &h.sha256 } else { &h.md5 };
        let ha2 = hash(self.sha256, &format!("{method}:{uri}"));
        let response = hash(
            self.sha256,
            &format!("{}:{nonce}:{nc:08x}:cn:auth:{ha2}", secret.expose()),
        );
        let algorithm = if self.sha256 { "SHA-256" } else { "MD5" };
        format!(
            "Digest username=\"{}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm={algorithm}, qop=auth, nc={nc:08x}, cnonce=\"cn\"",
            self.user
        )
    }
}

enum Line {
    Udp(UdpSocket, SocketAddr),
    Tcp(TcpStream, Vec<u8>),
    Ws(WebSocketFlow),
}

pub struct Phone {
    line: Line,
    pub me: SocketAddr,
    pub seq: u32,
    call_id: String,
    pub nonce: Option<String>,
    pub nc: u32,
    n: u32,
}

impl Phone {
    pub async fn udp(to: SocketAddr) -> Self {
        let s = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let me = s.local_addr().unwrap();
        Self::over(Line::Udp(s, to), me)
    }

    pub async fn tcp(to: SocketAddr) -> Self {
        let s = TcpStream::connect(to).await.unwrap();
        let me = s.local_addr().unwrap();
        Self::over(Line::Tcp(s, Vec::new()), me)
    }

    /// A browser: no address of its own, and messages handed over by the web server.
    pub fn websocket(sip: &Sip, peer: SocketAddr) -> Self {
        Self::over(Line::Ws(sip.websocket(peer, true).unwrap()), peer)
    }

    fn over(line: Line, me: SocketAddr) -> Self {
        Self {
            line,
            me,
            seq: 0,
            call_id: format!("{}-{}", me.port(), rand::random::<u32>()),
            nonce: None,
            nc: 0,
            n: 0,
        }
    }

    pub fn transport(&self) -> &'static str {
        match self.line {
            Line::Udp(..) => "UDP",
            Line::Tcp(..) => "TCP",
            Line::Ws(..) => "WSS",
        }
    }

    pub fn contact(&self, user: &str) -> String {
        if let Line::Ws(_) = self.line {
            return format!("<sip:{user}@df7jal23ls0d.invalid;transport=ws>");
        }
        let t = self.transport().to_ascii_lowercase();
        format!("<sip:{user}@{};transport={t}>", self.me)
    }

    /// A request outside a dialog; `extra` are whole header lines.
    pub fn request(&mut self, method: &str, to: &str, from: &str, extra: &str, body: &str) -> String {
        self.n += 1;
        self.seq += 1;
        let (me, t, seq) = (self.me, self.transport(), self.seq);
        let uri = if method == "REGISTER" {
            "sip:clinic.test".to_owned()
        } else {
            format!("sip:{to}@clinic.test")
        };
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{t} {me};branch=z9hG4bK{}{};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{from}@clinic.test>;tag=t{}\r\nTo: <sip:{to}@clinic.test>\r\nCall-ID: {}{}\r\nCSeq: {seq} {method}\r\n\
             {extra}{kind}Content-Length: {}\r\n\r\n{body}",
            me.port(),
            self.n,
            me.port(),
            self.call_id,
            if method == "REGISTER" {
                String::new()
            } else {
                format!("-{method}")
            },
            body.len()
        )
    }

    pub async fn send(&mut self, m: &str) {
        match &mut self.line {
            Line::Udp(s, to) => {
                s.send_to(m.as_bytes(), *to).await.unwrap();
            }
            Line::Tcp(s, _) => s.write_all(m.as_bytes()).await.unwrap(),
            Line::Ws(f) => f.tx.send(m.to_owned().into()).await.unwrap(),
        }
    }

    /// The next message; `None` when nothing comes within `ms`.
    pub async fn recv_within(&mut self, ms: u64) -> Option<String> {
        let patience = Duration::from_millis(ms);
        match &mut self.line {
            Line::Udp(s, _) => {
                let mut buf = vec![0; 65_535];
                let n = tokio::time::timeout(patience, s.recv(&mut buf))
                    .await
                    .ok()?
                    .unwrap();
                Some(String::from_utf8_lossy(&buf[..n]).into_owned())
            }
            Line::Tcp(s, held) => loop {
                let text = String::from_utf8_lossy(held).into_owned();
                if let Some(end) = text.find("\r\n\r\n") {
                    let body = header(&text, "Content-Length").map_or(0, |l| l.parse().unwrap());
                    if held.len() >= end + 4 + body {
                        let rest = held.split_off(end + 4 + body);
                        let m = std::mem::replace(held, rest);
                        return Some(String::from_utf8_lossy(&m).into_owned());
                    }
                }
                let mut buf = vec![0; 65_535];
                let n = tokio::time::timeout(patience, s.read(&mut buf))
                    .await
                    .ok()?
                    .unwrap();
                if n == 0 {
                    return None;
                }
                held.extend_from_slice(&buf[..n]);
            },
            Line::Ws(f) => {
                let m = tokio::time::timeout(patience, f.rx.recv()).await.ok()??;
                Some(String::from_utf8_lossy(&m).into_owned())
            }
        }
    }

    pub async fn recv(&mut self) -> String {
        self.recv_within(5_000).await.expect("a message")
    }

    /// Sends a request and gives its final response; others are passed over.
    pub async fn ask(&mut self, m: &str) -> String {
        self.send(m).await;
        let seq = header(m, "CSeq");
        loop {
            let r = self.recv().await;
            if !r.starts_with("SIP/2.0 1") && header(&r, "CSeq") == seq {
                return r;
            }
        }
    }

    /// The next request, by method; others and responses are passed over.
    pub async fn until_request(&mut self, method: &str) -> String {
        loop {
            let m = self.recv().await;
            if m.starts_with(&format!("{method} ")) {
                return m;
            }
        }
    }

    /// A response to a request that was received. `extra` are whole header lines.
    pub async fn respond(&mut self, to: &str, status: u16, extra: &str, body: &str) {
        let mut r = format!("SIP/2.0 {status} X\r\n");
        for name in ["Via", "Record-Route", "From", "Call-ID", "CSeq"] {
            for v in headers(to, name) {
                r.push_str(&format!("{name}: {v}\r\n"));
            }
        }
        let tag = if header(to, "To").unwrap().contains(";tag=") {
            ""
        } else {
            ";tag=phone"
        };
        r.push_str(&format!("To: {}{tag}\r\n{extra}", header(to, "To").unwrap()));
        if !body.is_empty() {
            r.push_str("Content-Type: application/sdp\r\n");
        }
        r.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.send(&r).await;
    }

    /// A request within the dialog of an INVITE that was received and answered by `respond`.
    pub fn within(&mut self, invite: &str, method: &str, extra: &str) -> String {
        self.n += 1;
        self.seq += 1;
        let target = header(invite, "Contact").unwrap();
        let uri = target.trim_start_matches('<').split('>').next().unwrap();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bKd{}x{};rport\r\nMax-Forwards: 70\r\nFrom: {};tag=phone\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n{extra}Content-Length: 0\r\n\r\n",
            self.transport(),
            self.me,
            self.n,
            self.me.port(),
            header(invite, "To").unwrap(),
            header(invite, "From").unwrap(),
            header(invite, "Call-ID").unwrap(),
            self.seq,
        )
    }

    /// REGISTER, answering a challenge if one comes. `contact` is a whole Contact value with its parameters.
    pub async fn register(&mut self, login: &Login, contact: &str, extra: &str) -> String {
        let extra = format!("Contact: {contact}\r\n{extra}");
        self.authorised("REGISTER", login, &login.user.clone(), &extra, "")
            .await
    }

    /// A request with credentials, once more when its nonce was stale.
    pub async fn authorised(
        &mut self,
        method: &str,
        login: &Login,
        to: &str,
        extra: &str,
        body: &str,
    ) -> String {
        let from = login.user.clone();
        let uri = if method == "REGISTER" {
            "sip:clinic.test".to_owned()
        } else {
            format!("sip:{to}@clinic.test")
        };
        let (name, challenge) = if method == "INVITE" {
            ("Proxy-Authorization", "Proxy-Authenticate")
        } else {
            ("Authorization", "WWW-Authenticate")
        };
        for _ in 0..3 {
            let mut lines = extra.to_owned();
            if let Some(nonce) = self.nonce.clone() {
                self.nc += 1;
                let c = login.answer(&nonce, self.nc, method, &uri);
                lines = format!("{name}: {c}\r\n{extra}");
            }
            let tried = self.nonce.is_some();
            let m = self.request(method, to, &from, &lines, body);
            let r = self.ask(&m).await;
            if !matches!(status(&r), 401 | 407) {
                return r;
            }
            if method == "INVITE" {
                let ack = m.replace("INVITE", "ACK").replace(
                    &format!("To: <sip:{to}@clinic.test>"),
                    &format!("To: {}", header(&r, "To").unwrap()),
                );
                let (head, _) = ack.split_once("\r\n\r\n").unwrap();
                let head: Vec<&str> = head.lines().filter(|l| !l.starts_with("Content-")).collect();
                self.send(&format!("{}\r\nContent-Length: 0\r\n\r\n", head.join("\r\n")))
                    .await;
            }
            let c = header(&r, challenge).unwrap();
            self.nonce = Some(param(c, "nonce").to_owned());
            self.nc = 0;
            if tried && !c.contains("stale=true") {
                return r;
            }
        }
        panic!("challenged again and again");
    }
}
