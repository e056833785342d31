//! What the commands do besides answering calls.

use crate::clinic::Clinic;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::Engine;
use crate::knowledge::{Finder, KnowledgeError, approve};
use crate::place::Place;
use crate::speech::{Need, SpeechError, SpeechStack, load_vad, manager};
use crate::start::{StartError, open_store, open_store_to_read};
use anteroom_reception::gate;
use anteroom_reception::search::{Candidate, Choice, choose};
use anteroom_speech::models::{ModelState, ModelsError, Progress};
use anteroom_speech::transcribe::{Mode, SegmentSettings, transcribe};
use anteroom_speech::wav::{self, WavError};
use anteroom_speech::whisper::{CancelFlag, DecodeError, Model, WhisperSettings};
use anteroom_store::recordings::RecordingError;
use anteroom_store::{Store, StoreError};
use anteroom_types::{CallId, EntryId, GateClass, Purpose, UserFacing, Wall};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The wall clock, for commands.
#[must_use]
pub fn now() -> Wall {
    Clock::start().wall()
}

/// A time as a command prints it: UTC, to the second.
#[must_use]
pub fn moment(at: Wall) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| at.0.to_string(),
        |t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

/// Makes a configuration answer anybody on loopback, on free ports: for the demo.
pub fn on_loopback(config: &mut Config) {
    let s = |t: &str| toml::Spanned::new(0..0, t.to_owned());
    config.sip.listen = vec![s("udp:127.0.0.1:0")];
    config.sip.allow_direct = true;
    config.web.listen.set_port(0);
    config.media.ports = s("30000-30399");
}

/// What the gate says, as the command prints it.
#[derive(Debug, Clone, Serialize)]
pub struct GateSays {
    /// `urgent`, `advice` or `none`.
    pub class: &'static str,
    /// The rule's name, or why no rule holds.
    pub why: String,
}

/// Runs the safety gate.
#[must_use]
pub fn gate(clinic: &Clinic, text: &str) -> GateSays {
    let v = gate::classify(text, clinic.lexicon());
    GateSays {
        class: class(v.class),
        why: v.why,
    }
}

const fn class(c: GateClass) -> &'static str {
    match c {
        GateClass::Urgent => "urgent",
        GateClass::Advice => "advice",
        GateClass::None => "none",
    }
}

/// An entry, as `knowledge ask` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Cited {
    /// Its id.
    pub id: EntryId,
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: u32,
    /// Confidence, 0 to 1.
    pub score: f32,
}

impl From<&Candidate> for Cited {
    fn from(c: &Candidate) -> Self {
        Self {
            id: c.entry.clone(),
            title: c.title.clone(),
            version: c.version,
            score: c.confidence,
        }
    }
}

/// What would be done about a question.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// `answer`, `clarify`, `decline`, `escalate` or `task`.
    pub decision: &'static str,
    /// The entry that would be spoken.
    pub entry: Option<Cited>,
    /// The next best.
    pub runner_up: Option<Cited>,
    /// Why nothing would be spoken.
    pub why: String,
}

/// The knowledge base for commands: the store, and what finds and renders.
pub struct Knowledge {
    /// The store.
    pub store: Store,
    speech: SpeechStack,
    clinic: Clinic,
}

impl Knowledge {
    /// Opens it to change it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open(config: &Config, place: &Place) -> Result<Self, StartError> {
        Self::over(open_store(config, place)?, config, place).await
    }

    /// Opens it to ask, also while an appliance runs on the same data. Nothing can be approved through it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open_to_read(config: &Config, place: &Place) -> Result<Self, StartError> {
        Self::over(open_store_to_read(config, place)?, config, place).await
    }

    async fn over(store: Store, config: &Config, place: &Place) -> Result<Self, StartError> {
        let clinic = Clinic::load(config)?;
        let speech = SpeechStack::load(config, place, Need::Answers).await?;
        Ok(Self {
            store,
            speech,
            clinic,
        })
    }

    /// Approves a version.
    ///
    /// # Errors
    /// See [`KnowledgeError`].
    pub async fn approve(&self, id: &EntryId, version: u32, by: &str) -> Result<(), KnowledgeError> {
        approve(&self.store, &self.speech, id, version, by, now()).await
    }

    /// What would be done about a question: the gate first, then the search, as in a call.
    ///
    /// # Errors
    /// See [`KnowledgeError`].
    pub fn ask(&self, question: &str) -> Result<Asked, KnowledgeError> {
        let v = gate::classify(question, self.clinic.lexicon());
        let refused = |decision| Asked {
            decision,
            entry: None,
            runner_up: None,
            why: v.why.clone(),
        };
        match v.class {
            GateClass::Urgent => return Ok(refused("escalate")),
            GateClass::Advice => return Ok(refused("decline")),
            GateClass::None => {}
        }
        let finder = Finder::new(self.store.clone(), self.speech.embedder(), &self.clinic);
        let found = finder.find(question, now())?;
        let at = |i: usize| found.get(i).map(Cited::from);
        Ok(match choose(&found, self.clinic.calibration()) {
            Choice::Answer(best) => Asked {
                decision: "answer",
                entry: Some(Cited::from(&best)),
                runner_up: at(1),
                why: String::new(),
            },
            Choice::Clarify(_) => Asked {
                decision: "clarify",
                entry: None,
                runner_up: at(0),
                why: "not sure enough".into(),
            },
            Choice::None => Asked {
                decision: "task",
                entry: None,
                runner_up: at(0),
                why: "nothing near".into(),
            },
        })
    }
}

