//! `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use taskwatch_core::stop::Stop;

use crate::condition::Conditions;

/// What readiness depends on.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) conditions: Arc<Conditions>,
    pub(crate) stop: Stop,
}

/// `/healthz`: 200 as long as the process answers, to the end of the drain. `/readyz`: 200 while messages are taken; 503 once
/// it has been told to stop, and while the database or the queue does not answer.
pub(crate) fn router(health: Health) -> Router {
    Router::new().route("/healthz", get(async || "ok")).route("/readyz", get(ready)).with_state(health)
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    let troubles = health.conditions.troubles();
    match (health.stop.is_set(), troubles) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned()),
        (false, 1..) => (StatusCode::SERVICE_UNAVAILABLE, format!("{troubles} in the way: see the log")),
        (false, _) => (StatusCode::OK, "ready".to_owned()),
    }
}
