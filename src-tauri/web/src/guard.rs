//! What every request passes, from the outside in: a trace and a log line, the security headers and a time limit; then
//! the host it asked for, where it came from, and who is asking.

use crate::host::{host_allowed, same_origin};
use crate::reply::{self, Refusal};
use crate::router::Shared;
use crate::sessions::Session;
use anteroom_api::access::Method as ApiMethod;
use anteroom_api::{Access, ApiError, RouteRule};
use anteroom_types::{TraceId, Wall};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// How long a request may take from its head to the head of its answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(20);

/// No inline script or style, nothing from elsewhere, no frame around it, no markup made from strings but Svelte's own.
/// Audio comes from the page's own memory, where it was fetched to: each fetch of a recording is an entry in the audit chain.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; \
connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

const TRACE: HeaderName = HeaderName::from_static("x-trace-id");

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The session a request belongs to, once it has been let in.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn(pub(crate) Session);

pub(crate) fn now_wall() -> Wall {
    let ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis());
    Wall(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The outermost layer.
pub(crate) async fn outer(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let trace = TraceId::new(now_wall(), rand::random());
    let started = Instant::now();
    let method = request.method().clone();
    let asked = known_method(&method);
    let is_api = request.uri().path().starts_with("/api/");
    let checked = check_host(&shared, request.headers(), &method);
    let mut response = match checked {
        Ok(()) => match tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await {
            Ok(r) => r,
            Err(_) => Refusal(ApiError::unavailable("The answer took too long.")).into_response(),
        },
        Err(e) => Refusal(e).into_response(),
    };
    let route = response
        .extensions()
        .get::<Route>()
        .map_or("-", |r| r.0.path)
        .to_owned();
    if let Some(Refusal(mut e)) = response.extensions_mut().remove::<Refusal>() {
        e.trace = Some(trace);
        let retry = response.headers().get(header::RETRY_AFTER).cloned();
        response = reply::json(response.status(), &e);
        if let Some(after) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        tracing::debug!(%trace, code = %e.code, "request refused");
    }
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
    );
    if is_api || !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
        headers.insert(TRACE, value);
    }
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%trace, method = asked, route, status = response.status().as_u16(), ms, "request");
    response
}

/// A method's name for the log. A method that HTTP does not have is text of the asker's choosing, and is not repeated.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "other",
    }
}

/// The row a response came by, for the log.
#[derive(Debug, Clone, Copy)]
struct Route(&'static RouteRule);

fn check_host(shared: &Shared, headers: &HeaderMap, method: &Method) -> Result<(), ApiError> {
    let host = header_str(headers, &header::HOST).ok_or_else(reply::wrong_host)?;
    if !host_allowed(host, &shared.allowed_hosts) {
        return Err(reply::wrong_host());
    }
    // What changes something must come from our own page or from no page at all.
    if !matches!(*method, Method::GET | Method::HEAD)
        && let Some(origin) = headers.get(header::ORIGIN)
        && !origin.to_str().is_ok_and(|o| same_origin(o, host, shared.tls))
    {
        return Err(reply::wrong_origin());
    }
    Ok(())
}

/// Whether a WebSocket may be opened: browsers always send an origin, and it must be ours.
pub(crate) fn check_origin(shared: &Shared, headers: &HeaderMap) -> Result<(), ApiError> {
    let origin = header_str(headers, &header::ORIGIN).ok_or_else(reply::wrong_origin)?;
    let host = header_str(headers, &header::HOST).ok_or_else(reply::wrong_host)?;
    if same_origin(origin, host, shared.tls) {
        Ok(())
    } else {
        Err(reply::wrong_origin())
    }
}

fn header_str<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The layer around one route: lets in who its row allows.
pub(crate) async fn access(
    State((shared, rule)): State<(Arc<Shared>, &'static RouteRule)>,
    mut request: Request,
    next: Next,
) -> Response {
    let session = session_of(&shared, request.headers());
    let allowed = match rule.access {
        Access::Metrics => metrics_allowed(&shared, &request),
        access => access.allows(session.as_ref().map(|s| s.role)),
    };
    let mut response = if allowed {
        if let Some(s) = session {
            request.extensions_mut().insert(SignedIn(s));
        }
        next.run(request).await
    } else if session.is_some() || rule.access == Access::Metrics {
        Refusal(reply::forbidden()).into_response()
    } else {
        Refusal(reply::not_signed_in()).into_response()
    };
    response.extensions_mut().insert(Route(rule));
    response
}

fn metrics_allowed(shared: &Shared, request: &Request) -> bool {
    match &shared.metrics_token {
        Some(token) => header_str(request.headers(), &header::AUTHORIZATION)
            .and_then(|v| v.strip_prefix("Bearer "))
            .is_some_and(|given| bool::from(given.as_bytes().ct_eq(token.as_bytes()))),
        None => request
            .extensions()
            .get::<Peer>()
            .is_some_and(|p| p.0.ip().to_canonical().is_loopback()),
    }
}

fn session_of(shared: &Shared, headers: &HeaderMap) -> Option<Session> {
    let mut tokens = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == shared.cookie)
        .map(|(_, value)| value);
    let token = tokens.next()?;
    // Two cookies of the name: somebody planted one.
    if tokens.next().is_some() {
        return None;
    }
    shared.sessions.find(token, Instant::now())
}

pub(crate) fn http_method(m: ApiMethod) -> axum::routing::MethodFilter {
    match m {
        ApiMethod::Get => axum::routing::MethodFilter::GET,
        ApiMethod::Post => axum::routing::MethodFilter::POST,
        ApiMethod::Delete => axum::routing::MethodFilter::DELETE,
    }
}

/// 204 without a body.
pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
