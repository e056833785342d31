//! Telephones for measurements: many streams of RTP in a process of their own, which send every 20 ms and note what
//! comes back, when. What relays between them may be ours or a peer's: they need to know its ports only.
//!
//! The process is this program again, called with `telephones` as its only argument; its `main` then does nothing but
//! [`telephones`]. So the processor time of the program itself is the relay's alone.

use crate::codec::Codec;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds between two packets of a stream.
const PACKET_MS: u64 = 20;
/// Bytes of a packet: the header, and the payload of 20 ms of G.711, or of Opus at 24 kbit/s.
const HEADER: usize = 12;
const PAYLOAD: usize = 160;
const PAYLOAD_OPUS: usize = 60;
/// The payload begins with a byte of the codec's, the moment it was sent in microseconds, and this.
const MARK: &[u8; 3] = b"ANT";
/// How long what is still under way is waited for.
const LAST_MS: u64 = 300;

/// A stream's way in.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Where it sends.
    pub to: SocketAddr,
    /// What it speaks. Streams come in pairs, each hearing the other.
    pub codec: Codec,
}

/// What the telephones heard.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Packets sent by all of them.
    pub sent: u64,
    /// Packets received by all of them; a relay sends a few of its own before the first come.
    pub received: u64,
    /// Packets that came through unopened.
    pub unopened: u64,
    /// Milliseconds on the way, of those: the median, the 99th percentile, and the most.
    pub delay_ms: [f64; 3],
}

/// A running process of telephones.
#[derive(Debug)]
pub struct Telephones {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// The port of each, in pairs.
    pub ports: Vec<u16>,
}

impl Telephones {
    /// Starts `program telephones` with `streams` of them.
    ///
    /// # Errors
    /// When the process cannot be started or does not answer.
    pub fn start(program: &Path, streams: usize) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("telephones")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let gone = || Error::from(ErrorKind::BrokenPipe);
        let to = child.stdin.take().ok_or_else(gone)?;
        let from = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        let mut t = Self {
            child,
            to,
            from,
            ports: Vec::new(),
        };
        writeln!(t.to, "{streams}")?;
        t.ports = numbers(&line(&mut t.from)?).map(|n| n as u16).collect();
        if t.ports.len() == streams {
            Ok(t)
        } else {
            Err(Error::new(
                ErrorKind::InvalidData,
                "not every telephone found a port",
            ))
        }
    }

    /// What a telephone on `port` offers.
    #[must_use]
    pub fn offer(port: u16, codec: Codec) -> String {
        let (pt, channels) = (codec.payload_type(), if codec == Codec::Opus { "/2" } else { "" });
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {pt}\r\na=rtpmap:{pt} {}/{}{channels}\r\n",
            codec.name(),
            codec.clock_hz()
        )
    }

    /// Lets them all talk for `seconds`, and waits for what they heard; it blocks meanwhile.
    ///
    /// # Errors
    /// When the process has gone or there are not as many ways as telephones.
    pub fn talk(&mut self, ways: &[Way], seconds: u64) -> Result<Heard> {
        if ways.len() != self.ports.len() {
            return Err(Error::from(ErrorKind::InvalidInput));
        }
        let mut plan = format!("{seconds}");
        for w in ways {
            let _ = write!(plan, " {} {}", w.to, w.codec.name());
        }
        writeln!(self.to, "{plan}")?;
        let text = line(&mut self.from)?;
        let mut n = numbers(&text);
        let mut next = || n.next().ok_or_else(|| Error::from(ErrorKind::InvalidData));
        Ok(Heard {
            sent: next()? as u64,
            received: next()? as u64,
            unopened: next()? as u64,
            delay_ms: [next()?, next()?, next()?],
        })
    }
}

impl Drop for Telephones {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(from: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    from.read_line(&mut text)?;
    Ok(text)
}

fn numbers(text: &str) -> impl Iterator<Item = f64> + '_ {
    text.split_ascii_whitespace().filter_map(|w| w.parse().ok())
}

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(0)
}

