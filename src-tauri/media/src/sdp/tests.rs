//! Offers above, what is answered below.

use crate::codec::Codec;
use crate::error::MediaError;
use crate::scenarios::local;
use crate::sdp::{self, Agreed, DtlsLocal, Local, Version};
use crate::session::SrtpPolicy;
use crate::webrtc::{Setup, Way};
use anteroom_types::UserFacing;

const V: Version = Version { id: 7, version: 3 };
const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

/// A well-behaved but talkative telephone: video first, several codecs, session-level attributes, odd order.
pub(crate) const BAROQUE: &str = "v=0
o=alice 2890844526 2890844526 IN IP4 host.example.com
s=Call with \u{e9}l\u{e8}ve
i=A description
u=http://www.example.com/
e=a@example.com
c=IN IP4 192.0.2.9
b=CT:128
t=0 0
a=sendrecv
a=group:BUNDLE 0 1
m=video 51372 RTP/AVP 31 99
a=rtpmap:99 H264/90000
m=audio 49170 RTP/AVP 18 96 0 8 101 97 13
a=rtpmap:18 G729/8000
a=rtpmap:96 opus/48000/2
a=fmtp:96 minptime=10;useinbandfec=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtpmap:97 telephone-event/48000
a=ptime:30
a=maxptime:60
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20
a=rtcp:49999 IN IP4 192.0.2.10
a=candidate:1 1 UDP 2130706431 192.0.2.9 49170 typ host
c=IN IP4 192.0.2.11
m=application 0 TCP/BFCP *
";

fn here(codecs: &[Codec], srtp: SrtpPolicy) -> Local {
    local(6_000, 50, codecs, srtp)
}

fn ask(offer: &str, l: &Local) -> Result<(Agreed, String), MediaError> {
    let (agreed, answer) = sdp::answer(&offer.replace('\n', "\r\n"), l, None, V)?;
    sdp::parse(&answer)?;
    Ok((agreed, answer.replace("\r\n", "\n")))
}

fn simple(media: &str) -> String {
    format!("v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{media}\n")
}

#[test]
fn a_baroque_offer_is_answered_in_full() {
    let (agreed, answer) = ask(BAROQUE, &here(&[Codec::Opus, Codec::Pcmu], SrtpPolicy::Off)).unwrap();
    assert_eq!(
        answer,
        "v=0
o=- 7 3 IN IP4 192.0.2.50
s=-
c=IN IP4 192.0.2.50
t=0 0
m=video 0 RTP/AVP 31 99
m=audio 6000 RTP/AVP 96 97
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1;maxplaybackrate=16000;stereo=0
a=rtpmap:97 telephone-event/48000
a=fmtp:97 0-15
a=ptime:20
a=sendrecv
m=application 0 TCP/BFCP *
"
    );
    assert_eq!(agreed.send, (96, Codec::Opus));
    assert_eq!(agreed.send_events, Some((97, 48_000)));
    assert_eq!(agreed.remote, Some("192.0.2.11:49170".parse().unwrap()));
    assert_eq!(agreed.remote_rtcp, Some("192.0.2.10:49999".parse().unwrap()));
    assert!(agreed.keys.is_none() && agreed.may_send && agreed.may_receive && !agreed.mux);
}

#[test]
fn the_codec_is_the_first_of_ours_that_is_offered() {
    let l = here(&[Codec::G722, Codec::Pcma], SrtpPolicy::Off);
    let (agreed, answer) = ask(BAROQUE, &l).unwrap();
    assert_eq!(agreed.send, (8, Codec::Pcma));
    assert!(
        answer.contains("m=audio 6000 RTP/AVP 8 101 13\na=rtpmap:8 PCMA/8000\n"),
        "{answer}"
    );
    assert_eq!(agreed.send_events, Some((101, 8_000)));
}

