//! Bridged pairs of calls over loopback RTP, and what they cost: loss, processor time and added delay, as JSON.
//!
//! `relay [--pairs N] [--seconds S] [--codec pcmu|opus|g722|pcma] [--other CODEC] [--taps] [--peer] [--rounds N]`
//!
//! Each pair is two legs of ours, bridged, with a telephone on either side. The telephones are one process of their
//! own, so that the processor time reported is the legs' alone; each of their packets carries the moment it was sent,
//! which tells the delay where packets are relayed unopened. With `--other` the second leg of each pair speaks another
//! codec and everything is transcoded. With `--taps` the 20 ms of both directions that recording and transcription live
//! on are taken from every leg. `--bench relay|delay [--json]` is what `cargo xtask bench` runs. With `--peer` rtpengine in userspace,
//! behind Kamailio, takes turns with us, on the same streams.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod figures;
mod peer;

use anteroom_media::load::{Heard, Telephones, Way, telephones};
use anteroom_media::{Codec, MediaConfig, MediaFactory, SrtpPolicy, bridge};
use figures::Bench;
use peer::Peer;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Debug, Clone)]
struct Options {
    pairs: usize,
    seconds: u64,
    codecs: [Codec; 2],
    taps: bool,
    peer: bool,
    rounds: usize,
    bench: Option<Bench>,
    json: bool,
}

fn options() -> Result<Options, String> {
    let (mut pairs, mut seconds, mut codec, mut other) = (50, 10, Codec::Pcmu, None);
    let (mut taps, mut peer, mut rounds, mut bench, mut json) = (false, false, 1, None, false);
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        let mut value = || args.next().ok_or(format!("{a} needs a value"));
        let name = |v: String| Codec::from_name(&v).ok_or(format!("{v} is no codec"));
        match a.as_str() {
            "--pairs" => pairs = value()?.parse().map_err(|_| "--pairs needs a number")?,
            "--seconds" => seconds = value()?.parse().map_err(|_| "--seconds needs a number")?,
            "--codec" => codec = name(value()?)?,
            "--other" => other = Some(name(value()?)?),
            "--taps" => taps = true,
            "--peer" => peer = true,
            "--json" => json = true,
            "--bench" => {
                let b = Bench::from_name(&value()?).ok_or("--bench is relay or delay")?;
                (bench, peer, rounds, seconds, pairs) = (Some(b), true, 5, 5, b.pairs());
            }
            "--rounds" => rounds = value()?.parse().map_err(|_| "--rounds needs a number")?,
            _ => return Err(format!("unknown argument {a}")),
        }
    }
    Ok(Options {
        pairs,
        seconds,
        codecs: [codec, other.unwrap_or(codec)],
        taps,
        peer,
        rounds,
        bench,
        json,
    })
}

fn main() {
    let outcome = if std::env::args().nth(1).as_deref() == Some("telephones") {
        telephones().map(|()| None).map_err(|e| e.to_string())
    } else {
        options().and_then(|o| {
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(|e| e.to_string())?
                .block_on(run(&o))
                .map(Some)
        })
    };
    match outcome {
        Ok(None) => {}
        Ok(Some(text)) => println!("{text}"),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(2);
        }
    }
}

/// One run's figures.
struct Ran {
    heard: Heard,
    cores: f64,
}

impl Ran {
    fn json(&self, o: &Options) -> Value {
        let (h, relayed) = (&self.heard, o.codecs[0] == o.codecs[1]);
        let delay = |n: usize| {
            if relayed {
                json!(h.delay_ms[n])
            } else {
                Value::Null
            }
        };
        // Relayed packets can be told from those of our own; transcoded ones are all our own.
        let came = if relayed { h.unopened } else { h.received };
        json!({
            "packets_sent": h.sent,
            "packets_received": came,
            "loss": 1.0 - came.min(h.sent) as f64 / h.sent.max(1) as f64,
            "cpu_cores": self.cores,
            "pairs_per_core": o.pairs as f64 / self.cores.max(1e-9),
            "delay_ms_p50": delay(0),
            "delay_ms_p99": delay(1),
            "delay_ms_max": delay(2),
        })
    }
}

