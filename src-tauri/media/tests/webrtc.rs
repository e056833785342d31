//! Sessions with a real browser: Chromium, headless, with a sine for a microphone.

mod browser;

use anteroom_media::{
    Codec, IceServer, MediaConfig, MediaEvent, MediaFactory, MediaHandle, Path, bridge, is_webrtc, tone,
};
use anteroom_types::{RATE_HZ, SayId};
use browser::{Browser, quoted};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Receiver;

fn factory(first_port: u16, codecs: &[Codec]) -> MediaFactory {
    with_servers(first_port, codecs, Vec::new(), false)
}

fn with_servers(
    first_port: u16,
    codecs: &[Codec],
    servers: Vec<IceServer>,
    relay_only: bool,
) -> MediaFactory {
    let config = MediaConfig {
        ports: first_port..=first_port + 15,
        codecs: codecs.to_vec(),
        ice_servers: servers,
        ice_relay_only: relay_only,
        ..MediaConfig::default()
    };
    MediaFactory::new(config, Instant::now()).unwrap()
}

/// A real TURN server on loopback; it ends with the value.
struct Turn(std::process::Child);

impl Turn {
    const PORT: u16 = 17_590;

    async fn start() -> Self {
        let child = std::process::Command::new("turnserver")
            .args([
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--no-rfc5780",
                "--log-file",
                "stdout",
            ])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
            .args(["--listening-port", &Self::PORT.to_string()])
            .args([
                "--min-port",
                "17560",
                "--max-port",
                "17589",
                "--allow-loopback-peers",
            ])
            .args([
                "--lt-cred-mech",
                "--user",
                "desk:secret",
                "--realm",
                "clinic.invalid",
            ])
            .args(["--pidfile", "", "--userdb", "/dev/null"])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("this test needs coturn; cargo xtask setup installs it");
        let turn = Self(child);
        // It listens on TCP too, which tells when it is ready.
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", Self::PORT))
                .await
                .is_ok()
            {
                return turn;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the TURN server did not come up");
    }

    fn server() -> IceServer {
        IceServer {
            address: format!("127.0.0.1:{}", Self::PORT),
            credentials: Some(("desk".into(), "secret".into())),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Leg {
    handle: MediaHandle,
    events: Receiver<MediaEvent>,
    heard: Vec<i16>,
    other: Vec<MediaEvent>,
}

impl Leg {
    fn new((handle, events): (MediaHandle, Receiver<MediaEvent>)) -> Self {
        Self {
            handle,
            events,
            heard: Vec::new(),
            other: Vec::new(),
        }
    }

    async fn listen(&mut self, ms: usize) {
        let until = self.heard.len() + ms * 16;
        while self.heard.len() < until {
            match self.events.recv().await.expect("ended") {
                MediaEvent::Tick { rx, .. } => self.heard.extend(*rx),
                e => self.other.push(e),
            }
        }
    }

    /// Listens until a pitch makes up most of what is heard.
    async fn hears(&mut self, hz: f64) {
        for _ in 0..80 {
            self.listen(200).await;
            if tone::is_tone(&self.heard[self.heard.len() - 3_200..], hz, RATE_HZ, 0.8) {
                return;
            }
        }
        panic!("{hz} Hz was not heard: {:?}", self.handle.stats());
    }

    fn digits(&self) -> String {
        self.other
            .iter()
            .filter_map(|e| match e {
                MediaEvent::Dtmf { digit, .. } => Some(*digit),
                _ => None,
            })
            .collect()
    }

    fn say(&self, hz: f64) {
        let audio: Arc<[i16]> = tone::sine(hz, RATE_HZ, 9_000, 16_000).into();
        self.handle.play_loop(SayId(1), audio).unwrap();
    }
}

/// Does `work` while the legs' events are taken.
async fn while_listening<T>(legs: &mut [&mut Leg], work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = async {
                for leg in legs.iter_mut() {
                    leg.listen(20).await;
                }
            } => {}
        }
    }
}

async fn page_hears(b: &mut Browser, legs: &mut [&mut Leg], hz: f64) {
    let got = while_listening(legs, b.run(&format!("hears({hz})"))).await;
    if got.get("failed").is_some() {
        let stats = while_listening(legs, b.run("stats()")).await;
        panic!(
            "the page did not hear {hz} Hz: {got} {stats} {:?}",
            legs[0].handle.stats()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_calls_and_is_heard_and_hears() {
    let f = factory(17_400, &[Codec::Opus, Codec::Pcmu]);
    let mut b = Browser::start().await;
    b.run("start({ hz: 620 })").await;
    let offer = b.text("offer()").await;
    assert!(is_webrtc(&offer));
    let (session, answer) = f.answer_webrtc(&offer).await.unwrap();
    assert_eq!((session.codec(), session.is_srtp()), (Some("opus"), true));
    let mut leg = Leg::new(session.start());
    leg.say(440.0);
    while_listening(&mut [&mut leg], b.run(&format!("accept({})", quoted(&answer)))).await;
    leg.hears(620.0).await;
    page_hears(&mut b, &mut [&mut leg], 440.0).await;

    // Keys in both directions; the page only sends them.
    while_listening(&mut [&mut leg], b.run("sender.dtmf.insertDTMF('12#', 120, 80)")).await;
    leg.listen(1_500).await;
    assert_eq!(leg.digits(), "12#");

    // Hold and back, by the browser's own renegotiation.
    let hold = while_listening(
        &mut [&mut leg],
        b.text("(pc.getTransceivers()[0].direction = 'sendonly', offer())"),
    )
    .await;
    let answer = leg.handle.remote_offer(&hold).unwrap();
    assert!(answer.contains("a=recvonly") && leg.handle.is_held());
    while_listening(&mut [&mut leg], b.run(&format!("accept({})", quoted(&answer)))).await;
    let back = while_listening(
        &mut [&mut leg],
        b.text("(pc.getTransceivers()[0].direction = 'sendrecv', offer())"),
    )
    .await;
    let answer = leg.handle.remote_offer(&back).unwrap();
    assert!(answer.contains("a=sendrecv") && answer.contains("a=setup:active"));
    while_listening(&mut [&mut leg], b.run(&format!("accept({})", quoted(&answer)))).await;
    page_hears(&mut b, &mut [&mut leg], 440.0).await;

    // Its network changes: new credentials, the same keys, and the sound comes back.
    let again = while_listening(&mut [&mut leg], b.text("offer({ iceRestart: true })")).await;
    let answer = leg.handle.remote_offer(&again).unwrap();
    let ufrag = |s: &str| {
        s.lines()
            .find(|l| l.starts_with("a=ice-ufrag"))
            .map(str::to_owned)
    };
    assert_ne!(ufrag(&offer), ufrag(&again));
    assert_ne!(ufrag(&back), ufrag(&answer));
    while_listening(&mut [&mut leg], b.run(&format!("accept({})", quoted(&answer)))).await;
    leg.listen(1_500).await;
    leg.hears(620.0).await;
    page_hears(&mut b, &mut [&mut leg], 440.0).await;

    // An offer of ours in mid-call.
    let ours = leg.handle.local_offer().unwrap();
    let theirs = while_listening(&mut [&mut leg], b.text(&format!("answer({})", quoted(&ours)))).await;
    leg.handle.remote_answer(&theirs).unwrap();
    leg.hears(620.0).await;

    // Both sides report; the figures come, the round trip with the second report or so.
    for _ in 0..20 {
        leg.listen(1_000).await;
        if leg.handle.stats().rtt_ms.is_some() {
            break;
        }
    }
    let q = leg.handle.stats();
    assert_eq!((q.codec, q.encrypted), (Some(Codec::Opus), true));
    assert!(matches!(q.path, Path::Host | Path::Reflexive), "{q:?}");
    assert!(q.rtt_ms.is_some() && q.packets_rx > 300 && q.mos > 3.5, "{q:?}");
    let page = while_listening(&mut [&mut leg], b.run("stats()")).await;
    assert_eq!(page["codec"], "audio/opus", "{page}");

    // It leaves: the session is told at once, by the association's end.
    while_listening(&mut [&mut leg], b.run("pc.close()")).await;
    leg.listen(1_000).await;
    assert!(leg.other.contains(&MediaEvent::SilenceTimeout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_call_a_browser_and_bridge_it_to_a_telephone() {
    for (n, (browsers, telephone)) in [
        (&[Codec::Pcmu][..], Codec::Pcmu),
        (&[Codec::Opus, Codec::Pcma][..], Codec::Pcma),
    ]
    .into_iter()
    .enumerate()
    {
        let base = 17_420 + u16::try_from(n).unwrap() * 40;
        let f = factory(base, browsers);
        let mut b = Browser::start().await;
        b.run("start({ hz: 620 })").await;
        let (mut session, offer) = f.offer_webrtc().await.unwrap();
        let answer = b.text(&format!("answer({})", quoted(&offer))).await;
        session.remote_answer(&answer).unwrap();
        assert_eq!(session.codec(), Some(browsers[0].name()));
        let mut leg = Leg::new(session.start());

        let t = factory(base + 16, &[telephone]);
        let (mut phone, offer) = t.offer().unwrap();
        let (other, answer) = t.answer(&offer).unwrap();
        phone.remote_answer(&answer).unwrap();
        let mut phone = Leg::new(phone.start());
        let mut other = Leg::new(other.start());
        phone.say(440.0);
        let together = bridge(&leg.handle, &other.handle);
        page_hears(&mut b, &mut [&mut leg, &mut phone, &mut other], 440.0).await;
        leg.hears(620.0).await;
        phone.hears(620.0).await;
        // The browser's keys reach the telephone.
        phone.handle.stop_loop();
        while_listening(
            &mut [&mut leg, &mut phone, &mut other],
            b.run("sender.dtmf.insertDTMF('7*', 120, 80)"),
        )
        .await;
        phone.listen(1_500).await;
        assert_eq!(phone.digits(), "7*", "{telephone}");
        drop(together);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relayed_by_a_turn_server_on_one_side_and_on_both() {
    let _turn = Turn::start().await;
    let ice = format!(
        "{{ urls: 'turn:127.0.0.1:{}?transport=udp', username: 'desk', credential: 'secret' }}",
        Turn::PORT
    );
    for (n, (ours, policy)) in [(false, "relay"), (true, "relay"), (true, "all")]
        .into_iter()
        .enumerate()
    {
        let servers = if ours { vec![Turn::server()] } else { Vec::new() };
        let f = with_servers(
            17_500 + u16::try_from(n).unwrap() * 16,
            &[Codec::Opus],
            servers,
            ours,
        );
        let mut b = Browser::start().await;
        b.run(&format!(
            "start({{ hz: 620, iceServers: [{ice}], policy: '{policy}' }})"
        ))
        .await;
        let offer = b.text("offer()").await;
        assert_eq!(!offer.contains("typ host"), policy == "relay", "{offer}");
        let (session, answer) = f.answer_webrtc(&offer).await.unwrap();
        let kinds = |kind: &str| answer.lines().filter(|l| l.contains(kind)).count();
        assert_eq!(
            (kinds("typ host"), kinds("typ relay")),
            if ours { (0, 1) } else { (1, 0) },
            "{answer}"
        );
        let mut leg = Leg::new(session.start());
        leg.say(440.0);
        while_listening(&mut [&mut leg], b.run(&format!("accept({})", quoted(&answer)))).await;
        leg.hears(620.0).await;
        page_hears(&mut b, &mut [&mut leg], 440.0).await;
        assert_eq!(leg.handle.stats().path, Path::Relay, "{ours} {policy}");
        let page = while_listening(&mut [&mut leg], b.run("stats()")).await;
        // With both kinds of address of its own it may take either to our relayed one.
        assert!(page["local"] == "relay" || policy == "all", "{page}");
    }
}

/// Passes datagrams between a browser and the leg on `port`, and loses every ninth of media either way. Gives its port.
async fn lossy_way(port: u16) -> u16 {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let own = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let leg = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let (mut browser, mut n, mut buf) = (None, 0u32, [0; 2_000]);
        while let Ok((len, from)) = socket.recv_from(&mut buf).await {
            let media = (128..192).contains(&buf[0]);
            n += u32::from(media);
            if media && n.is_multiple_of(9) {
                continue;
            }
            if from == leg {
                if let Some(to) = browser {
                    let _ = socket.send_to(&buf[..len], to).await;
                }
            } else {
                browser = Some(from);
                let _ = socket.send_to(&buf[..len], leg).await;
            }
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_on_the_way_is_sent_again_both_ways() {
    let f = factory(17_480, &[Codec::Opus]);
    let mut b = Browser::start().await;
    b.run("start({ hz: 620 })").await;
    let offer = b.text("offer({ nack: true })").await;
    // Its own addresses are withheld, so that the way in between is the only one.
    let hidden: String = offer
        .lines()
        .filter(|l| !l.starts_with("a=candidate"))
        .map(|l| format!("{l}\r\n"))
        .collect();
    let (session, answer) = f.answer_webrtc(&hidden).await.unwrap();
    assert!(answer.contains("nack"), "{answer}");
    let port = session.port();
    let way = lossy_way(port).await;
    let answer = answer.replace(&format!(" {port} typ host"), &format!(" {way} typ host"));
    let mut leg = Leg::new(session.start());
    leg.say(440.0);
    while_listening(&mut [&mut leg], b.run(&format!("accept({})", quoted(&answer)))).await;
    leg.hears(620.0).await;
    page_hears(&mut b, &mut [&mut leg], 440.0).await;
    leg.listen(6_000).await;
    let q = leg.handle.stats();
    let page = while_listening(&mut [&mut leg], b.run("stats()")).await;
    assert!(
        q.asked_again > 10 && page["resent"].as_u64() > Some(10),
        "{q:?} {page}"
    );
    assert!(q.resent > 10 && page["asked"].as_u64() > Some(10), "{q:?} {page}");
    // A ninth was lost; nearly all of it was mended.
    assert!(q.lost * 30 < q.packets_rx, "{q:?}");
}
