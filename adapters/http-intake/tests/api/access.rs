//! Tokens, origins and preflights.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use axum::body::Body;
use axum::http::Request;
use taskwatch_http_intake::{Options, Origins, Token};

use crate::support::{Answer, Api};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PAGE: &str = "https://app.example.com";
const GOOD: &str = r#"{"title": "t"}"#;

fn guarded() -> Api {
    Api::with(Options { token: Token::new(SECRET), ..Options::default() }, None)
}

fn open_to(origins: &[&str]) -> Api {
    let origins = Origins::listed(&origins.iter().map(|&origin| origin.to_owned()).collect::<Vec<_>>()).unwrap();
    Api::with(Options { origins, token: Token::new(SECRET), ..Options::default() }, None)
}

async fn preflight(api: &Api, origin: &str) -> Answer {
    let request = Request::options("/tasks").header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    api.send(request.header("access-control-request-headers", "content-type").body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn without_the_token_nobody_gets_in() {
    let api = guarded();
    let right = format!("Bearer {SECRET}");
    for (method, path) in [("GET", "/tasks"), ("GET", "/tasks/1"), ("POST", "/tasks"), ("GET", "/nothing")] {
        let ask = |headers: &[&str]| {
            let request = Request::builder().method(method).uri(path);
            let request = headers.iter().fold(request, |request, value| request.header("authorization", *value));
            api.send(request.body(Body::from(GOOD)).unwrap())
        };
        let none = ask(&[]).await;
        none.problem(401);
        assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"taskwatch\""));
        let wrong = [
            SECRET.to_owned(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Bearer {SECRET}x"),
            format!("Bearer x{SECRET}"),
            format!("Bearer {}", &SECRET[1..]),
            format!("Basic {SECRET}"),
            right.replace('a', "A"),
        ];
        for given in &wrong {
            let answer = ask(&[given]).await;
            let detail = answer.problem(401);
            assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{given}");
            assert!(!detail.contains(SECRET), "{detail}");
        }
        ask(&[&right, &right]).await.problem(401);
        assert_ne!(ask(&[&right]).await.status, 401);
        assert_ne!(ask(&[&format!("bearer  {SECRET}")]).await.status, 401);
    }
}

#[tokio::test]
async fn health_document_page_and_preflights_need_no_token() {
    let api = guarded();
    let page = api.get("/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
    assert_eq!(api.get("/healthz").await.status, 200);
    assert_eq!(api.get("/openapi.json").await.status, 200);
    // Not a word about tokens to who asks what it may do.
    preflight(&api, PAGE).await.problem(405);
}

#[tokio::test]
async fn other_origins_are_closed_by_default() {
    let api = Api::new();
    let answer = preflight(&api, PAGE).await;
    answer.problem(405);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let read = api.send(Request::get("/tasks").header("origin", PAGE).body(Body::empty()).unwrap()).await;
    assert_eq!((read.status.as_u16(), read.header("access-control-allow-origin")), (200, None));
    // What a page may send without a preflight.
    for origin in [PAGE, "null", "http://127.0.0.1:8081"] {
        let headers = [("origin", origin), ("host", "127.0.0.1:8080")];
        assert!(api.post_with("/tasks", &headers, GOOD).await.problem(403).contains("intake.origins"));
        api.post_with("/tasks/1/cancel", &headers, "").await.problem(403);
    }
    assert_eq!(api.count(), 0);
    let own = [("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")];
    assert_eq!(api.post_with("/tasks", &own, GOOD).await.status, 200);
}

#[tokio::test]
async fn pages_of_listed_origins_may_use_it() {
    let api = open_to(&[PAGE]);
    let answer = preflight(&api, PAGE).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, Some(PAGE)));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert!(
        ["content-type", "authorization", "idempotency-key"].iter().all(|name| headers.contains(name)),
        "{headers}"
    );

    let token = format!("Bearer {SECRET}");
    let added = api.post_with("/tasks", &[("origin", PAGE), ("authorization", &token)], GOOD).await;
    assert_eq!((added.status.as_u16(), added.header("access-control-allow-origin")), (200, Some(PAGE)));
    assert!(added.header("access-control-expose-headers").unwrap().contains("link"));
    // The page has to be able to read what is wrong.
    let refused = api.post_with("/tasks", &[("origin", PAGE)], GOOD).await;
    refused.problem(401);
    assert_eq!(refused.header("access-control-allow-origin"), Some(PAGE));

    let other = "https://evil.example.com";
    assert_eq!(preflight(&api, other).await.header("access-control-allow-origin"), None);
    api.post_with("/tasks", &[("origin", other), ("authorization", &token)], GOOD).await.problem(403);
}

#[tokio::test]
async fn a_star_lets_every_page_in() {
    let api = open_to(&["*"]);
    assert_eq!(preflight(&api, "https://any.example").await.header("access-control-allow-origin"), Some("*"));
    let token = format!("Bearer {SECRET}");
    let headers = [("origin", "https://any.example"), ("authorization", &*token)];
    assert_eq!(api.post_with("/tasks", &headers, GOOD).await.status, 200);
}