#[test]
fn static_types_need_no_rtpmap_and_dynamic_numbers_are_the_offerers() {
    let (agreed, _) = ask(
        &simple("m=audio 4000 RTP/AVP 9 0"),
        &here(&Codec::ALL, SrtpPolicy::Off),
    )
    .unwrap();
    assert_eq!(agreed.send, (9, Codec::G722));
    assert_eq!(agreed.send_events, None);
    assert_eq!(agreed.remote_rtcp, Some("192.0.2.9:4001".parse().unwrap()));
    let (agreed, answer) = ask(
        &simple("m=audio 4000 RTP/AVP 120 0\na=rtpmap:120 PCMA/8000/1\na=rtcp-mux"),
        &here(&[Codec::Pcma], SrtpPolicy::Off),
    )
    .unwrap();
    assert_eq!(agreed.receive, [(120, Codec::Pcma)]);
    assert!(agreed.mux && answer.contains("\na=rtcp-mux\n"));
    assert_eq!(agreed.remote_rtcp, Some("192.0.2.9:4000".parse().unwrap()));
    // A static number may be given another meaning.
    let e = ask(
        &simple("m=audio 4000 RTP/AVP 0\na=rtpmap:0 XYZ/8000"),
        &here(&[Codec::Pcmu], SrtpPolicy::Off),
    )
    .unwrap_err();
    assert!(matches!(e, MediaError::NothingInCommon));
    // Names are compared without case.
    assert!(
        ask(
            &simple("m=audio 4000 RTP/AVP 96\na=rtpmap:96 OPUS/48000/2"),
            &here(&[Codec::Opus], SrtpPolicy::Off)
        )
        .is_ok()
    );
}

#[test]
fn the_codec_in_use_is_kept_when_it_is_offered_again() {
    let l = here(&[Codec::Opus, Codec::Pcmu], SrtpPolicy::Off);
    let (agreed, _) = sdp::answer(&BAROQUE.replace('\n', "\r\n"), &l, Some(Codec::Pcmu), V).unwrap();
    assert_eq!(agreed.send, (0, Codec::Pcmu));
}

#[test]
fn what_does_not_suit_is_refused_with_a_code() {
    let plain = here(&Codec::ALL, SrtpPolicy::Off);
    let required = here(&Codec::ALL, SrtpPolicy::Required);
    for (offer, l, code, not_acceptable) in [
        (
            simple("m=audio 4000 RTP/AVP 18\na=rtpmap:18 G729/8000"),
            &plain,
            "media.nothing_in_common",
            true,
        ),
        (
            simple("m=video 4000 RTP/AVP 31"),
            &plain,
            "media.nothing_in_common",
            true,
        ),
        (
            simple("m=audio 0 RTP/AVP 0"),
            &plain,
            "media.nothing_in_common",
            true,
        ),
        (
            simple("m=audio 4000 UDP/TLS/RTP/SAVPF 0"),
            &plain,
            "media.nothing_in_common",
            true,
        ),
        (
            simple("m=audio 4000 RTP/SAVP 0"),
            &plain,
            "media.nothing_in_common",
            true,
        ),
        (
            simple("m=audio 4000 RTP/AVP 0"),
            &required,
            "media.encryption_required",
            true,
        ),
        (
            simple("m=audio 4000 RTP/SAVP 0\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA"),
            &required,
            "media.encryption_required",
            true,
        ),
        (
            simple("m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::1"),
            &plain,
            "media.address_family",
            true,
        ),
        (
            simple("m=audio 4000 RTP/AVP 0\nc=IN IP4 host.example.com"),
            &plain,
            "media.sdp_malformed",
            false,
        ),
        (simple(""), &plain, "media.sdp_malformed", false),
        ("garbage".to_owned(), &plain, "media.sdp_malformed", false),
        (String::new(), &plain, "media.sdp_malformed", false),
        (
            simple(&"a=x\n".repeat(5_000)),
            &plain,
            "media.sdp_too_long",
            false,
        ),
        (
            simple(&"m=audio 4000 RTP/AVP 18\n".repeat(40)),
            &plain,
            "media.sdp_malformed",
            false,
        ),
    ] {
        let e = ask(&offer, l).unwrap_err();
        assert_eq!(
            (e.code(), e.is_not_acceptable()),
            (code, not_acceptable),
            "{offer:.200}"
        );
        assert!(!e.hint().is_empty() && !e.to_string().contains("192.0.2"));
    }
}

