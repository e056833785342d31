//! The peer for bridged calls: rustpbx from crates.io, built once into the user's cache.

use crate::error::{Doing as _, Failure};
use crate::sipp::{User, free_port};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::process::Child;

pub(crate) const VERSION: &str = "0.5.0";
/// How long it may take to listen.
const READY_TRIES: u32 = 300;

/// The program; builds it when it is not there.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    let root = crate::peer::folder().join("rustpbx");
    let program = root.join("bin").join("rustpbx");
    if program.exists() {
        return Ok(program);
    }
    eprintln!("==> building rustpbx {VERSION} from crates.io, once; it takes half an hour or longer");
    let target = root.join("target");
    let version = format!("={VERSION}");
    // Without its web console and add-ons, none of which a bridged call needs.
    let args = [
        "install",
        "rustpbx",
        "--version",
        &version,
        "--no-default-features",
        "--locked",
    ];
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(args)
        .arg("--root")
        .arg(&root)
        // Not the workspace's, whatever the environment says.
        .env("CARGO_TARGET_DIR", &target)
        .stdout(std::io::stderr())
        .status()
        .doing("starting cargo")?;
    if !status.success() || !program.exists() {
        return Err(Failure::new(format!(
            "rustpbx could not be built ({status}); what cargo said is above"
        )));
    }
    // Gigabytes that nothing needs any more.
    let _ = std::fs::remove_dir_all(&target);
    Ok(program)
}

/// A running rustpbx.
pub(crate) struct Rustpbx {
    child: Child,
    pub(crate) sip: SocketAddr,
}

impl Rustpbx {
    /// Starts one whose state is below `dir`.
    pub(crate) async fn start(dir: &Path, trunk: SocketAddr, users: &[User]) -> Result<Self, Failure> {
        let program = program()?;
        let sip = SocketAddr::from(([127, 0, 0, 1], free_port("127.0.0.1")?));
        let file = dir.join("rustpbx.toml");
        let text = settings(dir, sip, free_port("127.0.0.1")?, trunk, users);
        std::fs::write(&file, text).doing("writing the peer's configuration")?;
        let log = std::fs::File::create(dir.join("rustpbx.out")).doing("making the peer's log")?;
        let child = tokio::process::Command::new(program)
            .arg("--conf")
            .arg(&file)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stderr(log.try_clone().doing("making the peer's log")?)
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .doing("starting rustpbx")?;
        let mut it = Self { child, sip };
        for _ in 0..READY_TRIES {
            if listens(sip)? {
                return Ok(it);
            }
            if let Some(status) = it.child.try_wait().doing("looking after rustpbx")? {
                let said = std::fs::read_to_string(dir.join("rustpbx.out")).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                return Err(Failure::new(format!("rustpbx ended ({status}): {last:?}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Failure::new("rustpbx does not listen"))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it. Its graceful end waits for transactions, which nobody here does.
    pub(crate) async fn stop(mut self) {
        let _ = self.child.kill().await;
    }
}

/// Whether somebody listens there by UDP.
fn listens(at: SocketAddr) -> Result<bool, Failure> {
    let table = std::fs::read_to_string("/proc/net/udp").doing("reading the kernel's table of sockets")?;
    let port = format!(":{:04X}", at.port());
    let local = |line: &str| line.split_whitespace().nth(1).is_some_and(|a| a.ends_with(&port));
    Ok(table.lines().any(local))
}

/// Telephones that prove who they are on each call, one trunk for every number in the country, all media by way of the
/// proxy, nothing recorded. What else it does is as it comes, but for its log, which is kept short in its favour: its call
/// records go to its SQLite file.
fn settings(dir: &Path, sip: SocketAddr, http: u16, trunk: SocketAddr, users: &[User]) -> String {
    let users: Vec<String> = users
        .iter()
        .map(|(u, p)| format!("{{ username = \"{u}\", password = \"{p}\" }}"))
        .collect();
    format!(
        "http_addr = \"127.0.0.1:{http}\"\nlog_level = \"warn\"\nlog_file = \"{log}\"\n\
         database_url = \"sqlite://{db}?mode=rwc\"\nrtp_start_port = 20000\nrtp_end_port = 29998\n\
         [recording]\nenabled = false\n\
         [proxy]\nmodules = [\"acl\", \"auth\", \"registrar\", \"call\"]\naddr = \"127.0.0.1\"\nudp_port = {port}\n\
         registrar_expires = 300\nmedia_proxy = \"all\"\nensure_user = true\nacl_rules = [\"allow all\"]\n\
         generated_dir = \"{generated}\"\n\
         [[proxy.user_backends]]\ntype = \"memory\"\nusers = [{users}]\n\
         [proxy.trunks.main]\ndest = \"sip:{trunk}\"\ncodec = [\"pcmu\"]\n\
         [[proxy.routes]]\nname = \"outside\"\npriority = 1\ndest = \"main\"\n\
         [proxy.routes.match]\n\"to.user\" = \"^\\\\+44\"\n",
        log = dir.join("rustpbx.log").display(),
        db = dir.join("rustpbx.sqlite3").display(),
        generated = dir.join("generated").display(),
        port = sip.port(),
        users = users.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_there_is_seen() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        assert!(listens(at).unwrap());
    }
}
