//! The routes of people and their telephones, for administrators.

use crate::guard::{Peer, SignedIn, no_content};
use crate::handlers::read_json;
use crate::reply::{self, Reply};
use crate::router::Shared;
use crate::signin::too_often;
use anteroom_api::user::USER_CHARS_MAX;
use anteroom_api::{ApiError, UserRequest};
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::Instant;

type App = State<Arc<Shared>>;
type Asker = Extension<SignedIn>;

/// `GET /api/v1/users`
pub(crate) async fn list(State(shared): App) -> Reply {
    let page = shared.engine.users().await?;
    Ok(reply::json(StatusCode::OK, &page))
}

/// `POST /api/v1/users`
///
/// Limited like sign-in: each answer holds a password, and whoever has stolen a session should not get many.
pub(crate) async fn add(
    State(shared): App,
    Extension(SignedIn(session)): Asker,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Reply {
    let user: UserRequest = read_json(request).await?;
    if let Some(fault) = user.fault() {
        return Err(ApiError::bad_request(fault).into());
    }
    let tried = shared.limiter().take(peer.0.ip(), Instant::now());
    if let Err(wait) = tried {
        return Ok(too_often(wait));
    }
    let added = shared.engine.add_user(session.who(), user).await?;
    Ok(reply::json(StatusCode::CREATED, &added))
}

/// `DELETE /api/v1/users/{user}`
pub(crate) async fn remove(
    State(shared): App,
    Extension(SignedIn(session)): Asker,
    Path(user): Path<String>,
) -> Reply {
    if user.is_empty() || user.len() > USER_CHARS_MAX {
        return Err(ApiError::not_found("person").into());
    }
    shared.engine.remove_user(session.who(), user.clone()).await?;
    shared.sessions.end_of(&user);
    Ok(no_content())
}
