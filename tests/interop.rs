//! The interop matrix: telephones of other makes, by every transport, through a proxy and by a trunk. Each cell is a real
//! call: tones both ways, keys both ways, hold by either side, and a transfer. The browser's cells are in
//! `ui/e2e/appliance.mjs`.

mod support;

use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use support::baresip::{Baresip, Codec, OPUS, PCMU};
use support::echo::Echo;
use support::linphone::Linphone;
use support::peers::Server;
use support::sipp::Sipp;
use support::{Appliance, Settings};

const CALLER_HZ: f32 = 440.0;
const DESK_HZ: f32 = 620.0;
const OTHER_HZ: f32 = 830.0;

/// What a row of the matrix differs in.
struct Row<'a> {
    codec: Codec,
    /// What is added to a telephone's URIs and accounts: transport, encryption, proxy.
    uri: &'a str,
    account: &'a str,
    caller: &'a str,
    /// What the record says of the caller's leg.
    encrypted: bool,
}

/// A caller and two telephones of the desk, all reached alike, go through everything.
fn row(dir: &Path, a: &Appliance, at: SocketAddr, passwords: [&str; 2], row: &Row<'_>) {
    let place = format!("{at}{}", row.uri);
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    let mut desk = Baresip::registered(dir, "201", passwords[0], &place, row.codec, row.account);
    let mut other = Baresip::registered(dir, "202", passwords[1], &place, row.codec, row.account);
    let mut caller = Baresip::caller(dir, "caller", row.codec, row.caller);
    caller.ring(&format!("sip:desk@{place}"));
    desk.until_it_says("Call established");
    caller.hum(CALLER_HZ);
    desk.hum(DESK_HZ);
    desk.until_it_hears(CALLER_HZ);
    caller.until_it_hears(DESK_HZ);

    caller.press("5");
    desk.until_it_got_key('5');
    desk.press("7");
    caller.until_it_got_key('7');

    // Who has held the other keeps no copy of what it hears any more: whoever was held listens.
    desk.press("x");
    caller.until_it_hears_no(DESK_HZ);
    desk.press("X");
    caller.until_it_hears(DESK_HZ);

    desk.command(&format!("transfer sip:202@{place}"));
    other.until_it_says("Call established");
    other.hum(OTHER_HZ);
    caller.until_it_hears(OTHER_HZ);
    other.until_it_hears(CALLER_HZ);
    caller.press("x");
    other.until_it_hears_no(CALLER_HZ);
    caller.press("X");
    other.until_it_hears(CALLER_HZ);
    caller.hang_up();
    other.until_it_is_over();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    let story = call.story();
    assert_eq!(call.events("answered")[0]["srtp"], row.encrypted, "{story}");
    assert!(
        call.events("desk").iter().any(|e| e["what"] == "transferred"),
        "{story}"
    );
    assert!(!call.has("task_created"), "{story}");
    // Who answered, how it was heard: each leg has its figures.
    let heard: Vec<_> = call.events("quality").iter().map(|q| q["who"].clone()).collect();
    assert_eq!(heard.len(), 3, "{story}");
    desk.hang_up();
    other.hang_up();
}

/// An appliance with two telephones' passwords.
fn clinic(dir: &Path, settings: Settings<'_>) -> (Appliance, [String; 2]) {
    let passwords = [
        support::add(dir, "201", &[]),
        support::add(dir, "202", &["--rings", "0"]),
    ];
    (Appliance::start_with(dir, settings), passwords)
}

fn each([a, b]: &[String; 2]) -> [&str; 2] {
    [a, b]
}

fn brief() -> Settings<'static> {
    Settings {
        brief: true,
        ..Settings::default()
    }
}

#[test]
fn baresip_by_udp_with_opus() {
    let dir = tempfile::tempdir().unwrap();
    let (a, passwords) = clinic(dir.path(), brief());
    let udp = Row {
        codec: OPUS,
        uri: "",
        account: "",
        caller: "",
        encrypted: false,
    };
    row(dir.path(), &a, a.sip, each(&passwords), &udp);
    a.stop();
}

#[test]
fn baresip_by_tcp_with_pcmu() {
    let dir = tempfile::tempdir().unwrap();
    let (a, passwords) = clinic(dir.path(), brief());
    let tcp = Row {
        codec: PCMU,
        uri: ";transport=tcp",
        account: "",
        caller: "",
        encrypted: false,
    };
    row(dir.path(), &a, a.sip_tcp, each(&passwords), &tcp);
    a.stop();
}

