//! The appliance's key: where it is kept, and the keys that are derived from it.
//!
//! There is one [`MasterKey`] of 256 random bits. Everything else is derived from it with HKDF-SHA256 (RFC 5869), one
//! key per purpose, so that no key is used for two things.

use anteroom_types::{ErrorCode, UserFacing};
use hkdf::Hkdf;
use rand::TryRngCore;
use sha2::Sha256;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// The key everything is derived from. Wiped from memory when dropped; prints as `MasterKey`.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// What a derived key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// SQLCipher's page key.
    Database,
    /// Wrapping the recordings' own keys.
    RecordingWrap,
    /// The Ed25519 seed that signs audit heads.
    AuditSigning,
    /// Committing to texts in the audit chain.
    TextCommitment,
    /// Telling a wrong key from a damaged database; stored beside it.
    KeyCheck,
}

impl KeyPurpose {
    const fn info(self) -> &'static [u8] {
        match self {
            Self::Database => b"anteroom/database/1",
            Self::RecordingWrap => b"anteroom/recording-wrap/1",
            Self::AuditSigning => b"anteroom/audit-signing/1",
            Self::TextCommitment => b"anteroom/text-commitment/1",
            Self::KeyCheck => b"anteroom/key-check/1",
        }
    }
}

impl MasterKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key derived for `purpose`.
    #[must_use]
    pub fn subkey(&self, purpose: KeyPurpose) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        // 32 bytes is within what HKDF-SHA256 can give (255 x 32), which is all that can fail.
        let _ = Hkdf::<Sha256>::new(None, &*self.0).expand(purpose.info(), &mut *out);
        out
    }

    fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::rngs::OsRng
            .try_fill_bytes(&mut *bytes)
            .map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut s = Zeroizing::new(String::with_capacity(PREFIX.len() + 65));
        s.push_str(PREFIX);
        for b in self.0.iter() {
            s.push(char::from(b"0123456789abcdef"[usize::from(b >> 4)]));
            s.push(char::from(b"0123456789abcdef"[usize::from(b & 15)]));
        }
        s.push('\n');
        s
    }

    fn from_text(text: &str) -> Option<Self> {
        let hex = text
            .strip_prefix(PREFIX)?
            .trim_end_matches(['\r', '\n'])
            .as_bytes();
        if hex.len() != 64 {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(bytes))
    }
}

const PREFIX: &str = "anteroom-key-1 ";
/// Longest key file that is read.
const FILE_BYTES_MAX: u64 = 256;
const ACCOUNT: &str = "master-key";

/// Where the key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The operating system's key store (Secret Service, Keychain, Credential Manager), in a build with the feature
    /// `os-keystore`.
    OsKeyStore {
        /// The name it is filed under, e.g. `anteroom`.
        service: String,
    },
    /// The operating system's key store, or a file when the machine has none, as a server without a desktop has none.
    /// Once the file exists it is used, so that a key store turning up later does not hide the key.
    OsKeyStoreOrFile {
        /// The name it is filed under.
        service: String,
        /// The file.
        path: PathBuf,
    },
    /// A file that only its owner can read.
    File(PathBuf),
}

/// Why the key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is a database but not its key. A new key would not open it, so none is made.
    #[error("there is a database in {} but its key is not in {place}", dir.display())]
    Missing {
        /// The data folder.
        dir: PathBuf,
        /// Where the key was looked for.
        place: String,
    },
    /// Others can read the key file.
    #[error("the key file {} can be read by others (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file belongs to another user.
    #[error("the key file {} belongs to user {owner}", path.display())]
    WrongOwner {
        /// The file.
        path: PathBuf,
        /// The user's number.
        owner: u32,
    },
    /// The file is not a key file.
    #[error("{} is not a key file", path.display())]
    Damaged {
        /// The file, or a name for the key store's entry.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot use the key file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no key store here.
    #[error("no operating system key store: {why}")]
    NoKeyStore {
        /// Why.
        why: &'static str,
    },
    /// The key store refused.
    #[error("the operating system's key store refused")]
    KeyStore(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandomness,
}

impl UserFacing for KeyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing { .. } => "key.missing",
            Self::Exposed { .. } => "key.exposed",
            Self::WrongOwner { .. } => "key.wrong_owner",
            Self::Damaged { .. } => "key.damaged",
            Self::Io { .. } => "key.io",
            Self::NoKeyStore { .. } => "key.no_key_store",
            Self::KeyStore(_) => "key.key_store",
            Self::NoRandomness => "key.no_randomness",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => {
                "Put the key back from where it was kept when this data was set up; to begin anew, move the data folder away.".into()
            }
            Self::Exposed { path, .. } => format!("Run: chmod 600 {}", path.display()),
            Self::WrongOwner { path, .. } => {
                format!("Run Anteroom as the owner of {}, or change its owner.", path.display())
            }
            Self::Damaged { .. } => "Put the right key file back; a key cannot be made again.".into(),
            Self::Io { .. } => "Check the path and the rights of the user Anteroom runs as.".into(),
            Self::NoKeyStore { .. } => "Name a key file in the configuration instead.".into(),
            Self::KeyStore(_) => "Unlock the key store, or name a key file in the configuration instead.".into(),
            Self::NoRandomness => "Check the operating system; /dev/urandom must work.".into(),
        }
    }
}

