//! The model manager against a server on loopback: resumption, wrong sums, short and endless bodies, refusals,
//! redirects, proxies, and the off switch.

mod support;

use anteroom_speech::models::{Manager, ManagerConfig, Manifest, ModelKind, ModelState, ModelsError, Proxy};
use anteroom_speech::whisper::CancelFlag;
use anteroom_types::UserFacing;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Serves each connection's request with `answer(request lines)`, and keeps what was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &answer, &log);
            }
        });
        Self { address, asked }
    }
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> Vec<u8>, log: &Mutex<Vec<String>>) {
    loop {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut request = String::new();
        while reader.read_line(&mut request).is_ok_and(|n| n > 2) {}
        if request.is_empty() {
            return;
        }
        log.lock().unwrap().push(request.clone());
        let reply = answer(&request);
        if stream.write_all(&reply).is_err() || !request.starts_with("CONNECT") {
            return;
        }
    }
}

const BODY: &[u8] = b"These are the weights of a very small model.";

fn sum() -> String {
    use sha2::Digest;
    sha2::Sha256::digest(BODY)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn ok(body: &[u8]) -> Vec<u8> {
    reply("200 OK", "", body)
}

fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    out.extend_from_slice(body);
    out
}

fn manifest(address: SocketAddr, sha256: &str) -> Manifest {
    Manifest::parse(&format!(
        "[[model]]\nid = \"m\"\nkind = \"whisper\"\ntitle = \"t\"\nlicence = \"MIT\"\n[[model.files]]\n\
         name = \"m.bin\"\nsha256 = \"{sha256}\"\nbytes = {}\nsources = [{{ url = \"http://{address}/m.bin\" }}]\n",
        BODY.len()
    ))
    .unwrap()
}

fn manager(dir: &Path, address: SocketAddr) -> Manager {
    let config = ManagerConfig {
        downloads: true,
        bundled: Vec::new(),
        proxy: Proxy::None,
        ..ManagerConfig::new(dir.to_owned())
    };
    Manager::new(config, manifest(address, &sum()))
}

fn fetch(manager: &Manager) -> Result<(), ModelsError> {
    manager.fetch("m", &mut |_| {}, &CancelFlag::default())
}

#[test]
fn a_download_is_checked_named_and_listed() {
    let server = Server::start(|_| ok(BODY));
    let dir = tempfile::tempdir().unwrap();
    let manager = manager(dir.path(), server.address);
    assert_eq!(manager.list()[0].state, ModelState::Missing);
    assert!(matches!(manager.select("m"), Err(ModelsError::Missing(_))));
    let mut seen = Vec::new();
    manager
        .fetch("m", &mut |p| seen.push((p.bytes, p.of)), &CancelFlag::default())
        .unwrap();
    assert_eq!(*seen.last().unwrap(), (BODY.len() as u64, BODY.len() as u64));
    assert_eq!(manager.verify("m").unwrap(), ModelState::Ok);
    assert_eq!(
        std::fs::read(manager.folder("m").unwrap().join("m.bin")).unwrap(),
        BODY
    );
    manager.select("m").unwrap();
    assert_eq!(manager.selected(ModelKind::Whisper).as_deref(), Some("m"));
    assert!(manager.list()[0].selected);
    // Nothing is asked for twice.
    fetch(&manager).unwrap();
    assert_eq!(server.asked().len(), 1);

    std::fs::write(
        dir.path().join("m/m.bin"),
        b"These are the weights of a very smell model.",
    )
    .unwrap();
    assert!(matches!(manager.list()[0].state, ModelState::Corrupt { .. }));
    assert_eq!(manager.folder("m").unwrap_err().code(), "models.checksum");
    manager.remove("m").unwrap();
    assert_eq!(manager.list()[0].state, ModelState::Missing);
}