async fn run(o: &Options) -> Result<String, String> {
    let load = figures::load();
    let ran = rounds(o).await?;
    let Some(bench) = o.bench else {
        return Ok(ran.to_string());
    };
    let report = figures::report(bench, &ran, load);
    Ok(if o.json {
        report.to_string()
    } else {
        figures::table(&report)
    })
}

async fn rounds(o: &Options) -> Result<Value, String> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..o.rounds {
        ours.push(run_ours(o).await?.json(o));
        if o.peer {
            theirs.push(tokio::task::block_in_place(|| run_peer(o))?.json(o));
        }
    }
    Ok(json!({
        "pairs": o.pairs,
        "codec": o.codecs[0].name(),
        "other": o.codecs[1].name(),
        "taps": o.taps,
        "seconds": o.seconds,
        "ours": ours,
        "rtpengine": theirs,
        "versions": o.peer.then(Peer::versions).flatten(),
    }))
}

/// Lets the telephones talk while the processor time of a process is watched.
fn talk(phones: &mut Telephones, ways: &[Way], o: &Options, pid: u32) -> Result<Ran, String> {
    let (before, began) = (cpu_seconds(pid), Instant::now());
    let heard = phones.talk(ways, o.seconds).map_err(|e| e.to_string())?;
    let cores = (cpu_seconds(pid) - before) / began.elapsed().as_secs_f64();
    Ok(Ran { heard, cores })
}

fn telephones_for(o: &Options) -> Result<Telephones, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    Telephones::start(&program, o.pairs * 2).map_err(|e| e.to_string())
}

fn run_peer(o: &Options) -> Result<Ran, String> {
    let mut phones = telephones_for(o)?;
    let mut peer = Peer::start()?;
    let mut ways = Vec::new();
    for (n, pair) in phones.ports.chunks_exact(2).enumerate() {
        for to in peer.call(n, [pair[0], pair[1]], o.codecs[0])? {
            ways.push(Way {
                to,
                codec: o.codecs[0],
            });
        }
    }
    let pid = peer.pid();
    talk(&mut phones, &ways, o, pid)
}

async fn run_ours(o: &Options) -> Result<Ran, String> {
    let mut phones = telephones_for(o)?;
    let factory = |codec, first: u16| {
        let config = MediaConfig {
            ports: first..=first + 9_999,
            codecs: vec![codec],
            srtp: SrtpPolicy::Off,
            ..MediaConfig::default()
        };
        MediaFactory::new(config, Instant::now()).map_err(|e| e.to_string())
    };
    let factories = [factory(o.codecs[0], 40_000)?, factory(o.codecs[1], 50_000)?];
    let (mut handles, mut ways, mut bridges) = (Vec::new(), Vec::new(), Vec::new());
    for pair in phones.ports.chunks_exact(2) {
        let mut two = Vec::new();
        for side in 0..2 {
            let codec = o.codecs[side];
            let (session, _) = factories[side]
                .answer(&Telephones::offer(pair[side], codec))
                .map_err(|e| e.to_string())?;
            let to = SocketAddr::from(([127, 0, 0, 1], session.port()));
            ways.push(Way { to, codec });
            let (handle, mut events) = session.start();
            if o.taps {
                tokio::spawn(async move { while events.recv().await.is_some() {} });
            }
            two.push(handle);
        }
        bridges.push(bridge(&two[0], &two[1]));
        handles.extend(two);
    }
    let ran = tokio::task::block_in_place(|| talk(&mut phones, &ways, o, std::process::id()))?;
    drop(bridges);
    Ok(ran)
}

/// Processor time of a process so far, in seconds, all threads together.
fn cpu_seconds(pid: u32) -> f64 {
    // utime and stime are fields 14 and 15, in hundredths of a second; the name before them may hold spaces.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or("");
    after
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
