//! Signing in and out.

use crate::config::hasher;
use crate::guard::{Peer, SignedIn, no_content, now_wall};
use crate::handlers::read_json;
use crate::reply::{self, Refusal, Reply};
use crate::router::Shared;
use anteroom_api::session::ACCESS_CODE_BYTES_MAX;
use anteroom_api::{ApiError, SessionInfo, SessionRequest, Who};
use argon2::password_hash::{PasswordHash, PasswordVerifier};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

fn wrong_code() -> ApiError {
    ApiError::new(
        401,
        "session.wrong_code",
        "That access code is not right, or its link has been used or has run out.",
        "Open a new sign-in link, or type your access code again.",
    )
}

/// `POST /api/v1/session`
pub(crate) async fn start(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Reply {
    let ip = peer.0.ip();
    let tried = shared.limiter().take(ip, Instant::now());
    if let Err(wait) = tried {
        return Ok(too_often(wait));
    }
    let body: SessionRequest = read_json(request).await?;
    let code = Zeroizing::new(body.code);
    if code.is_empty() || code.len() > ACCESS_CODE_BYTES_MAX {
        return Err(wrong_code().into());
    }
    let who = match shared.sessions.redeem(&code, Instant::now()) {
        Some(who) => Some(who),
        None => passcode_holder(&shared, code).await?,
    };
    let who = who.ok_or_else(wrong_code)?;
    let (role, user) = (who.role, who.user.clone());
    shared.limiter().forgive(ip);
    let valid = shared.session_length;
    let (token, expires_at) = shared.sessions.start(who, valid, Instant::now(), now_wall());
    let secure = if shared.tls { "; Secure" } else { "" };
    let cookie = Zeroizing::new(format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        shared.cookie,
        *token,
        valid.as_secs()
    ));
    let mut value = HeaderValue::from_str(&cookie).map_err(|_| reply::internal())?;
    value.set_sensitive(true);
    let mut response = reply::json(
        StatusCode::CREATED,
        &SessionInfo {
            role,
            user,
            expires_at,
        },
    );
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}

/// `GET /api/v1/session`
pub(crate) async fn read(Extension(SignedIn(session)): Extension<SignedIn>) -> Response {
    reply::json(
        StatusCode::OK,
        &SessionInfo {
            role: session.role,
            user: session.user,
            expires_at: session.expires_at,
        },
    )
}

/// `DELETE /api/v1/session`
pub(crate) async fn end(
    State(shared): State<Arc<Shared>>,
    Extension(SignedIn(session)): Extension<SignedIn>,
) -> Reply {
    shared.sessions.end(&session.key);
    let secure = if shared.tls { "; Secure" } else { "" };
    let cookie = format!(
        "{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}",
        shared.cookie
    );
    let mut response = no_content();
    response.headers_mut().insert(
        header::SET_COOKIE,
        HeaderValue::from_str(&cookie).map_err(|_| reply::internal())?,
    );
    Ok(response)
}

/// Compares with every passcode, whichever is right, so that the time tells nothing. One at a time: argon2id takes
/// memory, and the limiter lets few through.
async fn passcode_holder(shared: &Arc<Shared>, code: Zeroizing<String>) -> Result<Option<Who>, Refusal> {
    if shared.passcodes.is_empty() {
        return Ok(None);
    }
    let permit = Arc::clone(&shared.hashing)
        .acquire_owned()
        .await
        .map_err(|_| reply::internal())?;
    let shared = Arc::clone(shared);
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut found = None;
        for p in &shared.passcodes {
            let right = PasswordHash::new(&p.phc)
                .is_ok_and(|hash| hasher().verify_password(code.as_bytes(), &hash).is_ok());
            if right {
                found = Some(Who {
                    role: p.role,
                    user: p.user.clone(),
                });
            }
        }
        found
    });
    work.await.map_err(|_| Refusal(reply::internal()))
}

pub(crate) fn too_often(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let mut response = Refusal(ApiError::new(
        429,
        "session.too_often",
        "Too many tries.",
        format!("Wait {seconds} seconds and try again."),
    ))
    .into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}
