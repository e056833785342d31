//! A small HTTP client that sends exactly what it is told to.

use crate::fake::Fake;
use anteroom_api::Role;
use anteroom_web::{Engine, WebConfig, WebHandle, serve};
use futures_util::StreamExt as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A running server.
pub struct Server {
    pub engine: Arc<Fake>,
    pub web: WebHandle,
    pub stop: Option<oneshot::Sender<()>>,
}

pub fn config() -> WebConfig {
    WebConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        ..WebConfig::default()
    }
}

pub async fn start() -> Server {
    start_with(config(), 1_024).await
}

pub async fn start_with(config: WebConfig, capacity: usize) -> Server {
    let engine = Fake::new(capacity);
    let (stop, stopped) = oneshot::channel::<()>();
    let shared: Arc<dyn Engine> = Arc::clone(&engine) as _;
    let web = serve(config, shared, async {
        let _ = stopped.await;
    })
    .await
    .unwrap();
    Server {
        engine,
        web,
        stop: Some(stop),
    }
}

impl Server {
    pub fn addr(&self) -> SocketAddr {
        self.web.addr
    }

    pub fn code(&self, role: Role) -> String {
        let link = self.web.invite(role, Duration::from_secs(60));
        link.as_str().split("#code=").nth(1).unwrap().to_owned()
    }

    /// Signs in and gives the cookie.
    pub async fn cookie(&self, role: Role) -> String {
        let r = self.sign_in(&self.code(role)).await;
        assert_eq!(r.status, 201, "{}", r.body);
        r.headers["set-cookie"].split(';').next().unwrap().to_owned()
    }

    /// Signs one user in and gives the cookie.
    pub async fn cookie_of(&self, role: Role, user: &str) -> String {
        let link = self.web.invite_user(role, user, Duration::from_secs(60));
        let r = self.sign_in(link.as_str().split("#code=").nth(1).unwrap()).await;
        assert_eq!(r.status, 201, "{}", r.body);
        r.headers["set-cookie"].split(';').next().unwrap().to_owned()
    }

    /// Opens SIP over WebSocket; the status when it is refused.
    pub async fn sip(
        &self,
        cookie: &str,
        protocol: Option<&str>,
        origin: &str,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, u16> {
        let mut request = format!("ws://{}/sip", self.addr()).into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        if let Some(p) = protocol {
            request
                .headers_mut()
                .insert("sec-websocket-protocol", p.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(tokio_tungstenite::tungstenite::Error::Http(r)) => Err(r.status().as_u16()),
            Err(e) => panic!("{e}"),
        }
    }

    pub async fn sign_in(&self, code: &str) -> Reply {
        let body = serde_json::json!({ "code": code }).to_string();
        self.post("/api/v1/session", &body, "").await
    }

    pub async fn get(&self, path: &str, headers: &str) -> Reply {
        let host = self.addr();
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}"), "")
            .await
    }

    pub async fn get_as(&self, path: &str, cookie: &str) -> Reply {
        self.get(path, &format!("Cookie: {cookie}\r\n")).await
    }

    pub async fn post(&self, path: &str, body: &str, headers: &str) -> Reply {
        let (host, length) = (self.addr(), body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}"
        );
        self.send(&head, body).await
    }

    /// Sends a head and a body as they are; only `Connection: close` is added.
    pub async fn send(&self, head: &str, body: &str) -> Reply {
        let mut s = TcpStream::connect(self.addr()).await.unwrap();
        let message = format!("{head}Connection: close\r\n\r\n{body}");
        // The server may answer and close before it has read everything.
        let _ = s.write_all(message.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = s.read_to_end(&mut bytes).await;
        Reply::parse(&bytes)
    }

    pub async fn listen(&self, cookie: &str, query: &str) -> Result<Listener, u16> {
        let origin = format!("http://{}", self.addr());
        self.listen_from(cookie, query, Some(&origin)).await
    }

    pub async fn listen_from(
        &self,
        cookie: &str,
        query: &str,
        origin: Option<&str>,
    ) -> Result<Listener, u16> {
        let mut request = format!("ws://{}/api/v1/events{query}", self.addr())
            .into_client_request()
            .unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        if let Some(o) = origin {
            request.headers_mut().insert("origin", o.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Listener(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(r)) => Err(r.status().as_u16()),
            Err(e) => panic!("{e}"),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|l| l.split(' ').nth(1))
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        let headers = lines
            .filter_map(|l| l.split_once(": "))
            .map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_owned(),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A listener to the live stream.
pub struct Listener(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Listener {
    /// The next message of ours; none when the stream is closed, with the close code.
    pub async fn next(&mut self) -> Result<serde_json::Value, u16> {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(10), self.0.next())
                .await
                .expect("a message within ten seconds");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    if value["message"] != "alive" {
                        return Ok(value);
                    }
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |f| f.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }
}
