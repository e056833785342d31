//! The desk's routes: handset, people, commands, kill switch.

use crate::guard::SignedIn;
use crate::handlers::read_json;
use crate::reply::{self, Reply};
use crate::router::Shared;
use anteroom_api::{ApiError, AutomationRequest, DeskCommand};
use anteroom_types::CallId;
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use std::sync::Arc;

type App = State<Arc<Shared>>;
type Asker = Extension<SignedIn>;

/// `GET /api/v1/handset`
pub(crate) async fn handset(State(shared): App, Extension(SignedIn(session)): Asker) -> Reply {
    let handset = shared.engine.handset(session.who()).await?;
    Ok(reply::json(StatusCode::OK, &handset))
}

/// `GET /api/v1/people`
pub(crate) async fn people(State(shared): App) -> Reply {
    let people = shared.engine.people().await?;
    Ok(reply::json(StatusCode::OK, &people))
}

/// `POST /api/v1/calls/{id}/desk`
pub(crate) async fn command(
    State(shared): App,
    Extension(SignedIn(session)): Asker,
    Path(id): Path<String>,
    request: Request,
) -> Reply {
    let call: CallId = id.parse().map_err(|_| ApiError::not_found("call"))?;
    let command: DeskCommand = read_json(request).await?;
    if let Some(fault) = command.fault() {
        return Err(ApiError::bad_request(fault).into());
    }
    if !command.allowed_to(session.role) {
        return Err(reply::forbidden().into());
    }
    let done = shared.engine.desk(session.who(), call, command).await?;
    Ok(reply::json(StatusCode::OK, &done))
}

/// `GET /api/v1/automation`
pub(crate) async fn automation(State(shared): App) -> Reply {
    let now = shared.engine.automation().await?;
    Ok(reply::json(StatusCode::OK, &now))
}

/// `POST /api/v1/automation`
pub(crate) async fn set_automation(
    State(shared): App,
    Extension(SignedIn(session)): Asker,
    request: Request,
) -> Reply {
    let AutomationRequest { on } = read_json(request).await?;
    let now = shared.engine.set_automation(session.who(), on).await?;
    Ok(reply::json(StatusCode::OK, &now))
}
