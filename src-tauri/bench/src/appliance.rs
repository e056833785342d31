//! The appliance that is measured: a process of its own, so that its memory and its threads are not the callers'.

use crate::error::{Doing as _, Failure};
use crate::sipp::User;
use anteroom_api::{LiveBody, LiveEvent};
use anteroom_appliance::{Config, Engine, Place, knowledge, logging, sample_knowledge, tools, users};
use anteroom_store::Store;
use anteroom_types::{EventKind, Side};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// How long an appliance may take to be ready: it renders every answer of the clinic on its first start.
const READY_MAX: Duration = Duration::from_secs(300);
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Callers of a benchmark all ring from one address and faster than an office does.
const RATE_PER_S: u32 = 100_000;

/// The class of rights that telephones of an office have; its configuration says what it may dial.
const CLASS: &str = "bench";

/// The process: an engine with the sample clinic, or, with `telephones`, with so many people who may ring out and the
/// configuration in `data`. A line in is a question, a line out an event or an answer.
pub(crate) fn serve(data: &Path, telephones: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .doing("starting the runtime")?;
    runtime.block_on(Box::pin(run(data, telephones)))
}

async fn run(data: &Path, telephones: usize) -> Result<(), Failure> {
    let (mut config, place) = Place::find(Some(data), None).doing("reading the configuration")?;
    if telephones == 0 {
        tools::on_loopback(&mut config);
        config.sip.rate_per_source_per_s = RATE_PER_S;
    }
    std::fs::create_dir_all(place.log()).doing("making the log's folder")?;
    let _log = logging::start(&place.log(), "info", 1).doing("starting the log")?;
    let people = {
        let tool = tools::Knowledge::open(&config, &place)
            .await
            .doing("opening the knowledge")?;
        for (name, bytes) in sample_knowledge() {
            for (id, version) in knowledge::import_bytes(&tool.store, name, bytes).doing("importing")? {
                tool.approve(&id, version, "benchmark").await.doing("approving")?;
            }
        }
        people(&tool.store, &config, telephones)?
    };
    let engine = Engine::start(config, &place).await.doing("starting the engine")?;
    let sip = engine.sip_addrs().first().map(|(_, a)| a.to_string());
    println!(
        "{}",
        json!({ "ready": sip, "recogniser": tools::model_info(&engine).id, "users": people })
    );
    let mut live = engine.subscribe();
    let mut questions = questions();
    loop {
        tokio::select! {
            event = live.recv() => match event {
                Ok(LiveEvent { body: LiveBody::Call { event }, .. }) => tell(&event.kind),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            line = questions.recv() => match line {
                Some(()) => println!("{}", json!({ "calls_up": engine.calls_up() })),
                None => break,
            },
        }
    }
    engine.drain(Duration::from_secs(5)).await;
    Ok(())
}

/// Gives so many people telephones, and new passwords each time.
fn people(store: &Store, config: &Config, telephones: usize) -> Result<Vec<User>, Failure> {
    let add = |n| {
        let user = crate::office::user(n);
        let password = users::add(store, config, &user, &user, 0, Some(CLASS), users::COMMAND_LINE)
            .doing("adding somebody")?;
        Ok((user, password.as_str().to_owned()))
    };
    (0..telephones).map(add).collect()
}

/// Lines of standard input. Whoever asks waits for the answer, so one place in the queue is enough; a second question
/// waits in the pipe.
fn questions() -> mpsc::Receiver<()> {
    let (tx, rx) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || tx.blocking_send(()).is_err() {
                break;
            }
        }
    });
    rx
}

/// What is measured of an event; nothing that was said leaves the process.
fn tell(kind: &EventKind<String>) {
    let told = match kind {
        EventKind::GreetingStarted { ms_from_invite } => json!({ "greeting_ms": ms_from_invite }),
        EventKind::Heard {
            side: Side::Caller,
            decode_ms,
            ..
        } => json!({ "decode_ms": decode_ms }),
        EventKind::Said {
            ms_to_audio: Some(ms),
            ..
        } => json!({ "turn_ms": ms }),
        _ => return,
    };
    println!("{told}");
}