#[test]
fn encryption_by_policy() {
    let crypto = format!(
        "a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\na=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^31"
    );
    let savp = simple(&format!("m=audio 4000 RTP/SAVP 0\n{crypto}"));
    let avp = simple(&format!("m=audio 4000 RTP/AVP 0\n{crypto}"));
    for (policy, offer, encrypted) in [
        (SrtpPolicy::Optional, &savp, true),
        (SrtpPolicy::Required, &savp, true),
        (SrtpPolicy::Optional, &avp, true),
        (SrtpPolicy::Required, &avp, true),
        (SrtpPolicy::Off, &avp, false),
    ] {
        let l = here(&Codec::ALL, policy);
        let (agreed, answer) = ask(offer, &l).unwrap();
        assert_eq!(agreed.keys.is_some(), encrypted, "{policy:?}");
        let ours = format!(
            "a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{}\n",
            l.keys[0].to_base64().as_str()
        );
        assert_eq!(answer.contains(&ours), encrypted, "{answer}");
        assert!(!answer.contains(KEY), "their key must not come back");
        assert_eq!(answer.contains("RTP/SAVP "), offer.contains("RTP/SAVP "));
        assert!(!format!("{agreed:?}").contains(KEY), "keys must not be printed");
    }
    // A plain stream beside an encrypted one: the one that suits is taken.
    let two = simple(&format!(
        "m=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/SAVP 0\n{crypto}"
    ));
    let (agreed, answer) = ask(&two, &here(&Codec::ALL, SrtpPolicy::Required)).unwrap();
    assert_eq!(agreed.remote.map(|r| r.port()), Some(4_002));
    assert!(answer.contains("m=audio 0 RTP/AVP 0\nm=audio 6000 RTP/SAVP 0"));
}

#[test]
fn directions_at_either_level_are_mirrored() {
    let l = here(&[Codec::Pcmu], SrtpPolicy::Off);
    for (theirs, ours, send, receive) in [
        ("sendrecv", "sendrecv", true, true),
        ("sendonly", "recvonly", false, true),
        ("recvonly", "sendonly", true, false),
        ("inactive", "inactive", false, false),
    ] {
        let at_media = simple(&format!("m=audio 4000 RTP/AVP 0\na={theirs}"));
        let at_session = simple("m=audio 4000 RTP/AVP 0").replace("t=0 0\n", &format!("t=0 0\na={theirs}\n"));
        for offer in [at_media, at_session] {
            let (agreed, answer) = ask(&offer, &l).unwrap();
            assert!(answer.contains(&format!("\na={ours}\n")), "{answer}");
            assert_eq!((agreed.may_send, agreed.may_receive), (send, receive));
        }
    }
}

#[test]
fn ipv6_is_spoken() {
    let mut l = here(&[Codec::Pcmu], SrtpPolicy::Off);
    l.advertise = "2001:db8::5".parse().unwrap();
    let offer = "v=0\no=- 1 1 IN IP6 2001:db8::9\ns=-\nc=IN IP6 2001:db8::9\nt=0 0\nm=audio 4000 RTP/AVP 0\na=rtcp:4005\n";
    let (agreed, answer) = ask(offer, &l).unwrap();
    assert_eq!(agreed.remote, Some("[2001:db8::9]:4000".parse().unwrap()));
    assert_eq!(agreed.remote_rtcp, Some("[2001:db8::9]:4005".parse().unwrap()));
    assert!(answer.contains("c=IN IP6 2001:db8::5\n"), "{answer}");
}

