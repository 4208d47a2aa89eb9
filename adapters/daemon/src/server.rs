//! An HTTP/1.1 server without TLS, with bounds on what clients may take of it.
//!
//! `axum::serve` has none of these bounds, and cannot be given any. How long a body may take to arrive is the router's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use taskwatch_core::stop::Stop;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

/// What a head may take of memory, in bytes: browsers and gateways send less than half of it.
const HEAD: usize = 64 * 1024;

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. Those beyond wait in the kernel's queue until another ends; half of what a process may usually
    /// open is left for the database.
    pub connections: usize,
    /// How long the head of a request may take, and so how long a connection may rest between two requests.
    pub head: Duration,
    /// How long a client may go without taking anything of an answer.
    pub answer: Duration,
    /// How long a request that has begun to arrive may go on to do so when the server is to stop.
    pub last_head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            // Longer than a load balancer keeps a connection (60 s by default), or it would meet ones that have just ended.
            head: Duration::from_secs(75),
            answer: Duration::from_secs(30),
            last_head: Duration::from_secs(1),
        }
    }
}

/// Serves until it is told to stop, and then for as long as the drain may take; answers whether that was enough for all
/// requests. When it is not, connections are cut off.
pub async fn serve(
    mut listener: impl Listener<Io = TcpStream>,
    router: Router,
    limits: Limits,
    stop: &Stop,
    drain: Duration,
) -> bool {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.wait() => break,
            Some(_) = open.join_next() => {}
            // What goes wrong here, such as that there are no more files to open, it logs, and pauses before it goes on.
            (stream, _) = listener.accept(), if open.len() < limits.connections => {
                open.spawn(connection(stream, router.clone(), limits, stop.clone()));
            }
        }
    }
    drop(listener);
    let ended = async { while open.join_next().await.is_some() {} };
    tokio::time::timeout(drain, ended).await.is_ok()
}

/// Serves one connection to its end. What goes wrong with it is the client's affair.
async fn connection(stream: TcpStream, router: Router, limits: Limits, stop: Stop) {
    // It only saves time.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.answer));
    let running = Arc::new(AtomicBool::new(false));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        let (answer, running) = (router.call(request), Arc::clone(&running));
        async move {
            running.store(true, Ordering::Relaxed);
            let answer = answer.await;
            running.store(false, Ordering::Relaxed);
            answer
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.wait() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection.as_mut() => return,
        () = tokio::time::sleep(limits.last_head) => {}
    }
    if running.load(Ordering::Relaxed) {
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests;