/// The other process.
///
/// # Errors
/// When the one that started it has gone, or no ports are left.
pub fn telephones() -> Result<()> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let streams = numbers(&line(&mut input)?).next().unwrap_or(0.0) as usize;
    let sockets = (0..streams)
        .map(|_| {
            let s = UdpSocket::bind("127.0.0.1:0")?;
            s.set_nonblocking(true)?;
            Ok(s)
        })
        .collect::<Result<Vec<_>>>()?;
    for s in &sockets {
        write!(output, "{} ", s.local_addr()?.port())?;
    }
    writeln!(output)?;
    output.flush()?;
    let plan = line(&mut input)?;
    let mut words = plan.split_ascii_whitespace();
    let seconds: u64 = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
    let mut ways = Vec::new();
    while let (Some(to), Some(codec)) = (words.next(), words.next()) {
        if let (Ok(to), Some(codec)) = (to.parse(), Codec::from_name(codec)) {
            ways.push(Way { to, codec });
        }
    }
    let mut tally = Tally::default();
    tally.run(&sockets, &ways, seconds);
    tally.delays.sort_unstable();
    let at = |share: f64| {
        let last = tally.delays.len().saturating_sub(1);
        let n = ((tally.delays.len() as f64 * share) as usize).min(last);
        tally.delays.get(n).map_or(0.0, |us| *us as f64 / 1_000.0)
    };
    writeln!(
        output,
        "{} {} {} {} {} {}",
        tally.sent,
        tally.received,
        tally.delays.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    )?;
    output.flush()
}

#[derive(Default)]
struct Tally {
    sent: u64,
    received: u64,
    /// In microseconds.
    delays: Vec<u64>,
}

impl Tally {
    fn run(&mut self, sockets: &[UdpSocket], ways: &[Way], seconds: u64) {
        let started = Instant::now();
        let talking = seconds * 1_000;
        for ms in 0..talking + LAST_MS {
            let due = started + Duration::from_millis(ms);
            while Instant::now() < due {
                self.listen(sockets);
                std::thread::sleep(Duration::from_micros(200));
            }
            if ms < talking {
                // Streams take turns over the 20 ms, as calls that began at different moments do.
                let (slot, n) = (ms % PACKET_MS, ms / PACKET_MS);
                for (k, (s, w)) in sockets.iter().zip(ways).enumerate() {
                    if k as u64 % PACKET_MS == slot {
                        let p = packet(w.codec, k as u32 + 1, n);
                        self.sent += u64::from(s.send_to(&p, w.to).is_ok());
                    }
                }
            }
            self.listen(sockets);
        }
    }

    fn listen(&mut self, sockets: &[UdpSocket]) {
        let mut buf = [0u8; 1_600];
        for s in sockets {
            while let Ok(n) = s.recv(&mut buf) {
                if !matches!(crate::rtp::kind(&buf[..n]), crate::rtp::Kind::Rtp) {
                    continue;
                }
                self.received += 1;
                let at = HEADER + 1;
                if n >= at + 8 + MARK.len() && &buf[at + 8..at + 8 + MARK.len()] == MARK {
                    let mut moment = [0; 8];
                    moment.copy_from_slice(&buf[at..at + 8]);
                    self.delays
                        .push(micros().saturating_sub(u64::from_be_bytes(moment)));
                }
            }
        }
    }
}

fn packet(codec: Codec, ssrc: u32, n: u64) -> Vec<u8> {
    let len = if codec == Codec::Opus {
        PAYLOAD_OPUS
    } else {
        PAYLOAD
    };
    let mut payload = Vec::with_capacity(len);
    // The first byte of Opus tells its length: one frame of 20 ms, wideband.
    payload.push(if codec == Codec::Opus { 9 << 3 } else { 0xff });
    payload.extend_from_slice(&micros().to_be_bytes());
    payload.extend_from_slice(MARK);
    payload.resize(len, 0xff);
    let timestamp = (n * u64::from(codec.ticks(PACKET_MS as u32))) as u32;
    crate::rtp::packet(codec.payload_type(), n as u16, n == 0, timestamp, ssrc, &payload)
}
