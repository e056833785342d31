//! Somebody on the network guesses at names and passwords and tries to ring numbers at the clinic's cost: sipvicious and sipp
//! against the whole appliance, beside telephones that are in use.

mod support;

use serde_json::json;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use support::baresip::{Baresip, PCMU};
use support::sipp::Sipp;
use support::{Appliance, Settings};

const HERE_HZ: f32 = 440.0;
const THERE_HZ: f32 = 620.0;

/// Runs a tool of sipvicious for a few seconds and gives what it says.
fn sipvicious(tool: &str, a: &Appliance, args: &[&str]) -> String {
    support::needs(tool);
    let (port, local) = (a.sip.port().to_string(), support::free_ports().to_string());
    let ours = ["-p", &port, "-P", &local, "--maximumtime", "4", "-v"];
    let mut child = Command::new("timeout")
        .args(["-s", "INT", "12", tool])
        .args([&ours, args, &["127.0.0.1"]].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.try_wait();
    let out = child.wait_with_output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

fn figure(a: &Appliance, what: &str) -> f64 {
    a.metric(&format!("anteroom_sip{{what=\"{what}\"}}"))
}

#[test]
fn guessing_finds_nobody_rings_nobody_is_banned_and_harms_no_telephone() {
    let dir = tempfile::tempdir().unwrap();
    let port = support::free_ports();
    let mine = support::add(dir.path(), "201", &["--outbound", "--class", "desk"]);
    let theirs = support::add(dir.path(), "202", &[]);
    let more = format!(
        "[[sip.trunk]]\nname = \"main\"\naddresses = [\"127.0.0.9\"]\ntarget = \"127.0.0.9:{port}\"\n\
         [outbound]\ntrunks = [\"main\"]\ncaller_id = \"+441632960000\"\n[[outbound.class]]\nname = \"desk\"\n\
         [[outbound.class.rule]]\nprefix = \"+44\"\nallow = \"always\"\n"
    );
    let a = Appliance::start_with(
        dir.path(),
        Settings {
            more: &more,
            strict: true,
            brief: true,
            ..Settings::default()
        },
    );
    let sip = a.sip.to_string();
    let outside = Baresip::outside(dir.path(), "+441632960001", &format!("127.0.0.9:{port}"), PCMU);
    let mut here = Baresip::at_desk(dir.path(), "201", &mine, &sip, PCMU);
    let mut there = Baresip::at_desk(dir.path(), "202", &theirs, &sip, PCMU);
    here.ring(&format!("sip:202@{sip}"));

    // Names: whatever is asked, the clinic's users are answered like nobody.
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let said = sipvicious("svwar", &a, &["-m", method, "-e", "199-206", "--force"]);
        let hows: BTreeSet<&str> = said
            .lines()
            .filter_map(|l| l.trim().strip_prefix('|')?.strip_suffix('|')?.split_once('|'))
            .filter(|(name, _)| name.trim().parse::<u32>().is_ok())
            .map(|(_, how)| how.trim())
            .collect();
        assert!(
            hows.len() <= 1 && !hows.contains("noauth"),
            "{method} tells users from others: {said}"
        );
    }
    // A tool that rings numbers without a name.
    sipvicious(
        "svwar",
        &a,
        &["-m", "INVITE", "-e", "01632960001-01632960003", "--force"],
    );
    // Passwords, the right one among them, too late.
    let words = dir.path().join("words");
    let guesses: String = (0..50).map(|n| format!("guess{n}\n")).collect();
    std::fs::write(&words, format!("{guesses}{mine}\n")).unwrap();
    let said = sipvicious("svcrack", &a, &["-u", "201", "-d", words.to_str().unwrap()]);
    assert!(!said.contains(&mine), "{said}");
    for n in 0..8 {
        let wrong = format!("wrong{n}");
        Sipp::start(
            dir.path(),
            "guess",
            a.sip,
            None,
            &["-s", "201", "-au", "201", "-ap", &wrong, "-m", "1"],
        )
        .succeeds();
    }
    assert!(
        figure(&a, "auth_failed") <= 5.0,
        "banned within five tries\n{}",
        a.metrics()
    );
    assert!(figure(&a, "bans") >= 1.0, "{}", a.metrics());

    // The telephones have talked all the while, and go on.
    here.hum(HERE_HZ);
    there.hum(THERE_HZ);
    there.until_it_hears(HERE_HZ);
    here.until_it_hears(THERE_HZ);
    here.command("hangup");
    there.until_it_is_over();
    here.ring(&format!("sip:202@{sip}"));
    assert!(!outside.log().contains("incoming call"), "{}", outside.log());
    let calls = a.calls();
    assert!(calls.iter().all(|c| c["from"] == "201"), "{}", json!(calls));
    here.hang_up();
    there.hang_up();
    outside.hang_up();
    a.stop();
}
