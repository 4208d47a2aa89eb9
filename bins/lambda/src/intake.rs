//! The role `intake`: the `/tasks` API behind a function URL, an API Gateway or a load balancer, and the sweep of the
//! outbox on a schedule.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Request, RequestExt as _};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::Origin;
use taskwatch_core::outbox::Relay;
use taskwatch_core::ports::StoreError;
use taskwatch_handlers::{SystemEntropy, TokioClock};
use taskwatch_http_intake::{Intake, router};
use taskwatch_settings::Settings;
use taskwatch_wiring::{Database, Logger, intake_options, no_work, policy, relay};
use tower::{Service as _, ServiceExt as _};

use crate::init::failed;

/// Answers requests, any number at once.
#[derive(Clone)]
pub(crate) struct Desk {
    router: axum::Router,
    relay: Option<Arc<Relay>>,
}

impl Desk {
    pub(crate) async fn new(settings: &Settings, database: Arc<Database>, origin: Origin) -> anyhow::Result<Self> {
        let (clock, entropy, observer) = (Arc::new(TokioClock), Arc::new(SystemEntropy), Arc::new(Logger));
        let options = intake_options(settings).map_err(failed)?;
        let relay = relay(settings, database.clone(), clock.clone(), observer.clone()).await.map_err(failed)?;
        let relay = relay.map(Arc::new);
        let (store, handler) = (database.clone(), no_work());
        let parts = Parts { store, handler, clock, entropy, observer, origin, policy: policy(settings) };
        let engine = Arc::new(Engine::new(parts)?);
        let router = router(Intake { engine, records: database, relay: relay.clone(), options });
        Ok(Self { router, relay })
    }

    /// Answers one invocation: a request, or a schedule.
    pub(crate) async fn invoke(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Value, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        if let Ok(request) = serde_json::from_str::<LambdaRequest>(payload.get()) {
            return self.answer(LambdaEvent::new(request, context)).await;
        }
        match serde_json::from_str::<Value>(payload.get()) {
            Ok(event) if is_schedule(&event) => self.sweep().await,
            _ => Err(refused(
                "Taskwatch.UnusableEvent",
                "failed to read the event: it is neither a request (of a function URL, an API Gateway or a load \
                 balancer) nor a scheduled event; this function serves the API (lambda.role is intake)"
                    .to_owned(),
            )),
        }
    }

    async fn answer(&self, event: LambdaEvent<LambdaRequest>) -> Result<Value, Diagnostic> {
        // The library panics where path and query make no address.
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let router = self.router.clone();
            let route = move |request: Request| router.clone().oneshot(at_its_path(request).map(axum::body::Body::new));
            Adapter::from(tower::service_fn(route)).call(event)
        }));
        let Ok(answer) = begun else { return Ok(bad_request()) };
        let answer = answer.await.unwrap_or_else(|never| match never {});
        serde_json::to_value(answer).map_err(|error| refused("Taskwatch.Answer", format!("failed to answer: {error}")))
    }

    /// Announces what was left behind.
    async fn sweep(&self) -> Result<Value, Diagnostic> {
        let Some(relay) = &self.relay else {
            return Err(refused(
                "Taskwatch.NothingToAnnounce",
                "failed to sweep the outbox: announce.target does not say where to announce tasks".to_owned(),
            ));
        };
        let swept = relay.sweep().await.map_err(|error| failed_sweep(&error))?;
        match swept.why {
            // A failed invocation is what an alarm looks at, and it is tried again.
            Some(why) => Err(refused(
                "Taskwatch.NotAnnounced",
                format!("failed to announce {} tasks ({} were announced): {why}", swept.failed, swept.published),
            )),
            None => Ok(json!({ "published": swept.published })),
        }
    }
}

fn failed_sweep(error: &StoreError) -> Diagnostic {
    refused("Taskwatch.NotAnnounced", format!("failed to sweep the outbox: {error}"))
}

fn refused(kind: &str, message: String) -> Diagnostic {
    // Lambda hands it to whoever invoked, but writes it nowhere.
    tracing::error!("{message}");
    Diagnostic { error_type: kind.to_owned(), error_message: message }
}

/// What EventBridge sends on a schedule, and its Scheduler unless it is told to send something else.
fn is_schedule(event: &Value) -> bool {
    event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event")
}

/// Without the stage in front, which is a matter of the gateway's: REST APIs leave it out of the path by themselves, and
/// the library puts it back.
fn at_its_path(mut request: Request) -> Request {
    let raw = request.raw_http_path();
    let path = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            let stage = context.stage.as_deref().filter(|stage| *stage != "$default");
            stage
                .and_then(|stage| raw.strip_prefix('/')?.strip_prefix(stage))
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        _ => None,
    };
    let path = path.map_or(raw, |rest| if rest.is_empty() { "/" } else { rest });
    let path_and_query = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // One that is no address stays as it is, and is found nowhere.
    if let Ok(uri) = path_and_query.parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// An answer that all three understand.
