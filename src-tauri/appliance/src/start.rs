//! What comes before the first call: opening the store, and mending what an earlier run left behind.

use crate::clinic::{Clinic, ClinicError};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::knowledge::KnowledgeError;
use crate::logging::LogError;
use crate::place::Place;
use crate::speech::SpeechError;
use anteroom_media::MediaError;
use anteroom_sip::{SipConfig, SipStartError, Transport};
use anteroom_store::keys::{KeyError, KeySource, MasterKey, load_or_create};
use anteroom_store::{OpenError, SCHEMA_VERSION, Store, StoreConfig, StoreError, database_exists};
use anteroom_types::{CallId, Pii, UserFacing};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The clinic's files.
    #[error(transparent)]
    Clinic(#[from] ClinicError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store.
    #[error(transparent)]
    Open(OpenError),
    /// Another process has the store open for writing.
    #[error("another Anteroom is running on the data in {dir}")]
    Held {
        /// The data folder.
        dir: PathBuf,
    },
    /// The store, after it was opened.
    #[error(transparent)]
    Read(#[from] StoreError),
    /// The models or the voice.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// Rendering or finding what will be said.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// The SIP side.
    #[error(transparent)]
    Sip(SipStartError),
    /// What people's telephones register with.
    #[error(transparent)]
    Users(anteroom_sip::SipCommandError),
    /// The media ports.
    #[error(transparent)]
    Media(MediaError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The data folder.
    #[error("the data folder {dir} cannot be used")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file with a password, a secret or a token.
    #[error("the file {file} cannot be used as a password")]
    Password {
        /// The file.
        file: PathBuf,
        /// What names it in the configuration.
        key: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// One that others may read.
    #[error("the file {file} holds a password and can be read by other users")]
    PasswordOpen {
        /// The file.
        file: PathBuf,
    },
    /// A token that could be guessed, or not be sent.
    #[error("the file {file} holds no token that /metrics could be read with")]
    Token {
        /// The file.
        file: PathBuf,
    },
}

impl From<OpenError> for StartError {
    fn from(e: OpenError) -> Self {
        match e {
            OpenError::Locked { dir } => Self::Held { dir },
            e => Self::Open(e),
        }
    }
}

impl UserFacing for StartError {
    fn code(&self) -> &'static str {
        match self {
            Self::Config(e) => e.code(),
            Self::Clinic(e) => e.code(),
            Self::Key(e) => e.code(),
            Self::Open(e) => e.code(),
            Self::Held { .. } => "store.locked",
            Self::Read(e) => e.code(),
            Self::Speech(e) => e.code(),
            Self::Knowledge(e) => e.code(),
            Self::Sip(e) => e.code(),
            Self::Users(e) => e.code(),
            Self::Media(e) => e.code(),
            Self::Log(e) => e.code(),
            Self::Folder { .. } => "data.folder",
            Self::Password { .. } => "sip.password-file",
            Self::PasswordOpen { .. } => "sip.password-open",
            Self::Token { .. } => "web.metrics-token",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Config(e) => e.hint(),
            Self::Clinic(e) => e.hint(),
            Self::Key(e) => e.hint(),
            Self::Open(e) => e.hint(),
            Self::Held { .. } => "Nothing was changed. Stop it first, or give another folder with --data. What only reads works beside it: check, calls list, tasks list, knowledge list, knowledge ask, audit verify.".into(),
            Self::Read(e) => e.hint(),
            Self::Speech(e) => e.hint(),
            Self::Knowledge(e) => e.hint(),
            Self::Sip(e) => e.hint(),
            Self::Users(e) => e.hint(),
            Self::Media(e) => e.hint(),
            Self::Log(e) => e.hint(),
            Self::Folder { .. } => "Make it writable for this user, or give another with --data.".into(),
            Self::Password { key, .. } => {
                format!("Check {key}: the file must be there, and this user must be able to read it.")
            }
            Self::Token { .. } => "Write 16 to 256 letters, digits or dashes into it, such as `openssl rand -hex 24` prints.".into(),
            Self::PasswordOpen { file } => format!("Run: chmod 600 {}", file.display()),
        }
    }
}

/// Opens the encrypted store for reading and writing, making the data folder and the key on the first run.
///
/// # Errors
/// See [`StartError`]; [`StartError::Held`] while another process has it open in this way.
pub fn open_store(config: &Config, place: &Place) -> Result<Store, StartError> {
    let folder = |source| StartError::Folder {
        dir: place.data.clone(),
        source,
    };
    std::fs::create_dir_all(&place.data).map_err(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&place.data, private).map_err(folder)?;
    }
    let key = master_key(config, place)?;
    Ok(Store::open(StoreConfig::new(place.data.clone(), key))?)
}

/// Opens the store for reading only, and leaves everything as it is: none where there is none yet, or where what is there is of
/// an earlier version and would have to be brought up first.
///
/// # Errors
/// See [`StartError`].
pub(crate) fn look_into_store(config: &Config, place: &Place) -> Result<Option<Store>, StartError> {
    if !database_exists(&place.data) {
        return Ok(None);
    }
    let mut how = StoreConfig::new(place.data.clone(), master_key(config, place)?);
    how.read_only = true;
    let store = Store::open(how)?;
    Ok((store.schema_version()? == SCHEMA_VERSION).then_some(store))
}

/// Opens the store for reading only, whether or not an appliance runs on it, and keeps none from starting. Where there
/// is nothing to read yet, or what is there is of an earlier version, it is opened as by [`open_store`] first.
///
/// # Errors
/// See [`StartError`].
pub fn open_store_to_read(config: &Config, place: &Place) -> Result<Store, StartError> {
    match look_into_store(config, place)? {
        Some(store) => Ok(store),
        None => open_store(config, place),
    }
}

/// Whether the addresses can be listened on. They are taken for good last of all; a mistake in them should be told
/// before the models are loaded.
pub(crate) fn listenable(config: &SipConfig) -> Result<(), StartError> {
    for l in &config.listen {
        let tried = match l.transport {
            Transport::Udp => UdpSocket::bind(l.addr).map(drop),
            _ => TcpListener::bind(l.addr).map(drop),
        };
        tried.map_err(|source| {
            StartError::Sip(SipStartError::Listen {
                transport: l.transport.as_str(),
                addr: l.addr,
                source,
            })
        })?;
    }
    Ok(())
}

fn master_key(config: &Config, place: &Place) -> Result<MasterKey, KeyError> {
    let source = match config.data.key.as_ref().map(|k| k.get_ref().as_str()) {
        Some("keystore") => KeySource::OsKeyStore {
            service: "anteroom".into(),
        },
        Some(file) => KeySource::File(place.data.join(file.trim_start_matches("file:"))),
        None => KeySource::File(place.data.join("key")),
    };
    load_or_create(&source, &place.data)
}

/// Ends calls that an earlier run left open: each is marked interrupted, its recording is made whole, and somebody is
/// given the task to ring back.
pub(crate) fn mend(store: &Store, clock: &Clock, clinic: &Clinic) -> Result<(), StartError> {
    for call in store.interrupted_calls()? {
        mend_call(store, clock, clinic, call.id, call.from.as_ref())?;
        tracing::warn!(call = %call.id, "a call was interrupted by the last stop; a callback task was made");
    }
    Ok(())
}

/// Ends one such call. Doing it twice makes one task.
pub(crate) fn mend_call(
    store: &Store,
    clock: &Clock,
    clinic: &Clinic,
    call: CallId,
    from: Option<&Pii<String>>,
) -> Result<(), StoreError> {
    let task = clock.task_id();
    let (kind, summary, number, due) = clinic.interrupted_call(from, clock.wall());
    store.mark_interrupted(call, clock.wall(), task, kind, summary, number, due)?;
    Ok(())
}