/// Why audio could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file.
    #[error("{file} cannot be read as audio")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: WavError,
    },
    /// The models.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// The recogniser.
    #[error("{file} could not be recognised")]
    Recognise {
        /// The file.
        file: PathBuf,
        /// Why.
        source: DecodeError,
    },
}

impl UserFacing for AudioError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { source, .. } => source.code(),
            Self::Speech(e) => e.code(),
            Self::Recognise { .. } => "transcribe.failed",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::File { source, .. } => source.hint(),
            Self::Speech(e) => e.hint(),
            Self::Recognise { .. } => {
                "Try the file again, or with another model (--model); a broken model is shown by: anteroom models verify".into()
            }
        }
    }
}

fn audio(file: &Path) -> Result<Vec<i16>, AudioError> {
    wav::read_file(file).map_err(|source| AudioError::File {
        file: file.to_owned(),
        source,
    })
}

/// A piece of speech in a file.
#[derive(Debug, Clone, Serialize)]
pub struct Piece {
    /// From, in seconds.
    pub start_s: f64,
    /// To, in seconds.
    pub end_s: f64,
    /// The words.
    pub text: String,
    /// Confidence, 0 to 1.
    pub confidence: f32,
}

/// What was said in a file.
#[derive(Debug, Clone, Serialize)]
pub struct Transcribed {
    /// The file.
    pub file: PathBuf,
    /// All words.
    pub text: String,
    /// By piece.
    pub segments: Vec<Piece>,
    /// The model.
    pub model: String,
    /// Whether that is the demonstration model.
    pub demonstration: bool,
    /// Milliseconds of decoding.
    pub decode_ms: u64,
}

/// Writes down files.
pub struct Transcriber {
    model: Model,
    settings: WhisperSettings,
    vad: anteroom_speech::vad::Vad,
}

impl Transcriber {
    /// Loads the first configured recogniser, or the one named.
    ///
    /// # Errors
    /// When a model is missing or damaged.
    pub async fn open(config: &Config, place: &Place, model: Option<&str>) -> Result<Self, SpeechError> {
        let configured = || config.speech.recognisers.first().map_or("", String::as_str);
        let id = model.unwrap_or_else(configured).to_owned();
        let models = place.models.clone();
        let load = move || -> Result<Self, SpeechError> {
            let manager = manager(&models, false)?;
            manager.folder(&id)?;
            let rung = manager.rung(&id)?;
            Ok(Self {
                model: Model::load(&rung.model)?,
                settings: rung.settings,
                vad: load_vad(&models)?,
            })
        };
        tokio::task::spawn_blocking(load)
            .await
            .map_err(|_| SpeechError::Lost)?
    }

    /// Whether the model is the demonstration model.
    #[must_use]
    pub fn is_demonstration(&self) -> bool {
        self.model.demonstration()
    }

