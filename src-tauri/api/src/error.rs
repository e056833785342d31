//! The one shape every refusal has.

use anteroom_types::{TraceId, UserFacing};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a caller of the API is told: what happened, what to do next, and the trace that finds it in the log.
///
/// It never holds personal data, so it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// A stable code, `area.problem`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Joins this answer to the log. The server sets it; an engine may leave it empty.
    pub trace: Option<TraceId>,
    /// The HTTP status it is answered with; not part of the body.
    #[serde(skip, default = "internal")]
    pub status: u16,
}

const fn internal() -> u16 {
    500
}

impl ApiError {
    /// An error answered with `status`.
    pub fn new(
        status: u16,
        code: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            hint: hint.into(),
            trace: None,
            status,
        }
    }
    /// 404: there is no such `what` ("call", "entry").
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(
            404,
            "api.not_found",
            format!("There is no such {what}."),
            "Go back to the list and choose again; it may have been erased meanwhile.",
        )
    }
    /// 400: what was asked makes no sense. `message` must not repeat what was sent.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(
            400,
            "api.bad_request",
            message,
            "Check the request against docs/API.md and send it again.",
        )
    }
    /// 503: a part of the engine cannot answer at the moment.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            503,
            "api.unavailable",
            message,
            "Try again in a moment; if it stays, run `anteroom check` on the machine.",
        )
    }
    /// 500, with the code and hint of the engine's own error and a fixed text: the error's own text is for the log.
    #[must_use]
    pub fn from_engine(e: &dyn UserFacing) -> Self {
        Self::new(500, e.code(), "The machine could not do that.", e.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_not_in_the_body() {
        let text = serde_json::to_string(&ApiError::not_found("call")).unwrap();
        assert!(!text.contains("404") && text.contains("api.not_found"), "{text}");
        assert_eq!(serde_json::from_str::<ApiError>(&text).unwrap().status, 500);
    }
}
