//! People are added and removed while calls are answered, by administrators alone.

use crate::client::start;
use anteroom_api::Role;

const ANNA: &str = r#"{"user":"201","name":"Anna Example","rings":1,"class":null}"#;

#[tokio::test]
async fn an_administrator_adds_and_removes_somebody_who_is_then_signed_out() {
    let s = start().await;
    let admin = format!("Cookie: {}\r\n", s.cookie(Role::Admin).await);
    let added = s.post("/api/v1/users", ANNA, &admin).await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(added.json()["password"], "shown-once");
    assert_eq!(added.headers["cache-control"], "no-store");
    let listed = s.get("/api/v1/users", &admin).await;
    assert_eq!(listed.json()["users"][0]["name"], "Anna Example");
    assert!(!listed.body.contains("shown-once"), "{}", listed.body);
    let hers = s.cookie_of(Role::FrontDesk, "201").await;
    assert_eq!(s.get_as("/api/v1/session", &hers).await.status, 200);
    let remove = |user: &str| {
        format!(
            "DELETE /api/v1/users/{user} HTTP/1.1\r\nHost: {}\r\n{admin}",
            s.addr()
        )
    };
    assert_eq!(s.send(&remove("nobody"), "").await.status, 404);
    assert_eq!(s.send(&remove(&"x".repeat(33)), "").await.status, 404);
    assert_eq!(s.send(&remove("201"), "").await.status, 204);
    assert_eq!(s.get_as("/api/v1/session", &hers).await.status, 401);
    for role in [Role::FrontDesk, Role::Manager, Role::Auditor] {
        let other = format!("Cookie: {}\r\n", s.cookie(role).await);
        assert_eq!(s.post("/api/v1/users", ANNA, &other).await.status, 403);
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_and_passwords_are_not_given_out_by_the_dozen() {
    let s = start().await;
    let admin = format!("Cookie: {}\r\n", s.cookie(Role::Admin).await);
    for body in [
        r#"{"user":"","name":"A"}"#,
        r#"{"user":"a b","name":"A"}"#,
        r#"{"user":"201","name":" "}"#,
        r#"{"user":"201","name":"A","rings":101}"#,
        r#"{"user":"201","name":"A","class":"x y"}"#,
        r#"{"user":"201","name":"A","password":"mine"}"#,
    ] {
        assert_eq!(s.post("/api/v1/users", body, &admin).await.status, 400, "{body}");
    }
    let mut answers = Vec::new();
    for n in 0..12 {
        let body = format!(r#"{{"user":"{n}","name":"A"}}"#);
        answers.push(s.post("/api/v1/users", &body, &admin).await.status);
    }
    assert!(answers[0] == 201 && answers.last() == Some(&429), "{answers:?}");
}
