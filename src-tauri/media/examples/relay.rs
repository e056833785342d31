//! Bridged pairs of calls over loopback RTP, and what they cost: loss, processor time and added delay, as JSON.
//!
//! `relay [--pairs N] [--seconds S] [--codec pcmu|opus|g722|pcma] [--other CODEC] [--srtp] [--taps]`
//!
//! Each pair is two legs of ours, bridged, with a telephone on either side. The telephones are one process of their
//! own, so that the processor time reported is the legs' alone; each of their packets carries the moment it was sent,
//! which tells the delay where packets are relayed unopened. With `--other` the second leg of each pair speaks another
//! codec and everything is transcoded. With `--taps` the 20 ms of both directions that recording and transcription live
//! on are taken from every leg.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use anteroom_media::{Codec, MediaConfig, MediaFactory, SrtpPolicy, bridge};
use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PACKET_MS: u64 = 20;
/// Bytes of a packet's payload that hold the moment it was sent and its stream.
const STAMP: usize = 12;

#[derive(Debug, Clone)]
struct Options {
    pairs: usize,
    seconds: u64,
    codec: Codec,
    other: Codec,
    taps: bool,
}

fn options() -> Result<Options, String> {
    let mut o = Options {
        pairs: 50,
        seconds: 10,
        codec: Codec::Pcmu,
        other: Codec::Pcmu,
        taps: false,
    };
    let mut other = None;
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        let mut value = || args.next().ok_or(format!("{a} needs a value"));
        let codec = |v: String| Codec::from_name(&v).ok_or(format!("{v} is no codec"));
        match a.as_str() {
            "--pairs" => o.pairs = value()?.parse().map_err(|_| "--pairs needs a number")?,
            "--seconds" => o.seconds = value()?.parse().map_err(|_| "--seconds needs a number")?,
            "--codec" => o.codec = codec(value()?)?,
            "--other" => other = Some(codec(value()?)?),
            "--taps" => o.taps = true,
            _ => return Err(format!("unknown argument {a}")),
        }
    }
    o.other = other.unwrap_or(o.codec);
    Ok(o)
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("telephones") {
        telephones();
        return;
    }
    let outcome = options().and_then(|o| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?
            .block_on(run(o))
    });
    match outcome {
        Ok(v) => println!("{v}"),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(2);
        }
    }
}

/// What a telephone on `port` offers.
fn offer(port: u16, codec: Codec) -> String {
    let (pt, channels) = (codec.payload_type(), if codec == Codec::Opus { "/2" } else { "" });
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP {pt}\r\n\
         a=rtpmap:{pt} {}/{}{channels}\r\n",
        codec.name(),
        codec.clock_hz()
    )
}

async fn run(o: Options) -> Result<Value, String> {
    let mut child = Command::new(std::env::current_exe().map_err(|e| e.to_string())?)
        .arg("telephones")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut to = child.stdin.take().ok_or("no input")?;
    let mut from = std::io::BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut line = || -> Result<Value, String> {
        let text = from
            .next()
            .ok_or("the telephones are gone")?
            .map_err(|e| e.to_string())?;
        serde_json::from_str(&text).map_err(|e| e.to_string())
    };
    writeln!(to, "{}", json!({ "streams": o.pairs * 2 })).map_err(|e| e.to_string())?;
    let ports: Vec<u16> = serde_json::from_value(line()?["ports"].take()).map_err(|e| e.to_string())?;

    let factory = |codec, first: u16| {
        let config = MediaConfig {
            ports: first..=first + 9_999,
            codecs: vec![codec],
            srtp: SrtpPolicy::Off,
            ..MediaConfig::default()
        };
        MediaFactory::new(config, Instant::now()).map_err(|e| e.to_string())
    };
    let factories = [factory(o.codec, 40_000)?, factory(o.other, 50_000)?];
    let codecs = [o.codec, o.other];
    let (mut handles, mut legs, mut bridges) = (Vec::new(), Vec::new(), Vec::new());
    for pair in ports.chunks_exact(2) {
        let mut two = Vec::new();
        for side in 0..2 {
            let (session, _) = factories[side]
                .answer(&offer(pair[side], codecs[side]))
                .map_err(|e| e.to_string())?;
            legs.push(session.port());
            let (handle, mut events) = session.start();
            if o.taps {
                tokio::spawn(async move { while events.recv().await.is_some() {} });
            }
            two.push(handle);
        }
        bridges.push(bridge(&two[0], &two[1]));
        handles.extend(two);
    }
    let begin = json!({
        "legs": legs,
        "seconds": o.seconds,
        "payload_types": [codecs[0].payload_type(), codecs[1].payload_type()],
        "ticks": [codecs[0].ticks(20), codecs[1].ticks(20)],
        "opus": [codecs[0] == Codec::Opus, codecs[1] == Codec::Opus],
    });
    writeln!(to, "{begin}").map_err(|e| e.to_string())?;
    let before = cpu_seconds();
    let heard = tokio::task::block_in_place(line)?;
    let cpu = cpu_seconds() - before;
    drop(bridges);
    let _ = child.wait();
    let wall = heard["wall_s"].as_f64().unwrap_or(1.0);
    let relayed = o.codec == o.other;
    Ok(json!({
        "pairs": o.pairs,
        "codec": o.codec.name(),
        "other": o.other.name(),
        "taps": o.taps,
        "seconds": wall,
        "packets_sent": heard["sent"],
        "packets_received": heard["received"],
        "loss": heard["loss"],
        "cpu_cores": cpu / wall,
        "pairs_per_core": o.pairs as f64 / (cpu / wall).max(1e-9),
        "delay_ms_p50": if relayed { heard["p50"].clone() } else { Value::Null },
        "delay_ms_p99": if relayed { heard["p99"].clone() } else { Value::Null },
        "delay_ms_max": if relayed { heard["max"].clone() } else { Value::Null },
    }))
}