    /// Writes down a file: cut at its pauses, or `whole` as one clip. Blocks while it decodes.
    ///
    /// # Errors
    /// When it is no audio, or cannot be recognised.
    pub fn transcribe(&self, file: &Path, whole: bool) -> Result<Transcribed, AudioError> {
        let samples = audio(file)?;
        let fail = |source| AudioError::Recognise {
            file: file.to_owned(),
            source,
        };
        let mode = if whole {
            Mode::WholeClip
        } else {
            Mode::Segments(SegmentSettings::default())
        };
        let mut decoder = self.model.decoder().map_err(fail)?;
        let cancel = CancelFlag::default();
        let pieces =
            transcribe(&samples, &self.vad, &mut decoder, &self.settings, &mode, &cancel).map_err(fail)?;
        let segments: Vec<Piece> = pieces
            .iter()
            .map(|p| Piece {
                start_s: seconds(p.start_ms),
                end_s: seconds(p.end_ms),
                text: p.text.open(Purpose::Operator).clone(),
                confidence: p.confidence,
            })
            .filter(|p| !p.text.is_empty())
            .collect();
        let words: Vec<&str> = segments.iter().map(|s| s.text.as_str()).collect();
        Ok(Transcribed {
            file: file.to_owned(),
            text: words.join(" "),
            model: self.model.id().to_owned(),
            demonstration: self.model.demonstration(),
            decode_ms: pieces.iter().map(|p| p.decode_ms).sum(),
            segments,
        })
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds of audio are far below 2^52"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// A stretch of speech.
#[derive(Debug, Clone, Serialize)]
pub struct Stretch {
    /// From, in seconds.
    pub start_s: f64,
    /// To, in seconds.
    pub end_s: f64,
}

/// Where speech is in a file.
#[derive(Debug, Clone, Serialize)]
pub struct Voiced {
    /// The file.
    pub file: PathBuf,
    /// Milliseconds of each frame.
    pub frame_ms: u64,
    /// Probability of speech in each frame.
    pub probabilities: Vec<f32>,
    /// Stretches of frames at 0.5 or above.
    pub speech: Vec<Stretch>,
}

/// Runs the voice activity detector over a file.
///
/// # Errors
/// When it is no audio, or the model is missing.
pub fn vad(place: &Place, file: &Path) -> Result<Voiced, AudioError> {
    let samples = audio(file)?;
    let probabilities = load_vad(&place.models)?.probabilities(&samples);
    let frame_ms = anteroom_speech::vad::CHUNK_MS;
    let mut speech: Vec<Stretch> = Vec::new();
    for (i, _) in probabilities.iter().enumerate().filter(|(_, p)| **p >= 0.5) {
        let (start_s, end_s) = (seconds(i as u64 * frame_ms), seconds((i as u64 + 1) * frame_ms));
        match speech.last_mut() {
            Some(s) if s.end_s >= start_s => s.end_s = end_s,
            _ => speech.push(Stretch { start_s, end_s }),
        }
    }
    Ok(Voiced {
        file: file.to_owned(),
        frame_ms,
        probabilities,
        speech,
    })
}

/// A model in a list.
#[derive(Debug, Clone, Serialize)]
pub struct ModelLine {
    /// Its id.
    pub id: String,
    /// `ok`, `missing`, `partial` or `corrupt`.
    pub state: &'static str,
    /// What is wrong, if anything.
    pub why: Option<String>,
    /// Its size, for people.
    pub size: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its licence.
    pub licence: String,
    /// Whether it is for demonstration only.
    pub demonstration: bool,
    /// What else to know.
    pub note: String,
}

/// The models on this machine.
pub struct Models(anteroom_speech::models::Manager);

impl Models {
    /// Over the models folder.
    ///
    /// # Errors
    /// When the manifest is unusable.
    pub fn open(place: &Place) -> Result<Self, SpeechError> {
        // A person asked for this command by name: that is the switch.
        Ok(Self(manager(&place.models, true)?))
    }

    /// Every known model.
    #[must_use]
    pub fn list(&self) -> Vec<ModelLine> {
        let line = |m: anteroom_speech::models::ModelStatus| {
            let (state, why) = match m.state {
                ModelState::Ok => ("ok", None),
                ModelState::Missing => ("missing", None),
                ModelState::Partial { bytes } => ("partial", Some(format!("{bytes} bytes are here"))),
                ModelState::Corrupt { why } => ("corrupt", Some(why)),
            };
            let size = format!("{} MB", m.bytes.div_ceil(1_000_000));
            ModelLine {
                id: m.id,
                state,
                why,
                size,
                bytes: m.bytes,
                licence: m.licence,
                demonstration: m.demonstration,
                note: m.note,
            }
        };
        self.0.list().into_iter().map(line).collect()
    }

    /// Fetches a model from the first of its sources that has it.
    ///
    /// # Errors
    /// See [`ModelsError`]; what arrived is kept for the next try.
    pub async fn fetch(
        self,
        id: &str,
        mut percent: impl FnMut(u64) + Send + 'static,
    ) -> Result<(), ModelsError> {
        let id = id.to_owned();
        let work = move || {
            let mut progress = |p: Progress| percent(p.bytes * 100 / p.of.max(1));
            self.0.fetch(&id, &mut progress, &CancelFlag::default())
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))
    }

    /// Adds a model from a file.
    ///
    /// # Errors
    /// When it is not that model.
    pub fn add(&self, id: &str, file: &Path) -> Result<(), ModelsError> {
        self.0.add(id, file)
    }
    /// Checks a model's files.
    ///
    /// # Errors
    /// When they are not as they should be.
    pub fn verify(&self, id: &str) -> Result<(), ModelsError> {
        self.0.verify(id)?;
        self.0.folder(id).map(|_| ())
    }
    /// Removes a model's files.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove(&self, id: &str) -> Result<(), ModelsError> {
        self.0.remove(id)
    }
}

