//! Calls that telephones of the clinic place: to colleagues, outside, into other calls, and to the machine itself.

mod support;

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use support::baresip::{Baresip, OPUS, PCMU};
use support::carrier::Carrier;
use support::{Appliance, Settings};

/// What the one who rings and the one who is rung hum, hertz.
const HERE_HZ: f32 = 440.0;
const THERE_HZ: f32 = 620.0;

fn brief() -> Settings<'static> {
    Settings {
        brief: true,
        ..Settings::default()
    }
}

#[test]
fn a_telephone_rings_a_colleague_and_nothing_of_it_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (mine, theirs) = (
        support::add(dir.path(), "201", &[]),
        support::add(dir.path(), "202", &[]),
    );
    let a = Appliance::start_with(dir.path(), brief());
    let sip = a.sip.to_string();
    let mut there = Baresip::at_desk(dir.path(), "202", &theirs, &sip, OPUS);
    let mut here = Baresip::at_desk(dir.path(), "201", &mine, &sip, PCMU);
    here.ring(&format!("sip:202@{sip}"));
    here.hum(HERE_HZ);
    there.hum(THERE_HZ);
    there.until_it_hears(HERE_HZ);
    here.until_it_hears(THERE_HZ);
    here.command("hangup");
    there.until_it_is_over();
    let call = a.until_call("201", "the call has ended", |c| c.has("ended"));
    here.hang_up();
    there.hang_up();
    a.stop();
    let story = call.story();
    assert_eq!(call.events("offered")[0]["trunk"], "inside", "{story}");
    assert_eq!(call.events("placed")[0]["by"], "201", "{story}");
    for never in ["task_created", "recording", "heard", "said"] {
        assert!(!call.has(never), "{story}");
    }
}

#[test]
fn who_places_a_call_is_not_answered_before_somebody_answers_and_hears_why_nobody_does() {
    let dir = tempfile::tempdir().unwrap();
    let mine = support::add(dir.path(), "201", &[]);
    support::add(dir.path(), "202", &[]);
    let a = Appliance::start_with(dir.path(), brief());
    let sip = a.sip.to_string();
    let mut here = Baresip::at_desk(dir.path(), "201", &mine, &sip, PCMU);
    for (dialled, told) in [
        // No telephone of theirs is there.
        ("202", "480"),
        // Nobody, and no rights for a number.
        ("unknown", "404"),
        ("01632960001", "403"),
        // No call waits to be fetched.
        ("71", "404"),
        ("*8", "404"),
    ] {
        here.dial(&format!("sip:{dialled}@{sip}"));
        support::eventually(
            &format!("{dialled} is refused with {told}:\n{}", here.log()),
            || here.log().contains(told).then_some(()),
        );
        assert!(!here.log().contains("Call established"), "{dialled}");
    }
    here.hang_up();
    assert!(a.calls().is_empty(), "{:?}", a.calls());
    a.stop();
}

/// A trunk known by an address that nothing else has here, and what desks may dial by it.
fn trunk(port: u16) -> (String, String) {
    let sip = format!(
        "[[sip.trunk]]\nname = \"main\"\naddresses = [\"127.0.0.9\"]\ntarget = \"127.0.0.9:{port}\"\n"
    );
    let outbound = "[outbound]\ntrunks = [\"main\"]\ncaller_id = \"+441632960000\"\n[[outbound.class]]\nname = \"desk\"\n\
        [[outbound.class.rule]]\nprefix = \"+44\"\nallow = \"always\"\nper_minute_milli = 20\n\
        [[outbound.class.rule]]\nprefix = \"+449\"\nallow = \"never\"\n";
    (sip, outbound.to_owned())
}