#[test]
fn baresip_by_tls_with_srtp() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = support::peers::certificate(dir.path());
    let files = format!("tls_cert = \"{cert}\"\ntls_key = \"{key}\"\n");
    let settings = Settings {
        sip: &files,
        listen: Some("tls:127.0.0.1:0"),
        brief: true,
        ..Settings::default()
    };
    let (a, passwords) = clinic(dir.path(), settings);
    let tls = Row {
        codec: OPUS,
        uri: ";transport=tls",
        account: ";mediaenc=srtp-mand",
        caller: ";mediaenc=srtp-mand",
        encrypted: true,
    };
    row(dir.path(), &a, a.sip_tls.unwrap(), each(&passwords), &tls);
    a.stop();
}

#[test]
fn baresip_through_kamailio_with_record_route() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        more: "[desk]\nnever_banned = [\"127.0.0.1\"]\n",
        ..brief()
    };
    let (a, passwords) = clinic(dir.path(), settings);
    let proxy = Server::kamailio(dir.path(), a.sip);
    let account = format!(";outbound=\"sip:{}\"", proxy.at);
    let through = Row {
        codec: OPUS,
        uri: "",
        account: &account,
        // Whoever sends from where telephones of ours registered has to prove who they are: a caller comes by another way.
        caller: "",
        encrypted: false,
    };
    row(dir.path(), &a, a.sip, each(&passwords), &through);
    a.stop();
}

#[test]
fn sipp_as_a_number_outside() {
    let dir = tempfile::tempdir().unwrap();
    let port = support::free_ports();
    let mine = support::add(dir.path(), "201", &["--outbound", "--class", "desk"]);
    let theirs = support::add(dir.path(), "202", &["--rings", "0"]);
    let more = format!(
        "[[sip.trunk]]\nname = \"main\"\naddresses = [\"127.0.0.9\"]\ntarget = \"127.0.0.9:{port}\"\n\
         [outbound]\ntrunks = [\"main\"]\ncaller_id = \"+441632960000\"\n[[outbound.class]]\nname = \"desk\"\n\
         [[outbound.class.rule]]\nprefix = \"+44\"\nallow = \"always\"\n"
    );
    let a = Appliance::start_with(
        dir.path(),
        Settings {
            more: &more,
            ..brief()
        },
    );
    let sip = a.sip.to_string();
    // It says what it hears, holds, resumes, presses a key by INFO, and waits to be hung up.
    let echo = Echo::start();
    let far = Sipp::answering(dir.path(), "far", "127.0.0.9", port, echo.port);
    let mut desk = Baresip::at_desk(dir.path(), "201", &mine, &sip, PCMU);
    let mut other = Baresip::at_desk(dir.path(), "202", &theirs, &sip, PCMU);
    desk.ring(&format!("sip:01632960001@{sip}"));
    desk.hum(DESK_HZ);
    desk.until_it_hears(DESK_HZ);
    desk.until_it_hears_no(DESK_HZ);
    desk.until_it_hears(DESK_HZ);
    desk.until_it_got_key('4');
    desk.command(&format!("transfer sip:202@{sip}"));
    other.until_it_says("Call established");
    other.hum(OTHER_HZ);
    other.until_it_hears(OTHER_HZ);
    other.command("hangup");
    far.succeeds();
    let call = a.until_call("201", "the call has ended", |c| c.has("ended"));
    assert!(!call.has("task_created"), "{}", call.story());
    desk.hang_up();
    other.hang_up();
    a.stop();
}

#[test]
fn linphone_joins_its_two_calls() {
    let dir = tempfile::tempdir().unwrap();
    let (a, [mine, theirs]) = clinic(dir.path(), brief());
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    let sip = a.sip.to_string();
    let mut desk = Linphone::at_desk(dir.path(), "201", &mine, &sip);
    let mut other = Baresip::at_desk(dir.path(), "202", &theirs, &sip, OPUS);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    desk.until_connected(1);
    // It asks the colleague first; the caller waits meanwhile.
    desk.command("pause");
    desk.until_it_says("paused");
    desk.command(&format!("call sip:202@{sip}"));
    other.until_it_says("Call established");
    desk.until_connected(2);
    desk.command("transfer 1 --to-call 2");
    caller.hum(CALLER_HZ);
    other.hum(OTHER_HZ);
    caller.until_it_hears(OTHER_HZ);
    other.until_it_hears(CALLER_HZ);
    // Its own two legs are gone, and the other call with them.
    a.until_call("201", "the colleague's own call has ended", |c| c.has("ended"));
    caller.hang_up();
    other.until_it_is_over();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    let story = call.story();
    let last = call
        .events("desk")
        .into_iter()
        .rfind(|e| e["what"] == "answered")
        .unwrap();
    assert_eq!(last["who"], "202", "{story}");
    assert!(!call.has("task_created"), "{story}");
    drop(desk);
    other.hang_up();
    a.stop();
}
