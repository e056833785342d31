//! The routes of tasks, and of what can be heard.

use crate::guard::SignedIn;
use crate::handlers::read_json;
use crate::reply::{self, Reply};
use crate::router::Shared;
use anteroom_api::{ApiError, TaskCommand, TasksQuery};
use anteroom_types::{CallId, TaskId};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

type App = State<Arc<Shared>>;
type Asker = Extension<SignedIn>;

fn task_id(id: &str) -> Result<TaskId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found("task"))
}

/// `GET /api/v1/tasks`
pub(crate) async fn list(State(shared): App, query: Result<Query<TasksQuery>, QueryRejection>) -> Reply {
    let Query(query) = query
        .map_err(|_| ApiError::bad_request("The query is not what is expected: which, limit and before."))?;
    let page = shared.engine.tasks(query).await?;
    Ok(reply::json(StatusCode::OK, &page))
}

/// `GET /api/v1/tasks/{id}`
pub(crate) async fn read(State(shared): App, Path(id): Path<String>) -> Reply {
    let detail = shared.engine.task(task_id(&id)?).await?;
    Ok(reply::json(StatusCode::OK, &detail))
}

/// `POST /api/v1/tasks/{id}`
pub(crate) async fn change(
    State(shared): App,
    Extension(SignedIn(session)): Asker,
    Path(id): Path<String>,
    request: Request,
) -> Reply {
    let task = task_id(&id)?;
    let command: TaskCommand = read_json(request).await?;
    if let Some(fault) = command.fault() {
        return Err(ApiError::bad_request(fault).into());
    }
    let after = shared.engine.change_task(session.who(), task, command).await?;
    Ok(reply::json(StatusCode::OK, &after))
}

/// Audio on its way to a listener, and its place among those that are.
struct Playing {
    audio: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Playing {
    fn as_ref(&self) -> &[u8] {
        &self.audio
    }
}

/// `GET /api/v1/calls/{id}/recording`
///
/// All of it at once: each request leaves an entry in the audit chain, and one listening is to be one entry.
pub(crate) async fn recording(
    State(shared): App,
    Extension(SignedIn(session)): Asker,
    Path(id): Path<String>,
) -> Reply {
    let call: CallId = id.parse().map_err(|_| ApiError::not_found("call"))?;
    let place = Arc::clone(&shared.playing).try_acquire_owned().map_err(|_| {
        ApiError::new(
            503,
            "recording.too_many",
            "Too many recordings are being fetched at once.",
            "Try again in a moment.",
        )
    })?;
    let audio = shared.engine.recording(session.who(), call).await?;
    let audio = Bytes::from_owner(Playing { audio, _place: place });
    let mut response: Response = Body::from(audio).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/ogg"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    Ok(response)
}
