//! Servers beside the appliance, and what they are started with.

use super::eventually;
use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A certificate for loopback and its key, as PEM files.
pub fn certificate(dir: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    super::write_private(&key, made.signing_key.serialize_pem().as_bytes());
    (cert.display().to_string(), key.display().to_string())
}

/// A running server, ended with the test.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where it answers.
    pub at: SocketAddr,
}

impl Server {
    /// Kamailio as a proxy in front of `us`: it stays on the way of every call, and of every registration.
    pub fn kamailio(dir: &Path, us: SocketAddr) -> Self {
        super::needs("kamailio");
        let at = SocketAddr::from(([127, 0, 0, 1], super::free_ports()));
        let our_port = us.port();
        let script = format!(
            "#!KAMAILIO\ndebug=2\nlog_stderror=yes\nchildren=2\nauto_aliases=no\nlisten=udp:{at}\n\
             loadmodule \"tm.so\"\nloadmodule \"sl.so\"\nloadmodule \"rr.so\"\nloadmodule \"path.so\"\nloadmodule \"pv.so\"\n\
             loadmodule \"siputils.so\"\nloadmodule \"textops.so\"\nmodparam(\"rr\", \"enable_full_lr\", 1)\n\
             request_route {{\n\
               if (is_method(\"OPTIONS\") && $rU == \"ready\") {{ sl_send_reply(\"200\", \"OK\"); exit; }}\n\
               if (is_method(\"CANCEL\")) {{ t_relay(); exit; }}\n\
               if (has_totag()) {{ if (loose_route()) {{ t_relay(); exit; }}\n\
                 if (is_method(\"ACK\")) {{ t_relay(); exit; }} sl_send_reply(\"404\", \"Not here\"); exit; }}\n\
               if (is_method(\"REGISTER\")) {{ add_path(); $du = \"sip:{us}\"; t_relay(); exit; }}\n\
               record_route();\n\
               if ($sp == {our_port}) {{ loose_route(); t_relay(); exit; }}\n\
               loose_route();\n\
               $du = \"sip:{us}\"; t_relay();\n\
             }}\n"
        );
        let file = dir.join("kamailio.cfg");
        std::fs::write(&file, script).unwrap();
        let run = dir.to_str().unwrap();
        let file = file.to_str().unwrap();
        let args = [
            "-f", file, "-DD", "-E", "-m", "32", "-M", "8", "-Y", run, "-w", run,
        ];
        let server = Self::start("kamailio", &args, dir, at);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let here = socket.local_addr().unwrap();
        let options = format!(
            "OPTIONS sip:ready@{at} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKready;rport\r\nFrom: <sip:t@{here}>;tag=1\r\n\
             To: <sip:ready@{at}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        eventually("kamailio answers", || {
            let _ = socket.send_to(options.as_bytes(), at);
            socket.recv(&mut [0; 2048]).ok()
        });
        server
    }

    fn start(program: &str, args: &[&str], dir: &Path, at: SocketAddr) -> Self {
        let log = dir.join(format!("{program}.log"));
        let out = File::create(&log).unwrap();
        let child = Command::new(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, log, at }
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Kamailio has children of its own, which end with it when it is asked to.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