#[test]
fn our_offer_and_its_answers() {
    let ours = here(&[Codec::G722, Codec::Opus, Codec::Pcmu], SrtpPolicy::Optional);
    let offer = sdp::offer(&ours, Some(Codec::Pcmu), V).unwrap();
    assert!(
        offer.contains("m=audio 6000 RTP/AVP 0 9 111 101 110 13\r\n"),
        "{offer}"
    );
    assert_eq!(offer.matches("a=crypto:").count(), 2);
    let theirs = local(7_000, 51, &[Codec::Opus, Codec::Pcmu], SrtpPolicy::Optional);
    let (they, answer) = sdp::answer(&offer, &theirs, None, V).unwrap();
    let we = sdp::accept(&answer, &ours).unwrap();
    assert_eq!((we.send, they.send), ((111, Codec::Opus), (111, Codec::Opus)));
    assert_eq!(we.send_events, Some((110, 48_000)));
    let (a, b) = (we.keys.unwrap(), they.keys.unwrap());
    assert!(a.ours == b.theirs && a.theirs == b.ours && a.suite == b.suite);
    // Answers that will not do.
    let refused = simple("m=audio 0 RTP/AVP 0");
    assert!(matches!(
        sdp::accept(&refused, &ours),
        Err(MediaError::NothingInCommon)
    ));
    assert!(matches!(
        sdp::accept(&simple("m=audio 4000 RTP/AVP 18"), &ours),
        Err(MediaError::NothingInCommon)
    ));
    let required = here(&[Codec::Pcmu], SrtpPolicy::Required);
    assert!(matches!(
        sdp::accept(&simple("m=audio 4000 RTP/AVP 0"), &required),
        Err(MediaError::EncryptionRequired)
    ));
    // An answer that numbers a codec otherwise: we send by its number and take both.
    let other = sdp::accept(
        &simple("m=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/48000/2"),
        &ours,
    )
    .unwrap();
    assert_eq!(other.send, (96, Codec::Opus));
    assert!(other.receive.contains(&(111, Codec::Opus)) && other.receive.contains(&(96, Codec::Opus)));
}

/// What Chromium offers, shortened.
pub(crate) const BROWSER: &str = "v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE a0
a=extmap-allow-mixed
a=msid-semantic: WMS s
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2122260223 192.0.2.60 50000 typ host generation 0
a=candidate:2 1 udp 2122260223 0f9c.local 50001 typ host
a=ice-ufrag:Kvm1
a=ice-pwd:qyAFeGZHTZEmGhYdTP7zK3pV
a=ice-options:trickle
a=fingerprint:sha-256 6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08
a=setup:actpass
a=mid:a0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:s t
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:2889461107 cname:x
";

fn for_browsers(codecs: &[Codec]) -> Local {
    let way = Way {
        ufrag: "ours".into(),
        pwd: "ours-ours-ours-ours-ours".into(),
        fingerprint: "sha-256 AA:BB".into(),
        setup: Setup::Active,
        candidates: vec!["1 1 udp 1 192.0.2.50 6000 typ host".into()],
        mid: "a0".into(),
    };
    Local {
        dtls: Some(DtlsLocal {
            way,
            ssrc: 7,
            cname: "c".into(),
        }),
        ..here(codecs, SrtpPolicy::Optional)
    }
}