/// Opening hours of a clinic that never closes, for the demonstration.
pub const ALWAYS_OPEN: &str = "version = \"demonstration\"\ntime_zone = \"Europe/London\"\n\n[week]\n\
    monday = [\"00:00-24:00\"]\ntuesday = [\"00:00-24:00\"]\nwednesday = [\"00:00-24:00\"]\n\
    thursday = [\"00:00-24:00\"]\nfriday = [\"00:00-24:00\"]\nsaturday = [\"00:00-24:00\"]\n\
    sunday = [\"00:00-24:00\"]\n";

/// The recogniser in use.
#[derive(Debug, Clone, Serialize)]
pub struct ModelInfo {
    /// Its name.
    pub id: String,
    /// Whether it is the demonstration model.
    pub demonstration: bool,
}

/// The recogniser an engine uses.
#[must_use]
pub fn model_info(engine: &Engine) -> ModelInfo {
    let id = engine
        .shared
        .speech
        .ladder
        .health()
        .borrow()
        .active
        .name()
        .to_owned();
    ModelInfo {
        demonstration: engine.shared.speech.is_demonstration(&id),
        id,
    }
}

/// What a verification found.
#[derive(Debug, Clone, Serialize)]
pub struct AuditState {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Entries.
    pub entries: u64,
    /// Hash of the last entry.
    pub head: String,
    /// The first thing found wrong.
    pub wrong: Option<String>,
}

impl AuditState {
    /// From the chain's report.
    #[must_use]
    pub fn of(r: &anteroom_audit::Report) -> Self {
        Self {
            ok: r.ok,
            entries: r.entries,
            head: r.head.as_ref().map(ToString::to_string).unwrap_or_default(),
            wrong: r
                .first_bad
                .as_ref()
                .map(|b| format!("entry {}: {:?}", b.seq, b.why)),
        }
    }
}

/// Why an export could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{file} cannot be read")]
pub struct ExportUnreadable {
    file: PathBuf,
    source: std::io::Error,
}

impl UserFacing for ExportUnreadable {
    fn code(&self) -> &'static str {
        "audit.export-unreadable"
    }
    fn hint(&self) -> String {
        "Give a file that `anteroom audit export` wrote.".into()
    }
}

/// Verifies an exported chain, away from the machine that made it.
///
/// # Errors
/// When the file cannot be read; what is wrong inside it is in the state.
pub fn verify_export(file: &Path) -> Result<AuditState, ExportUnreadable> {
    use std::io::BufRead as _;
    let bad = |source| ExportUnreadable {
        file: file.to_owned(),
        source,
    };
    let lines = std::io::BufReader::new(std::fs::File::open(file).map_err(bad)?).lines();
    let mut verifier = anteroom_audit::export::LineVerifier::new(None, Vec::new());
    for line in lines {
        verifier.push(&line.map_err(bad)?);
    }
    Ok(AuditState::of(&verifier.finish().report))
}

/// A call's recording as an Ogg file; none when there is none. Leaves an audit entry.
///
/// # Errors
/// When it cannot be read.
pub fn recording(store: &Store, call: CallId) -> Result<Option<Vec<u8>>, RecordingError> {
    if store
        .recording_info(call)
        .map_err(RecordingError::from)?
        .is_none()
    {
        return Ok(None);
    }
    let bytes = store.read_recording(call)?;
    let detail = serde_json::json!({ "bytes": bytes.len() });
    store
        .audit_append("recording.exported", "operator", &call.to_string(), detail)
        .map_err(RecordingError::from)?;
    Ok(Some(bytes))
}

impl Engine {
    /// The store.
    #[must_use]
    pub fn store(&self) -> Store {
        self.shared.store.clone()
    }

    /// Signs the end of the audit chain and verifies the whole of it.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn verify_audit(&self) -> Result<AuditState, StoreError> {
        let store = self.store();
        let work = move || {
            store.audit_head()?;
            store.audit_verify()
        };
        let report = tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))?;
        Ok(AuditState::of(&report))
    }
}
