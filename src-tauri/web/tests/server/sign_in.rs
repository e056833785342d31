use crate::client::{config, start, start_with};
use anteroom_api::Role;
use anteroom_web::{Passcode, WebConfig, hash_passcode};

#[tokio::test]
async fn a_link_works_once_and_its_cookie_is_kept_from_scripts_and_other_sites() {
    let s = start().await;
    let code = s.code(Role::FrontDesk);
    let r = s.sign_in(&code).await;
    assert_eq!(r.status, 201);
    assert_eq!(r.json()["role"], "front_desk");
    let cookie = &r.headers["set-cookie"];
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"),
        "{cookie}"
    );
    assert!(
        !cookie.contains("Secure"),
        "plain HTTP on loopback: a secure cookie would not come back"
    );
    assert!(!r.body.contains(&code));
    let again = s.sign_in(&code).await;
    assert_eq!((again.status, again.code().as_str()), (401, "session.wrong_code"));
}

#[tokio::test]
async fn a_passcode_signs_in_in_its_role() {
    let s = start_with(
        WebConfig {
            passcodes: vec![
                Passcode {
                    user: None,
                    role: Role::Auditor,
                    phc: hash_passcode("correct horse battery").unwrap(),
                },
                Passcode {
                    user: None,
                    role: Role::Manager,
                    phc: hash_passcode("another staple entirely").unwrap(),
                },
            ],
            ..config()
        },
        16,
    )
    .await;
    assert_eq!(s.sign_in("correct horse battery").await.json()["role"], "auditor");
    assert_eq!(
        s.sign_in("another staple entirely").await.json()["role"],
        "manager"
    );
    assert_eq!(s.sign_in("correct horse batterz").await.status, 401);
    assert_eq!(s.sign_in("").await.status, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_its_live_stream() {
    let s = start().await;
    let cookie = s.cookie(Role::Manager).await;
    let mut live = s.listen(&cookie, "").await.unwrap();
    live.next().await.unwrap();
    let head = format!(
        "DELETE /api/v1/session HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n",
        s.addr()
    );
    let out = s.send(&head, "").await;
    assert_eq!(out.status, 204);
    assert!(out.headers["set-cookie"].contains("Max-Age=0"));
    assert_eq!(live.next().await, Err(4401));
    assert_eq!(s.get_as("/api/v1/session", &cookie).await.status, 401);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let s = start().await;
    let mut last = s.sign_in("guess").await;
    for _ in 0..8 {
        assert_eq!(last.status, 401);
        last = s.sign_in("guess").await;
    }
    assert_eq!((last.status, last.code().as_str()), (429, "session.too_often"));
    assert!(last.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    // Also with a right code: the limit does not tell which is right.
    assert_eq!(s.sign_in(&s.code(Role::Admin)).await.status, 429);
}

#[tokio::test]
async fn a_planted_second_cookie_signs_nobody_in() {
    let s = start().await;
    let cookie = s.cookie(Role::Manager).await;
    let name = cookie.split('=').next().unwrap();
    let both = format!("{name}=planted; {cookie}");
    assert_eq!(s.get_as("/api/v1/session", &both).await.status, 401);
    assert_eq!(s.get_as("/api/v1/session", &cookie).await.status, 200);
}