fn bad_request() -> Value {
    let problem = json!({ "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "the path or the query of the request makes no address" });
    json!({
        "statusCode": 400, "statusDescription": "400 Bad Request", "isBase64Encoded": false,
        "headers": { "content-type": "application/problem+json" }, "body": problem.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use taskwatch_testbed::Sample;

    use super::*;

    /// An HTTP API's event.
    fn v2(stage: &str, path: &str, query: &str) -> String {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": { "host": "a1b2c3d4.execute-api.eu-west-1.amazonaws.com" },
            "requestContext": { "stage": stage, "http": { "method": "GET", "path": path } }, "isBase64Encoded": false,
        })
        .to_string()
    }

    /// A REST API's event.
    fn v1(stage: &str, path: &str) -> String {
        json!({
            "resource": "/{proxy+}", "path": path, "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
            "queryStringParameters": { "limit": "2" }, "multiValueQueryStringParameters": { "limit": ["2"] },
            "requestContext": { "stage": stage, "httpMethod": "GET", "path": format!("/{stage}{path}") },
        })
        .to_string()
    }

    fn routed(event: &str) -> String {
        let request: LambdaRequest = serde_json::from_str(event).unwrap();
        at_its_path(Request::from(request)).uri().to_string()
    }

    #[test]
    fn the_stage_is_a_matter_of_the_gateways() {
        assert_eq!(
            routed(&v2("$default", "/tasks", "status=In%20Progress&status=Failed")),
            "/tasks?status=In%20Progress&status=Failed"
        );
        assert_eq!(routed(&v2("prod", "/prod/tasks/7", "")), "/tasks/7");
        assert_eq!(routed(&v2("prod", "/product", "")), "/product", "it only begins like it");
        assert_eq!(routed(&v2("prod", "/prod", "")), "/");
        assert_eq!(routed(&v2("tasks", "/tasks/tasks", "")), "/tasks");
        assert_eq!(routed(&v1("prod", "/tasks")), "/tasks?limit=2");
        assert_eq!(routed(&v1("tasks", "/tasks/7")), "/tasks/7?limit=2");
    }

    #[tokio::test]
    async fn a_path_that_is_none_is_a_bad_request() {
        let desk = Desk { router: axum::Router::new(), relay: None };
        let context = lambda_runtime::Context::default();
        let event = RawValue::from_string(v2("$default", "/a path", "a b")).unwrap();
        let answer = desk.invoke(LambdaEvent::new(event, context)).await.unwrap();
        assert_eq!(
            (&answer["statusCode"], &answer["headers"]["content-type"]),
            (&json!(400), &json!("application/problem+json"))
        );
    }

    /// AWS's own samples: each is taken for what it is.
    #[tokio::test]
    async fn sample_events_are_requests_schedules_or_refused() {
        let desk = Desk { router: axum::Router::new(), relay: None };
        let invoke = async |sample: Sample| {
            let event = sample.read().unwrap_or_else(|error| panic!("failed to {error}"));
            let event = RawValue::from_string(event.to_string()).unwrap();
            desk.invoke(LambdaEvent::new(event, lambda_runtime::Context::default())).await
        };
        use Sample::{Alb, AlbMultiValue, ApiGatewayV1, ApiGatewayV2, ApiGatewayV2Iam, FunctionUrl};
        for request in [FunctionUrl, ApiGatewayV1, ApiGatewayV2, ApiGatewayV2Iam, Alb, AlbMultiValue] {
            let answer = invoke(request).await.unwrap();
            assert_eq!(answer["statusCode"], 404, "no route, but a request: {request:?}");
        }
        let schedule = invoke(Sample::Schedule).await.unwrap_err();
        assert_eq!(schedule.error_type, "Taskwatch.NothingToAnnounce");
        for other in [Sample::Sqs, Sample::Sns, Sample::S3, Sample::Kinesis, Sample::DynamoDb] {
            assert_eq!(invoke(other).await.unwrap_err().error_type, "Taskwatch.UnusableEvent", "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_schedule_without_a_target_says_what_to_set() {
        let desk = Desk { router: axum::Router::new(), relay: None };
        let event = RawValue::from_string(r#"{"detail-type": "Scheduled Event", "source": "aws.events"}"#.to_owned());
        let refused = desk.invoke(LambdaEvent::new(event.unwrap(), lambda_runtime::Context::default())).await;
        assert!(refused.unwrap_err().error_message.contains("announce.target"));
    }
}
