//! The routes and what lies around them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use taskwatch_core::ports::Filter;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::raw_json;
use crate::desk::Desk;
use crate::origins::Origins;
use crate::problem::{Illness, Problem};
use crate::token::Token;
use crate::{Intake, openapi, page, tasks, trace};

/// How long the database may take to show that it is there.
const HEALTH: Duration = Duration::from_secs(2);
const PAGE: &str = "/";
const HEALTHZ: &str = "/healthz";
const OPENAPI: &str = "/openapi.json";

/// The whole API. It has to run on tokio, with timers.
pub fn router(intake: Intake) -> Router {
    let options = intake.options.clone();
    let cors = options.origins.layer();
    let desk = Desk::new(intake);
    let (router, document) = OpenApiRouter::with_openapi(openapi::base(&options))
        .routes(routes!(tasks::list::list, tasks::add::add))
        .routes(routes!(tasks::show::show))
        .routes(routes!(tasks::cancel::cancel))
        .routes(routes!(healthz))
        .with_state(Arc::clone(&desk))
        .split_for_parts();
    let document = openapi::text(document, desk.page_limit);
    let guard = Arc::new(Guard { origins: options.origins, token: options.token });
    let page = page::text(desk.page_limit);
    let router = router
        .route(PAGE, get(|| async move { page::answer(page) }))
        .route(OPENAPI, get(|| async move { raw_json(document) }))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing under this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take that method: Allow says which it does",
            )
        })
        .layer(from_fn_with_state(guard, check));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let tracing = TraceLayer::new_for_http()
        .make_span_with(trace::span)
        .on_request(())
        .on_response(trace::answered)
        .on_failure(());
    router.layer(CatchPanicLayer::custom(panicked)).layer(tracing)
}

/// Who may come in.
struct Guard {
    origins: Origins,
    token: Option<Token>,
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if let Err(problem) = guard.origins.check(&request) {
        return problem.into_response();
    }
    // Browsers send no token with a preflight, nor where somebody has typed the address, nor balancers with a health check.
    let open = request.method() == Method::OPTIONS || [PAGE, HEALTHZ, OPENAPI].contains(&request.uri().path());
    match guard.token.as_ref().filter(|_| !open).map_or(Ok(()), |token| token.check(request.headers())) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Says whether the database answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "service",
    operation_id = "health",
    security(()),
    responses((status = 200, description = "It does.", body = openapi::Health), Illness),
)]
async fn healthz(State(desk): State<Arc<Desk>>) -> Result<Response, Problem> {
    let filter = Filter { limit: 1, ..Filter::default() };
    match tokio::time::timeout(HEALTH, desk.records.list(&filter)).await {
        Ok(Ok(_)) => crate::answer::json(&openapi::Health { status: "ok" }),
        Ok(Err(error)) => {
            tracing::error!(%error, "the database failed a health check");
            Err(Problem::unavailable("the database does not answer"))
        }
        Err(_) => Err(Problem::unavailable(format!("the database does not answer within {HEALTH:?}"))),
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(why, "a request panicked");
    Problem::internal().into_response()
}
