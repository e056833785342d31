use crate::client::{config, start, start_with};
use anteroom_api::Role;
use anteroom_web::WebConfig;

#[tokio::test]
async fn a_name_that_is_not_ours_is_not_answered() {
    let s = start_with(
        WebConfig {
            allowed_hosts: vec!["reception.example".into()],
            ..config()
        },
        16,
    )
    .await;
    let with_host = async |host: &str| s.send(&format!("GET /health HTTP/1.1\r\n{host}"), "").await;
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""] {
        let r = with_host(&format!("Host: {host}\r\n")).await;
        assert_eq!((r.status, r.code().as_str()), (421, "api.wrong_host"), "{host}");
    }
    assert_eq!(with_host("").await.status, 421);
    for host in ["localhost", "127.0.0.1", "[::1]:8480", "Reception.example"] {
        assert_eq!(
            with_host(&format!("Host: {host}\r\n")).await.status,
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let s = start().await;
    let body = format!(r#"{{"code":"{}"}}"#, s.code(Role::Admin));
    for origin in ["http://evil.example", "null", "https://127.0.0.1"] {
        let r = s
            .post("/api/v1/session", &body, &format!("Origin: {origin}\r\n"))
            .await;
        assert_eq!(
            (r.status, r.code().as_str()),
            (403, "api.wrong_origin"),
            "{origin}"
        );
    }
    let ours = format!("Origin: http://{}\r\n", s.addr());
    assert_eq!(s.post("/api/v1/session", &body, &ours).await.status, 201);
}

#[tokio::test]
async fn the_live_stream_opens_for_our_own_page_only() {
    let s = start().await;
    let cookie = s.cookie(Role::FrontDesk).await;
    for origin in [
        None,
        Some("http://evil.example"),
        Some("null"),
        Some("http://127.0.0.1:1"),
    ] {
        assert_eq!(
            s.listen_from(&cookie, "", origin).await.err(),
            Some(403),
            "{origin:?}"
        );
    }
    assert_eq!(s.listen("anteroom=x", "").await.err(), Some(401));
    let auditor = s.cookie(Role::Auditor).await;
    assert_eq!(s.listen(&auditor, "").await.err(), Some(403));
    assert!(s.listen(&cookie, "").await.is_ok());
}
