//! What every error of the engine can say of itself.
//!
//! Libraries have one enum per operation. Its `Display` is for the log and the operator, never repeats its source
//! and never holds personal data. What a person at the window is shown comes from [`UserFacing`].

/// A stable, documented code such as `models.checksum`.
pub type ErrorCode = &'static str;

/// What a person is told: what happened and what to do next.
pub trait UserFacing: std::error::Error {
    /// A stable code, `area.problem`.
    fn code(&self) -> ErrorCode;
    /// What to do about it, one sentence in the imperative.
    fn hint(&self) -> String;
}

/// The whole chain of an error on one line: its own text, then each source's.
#[must_use]
pub fn chain(e: &dyn std::error::Error) -> String {
    let mut out = e.to_string();
    let mut next = e.source();
    while let Some(s) = next {
        out.push_str(": ");
        out.push_str(&s.to_string());
        next = s.source();
    }
    out
}
