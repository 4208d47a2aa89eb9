//! Where a container gets its keys from.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A key that is handed out.
pub(crate) struct Key {
    pub(crate) id: String,
    /// As it says itself; the front decides whether that is so.
    pub(crate) expires: SystemTime,
}

type Script = dyn Fn(usize) -> Option<Key> + Send + Sync;

/// An endpoint as containers have it. It ends with the value.
pub(crate) struct Keys {
    pub(crate) url: String,
    asked: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Keys {
    /// Hands out what the script says, which is told how often it was asked before: a key, or an error.
    pub(crate) async fn hand_out(script: impl Fn(usize) -> Option<Key> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let state: (Arc<Script>, Arc<AtomicUsize>) = (Arc::new(script), Arc::clone(&asked));
        let router = Router::new().route("/keys", get(answer)).with_state(state);
        let mut server = JoinSet::new();
        server.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, asked, _server: server }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn answer(State((script, asked)): State<(Arc<Script>, Arc<AtomicUsize>)>) -> (StatusCode, String) {
    match script(asked.fetch_add(1, Ordering::Relaxed)) {
        Some(Key { id, expires }) => {
            let key = json!({
                "AccessKeyId": id,
                "SecretAccessKey": "secret",
                "Token": "token",
                "Expiration": humantime::format_rfc3339_seconds(expires).to_string(),
            });
            (StatusCode::OK, key.to_string())
        }
        None => (StatusCode::INTERNAL_SERVER_ERROR, "no".to_owned()),
    }
}
