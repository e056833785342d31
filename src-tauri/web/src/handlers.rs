//! The routes that ask the engine and answer.

use crate::assets::{self, Asset};
use crate::reply::{self, Refusal, Reply};
use crate::router::Shared;
use anteroom_api::record::SEARCH_CHARS_MAX;
use anteroom_api::{ApiError, CallsQuery, HealthReport, SearchRequest};
use anteroom_types::limits::HTTP_BODY_BYTES_MAX;
use anteroom_types::{CallId, EntryId};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::sync::Arc;

type App = State<Arc<Shared>>;

/// Reads a JSON body. It must say that it is JSON, which a form of another site cannot.
pub(crate) async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(';').next())
        .is_some_and(|v| v.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(ApiError::new(
            415,
            "api.not_json",
            "The body is not JSON.",
            "Send Content-Type: application/json.",
        )
        .into());
    }
    let body = axum::body::to_bytes(request.into_body(), HTTP_BODY_BYTES_MAX)
        .await
        .map_err(|_| reply::too_large())?;
    // The parser's message can repeat what was sent; it is not passed on.
    serde_json::from_slice(&body)
        .map_err(|_| ApiError::bad_request("The body is not what is expected here.").into())
}

pub(crate) async fn page(headers: HeaderMap) -> Response {
    serve(&assets::INDEX, "no-cache", &headers)
}

pub(crate) async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Reply {
    let asset = assets::find(&file).ok_or_else(reply::no_route)?;
    Ok(serve(asset, "public, max-age=31536000, immutable", &headers))
}

fn serve(asset: &'static Asset, cache: &'static str, asked: &HeaderMap) -> Response {
    let known = asked
        .get(header::IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == asset.etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut r = asset.bytes.into_response();
        r.headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        r
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// Alive: this answers.
pub(crate) async fn health() -> Response {
    reply::json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// Ready to take a call; without detail, because anybody may ask.
pub(crate) async fn ready(State(shared): App) -> Response {
    let HealthReport { ready, .. } = shared.engine.health();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    reply::json(status, &serde_json::json!({ "ready": ready }))
}

pub(crate) async fn health_detail(State(shared): App) -> Response {
    reply::json(StatusCode::OK, &shared.engine.health())
}

pub(crate) async fn metrics(State(shared): App) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        )],
        shared.engine.metrics(),
    )
        .into_response()
}

pub(crate) async fn state(State(shared): App) -> Response {
    reply::json(StatusCode::OK, &shared.engine.state())
}

pub(crate) async fn calls(State(shared): App, query: Result<Query<CallsQuery>, QueryRejection>) -> Reply {
    let Query(query) =
        query.map_err(|_| ApiError::bad_request("The query is not what is expected: limit and before."))?;
    let page = shared.engine.calls(query).await?;
    Ok(reply::json(StatusCode::OK, &page))
}

pub(crate) async fn search_calls(State(shared): App, request: Request) -> Reply {
    let search: SearchRequest = read_json(request).await?;
    let chars = search.text.trim().chars().count();
    if !(1..=SEARCH_CHARS_MAX).contains(&chars) {
        return Err(ApiError::bad_request(format!("Search for 1 to {SEARCH_CHARS_MAX} characters.")).into());
    }
    let page = shared.engine.search_calls(search).await?;
    Ok(reply::json(StatusCode::OK, &page))
}

pub(crate) async fn call(State(shared): App, Path(id): Path<String>) -> Reply {
    let id: CallId = id.parse().map_err(|_| ApiError::not_found("call"))?;
    let detail = shared.engine.call(id).await?;
    Ok(reply::json(StatusCode::OK, &detail))
}

pub(crate) async fn entry(State(shared): App, Path((id, version)): Path<(String, String)>) -> Reply {
    let id = EntryId::new(id).map_err(|_| ApiError::not_found("entry"))?;
    let version = version.parse().map_err(|_| ApiError::not_found("entry"))?;
    let detail = shared.engine.entry(id, version).await?;
    Ok(reply::json(StatusCode::OK, &detail))
}
