//! Why something was not measured.

/// A benchmark that could not run. It says what happened; nobody handles the kinds differently.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Says what was being done when an error came.
pub(crate) trait Doing<T> {
    /// `what` was being done.
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|e| {
            let mut text = format!("{what}: {e}");
            let mut cause = e.source();
            while let Some(c) = cause {
                text.push_str(&format!(": {c}"));
                cause = c.source();
            }
            Failure(text)
        })
    }
}
