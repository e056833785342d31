//! Answers: JSON that is never cached, and refusals in the one shape.

use anteroom_api::ApiError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A refusal on its way out. The outermost layer adds the trace and writes the body.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) ApiError);

impl From<ApiError> for Refusal {
    fn from(e: ApiError) -> Self {
        Self(e)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut r = status.into_response();
        r.extensions_mut().insert(self);
        r
    }
}

/// What a handler gives.
pub(crate) type Reply = Result<Response, Refusal>;

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (
            status,
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body,
        )
            .into_response(),
        Err(_) => Refusal(internal()).into_response(),
    }
}

pub(crate) fn internal() -> ApiError {
    ApiError::new(
        500,
        "api.internal",
        "The machine could not do that.",
        "Try again; if it stays, give the trace to whoever looks after the machine.",
    )
}

pub(crate) fn not_signed_in() -> ApiError {
    ApiError::new(
        401,
        "api.not_signed_in",
        "You are not signed in, or your session has ended.",
        "Open a new sign-in link, or sign in with your access code.",
    )
}

pub(crate) fn forbidden() -> ApiError {
    ApiError::new(
        403,
        "api.forbidden",
        "Your role may not do that.",
        "Ask a manager if you need it.",
    )
}

pub(crate) fn wrong_host() -> ApiError {
    ApiError::new(
        421,
        "api.wrong_host",
        "This server does not answer to that name.",
        "Use the address it printed, or add the name to the allowed hosts in the configuration.",
    )
}

pub(crate) fn wrong_origin() -> ApiError {
    ApiError::new(
        403,
        "api.wrong_origin",
        "The request came from another site's page.",
        "Open the page from this server's own address.",
    )
}

pub(crate) fn too_large() -> ApiError {
    ApiError::new(
        413,
        "api.too_large",
        "The request is too large.",
        "Send less at once.",
    )
}

pub(crate) fn no_route() -> ApiError {
    ApiError::new(
        404,
        "api.no_route",
        "There is nothing at this address.",
        "Check the address against docs/API.md.",
    )
}

pub(crate) fn wrong_method() -> ApiError {
    ApiError::new(
        405,
        "api.wrong_method",
        "This address does not take that method.",
        "Check the method against docs/API.md.",
    )
}