#[test]
fn a_browser_is_answered_in_its_own_words() {
    let offer = BROWSER.replace('\n', "\r\n");
    assert!(sdp::is_webrtc(&offer));
    let way = sdp::way_of(&offer).unwrap();
    assert_eq!(
        (
            way.ufrag.as_str(),
            way.setup,
            way.mid.as_str(),
            way.candidates.len()
        ),
        ("Kvm1", Setup::ActPass, "a0", 2)
    );
    let (agreed, answer) = ask(BROWSER, &for_browsers(&Codec::ALL)).unwrap();
    assert_eq!(
        (agreed.send, agreed.send_events),
        ((111, Codec::Opus), Some((110, 48_000)))
    );
    // An address of zero says that nothing has been gathered yet; it is no hold.
    assert!(!agreed.held() && agreed.keys.is_none() && agreed.mux);
    for line in [
        "a=group:BUNDLE a0",
        "m=audio 6000 UDP/TLS/RTP/SAVPF 111 110",
        "a=mid:a0",
        "a=setup:active",
        "a=fingerprint:sha-256 AA:BB",
        "a=candidate:1 1 udp 1 192.0.2.50 6000 typ host",
        "a=end-of-candidates",
        "a=rtcp-mux",
        "a=sendrecv",
    ] {
        assert!(
            answer.contains(&format!("\n{line}\n")),
            "{line} is missing: {answer}"
        );
    }
    // No key travels in the signalling, and no comfort noise is agreed on, lest the browser cut off words.
    let (agreed, answer) = ask(BROWSER, &for_browsers(&[Codec::Pcmu])).unwrap();
    assert!(!agreed.comfort_noise && !answer.contains("crypto") && answer.contains("SAVPF 0 126\n"));
}

#[test]
fn neither_kind_of_offer_is_taken_for_the_other() {
    let browsers = for_browsers(&Codec::ALL);
    for (was, is) in [
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        ("a=fingerprint", "a=x-fingerprint"),
        ("a=ice-pwd:qyAFeGZHTZEmGhYdTP7zK3pV", "a=ice-pwd:short"),
        ("a=ice-ufrag:Kvm1\n", ""),
    ] {
        let offer = BROWSER.replace(was, is);
        assert!(!sdp::is_webrtc(&offer.replace('\n', "\r\n")), "{was}");
        assert!(ask(&offer, &browsers).unwrap_err().is_not_acceptable(), "{was}");
    }
    assert!(
        ask(&BROWSER.replace("a=rtcp-mux\n", ""), &browsers)
            .unwrap_err()
            .is_not_acceptable()
    );
    assert!(
        ask(BROWSER, &here(&Codec::ALL, SrtpPolicy::Optional))
            .unwrap_err()
            .is_not_acceptable()
    );
    assert!(!sdp::is_webrtc("") && !sdp::is_webrtc(BAROQUE));
    assert!(matches!(
        sdp::way_of(BAROQUE),
        Err(MediaError::EncryptionRequired)
    ));
}

#[test]
fn our_offer_to_a_browser_holds_one_line_and_its_answer_is_taken() {
    let local = for_browsers(&[Codec::Opus, Codec::Pcmu]);
    let offer = sdp::offer(&local, None, V).unwrap();
    assert!(
        offer.contains("m=audio 6000 UDP/TLS/RTP/SAVPF 111 0 101 110\r\n"),
        "{offer}"
    );
    let answer = BROWSER
        .replace("111 63 9 0 8 13 110 126", "111 110")
        .replace("setup:actpass", "setup:active")
        .replace('\n', "\r\n");
    let agreed = sdp::accept(&answer, &local).unwrap();
    assert_eq!((agreed.send.1, agreed.held()), (Codec::Opus, false));
    let plain = answer.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF");
    assert!(sdp::accept(&plain, &local).is_err());
}

#[test]
fn lost_packets_may_be_asked_for_again_if_both_say_so() {
    let local = for_browsers(&[Codec::Opus, Codec::Pcmu]);
    let (agreed, answer) = ask(BROWSER, &local).unwrap();
    assert!(!agreed.nack && !answer.contains("nack"));
    for line in ["a=rtcp-fb:111 nack\n", "a=rtcp-fb:* nack\n"] {
        let (agreed, answer) = ask(&format!("{BROWSER}{line}"), &local).unwrap();
        assert!(
            agreed.nack && answer.contains("\na=rtcp-fb:111 nack\n"),
            "{answer}"
        );
    }
    let (agreed, _) = ask(&format!("{BROWSER}a=rtcp-fb:111 nack pli\n"), &local).unwrap();
    assert!(!agreed.nack);
    assert!(
        sdp::offer(&local, None, V)
            .unwrap()
            .contains("a=rtcp-fb:0 nack\r\n")
    );
}
