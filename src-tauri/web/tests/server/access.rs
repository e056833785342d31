use crate::client::{config, start, start_with};
use anteroom_api::{Access, ROUTES, Role, RouteId, RouteRule, access::Method};
use anteroom_web::WebConfig;

fn example(path: &str) -> String {
    path.replace("{id}/{version}", "opening-hours/3")
        .replace("{user}", "nobody")
        .replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        .replace("{file}", "x.js")
}

#[tokio::test]
async fn every_route_lets_in_exactly_those_its_row_allows() {
    let s = start().await;
    let mut callers: Vec<(Option<Role>, String)> = vec![(None, String::new())];
    for role in Role::ALL {
        callers.push((Some(role), format!("Cookie: {}\r\n", s.cookie(role).await)));
    }
    // Signing out comes last: it ends the sessions that the others need.
    let (out, others): (Vec<&RouteRule>, Vec<&RouteRule>) =
        ROUTES.iter().partition(|r| r.id == RouteId::SessionEnd);
    for rule in others.into_iter().chain(out) {
        let path = example(rule.path);
        for (role, cookie) in &callers {
            let role = *role;
            let method = match rule.method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Delete => "DELETE",
            };
            let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{cookie}", s.addr());
            let r = s.send(&head, "").await;
            // The metrics are for this machine, which is where the test runs.
            let allowed = rule.access == Access::Metrics || rule.access.allows(role);
            // A socket that is not asked to be one, or without an origin, is refused later and otherwise.
            let code = if r.status >= 400 { r.code() } else { String::new() };
            let refused = code == "api.not_signed_in" || code == "api.forbidden";
            assert_eq!(
                !refused, allowed,
                "{method} {path} as {role:?}: {} {code}",
                r.status
            );
            if refused {
                assert_eq!(
                    r.status,
                    if role.is_none() { 401 } else { 403 },
                    "{method} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn refusals_have_one_shape_with_the_trace_of_the_answer() {
    let s = start().await;
    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "api.no_route"),
        ("GET", "/assets/nothing.js", 404, "api.no_route"),
        ("POST", "/api/v1/calls", 405, "api.wrong_method"),
        ("GET", "/api/v1/calls", 401, "api.not_signed_in"),
    ] {
        let r = s
            .send(&format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", s.addr()), "")
            .await;
        assert_eq!((r.status, r.code().as_str()), (status, code), "{method} {path}");
        let body = r.json();
        assert_eq!(body["trace"].as_str(), Some(r.headers["x-trace-id"].as_str()));
        assert!(!body["message"].as_str().unwrap().is_empty() && !body["hint"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let s = start().await;
    for path in ["/", "/health", "/api/v1/calls", "/nothing"] {
        let r = s.get(path, "").await;
        let csp = &r.headers["content-security-policy"];
        assert!(
            csp.starts_with("default-src 'none'") && csp.contains("frame-ancestors 'none'"),
            "{csp}"
        );
        assert!(!csp.contains("unsafe"), "{csp}");
        assert_eq!(r.headers["x-content-type-options"], "nosniff");
        assert_eq!(r.headers["referrer-policy"], "no-referrer");
        let cache = if path == "/" { "no-cache" } else { "no-store" };
        assert_eq!(r.headers["cache-control"], cache, "{path}");
    }
    let etag = s.get("/", "").await.headers["etag"].clone();
    let again = s.get("/", &format!("If-None-Match: {etag}\r\n")).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[tokio::test]
async fn health_is_for_anybody_and_tells_nothing_more() {
    let s = start().await;
    assert_eq!(s.get("/health", "").await.body, r#"{"status":"ok"}"#);
    assert_eq!(s.get("/ready", "").await.body, r#"{"ready":true}"#);
    s.engine.change(|e| e.draining = true);
    assert_eq!(s.get("/ready", "").await.status, 503);
    let detail = s.get_as("/api/v1/health", &s.cookie(Role::Manager).await).await;
    assert_eq!(detail.json()["checks"][0]["name"], "store");
}

#[tokio::test]
async fn metrics_need_the_token_once_there_is_one() {
    let s = start().await;
    assert!(s.get("/metrics", "").await.body.contains("anteroom_calls_up 0"));
    let s = start_with(
        WebConfig {
            metrics_token: Some("a-token-of-some-length".into()),
            ..config()
        },
        16,
    )
    .await;
    assert_eq!(s.get("/metrics", "").await.status, 403);
    assert_eq!(
        s.get("/metrics", "Authorization: Bearer wrong\r\n").await.status,
        403
    );
    let right = s
        .get("/metrics", "Authorization: Bearer a-token-of-some-length\r\n")
        .await;
    assert_eq!(right.status, 200);
}

#[tokio::test]
async fn the_record_is_listed_searched_and_read() {
    let s = start().await;
    let cookie = s.cookie(Role::Auditor).await;
    for from in ["01632 960001", "01632 960002", "01632 960003"] {
        s.engine.ring(from);
    }
    let page = s.get_as("/api/v1/calls?limit=2", &cookie).await.json();
    assert_eq!(page["calls"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let rest = s
        .get_as(&format!("/api/v1/calls?limit=2&before={next}"), &cookie)
        .await
        .json();
    assert_eq!(rest["calls"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next"], serde_json::Value::Null);
    let id = rest["calls"][0]["id"].as_str().unwrap();
    let call = s.get_as(&format!("/api/v1/calls/{id}"), &cookie).await.json();
    assert_eq!(call["events"][0]["kind"]["type"], "offered");
    let entry = s
        .get_as("/api/v1/knowledge/opening-hours/3", &cookie)
        .await
        .json();
    assert_eq!(entry["entry"]["approved_by"], "sample approver");
    let with = format!("Cookie: {cookie}\r\n");
    let found = s
        .post("/api/v1/calls/search", r#"{"text":"nobody said this"}"#, &with)
        .await;
    assert_eq!(found.json()["calls"].as_array().unwrap().len(), 0);
    for (path, status) in [
        ("/api/v1/calls?limit=x", 400),
        ("/api/v1/calls?other=1", 400),
        ("/api/v1/calls/../etc", 404),
        ("/api/v1/calls/nonsense", 404),
        ("/api/v1/calls/01ARZ3NDEKTSV4RRFFQ69G5FAV", 404),
        ("/api/v1/knowledge/opening-hours/99", 404),
        ("/api/v1/knowledge/Not%20An%20Id/1", 404),
        ("/api/v1/knowledge/opening-hours/-1", 404),
    ] {
        let r = s.get_as(path, &cookie).await;
        assert_eq!(r.status, status, "{path}");
        assert!(!r.code().is_empty());
    }
}