#[test]
fn a_telephone_with_the_right_rings_out_and_one_without_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mine = support::add(dir.path(), "201", &["--outbound", "--class", "desk"]);
    let theirs = support::add(dir.path(), "202", &[]);
    let port = support::free_ports();
    let (sip, outbound) = trunk(port);
    let settings = Settings {
        more: &format!("{sip}{outbound}"),
        brief: true,
        ..Settings::default()
    };
    let a = Appliance::start_with(dir.path(), settings);
    let sip = a.sip.to_string();
    let mut out = Baresip::outside(dir.path(), "+441632960001", &format!("127.0.0.9:{port}"), PCMU);
    let mut here = Baresip::at_desk(dir.path(), "201", &mine, &sip, OPUS);
    here.ring(&format!("sip:01632960001@{sip}"));
    here.hum(HERE_HZ);
    out.hum(THERE_HZ);
    out.until_it_hears(HERE_HZ);
    here.until_it_hears(THERE_HZ);
    assert!(
        out.log().contains("+441632960000"),
        "the clinic's number is shown:\n{}",
        out.log()
    );
    here.command("hangup");
    out.until_it_is_over();
    let call = a.until_call("201", "the call has ended", |c| c.has("ended"));
    let placed = call.events("placed");
    assert_eq!(placed[0]["trunk"], "main", "{}", call.story());
    assert_eq!(placed[0]["per_minute_milli"], 20, "{}", call.story());
    // Premium numbers are denied to those who may ring out, and everything to those who may not.
    here.dial(&format!("sip:09001234567@{sip}"));
    here.until_it_says("403");
    let mut other = Baresip::at_desk(dir.path(), "202", &theirs, &sip, PCMU);
    other.dial(&format!("sip:01632960001@{sip}"));
    other.until_it_says("403");
    assert_eq!(a.calls().len(), 1, "{:?}", a.calls());
    here.hang_up();
    other.hang_up();
    out.hang_up();
    a.stop();
}

#[test]
fn a_number_outside_is_rung_by_another_trunk_when_one_fails() {
    let dir = tempfile::tempdir().unwrap();
    let mine = support::add(dir.path(), "201", &["--outbound", "--class", "desk"]);
    let port = support::free_ports();
    let at = |n: u8| format!("127.0.0.{n}:{port}");
    // All of them answer OPTIONS, so that none is known to be down.
    let _carriers = [
        Carrier::refusing(&at(10), None),
        Carrier::refusing(&at(11), Some("503 Service Unavailable")),
        Carrier::refusing(&at(12), Some("404 Not Found")),
    ];
    let mut more = String::new();
    for (name, n) in [("silent", 10), ("full", 11), ("lost", 12), ("main", 9)] {
        let _ = write!(
            more,
            "[[sip.trunk]]\nname = \"{name}\"\naddresses = [\"127.0.0.{n}\"]\ntarget = \"{}\"\n",
            at(n)
        );
    }
    let (_, outbound) = trunk(port);
    // The last is there for callers, and takes no calls of ours but those.
    more += &outbound.replace("[\"main\"]", "[\"silent\", \"full\", \"lost\"]");
    let settings = Settings {
        more: &more,
        brief: true,
        ..Settings::default()
    };
    let mut out = Baresip::outside(dir.path(), "999", &at(9), PCMU);
    let a = Appliance::start_with(dir.path(), settings);
    let sip = a.sip.to_string();
    support::eventually("every trunk is up", || {
        let health = a.api("/api/v1/health");
        let checks = health["checks"].as_array().cloned().unwrap_or_default();
        let up =
            |c: &&Value| c["name"].as_str().is_some_and(|n| n.starts_with("trunk:")) && c["detail"] == "up";
        (checks.iter().filter(up).count() == 4).then_some(())
    });
    let mut here = Baresip::at_desk(dir.path(), "201", &mine, &sip, OPUS);
    let tried = |call: &support::record::Record| -> Vec<(String, bool)> {
        let placed = call.events("placed");
        let of = |p: &&Value| (p["trunk"].as_str().unwrap().to_owned(), p["counts"] == true);
        placed.iter().map(of).collect()
    };
    let named = |names: &[&str], counts: bool| -> Vec<(String, bool)> {
        names
            .iter()
            .enumerate()
            .map(|(n, t)| ((*t).to_owned(), counts && n == 0))
            .collect()
    };
    // A number that one trunk does not know is no number: it is not tried by every trunk there is.
    here.dial(&format!("sip:01632960001@{sip}"));
    here.until_it_says("404");
    let call = a.until_call("201", "the call has ended", |c| c.has("ended"));
    assert_eq!(
        tried(&call),
        named(&["silent", "full", "lost"], true),
        "{}",
        call.story()
    );
    // In an emergency everything is tried, and what is there for callers, too.
    here.ring(&format!("sip:999@{sip}"));
    here.hum(HERE_HZ);
    out.hum(THERE_HZ);
    out.until_it_hears(HERE_HZ);
    here.until_it_hears(THERE_HZ);
    here.command("hangup");
    out.until_it_is_over();
    let call = a.until_call("201", "the second call has ended", |c| {
        c.has("ended") && c.events("placed").len() == 4
    });
    assert_eq!(
        tried(&call),
        named(&["silent", "full", "lost", "main"], false),
        "{}",
        call.story()
    );
    here.hang_up();
    out.hang_up();
    a.stop();
}

