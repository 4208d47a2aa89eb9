//! The `/tasks` API as one axum router, for a Lambda function, `taskwatch serve` and the EC2 worker alike. It answers
//! `POST /tasks` and `GET /tasks` as the Python system does that users have today, so that its browser page works
//! unchanged.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /tasks` | 200 `{"message", "task_id"}`; `Idempotency-Key` makes it safe to repeat |
//! | `GET /tasks` | 200 `[{"id", "title", "description", "status"}]` by id; `status`, `limit`, `before`; `Link` to older ones |
//! | `GET /tasks/{id}` | 200 the row with its ledger |
//! | `POST /tasks/{id}/cancel` | 200 `{"message", "task_id"}`; 409 where it cannot be cancelled any more |
//! | `GET /healthz` | 200, or 503 while the database does not answer |
//! | `GET /openapi.json` | the same in OpenAPI 3.1, made from the code |
//! | `GET /` | a page for people, which uses the rest and asks for the token if one is needed |
//!
//! Every error is `application/problem+json` (RFC 9457). Unknown fields and query parameters are refused: a misspelt
//! `not_before` must not mean «now». Other origins are refused until [`Options::origins`] names them.
//!
//! What this crate does not do: listen, end TLS, read files or the environment, except for [`Token::from_file`], and log
//! anything of what is in a request but its method, its path and its trace id. It needs a tokio runtime.

mod answer;
mod body;
mod desk;
mod fields;
mod moment;
mod openapi;
mod origins;
mod page;
mod problem;
mod router;
mod tasks;
mod token;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use taskwatch_core::engine::Engine;
use taskwatch_core::outbox::Relay;
use taskwatch_core::ports::Records;

pub use origins::{InvalidOrigin, Origins};
pub use router::router;
pub use token::{Token, TokenError};

/// What the router works with.
#[derive(Clone)]
pub struct Intake {
    /// Adds and cancels.
    pub engine: Arc<Engine>,
    /// Reads.
    pub records: Arc<dyn Records>,
    /// Announces what was added; `None` leaves that to whoever sweeps the outbox, if there is one.
    pub relay: Option<Arc<Relay>>,
    /// The rest.
    pub options: Options,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("engine", &self.engine)
            .field("relay", &self.relay)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Who may use the API, and its bounds.
#[derive(Debug, Clone)]
pub struct Options {
    /// Browser pages of which other origins may use it.
    pub origins: Origins,
    /// What requests must show; `None` lets everybody in. Preflights, `/`, `/healthz` and `/openapi.json`
    /// need none.
    pub token: Option<Token>,
    /// How many tasks one answer holds at most; it holds fewer where they would be more than 4 MiB.
    pub page_limit: usize,
    /// How long the answer to a `POST` may wait for its announcement. After that the announcement is left to the sweep.
    pub announce_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { origins: Origins::none(), token: None, page_limit: 10_000, announce_within: Duration::from_secs(1) }
    }
}
