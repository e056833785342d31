//! One call by script.

use crate::ear::Ear;
use anteroom_media::{Codec, MediaConfig, MediaEvent, MediaFactory, MediaHandle};
use anteroom_sip::{DialRequest, Sip, SipConfig, SipEvent};
use anteroom_types::audio::samples_to_ms;
use anteroom_types::{LegId, Mono, SayId, Wall};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The caller's telephone.
#[derive(Debug, Clone, Default)]
pub struct Phone {
    /// Its signalling.
    pub sip: SipConfig,
    /// Its media.
    pub media: MediaConfig,
    /// The name it shows of itself.
    pub display: Option<String>,
}

impl Phone {
    /// A telephone on this machine, on free ports.
    #[must_use]
    pub fn loopback() -> Self {
        let media = MediaConfig {
            ports: PHONE_PORTS,
            ..MediaConfig::default()
        };
        Self {
            sip: SipConfig {
                calls_max: 1,
                ..SipConfig::default()
            },
            media,
            display: None,
        }
    }
    /// The same, speaking one codec only.
    #[must_use]
    pub fn with_codec(codec: Codec) -> Self {
        let mut phone = Self::loopback();
        phone.media.codecs = vec![codec];
        phone
    }
}

/// Reads a WAV file (16-bit PCM or mu-law) as the engine's audio.
///
/// # Errors
/// When it is not such a file.
pub fn clip(wav: &[u8]) -> Result<Vec<i16>, CallerError> {
    anteroom_media::wav::decode(wav).map_err(|e| CallerError::Media(e.to_string()))
}

/// Something the caller does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Waits until the clinic has spoken and then been quiet for this long.
    Listen {
        /// Milliseconds of quiet that mean the clinic has finished.
        quiet_ms: u64,
        /// Milliseconds to wait at most.
        wait_ms_max: u64,
    },
    /// Speaks, at 16 kHz.
    Speak(Arc<[i16]>),
    /// Presses keys (RFC 4733).
    Press(String),
    /// Sounds the same over and over until the clinic hangs up, or for so long.
    Hum {
        /// What is repeated, at 16 kHz.
        tone: Arc<[i16]>,
        /// Milliseconds at most.
        ms_max: u64,
    },
    /// Says nothing for a while, whatever the clinic does.
    Pause {
        /// Milliseconds.
        ms: u64,
    },
}

/// What a caller does, from the answer to the hang-up.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// In order. The caller hangs up after the last.
    pub steps: Vec<Step>,
}

impl Script {
    /// Listens to the greeting, then speaks each clip and listens to what is said to it.
    #[must_use]
    pub fn ask(clips: impl IntoIterator<Item = Arc<[i16]>>) -> Self {
        let listen = || Step::Listen {
            quiet_ms: 900,
            wait_ms_max: 25_000,
        };
        let turns = clips.into_iter().flat_map(|c| [Step::Speak(c), listen()]);
        Self {
            steps: std::iter::once(listen()).chain(turns).collect(),
        }
    }
}

/// What the caller noticed of a step.
#[derive(Debug, Clone, Default)]
pub struct StepReport {
    /// For `Listen`: milliseconds from the end of the caller's own speech to the first sound heard.
    pub ms_to_sound: Option<u64>,
    /// For `Listen`: whether the clinic spoke at all.
    pub heard_anything: bool,
}

/// What the caller noticed of the call.
#[derive(Debug, Clone, Default)]
pub struct CallReport {
    /// Milliseconds from INVITE to 200.
    pub answered_ms: u64,
    /// Milliseconds from INVITE to the first sound.
    pub first_sound_ms: Option<u64>,
    /// One for each step that was begun.
    pub steps: Vec<StepReport>,
    /// Everything heard, at 16 kHz.
    pub heard: Vec<i16>,
    /// Whether the clinic hung up before the script's end.
    pub clinic_hung_up: bool,
}

/// Why a call could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The caller's telephone could not start.
    #[error("the caller's telephone could not start: {0}")]
    Start(String),
    /// The call was refused.
    #[error("the call was not answered: {0}")]
    Refused(String),
    /// Nothing happened for too long.
    #[error("the call was not answered in time")]
    Timeout,
    /// The session description of the answer was unusable.
    #[error("the answer's session description cannot be used: {0}")]
    Media(String),
}

/// RTP ports of scripted callers; away from what an appliance uses by default.
const PHONE_PORTS: std::ops::RangeInclusive<u16> = 50_000..=52_999;
/// How long the hang-up may take.
const HANG_UP_WAIT: Duration = Duration::from_secs(2);
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Rings `target` (a SIP URI) and carries the script out.
///
/// # Errors
/// See [`CallerError`]; once answered, a call always ends with a report.
pub async fn ring(
    target: &str,
    from: &str,
    phone: Phone,
    script: &Script,
) -> Result<CallReport, CallerError> {
    let (tx, mut events) = mpsc::channel(256);
    let Phone { sip, media, display } = phone;
    let sip = Sip::start(sip, tx)
        .await
        .map_err(|e| CallerError::Start(e.to_string()))?;
    let who = Caller {
        number: from,
        display,
    };
    let result = ring_with(&sip, &mut events, target, who, media, script).await;
    sip.stop(HANG_UP_WAIT).await;
    result
}

/// Who rings, as From tells it.
struct Caller<'a> {
    number: &'a str,
    display: Option<String>,
}