#[test]
fn a_telephone_switches_the_machine_off_and_on_and_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let mine = support::add(dir.path(), "201", &[]);
    let a = Appliance::start_with(dir.path(), brief());
    let sip = a.sip.to_string();
    let mut here = Baresip::at_desk(dir.path(), "201", &mine, &sip, PCMU);
    for (key, on) in [("*90", false), ("*91", true)] {
        here.dial(&format!("sip:{key}@{sip}"));
        support::eventually("the switch is thrown", || {
            (a.api("/api/v1/automation")["on"] == on).then_some(())
        });
        assert_eq!(a.api("/api/v1/automation")["by"], "201");
        a.until_call("201", "it was told", |c| c.has("ended"));
    }
    assert!(
        here.sound().iter().filter(|s| **s).count() * 20 > 1_000,
        "words were heard"
    );
    // It stays as it was switched when the machine starts again.
    here.dial(&format!("sip:*90@{sip}"));
    support::eventually("the switch is thrown", || {
        (a.api("/api/v1/automation")["on"] == false).then_some(())
    });
    here.hang_up();
    a.stop();
    let again = Appliance::start_with(dir.path(), brief());
    let kept = again.api("/api/v1/automation");
    assert_eq!((&kept["on"], &kept["by"]), (&json!(false), &json!("201")));
    again.stop();
}

#[test]
fn a_parked_caller_is_fetched_by_dialling_the_slot() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let (mine, theirs) = (
        support::add(dir.path(), "201", &[]),
        support::add(dir.path(), "202", &["--rings", "0"]),
    );
    let a = Appliance::start_with(dir.path(), brief());
    let sip = a.sip.to_string();
    let desk = Baresip::at_desk(dir.path(), "201", &mine, &sip, PCMU);
    let mut other = Baresip::at_desk(dir.path(), "202", &theirs, &sip, PCMU);
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    let mut caller = Baresip::start(dir.path(), "caller", OPUS);
    caller.ring(&a.desk());
    desk.until_it_says("Call established");
    let call = a.until_call("caller", "it is answered", |c| {
        c.events("desk").iter().any(|e| e["what"] == "answered")
    });
    let id = call.summary()["id"].as_str().unwrap().to_owned();
    let parked = a.order(
        &format!("/api/v1/calls/{id}/desk"),
        &json!({ "command": "park", "slot": null }),
    );
    assert_eq!(parked.json()["slot"], 71);
    a.until_call("caller", "it is parked", |c| {
        c.events("desk").iter().any(|e| e["what"] == "parked")
    });
    other.ring(&format!("sip:71@{sip}"));
    other.hum(HERE_HZ);
    caller.hum(THERE_HZ);
    other.until_it_hears(THERE_HZ);
    caller.until_it_hears(HERE_HZ);
    caller.hang_up();
    other.until_it_is_over();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    let answered: Vec<_> = call
        .events("desk")
        .into_iter()
        .filter(|e| e["what"] == "answered")
        .collect();
    assert_eq!(answered.last().unwrap()["who"], "202", "{}", call.story());
    desk.hang_up();
    other.hang_up();
    a.stop();
}

#[test]
fn a_telephone_parks_a_caller_by_transferring_them_to_a_slot() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let (mine, theirs) = (
        support::add(dir.path(), "201", &[]),
        support::add(dir.path(), "202", &["--rings", "0"]),
    );
    let a = Appliance::start_with(dir.path(), brief());
    let sip = a.sip.to_string();
    let mut desk = Baresip::at_desk(dir.path(), "201", &mine, &sip, PCMU);
    let mut other = Baresip::at_desk(dir.path(), "202", &theirs, &sip, PCMU);
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    let is = |what: &'static str| {
        a.until_call("caller", what, |c| {
            c.events("desk").iter().any(|e| e["what"] == what)
        })
    };
    is("answered");
    desk.command(&format!("transfer sip:75@{sip}"));
    let call = is("parked");
    let parked = call.events("desk").into_iter().find(|e| e["what"] == "parked");
    assert_eq!(
        (&parked.unwrap()["slot"], &parked.unwrap()["who"]),
        (&json!(75), &json!("201"))
    );
    desk.until_it_is_over();
    other.ring(&format!("sip:75@{sip}"));
    other.hum(HERE_HZ);
    caller.hum(THERE_HZ);
    other.until_it_hears(THERE_HZ);
    caller.until_it_hears(HERE_HZ);
    caller.hang_up();
    a.until_call("caller", "the call has ended", |c| c.has("ended"));
    desk.hang_up();
    other.hang_up();
    a.stop();
}

