//! A real telephone, baresip, rings the appliance and speaks: it is understood, answered, and hears the answer.

mod support;

use support::Appliance;
use support::baresip::{Baresip, Codec, OPUS, PCMU};

/// Rings, listens to the greeting, asks, and listens to the answer; then the record must tell the same.
fn asks_and_is_answered(codec: Codec, over_tcp: bool, agreed: &str) {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let a = Appliance::start(dir.path(), "");
    let mut phone = Baresip::start(dir.path(), "caller", codec);
    let uri = if over_tcp {
        format!("sip:desk@{};transport=tcp", a.sip_tcp)
    } else {
        a.desk()
    };
    phone.ring(&uri);
    let (greeted, ms) = phone.listen(0);
    assert!(ms > 3_000, "the greeting was {ms} ms of sound");
    phone.speak("call-questions-1.wav");
    let (_, ms) = phone.listen(greeted);
    assert!(ms > 3_000, "the answer was {ms} ms of sound");
    phone.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    a.stop();

    let story = call.story();
    assert_eq!(call.events("answered")[0]["codec"], agreed, "{story}");
    assert_eq!(call.heard(), ["What are your opening hours?"], "{story}");
    assert_eq!(call.entries(), ["opening-hours"], "{story}");
    assert_eq!(call.summary()["ended"], "caller_hung_up", "{story}");
    let quality = call.events("quality")[0];
    assert!(quality["packets"].as_u64().unwrap() > 500, "{quality}");
    assert_eq!(quality["lost"], 0, "{quality}");
    // The command tells the same of it afterwards.
    let calls = support::json_lines(dir.path(), &["calls", "list", "--json"]);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["first_words"], "What are your opening hours?");
}

#[test]
fn a_telephone_with_pcmu_over_udp() {
    asks_and_is_answered(PCMU, false, "PCMU");
}

#[test]
fn a_telephone_with_opus_over_tcp() {
    asks_and_is_answered(OPUS, true, "opus");
}

#[test]
fn the_keys_of_a_telephone_reach_the_menu() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let a = Appliance::start(dir.path(), "");
    let mut phone = Baresip::start(dir.path(), "presser", PCMU);
    phone.ring(&a.desk());
    let (greeted, _) = phone.listen(0);
    phone.press("1");
    let (_, ms) = phone.listen(greeted);
    assert!(ms > 3_000, "the opening hours were {ms} ms of sound");
    phone.hang_up();
    let call = a.until_call("presser", "the call has ended", |c| c.has("ended"));
    let digits: Vec<_> = call.events("dtmf").iter().map(|k| k["digit"].clone()).collect();
    assert_eq!(digits, ["1"], "{}", call.story());
    assert_eq!(call.events("decided")[0]["record"]["intent"], "keypad-1");
    a.stop();
}
