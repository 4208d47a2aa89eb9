//! The OpenAPI document. That the routes keep to it, schemathesis checks on the served program.

use std::collections::BTreeMap;

use taskwatch_http_intake::{Options, Token};

use crate::support::Api;

#[tokio::test]
async fn every_route_is_described() {
    let answer = Api::new().get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let paths = document["paths"].as_object().unwrap();
    let methods: BTreeMap<_, Vec<_>> =
        paths.iter().map(|(path, item)| (path.as_str(), item.as_object().unwrap().keys().collect())).collect();
    let expected = [
        ("/healthz", vec!["get"]),
        ("/tasks", vec!["get", "post"]),
        ("/tasks/{id}", vec!["get"]),
        ("/tasks/{id}/cancel", vec!["post"]),
    ];
    assert_eq!(format!("{methods:?}"), format!("{:?}", BTreeMap::from(expected)));
    let body = &document["components"]["schemas"]["NewTaskBody"];
    assert_eq!((&body["additionalProperties"], &body["required"]), (&false.into(), &serde_json::json!(["title"])));
    assert_eq!(body["properties"]["title"]["maxLength"], 255);
}

#[tokio::test]
async fn it_says_what_is_configured() {
    let limit = |document: &serde_json::Value| {
        let parameters = document["paths"]["/tasks"]["get"]["parameters"].as_array().unwrap().clone();
        parameters.into_iter().find(|one| one["name"] == "limit").unwrap()["schema"]["maximum"].clone()
    };
    let open = Api::new().get("/openapi.json").await.json();
    assert_eq!((limit(&open), &open["security"]), (10_000.into(), &serde_json::Value::Null));
    let options = Options { page_limit: 50, token: Token::new("0123456789abcdef"), ..Options::default() };
    let guarded = Api::with(options, None).get("/openapi.json").await.json();
    assert_eq!(limit(&guarded), 50);
    assert_eq!(guarded["security"], serde_json::json!([{ "bearer": [] }]));
    assert_eq!(guarded["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}
