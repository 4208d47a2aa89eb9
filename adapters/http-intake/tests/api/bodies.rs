//! Bodies that are none.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::stream;
use serde_json::json;

use crate::support::Api;

const GOOD: &str = r#"{"title": "t"}"#;

async fn detail(body: impl Into<Body>, status: u16) -> String {
    let api = Api::new();
    let detail = api.post_with("/tasks", &[], body).await.problem(status);
    assert_eq!(api.count(), 0);
    detail
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    for body in [
        "",
        " ",
        "{",
        "title=t",
        r#"{"title": "t"} x"#,
        r#"{"title": "t",}"#,
        r#"{"title": t}"#,
        r#"{'title': 't'}"#,
        r#"{"title": "\ud800"}"#,
        "{\"title\": \"a\nb\"}",
        "\u{feff}{\"title\": \"t\"}",
    ] {
        let detail = detail(body, 400).await;
        assert!(detail.contains("not JSON"), "{body}: {detail}");
    }
    let twice = detail(r#"{"title": "a", "title": "b"}"#, 422).await;
    assert!(twice.contains("duplicate"), "{twice}");
}

#[tokio::test]
async fn what_is_not_utf_8_is_refused() {
    let detail = detail(b"{\"title\": \"\xff\"}".to_vec(), 400).await;
    assert!(detail.contains("UTF-8") && detail.contains("byte 11"), "{detail}");
}

#[tokio::test]
async fn depth_does_no_harm() {
    let deep = "[".repeat(200_000);
    detail(deep.clone(), 422).await;
    detail(format!("{{\"title\": {deep}"), 422).await;
    detail(format!("{{\"title\": \"t\", \"x\": {deep}"), 422).await;
    detail(format!("{{\"title\": \"t\", \"description\": {{\"a\":{deep}"), 422).await;
}

#[tokio::test]
async fn a_long_mistake_is_not_repeated_at_length() {
    let body = json!({ "title": "t", "x".repeat(100_000): 1 }).to_string();
    assert!(detail(body, 422).await.chars().count() <= 500);
}

#[tokio::test]
async fn a_huge_body_is_refused_whether_it_says_so_or_not() {
    let huge = json!({ "title": "t", "description": "x".repeat(600_000) }).to_string();
    let api = Api::new();
    api.post_with("/tasks", &[], huge.clone()).await.problem(413);
    // A promise is enough.
    api.post_with("/tasks", &[("content-length", "524289")], Body::empty()).await.problem(413);
    // In chunks its length is not known beforehand.
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 100_000])));
    api.post_with("/tasks", &[], Body::from_stream(endless)).await.problem(413);
    assert_eq!(api.count(), 0);
    // A task with everything full and escaped is not huge.
    let full = format!(r#"{{"title": "{}", "description": "{}"}}"#, "\\u00e4".repeat(255), "\\u0001".repeat(65_535));
    assert_eq!(api.post_with("/tasks", &[], full).await.status, 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_or_never_comes_is_refused() {
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    assert!(detail(Body::from_stream(broken), 400).await.contains("broke off"));
    tokio::time::pause();
    let never = stream::pending::<Result<Bytes, Infallible>>();
    let begun = tokio::time::Instant::now();
    detail(Body::from_stream(never), 408).await;
    // Virtual time.
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn only_json_by_its_own_account_is_read() {
    let api = Api::new();
    let post = |kind: Option<&'static str>| {
        let request =
            kind.into_iter().fold(Request::post("/tasks"), |request, kind| request.header("content-type", kind));
        api.send(request.body(Body::from(GOOD)).unwrap())
    };
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.tasks+json"] {
        assert_eq!(post(Some(kind)).await.status, 200, "{kind}");
    }
    // As the test events of the Lambda console.
    assert_eq!(post(None).await.status, 200);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "", "application/", "json"] {
        assert!(post(Some(kind)).await.problem(415).contains("application/json"), "{kind}");
    }
    let zipped = api.post_with("/tasks", &[("content-encoding", "gzip")], GOOD).await;
    assert!(zipped.problem(415).contains("compressed"));
    assert_eq!(api.count(), 4);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_problems_too() {
    let api = Api::new();
    for path in ["//", "/index.html", "/task", "/tasks/", "/tasks/1/", "/tasks/1/replay", "/%FF"] {
        api.get(path).await.problem(404);
    }
    for (method, path, allow) in [
        ("DELETE", "/tasks", "GET,HEAD,POST"),
        ("OPTIONS", "/tasks", "GET,HEAD,POST"),
        ("PUT", "/tasks/1", "GET,HEAD"),
        ("GET", "/tasks/1/cancel", "POST"),
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/openapi.json", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let answer = api.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        answer.problem(405);
        let mut allowed: Vec<_> = answer.header("allow").unwrap().split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{method} {path}");
    }
}
