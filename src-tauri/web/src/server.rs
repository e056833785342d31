//! Listening and accepting.

use crate::config::{TlsMode, WebConfig};
use crate::engine::Engine;
use crate::error::WebStartError;
use crate::guard::Peer;
use crate::limiter::Limiter;
use crate::router::{self, Shared};
use crate::sessions::{Sessions, turned_true};
use crate::{host, tls};
use anteroom_api::{Role, Who};
use anteroom_types::limits::{PLAYING_MAX, WS_CLIENTS_MAX};
use argon2::password_hash::PasswordHash;
use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;
use zeroize::Zeroizing;

/// Connections at once, WebSockets not counted. When all are taken the next is closed at once: a browser tries again.
const CONNECTIONS_MAX: usize = 256;
/// Of one host. A clinic behind one proxy of its own has all its screens there.
const CONNECTIONS_PER_HOST_MAX: usize = 96;
/// How long a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a connection may take to send the head of its next request.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long connections have to finish when the server stops.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(3);

/// A running server. Dropping the handle does not stop it; the `shutdown` future given to [`serve`] does.
pub struct WebHandle {
    /// Where it listens; the port that was taken when port 0 was asked for.
    pub addr: SocketAddr,
    /// SHA-256 of the certificate, for the operator to compare with what the browser shows; none with plain HTTP.
    pub fingerprint: Option<String>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl fmt::Debug for WebHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebHandle({})", self.addr)
    }
}

impl WebHandle {
    /// The page's address, e.g. `http://127.0.0.1:8480/`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls { "https" } else { "http" };
        let ip = match self.addr.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("{scheme}://{}/", SocketAddr::new(ip, self.addr.port()))
    }

    /// The page's address for whoever sits elsewhere: where every address is listened on, by the first name the server
    /// answers to.
    #[must_use]
    pub fn public_url(&self) -> String {
        match self.shared.allowed_hosts.first() {
            Some(name) if self.addr.ip().is_unspecified() => {
                let scheme = if self.shared.tls { "https" } else { "http" };
                format!("{scheme}://{name}:{}/", self.addr.port())
            }
            _ => self.url(),
        }
    }

    /// [`WebHandle::invite`] by [`WebHandle::public_url`].
    #[must_use]
    pub fn public_invite(&self, role: Role, valid: Duration) -> SignInLink {
        self.link(&self.public_url(), Who { role, user: None }, valid)
    }

    /// A link that signs its first user in, in `role`, within `valid`. To be printed on the operator's terminal, never
    /// logged. The code is in the fragment, which browsers do not send.
    #[must_use]
    pub fn invite(&self, role: Role, valid: Duration) -> SignInLink {
        self.link(&self.url(), Who { role, user: None }, valid)
    }

    /// As [`WebHandle::invite`], for one user, who is then known by name at the desk.
    #[must_use]
    pub fn invite_user(&self, role: Role, user: &str, valid: Duration) -> SignInLink {
        let user = Some(user.to_owned());
        self.link(&self.url(), Who { role, user }, valid)
    }

    fn link(&self, url: &str, who: Who, valid: Duration) -> SignInLink {
        let code = self.shared.sessions.mint(who, valid, Instant::now());
        SignInLink(Zeroizing::new(format!("{url}#code={}", *code)))
    }

    /// Waits until the server has stopped.
    pub async fn stopped(self) {
        let _ = self.task.await;
    }
}

/// An address with a one-time code in its fragment.
pub struct SignInLink(Zeroizing<String>);

impl SignInLink {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignInLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInLink([secret])")
    }
}

/// A server that has its address and its certificate and serves nothing yet.
pub struct Bound {
    config: WebConfig,
    listener: TcpListener,
    addr: SocketAddr,
    tls: Option<tls::Tls>,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bound({})", self.addr)
    }
}

/// Whether it would be served, as far as can be told without taking the address or making a certificate.
///
/// # Errors
/// As [`bind`].
pub fn check(config: &WebConfig) -> Result<(), WebStartError> {
    check_texts(config)?;
    match config.tls {
        TlsMode::SelfSigned { .. } => Ok(()),
        _ => tls::prepare(&config.tls, config.listen, &config.allowed_hosts).map(drop),
    }
}