#[test]
fn a_caller_whose_call_rings_elsewhere_is_picked_up() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let theirs = support::add(dir.path(), "202", &["--rings", "0"]);
    let mine = support::add(dir.path(), "201", &[]);
    let a = Appliance::start_with(dir.path(), brief());
    let sip = a.sip.to_string();
    let rings = Baresip::that_rings(dir.path(), "201", &mine, &sip, PCMU);
    let mut other = Baresip::at_desk(dir.path(), "202", &theirs, &sip, PCMU);
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it rings", |c| {
        c.events("desk").iter().any(|e| e["what"] == "rung")
    });
    other.ring(&format!("sip:*8@{sip}"));
    other.hum(HERE_HZ);
    caller.hum(THERE_HZ);
    other.until_it_hears(THERE_HZ);
    caller.until_it_hears(HERE_HZ);
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    assert!(!call.has("task_created"), "{}", call.story());
    rings.hang_up();
    other.hang_up();
    a.stop();
}

const ADMIN_CODE: &str = "an administrator's passcode";

/// The hash of a passcode, as the configuration has it.
fn hashed(dir: &Path, code: &str) -> String {
    let mut command = support::anteroom(dir);
    command
        .arg("passcode")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn people_come_and_go_while_calls_are_answered_and_their_telephones_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let passcode = format!(
        "[[web.passcode]]\nrole = \"admin\"\nhash = \"{}\"\n",
        hashed(dir.path(), ADMIN_CODE)
    );
    let settings = Settings {
        more: &passcode,
        ..brief()
    };
    let a = Appliance::start_with(dir.path(), settings);
    let json_head = "Content-Type: application/json\r\n";
    let sign_in = json!({ "code": ADMIN_CODE }).to_string();
    let signed_in = a.http("POST", "/api/v1/session", json_head, &sign_in);
    assert_eq!(signed_in.status, 201, "{signed_in:?}");
    let (_, set) = signed_in.head.split_once("set-cookie: ").unwrap();
    let admin = format!("{json_head}Cookie: {}\r\n", set.split(';').next().unwrap());
    let add = |name: &str| -> String {
        let body = json!({ "user": "201", "name": name, "rings": 1 }).to_string();
        let added = a.http("POST", "/api/v1/users", &admin, &body);
        assert_eq!(added.status, 201, "{}", added.head);
        let added: Value = serde_json::from_str(&added.body).unwrap();
        added["password"].as_str().unwrap().to_owned()
    };
    // How many telephones 201 has; none when there is no such person.
    let telephones = || -> Option<usize> {
        let page = a.api("/api/v1/people");
        let person = page["people"]
            .as_array()?
            .iter()
            .find(|p| p["user"] == "201")?
            .clone();
        Some(person["devices"].as_array()?.len())
    };
    // The command says how, since the appliance has the people.
    let refused = support::run(dir.path(), &["users", "add", "201", "--name", "Anna"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("/api/v1/users"),
        "{told}"
    );
    assert_eq!(telephones(), None);

    let sip = a.sip.to_string();
    let first = Baresip::at_desk(dir.path(), "201", &add("Anna"), &sip, PCMU);
    support::eventually("her telephone is there", || {
        (telephones() == Some(1)).then_some(())
    });
    // A new password: what registered with the old one is gone, and registers no more.
    let password = add("Anna Example");
    support::eventually("it is not", || (telephones() == Some(0)).then_some(()));
    // Beside the other, which is not asked to leave: it would try its old password until its address is banned.
    let folder = dir.path().join("second");
    let second = Baresip::at_desk(&folder, "201", &password, &sip, PCMU);
    support::eventually("it is again", || (telephones() == Some(1)).then_some(()));

    let gone = a.http("DELETE", "/api/v1/users/201", &admin, "");
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_eq!(telephones(), None);
    // Who comes back under the name does not find the telephone of before.
    add("Anna Again");
    assert_eq!(telephones(), Some(0));
    first.hang_up();
    second.hang_up();
    assert_eq!(
        a.http("GET", "/api/v1/users", &a.cookie(), "").status,
        403,
        "not for managers"
    );
    a.stop();
    let listed = support::json_lines(dir.path(), &["users", "list", "--json"]);
    assert_eq!(listed[0]["name"], "Anna Again");
    let chain = support::json_lines(dir.path(), &["audit", "export"]);
    let kinds: Vec<&str> = (chain.iter())
        .filter_map(|e| e["kind"].as_str())
        .filter(|k| k.starts_with("person."))
        .collect();
    assert_eq!(
        kinds,
        ["person.added", "person.changed", "person.removed", "person.added"]
    );
}