/// Loads the key, or makes one if there is none and `data_dir` holds no database yet.
///
/// # Errors
/// See [`KeyError`]. A key file others can read is refused; a missing key beside an existing database is never
/// replaced.
pub fn load_or_create(source: &KeySource, data_dir: &Path) -> Result<MasterKey, KeyError> {
    match source {
        KeySource::File(path) => file_key(path, data_dir),
        KeySource::OsKeyStore { service } => os_key(service, data_dir),
        KeySource::OsKeyStoreOrFile { path, .. } if path.exists() => file_key(path, data_dir),
        KeySource::OsKeyStoreOrFile { service, path } => match os_key(service, data_dir) {
            Err(KeyError::NoKeyStore { why }) => {
                tracing::warn!(why, "no operating system key store; the key is kept in a file");
                file_key(path, data_dir)
            }
            result => result,
        },
    }
}

fn refuse_if_database(data_dir: &Path, place: String) -> Result<(), KeyError> {
    if crate::database_exists(data_dir) {
        Err(KeyError::Missing {
            dir: data_dir.to_path_buf(),
            place,
        })
    } else {
        Ok(())
    }
}

fn file_key(path: &Path, data_dir: &Path) -> Result<MasterKey, KeyError> {
    match read_file(path) {
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            refuse_if_database(data_dir, path.display().to_string())?;
            create_file(path)?;
            // What counts is what is in the file: another process may have been first.
            read_file(path)
        }
        result => result,
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> KeyError + '_ {
    |source| KeyError::Io {
        path: path.to_path_buf(),
        source,
    }
}

fn read_file(path: &Path) -> Result<MasterKey, KeyError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A link could be pointed elsewhere by whoever owns its folder.
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    let file = options.open(path).map_err(io_error(path))?;
    check_owner(&file, path)?;
    let mut text = Zeroizing::new(String::with_capacity(128));
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(io_error(path))?;
    MasterKey::from_text(&text).ok_or_else(|| KeyError::Damaged {
        path: path.to_path_buf(),
    })
}

/// Checks the open file, not the name, so that what is checked is what is read.
#[cfg(unix)]
fn check_owner(file: &File, path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::MetadataExt;
    let meta = file.metadata().map_err(io_error(path))?;
    if !meta.is_file() {
        return Err(KeyError::Damaged {
            path: path.to_path_buf(),
        });
    }
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.to_path_buf(),
            mode,
        });
    }
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return Err(KeyError::WrongOwner {
            path: path.to_path_buf(),
            owner: meta.uid(),
        });
    }
    Ok(())
}

/// Elsewhere the folder's access list decides who can read the file.
#[cfg(not(unix))]
fn check_owner(_file: &File, _path: &Path) -> Result<(), KeyError> {
    Ok(())
}

fn create_file(path: &Path) -> Result<(), KeyError> {
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    crate::open::private_dir(parent).map_err(io_error(path))?;
    let key = MasterKey::generate()?;
    // Written beside and linked into place, so that the file is whole or absent, and never replaces another.
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let beside = PathBuf::from(name);
    let _ = fs::remove_file(&beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let result = options
        .open(&beside)
        .and_then(|mut f| {
            f.write_all(key.to_text().as_bytes())?;
            f.sync_all()
        })
        .and_then(|()| match fs::hard_link(&beside, path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A file system without links.
            Err(_) if !path.exists() => fs::rename(&beside, path),
            result => result,
        });
    let _ = fs::remove_file(&beside);
    result
        .and_then(|()| crate::open::sync_dir(parent))
        .map_err(io_error(path))
}

#[cfg(feature = "os-keystore")]
fn os_key(service: &str, data_dir: &Path) -> Result<MasterKey, KeyError> {
    use keyring::v1::{Entry, Error};
    if Entry::store_status().is_err() {
        return Err(KeyError::NoKeyStore {
            why: "the system's key store does not answer",
        });
    }
    let fail = |e: Error| match e {
        Error::NoStorageAccess(_) | Error::PlatformFailure(_) => KeyError::NoKeyStore {
            why: "the system's key store is locked or does not answer",
        },
        e => KeyError::KeyStore(Box::new(e)),
    };
    let entry = Entry::new(service, ACCOUNT).map_err(fail)?;
    let damaged = || KeyError::Damaged {
        path: PathBuf::from(format!("key store entry {service}/{ACCOUNT}")),
    };
    match entry.get_password() {
        Ok(mut text) => {
            let key = MasterKey::from_text(&text).ok_or_else(damaged);
            text.zeroize();
            key
        }
        Err(Error::NoEntry) => {
            refuse_if_database(data_dir, format!("the key store under {service}"))?;
            let key = MasterKey::generate()?;
            entry.set_password(&key.to_text()).map_err(fail)?;
            Ok(key)
        }
        Err(e) => Err(fail(e)),
    }
}

#[cfg(not(feature = "os-keystore"))]
fn os_key(_service: &str, _data_dir: &Path) -> Result<MasterKey, KeyError> {
    let _ = ACCOUNT;
    Err(KeyError::NoKeyStore {
        why: "this build has none",
    })
}

/// Secret text that a derived key is turned into for a moment.
pub(crate) fn sqlcipher_pragma(key: &[u8; 32]) -> Zeroizing<String> {
    let mut hex = MasterKey::from_bytes(*key).to_text();
    let mut s = Zeroizing::new(String::with_capacity(96));
    s.push_str("PRAGMA key = \"x'");
    s.push_str(hex.trim_end().strip_prefix(PREFIX).unwrap_or_default());
    s.push_str("'\"");
    hex.zeroize();
    s
}