fn check_texts(config: &WebConfig) -> Result<(), WebStartError> {
    for (i, p) in config.passcodes.iter().enumerate() {
        let good = PasswordHash::new(&p.phc).is_ok_and(|h| h.algorithm == argon2::ARGON2ID_IDENT);
        if !good {
            return Err(WebStartError::BadPasscode(i + 1));
        }
    }
    match config.allowed_hosts.iter().find(|h| !host::is_host_name(h)) {
        Some(bad) => Err(WebStartError::BadHost(bad.chars().take(80).collect())),
        None => Ok(()),
    }
}

/// Takes the address and reads the certificate. Separate from [`Bound::serve`], so that a mistake in either is told
/// before the engine spends time on loading models.
///
/// # Errors
/// When the address cannot be had, the certificate cannot be used, or the configuration would be unsafe.
pub async fn bind(config: WebConfig) -> Result<Bound, WebStartError> {
    check_texts(&config)?;
    let tls = tls::prepare(&config.tls, config.listen, &config.allowed_hosts)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| WebStartError::bind(config.listen, e))?;
    let addr = listener
        .local_addr()
        .map_err(|e| WebStartError::bind(config.listen, e))?;
    Ok(Bound {
        config,
        listener,
        addr,
        tls,
    })
}

impl Bound {
    /// Serves `engine` until `shutdown` is done.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn serve(
        self,
        engine: Arc<dyn Engine>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> WebHandle {
        let Self {
            config,
            listener,
            addr,
            tls,
        } = self;
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared {
            engine,
            sessions: Sessions::default(),
            limiter: Mutex::new(Limiter::new(Instant::now())),
            passcodes: config.passcodes,
            hashing: Arc::new(Semaphore::new(1)),
            listeners: Arc::new(Semaphore::new(WS_CLIENTS_MAX)),
            handsets: Arc::new(Semaphore::new(WS_CLIENTS_MAX)),
            playing: Arc::new(Semaphore::new(PLAYING_MAX)),
            allowed_hosts: config.allowed_hosts,
            metrics_token: config.metrics_token,
            session_length: Duration::from_secs(u64::from(config.session_minutes.max(1)) * 60),
            slow_listener_after: config.slow_listener_after,
            cookie: format!("anteroom_{}", addr.port()),
            tls: tls.is_some(),
            stopping,
        });
        let (acceptor, fingerprint) = tls.map(|t| (t.acceptor, t.fingerprint)).unzip();
        let accept = accept(listener, acceptor, router::build(&shared), stop, shutdown);
        tracing::info!(%addr, tls = shared.tls, "the page and the API are served");
        WebHandle {
            addr,
            fingerprint,
            task: tokio::spawn(accept),
            shared,
        }
    }
}

/// [`bind`] and [`Bound::serve`] in one.
///
/// # Errors
/// As [`bind`].
pub async fn serve(
    config: WebConfig,
    engine: Arc<dyn Engine>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<WebHandle, WebStartError> {
    Ok(bind(config).await?.serve(engine, shutdown))
}

/// How many connections each host has.
#[derive(Clone, Default)]
struct Hosts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of a host's connections.
struct Share {
    hosts: Hosts,
    host: IpAddr,
}

impl Hosts {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None when the host has all it may have. A host of IPv6 has a whole /64.
    fn take(&self, ip: IpAddr) -> Option<Share> {
        let host = match ip.to_canonical() {
            IpAddr::V6(v) => IpAddr::V6((u128::from(v) & !u128::from(u64::MAX)).into()),
            v4 => v4,
        };
        let mut all = self.lock();
        let n = all.entry(host).or_default();
        if *n >= CONNECTIONS_PER_HOST_MAX {
            return None;
        }
        *n += 1;
        drop(all);
        Some(Share {
            hosts: self.clone(),
            host,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.hosts.lock();
        if let Some(n) = all.get_mut(&self.host) {
            *n -= 1;
            if *n == 0 {
                all.remove(&self.host);
            }
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    stop: watch::Sender<bool>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let hosts = Hosts::default();
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(a) => a,
                Err(e) => {
                    // Out of file descriptors, most likely: closing connections will help, spinning will not.
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // One machine must not shut all others out.
        let Some(share) = hosts.take(peer.ip()) else {
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (acceptor, router, stopping) = (acceptor.clone(), router.clone(), stop.subscribe());
        connections.spawn(async move {
            let (_place, _share) = (place, share);
            connection(stream, peer, acceptor, router, stopping).await;
        });
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, drained).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => http(stream, peer, router, stopping).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, peer, router, stopping).await,
            Ok(Err(e)) => tracing::debug!(error = %e, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = turned_true(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = done {
        tracing::debug!(error = %e, "a connection ended early");
    }
}