/// Processor time of this process so far, in seconds, all threads together.
fn cpu_seconds() -> f64 {
    // utime and stime are fields 14 and 15, in hundredths of a second; the name before them may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or("");
    let ticks: f64 = after
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(0)
}

/// The other process: sends every 20 ms on every stream and listens to what comes back on its pair.
fn telephones() {
    let mut lines = std::io::stdin().lines();
    let mut line = || -> Value {
        let text = lines.next().and_then(Result::ok).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    };
    let streams = usize::try_from(line()["streams"].as_u64().unwrap_or(0)).unwrap_or(0);
    let sockets: Vec<UdpSocket> = (0..streams)
        .filter_map(|_| UdpSocket::bind("127.0.0.1:0").ok())
        .collect();
    for s in &sockets {
        let _ = s.set_nonblocking(true);
    }
    let ports: Vec<u16> = sockets
        .iter()
        .filter_map(|s| Some(s.local_addr().ok()?.port()))
        .collect();
    println!("{}", json!({ "ports": ports }));
    let begin = line();
    let legs: Vec<u16> = serde_json::from_value(begin["legs"].clone()).unwrap_or_default();
    let number = |key: &str, side: usize| begin[key][side].as_u64().unwrap_or(0);
    let seconds = begin["seconds"].as_u64().unwrap_or(1);
    let started = Instant::now();
    let mut t = Tally::default();
    // Streams take turns over the 20 ms, as calls that began at different moments do.
    let mut step = 0u64;
    let steps = seconds * 1_000;
    let mut packet = [0u8; 172];
    while step < steps + 200 {
        let due = started + Duration::from_millis(step);
        while Instant::now() < due {
            t.listen(&sockets);
            std::thread::sleep(Duration::from_micros(200));
        }
        if step < steps {
            let (slot, n) = (step % PACKET_MS, step / PACKET_MS);
            for (k, s) in sockets
                .iter()
                .enumerate()
                .filter(|(k, _)| *k as u64 % PACKET_MS == slot)
            {
                let side = k % 2;
                let len = if begin["opus"][side] == true { 60 } else { 160 };
                packet[0] = 0x80;
                packet[1] = number("payload_types", side) as u8;
                packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
                packet[4..8].copy_from_slice(&((n * number("ticks", side)) as u32).to_be_bytes());
                packet[8..12].copy_from_slice(&(k as u32 + 1).to_be_bytes());
                // The first byte of Opus tells its length: one frame of 20 ms, wideband.
                packet[12] = if len == 60 { 9 << 3 } else { 0xff };
                packet[13..13 + STAMP - 4].copy_from_slice(&micros().to_be_bytes());
                packet[21..24].copy_from_slice(b"ANT");
                let to = SocketAddr::from(([127, 0, 0, 1], legs[k]));
                t.sent += u64::from(s.send_to(&packet[..12 + len], to).is_ok());
            }
        }
        t.listen(&sockets);
        step += 1;
    }
    t.delays.sort_unstable();
    let at = |share: f64| {
        let n = (t.delays.len() as f64 * share) as usize;
        t.delays
            .get(n.min(t.delays.len().saturating_sub(1)))
            .map_or(0.0, |us| *us as f64 / 1_000.0)
    };
    let relayed = t.delays.len() as u64;
    println!(
        "{}",
        json!({
            "sent": t.sent,
            "received": t.received,
            "relayed": relayed,
            "loss": 1.0 - (t.received.min(t.sent) as f64 / t.sent.max(1) as f64),
            "p50": at(0.5),
            "p99": at(0.99),
            "max": at(1.0),
            "wall_s": seconds,
        })
    );
}

#[derive(Default)]
struct Tally {
    sent: u64,
    received: u64,
    delays: Vec<u64>,
}

impl Tally {
    fn listen(&mut self, sockets: &[UdpSocket]) {
        let mut buf = [0u8; 1_600];
        for s in sockets {
            while let Ok(n) = s.recv(&mut buf) {
                self.received += 1;
                if n >= 24 && &buf[21..24] == b"ANT" {
                    let at = u64::from_be_bytes([
                        buf[13], buf[14], buf[15], buf[16], buf[17], buf[18], buf[19], buf[20],
                    ]);
                    self.delays.push(micros().saturating_sub(at));
                }
            }
        }
    }
}