#[test]
fn a_download_that_broke_off_goes_on_where_it_stopped() {
    let server = Server::start(|request| {
        let Some(range) = request.lines().find_map(|l| {
            l.to_ascii_lowercase()
                .strip_prefix("range: bytes=")
                .map(str::to_owned)
        }) else {
            // Promises everything and hangs up in the middle.
            let mut all = ok(BODY);
            all.truncate(all.len() - 20);
            return all;
        };
        let from: usize = range.trim().trim_end_matches('-').parse().unwrap();
        let headers = format!(
            "Content-Range: bytes {from}-{}/{}\r\n",
            BODY.len() - 1,
            BODY.len()
        );
        reply("206 Partial Content", &headers, &BODY[from..])
    });
    let dir = tempfile::tempdir().unwrap();
    let manager = manager(dir.path(), server.address);
    let e = fetch(&manager).unwrap_err();
    assert!(matches!(e, ModelsError::Short { got: 24, .. }), "{e}");
    assert_eq!(manager.list()[0].state, ModelState::Partial { bytes: 24 });
    fetch(&manager).unwrap();
    assert!(
        server.asked()[1]
            .to_ascii_lowercase()
            .contains("range: bytes=24-")
    );
    assert_eq!(manager.verify("m").unwrap(), ModelState::Ok);
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_beginning() {
    let server = Server::start(|_| ok(BODY));
    let dir = tempfile::tempdir().unwrap();
    let manager = manager(dir.path(), server.address);
    std::fs::create_dir_all(dir.path().join("m")).unwrap();
    std::fs::write(dir.path().join("m/m.bin.part"), b"something else").unwrap();
    fetch(&manager).unwrap();
    assert_eq!(manager.verify("m").unwrap(), ModelState::Ok);
}

#[test]
fn wrong_endless_and_refused_bodies_leave_nothing_behind() {
    let wrong: Vec<u8> = BODY.iter().map(|b| b ^ 1).collect();
    let endless = BODY.repeat(3);
    for (answer, code) in [
        (ok(&wrong), "models.checksum"),
        (ok(&endless), "models.checksum"),
        (reply("404 Not Found", "", b"<html>"), "models.status"),
        (reply("403 Forbidden", "", b""), "models.status"),
        (b"rubbish\r\n\r\n".to_vec(), "models.network"),
    ] {
        let server = Server::start(move |_| answer.clone());
        let dir = tempfile::tempdir().unwrap();
        let manager = manager(dir.path(), server.address);
        let e = fetch(&manager).unwrap_err();
        assert_eq!(e.code(), code, "{e}");
        assert!(!e.hint().is_empty());
        assert_eq!(manager.list()[0].state, ModelState::Missing, "{code}");
    }
}

#[test]
fn redirects_are_followed_within_their_scheme_only() {
    let target = Server::start(|_| ok(BODY));
    let to = format!("Location: http://{}/real.bin\r\n", target.address);
    let server = Server::start(move |_| reply("302 Found", &to, b""));
    let dir = tempfile::tempdir().unwrap();
    fetch(&manager(dir.path(), server.address)).unwrap();
    for location in [
        "https://example.org/m.bin",
        "file:///etc/passwd",
        "ftp://example.org/m",
    ] {
        let to = format!("Location: {location}\r\n");
        let server = Server::start(move |_| reply("302 Found", &to, b""));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            fetch(&manager(dir.path(), server.address)).unwrap_err().code(),
            "models.redirect"
        );
    }
    let server = Server::start(|_| reply("302 Found", "Location: /m.bin\r\n", b""));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        fetch(&manager(dir.path(), server.address)).unwrap_err().code(),
        "models.redirect"
    );
    assert!(server.asked().len() <= 7);
}

#[test]
fn downloads_go_through_the_proxy_and_not_at_all_when_switched_off() {
    let proxy = Server::start(|request| {
        if request.starts_with("CONNECT") {
            b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec()
        } else {
            ok(BODY)
        }
    });
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut config = ManagerConfig {
        downloads: true,
        bundled: Vec::new(),
        proxy: Proxy::Address(format!("http://{}", proxy.address)),
        ..ManagerConfig::new(dir.path().to_owned())
    };
    let through = Manager::new(config.clone(), manifest(nowhere, &sum()));
    fetch(&through).unwrap();
    assert!(proxy.asked()[0].contains("127.0.0.1:9"), "{:?}", proxy.asked());
    through.remove("m").unwrap();

    config.downloads = false;
    let off = Manager::new(config, manifest(proxy.address, &sum()));
    let before = proxy.asked().len();
    assert_eq!(fetch(&off).unwrap_err().code(), "models.downloads_off");
    assert_eq!(proxy.asked().len(), before);
}

#[test]
fn without_a_checksum_nothing_is_fetched() {
    let server = Server::start(|_| ok(BODY));
    let dir = tempfile::tempdir().unwrap();
    let config = ManagerConfig {
        downloads: true,
        ..ManagerConfig::new(dir.path().to_owned())
    };
    let manager = Manager::new(config, manifest(server.address, ""));
    assert_eq!(fetch(&manager).unwrap_err().code(), "models.no_checksum");
    assert!(server.asked().is_empty());
}

#[test]
fn a_file_is_added_by_its_checksum_and_another_is_refused() {
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let manager = manager(&dir.path().join("models"), nowhere);
    let file = dir.path().join("brought-on-a-stick");
    std::fs::write(&file, b"These are the weights of a very smell model.").unwrap();
    assert_eq!(manager.add("m", &file).unwrap_err().code(), "models.checksum");
    std::fs::write(&file, BODY).unwrap();
    manager.add("m", &file).unwrap();
    assert_eq!(manager.verify("m").unwrap(), ModelState::Ok);
    assert_eq!(manager.add("x", &file).unwrap_err().code(), "models.unknown");
}

#[test]
fn the_demonstration_model_comes_from_the_checkout_without_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let manager = Manager::new(
        ManagerConfig::new(dir.path().to_owned()),
        Manifest::builtin().unwrap(),
    );
    manager
        .fetch("demo-clinic-en", &mut |_| {}, &CancelFlag::default())
        .unwrap();
    let demo = manager
        .list()
        .into_iter()
        .find(|m| m.id == "demo-clinic-en")
        .unwrap();
    assert_eq!((demo.state, demo.demonstration), (ModelState::Ok, true));
    assert_eq!(
        manager
            .fetch("base.en", &mut |_| {}, &CancelFlag::default())
            .unwrap_err()
            .code(),
        "models.downloads_off"
    );
}
