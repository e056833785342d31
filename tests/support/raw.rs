//! A caller that sends over UDP exactly what it is told to, when it is told to.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// The request it answers.
    pub method: String,
    pub text: String,
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.split("\r\n").find_map(|l| {
            let (n, v) = l.split_once(':')?;
            n.eq_ignore_ascii_case(name).then_some(v.trim())
        })
    }
}

/// One caller with one call.
pub struct Raw {
    socket: UdpSocket,
    /// Where its description says that it hears RTP.
    rtp: UdpSocket,
    to: SocketAddr,
    me: SocketAddr,
    from: String,
}

impl Raw {
    pub fn new(to: SocketAddr, from: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let me = socket.local_addr().expect("bound");
        Self {
            socket,
            rtp,
            to,
            me,
            from: from.to_owned(),
        }
    }

    fn request(
        &self,
        method: &str,
        cseq: &str,
        branch: &str,
        to_tag: &str,
        more: &str,
        body: &str,
    ) -> String {
        let (to, me, from, port) = (self.to, self.me, &self.from, self.me.port());
        let length = body.len();
        format!(
            "{method} sip:desk@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{port}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{from}@{me}>;tag=f{port}\r\nTo: <sip:desk@{to}>{to_tag}\r\n\
             Call-ID: {port}@test\r\nCSeq: {cseq}\r\nContact: <sip:{from}@{me}>\r\n{more}\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }

    /// The INVITE, the same each time.
    pub fn invite(&self) -> String {
        let port = self.rtp.local_addr().expect("bound").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
             a=rtpmap:0 PCMU/8000\r\n"
        );
        self.request(
            "INVITE",
            "1 INVITE",
            "i",
            "",
            "Content-Type: application/sdp\r\n",
            &sdp,
        )
    }

    /// The CANCEL of [`Self::invite`].
    pub fn cancel(&self) -> String {
        self.request("CANCEL", "1 CANCEL", "i", "", "", "")
    }

    /// The ACK of a final answer to [`Self::invite`].
    pub fn ack(&self, answer: &Response) -> String {
        // Of a refusal it belongs to the INVITE's transaction (RFC 3261 17.1.1.3), of a 200 it is one of its own.
        let branch = if answer.status < 300 { "a" } else { "i" };
        self.request("ACK", "1 ACK", branch, &tag_of(answer), "", "")
    }

    pub fn bye(&self, answer: &Response) -> String {
        self.request("BYE", "2 BYE", "b", &tag_of(answer), "", "")
    }

    pub fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.to).expect("sent");
    }

    /// The next response, if one comes in time.
    pub fn receive(&self, within: Duration) -> Option<Response> {
        self.socket.set_read_timeout(Some(within)).expect("set");
        let mut buf = [0; 8192];
        let n = self.socket.recv(&mut buf).ok()?;
        let text = String::from_utf8_lossy(&buf[..n]).into_owned();
        let status = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
        let mut response = Response {
            status,
            method: String::new(),
            text,
        };
        let cseq = response.header("CSeq").expect("CSeq").to_owned();
        response.method = cseq.rsplit(' ').next().unwrap_or_default().to_owned();
        Some(response)
    }

    /// The next final response to `method`.
    pub fn final_answer(&self, method: &str) -> Response {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            match self.receive(Duration::from_secs(1)) {
                Some(r) if r.status >= 200 && r.method == method => return r,
                _ => {}
            }
        }
        panic!("no final answer to {method}");
    }

    /// Acknowledges and, where it was accepted, ends the call.
    pub fn finish(&self, answer: &Response) {
        self.send(&self.ack(answer));
        if answer.status < 300 {
            self.send(&self.bye(answer));
            assert_eq!(self.final_answer("BYE").status, 200);
        }
    }
}

/// The `;tag=…` of the other side.
fn tag_of(answer: &Response) -> String {
    let to = answer.header("To").expect("To");
    let tag = to.split_once(";tag=").expect("a tag").1;
    format!(";tag={}", tag.split(';').next().unwrap_or_default())
}