/// A running appliance.
pub(crate) struct Appliance {
    child: Child,
    to: Option<ChildStdin>,
    from: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub(crate) sip: SocketAddr,
    /// Where it is rung by callers.
    pub(crate) target: String,
    /// Its recogniser.
    pub(crate) recogniser: String,
    /// Who may ring out.
    pub(crate) users: Vec<User>,
    events: Vec<Value>,
    _data: Option<tempfile::TempDir>,
}

impl Appliance {
    /// Starts one with the sample clinic in a folder of its own, and waits until it answers.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let base = crate::peer::folder();
        std::fs::create_dir_all(&base).doing("making a folder")?;
        let data = tempfile::tempdir_in(base).doing("making a folder")?;
        let mut it = Self::of_an_office(data.path().to_owned(), 0).await?;
        it._data = Some(data);
        Ok(it)
    }

    /// The same in a folder that stays, with its configuration, and with so many telephones that may ring out.
    pub(crate) async fn of_an_office(data: PathBuf, telephones: usize) -> Result<Self, Failure> {
        eprintln!("==> starting an appliance with the sample clinic");
        let mut child = Command::new(std::env::current_exe().doing("finding this program")?)
            .arg("appliance")
            .arg(&data)
            .args(["--telephones", &telephones.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .doing("starting the appliance")?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("the appliance has no standard input or output"));
        };
        let mut it = Self {
            child,
            to: Some(to),
            from: BufReader::new(from).lines(),
            sip: SocketAddr::from(([127, 0, 0, 1], 0)),
            target: String::new(),
            recogniser: String::new(),
            users: Vec::new(),
            events: Vec::new(),
            _data: None,
        };
        let ready = it.line_with("ready", READY_MAX).await?;
        it.sip = ready["ready"]
            .as_str()
            .unwrap_or_default()
            .parse()
            .doing("reading where the appliance listens")?;
        it.target = format!("sip:desk@{}", it.sip);
        it.users = serde_json::from_value(ready["users"].clone()).doing("reading who has a telephone")?;
        it.recogniser = ready["recogniser"].as_str().unwrap_or_default().to_owned();
        Ok(it)
    }

    /// Reads lines until one has `key`; events that come before it are kept.
    async fn line_with(&mut self, key: &str, longest: Duration) -> Result<Value, Failure> {
        let read = async {
            loop {
                match self.from.next_line().await.doing("hearing the appliance")? {
                    None => return Err(Failure::new("the appliance ended; what it said is above")),
                    Some(line) => {
                        let v: Value = serde_json::from_str(&line).doing("reading the appliance's line")?;
                        if v.get(key).is_some() {
                            return Ok(v);
                        }
                        self.events.push(v);
                    }
                }
            }
        };
        tokio::time::timeout(longest, read)
            .await
            .map_err(|_| Failure::new("the appliance did not answer in time"))?
    }

    /// Calls that are up now.
    pub(crate) async fn calls_up(&mut self) -> Result<u64, Failure> {
        let Some(to) = &mut self.to else {
            return Err(Failure::new("the appliance was stopped"));
        };
        to.write_all(b"calls\n").await.doing("asking the appliance")?;
        let answer = self.line_with("calls_up", ANSWER_MAX).await?;
        Ok(answer["calls_up"].as_u64().unwrap_or(u64::MAX))
    }

    /// Waits until `n` calls are up.
    pub(crate) async fn until_calls_up(&mut self, n: u64) -> Result<(), Failure> {
        for _ in 0..600 {
            if self.calls_up().await? == n {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Failure::new(format!("there were never {n} calls up")))
    }

    /// The numbers that events named `key` carried so far.
    pub(crate) async fn told(&mut self, key: &str) -> Result<Vec<f64>, Failure> {
        self.calls_up().await?;
        Ok(self.events.iter().filter_map(|e| e.get(key)?.as_f64()).collect())
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Resident memory of its process, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<f64, Failure> {
        let pid = self.pid().ok_or_else(|| Failure::new("the appliance ended"))?;
        crate::process::resident_kib(pid)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) {
        self.to = None;
        let _ = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
    }
}