async fn ring_with(
    sip: &Sip,
    events: &mut mpsc::Receiver<SipEvent>,
    target: &str,
    from: Caller<'_>,
    media: MediaConfig,
    script: &Script,
) -> Result<CallReport, CallerError> {
    let epoch = Instant::now();
    let factory = MediaFactory::new(media, epoch).map_err(|e| CallerError::Start(e.to_string()))?;
    let (mut session, offer) = factory.offer().map_err(|e| CallerError::Start(e.to_string()))?;
    let leg = LegId::new(Wall(0), rand::random());
    let invited = Instant::now();
    let request = DialRequest {
        from_display: from.display,
        sdp: Some(offer),
        ..DialRequest::new(leg, target, from.number)
    };
    sip.dial(request).map_err(|e| CallerError::Start(e.to_string()))?;
    let mut report = CallReport::default();
    let answered = async {
        loop {
            match events.recv().await {
                Some(SipEvent::Answer { sdp, .. }) => {
                    session
                        .remote_answer(&sdp)
                        .map_err(|e| CallerError::Media(e.to_string()))?;
                }
                Some(SipEvent::Established { .. }) => return Ok(()),
                Some(SipEvent::Ended { why, .. }) => return Err(CallerError::Refused(format!("{why:?}"))),
                Some(_) => {}
                None => return Err(CallerError::Refused("the telephone stopped".into())),
            }
        }
    };
    tokio::time::timeout(ANSWER_WAIT, answered)
        .await
        .map_err(|_| CallerError::Timeout)??;
    report.answered_ms = u64::try_from(invited.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (handle, ticks) = session.start();
    let mut call = Call {
        ticks,
        handle,
        events,
        now: Mono::from_duration(epoch.elapsed()),
        invited: Mono::from_duration(invited - epoch),
        ear: Ear::default(),
        spoke_until: None,
        say: 0,
        over: false,
        report,
    };
    for step in &script.steps {
        if call.over {
            break;
        }
        call.step(step).await;
    }
    if !call.over {
        let _ = sip.bye(leg);
    }
    call.report.clinic_hung_up = call.over;
    call.handle.stop();
    Ok(call.report)
}

struct Call<'a> {
    ticks: mpsc::Receiver<MediaEvent>,
    handle: MediaHandle,
    events: &'a mut mpsc::Receiver<SipEvent>,
    now: Mono,
    invited: Mono,
    ear: Ear,
    spoke_until: Option<Mono>,
    say: u32,
    over: bool,
    report: CallReport,
}

impl Call<'_> {
    async fn step(&mut self, step: &Step) {
        let begun = self.now;
        match step {
            Step::Listen {
                quiet_ms,
                wait_ms_max,
            } => {
                while !self.over && self.now.ms_since(begun) < *wait_ms_max {
                    if self.ear.quiet_ms(self.now).is_some_and(|q| q >= *quiet_ms) {
                        break;
                    }
                    self.next().await;
                }
                let first = self.ear.first_sound();
                self.report.steps.push(StepReport {
                    ms_to_sound: first.zip(self.spoke_until).map(|(f, s)| f.ms_since(s)),
                    heard_anything: first.is_some(),
                });
            }
            Step::Speak(clip) => {
                self.speak(clip).await;
                self.report.steps.push(StepReport::default());
            }
            Step::Press(digits) => {
                self.handle.send_dtmf(digits);
                self.ear.listen_anew();
                self.spoke_until = Some(self.now);
                self.report.steps.push(StepReport::default());
            }
            Step::Hum { tone, ms_max } => {
                self.say += 1;
                let _ = self.handle.play_loop(SayId(self.say), Arc::clone(tone));
                while !self.over && self.now.ms_since(begun) < *ms_max {
                    self.next().await;
                }
                self.handle.stop_loop();
                self.report.steps.push(StepReport::default());
            }
            Step::Pause { ms } => {
                while !self.over && self.now.ms_since(begun) < *ms {
                    self.next().await;
                }
                self.report.steps.push(StepReport::default());
            }
        }
    }

    async fn speak(&mut self, clip: &Arc<[i16]>) {
        self.say += 1;
        let id = SayId(self.say);
        let speech_ms = samples_to_ms(Ear::speech_samples(clip));
        if self.handle.play(id, Arc::clone(clip)).is_err() {
            return;
        }
        let begun = self.now;
        let mut started = None;
        // A clip is over when its last sound was sent; what the clinic says from then on is its reply.
        while !self.over && self.now.ms_since(begun) < speech_ms + 5_000 {
            if let Some(MediaEvent::PlayStarted { id: i, at }) = self.next().await
                && i == id
            {
                started = Some(at);
            }
            if started.is_some_and(|s: Mono| self.now >= s.plus_ms(speech_ms)) {
                break;
            }
        }
        self.spoke_until = Some(started.unwrap_or(self.now).plus_ms(speech_ms));
        self.ear.listen_anew();
    }

    /// Waits for the next thing that happens on the line.
    async fn next(&mut self) -> Option<MediaEvent> {
        tokio::select! {
            event = self.ticks.recv() => {
                match &event {
                    Some(MediaEvent::Tick { at, rx, .. }) => {
                        self.now = *at;
                        self.ear.hear(rx, *at);
                        self.report.heard.extend_from_slice(&**rx);
                        if self.report.first_sound_ms.is_none() {
                            self.report.first_sound_ms = self.ear.first_sound().map(|f| f.ms_since(self.invited));
                        }
                    }
                    None => self.over = true,
                    Some(_) => {}
                }
                event
            }
            event = self.events.recv() => {
                if matches!(event, None | Some(SipEvent::Ended { .. })) {
                    self.over = true;
                }
                None
            }
        }
    }
}
