//! A server that answers with the bytes it is told, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is sent for the n-th request: bytes, and the same bytes again and again if it is endless.
pub(crate) struct Sent {
    pub(crate) bytes: Vec<u8>,
    pub(crate) and_on: Option<Vec<u8>>,
}

pub(crate) struct Faulty {
    pub(crate) endpoint: String,
    /// The first line of each request: method, path with query, version.
    asked: Arc<Mutex<Vec<String>>>,
    written: Arc<Mutex<usize>>,
}

impl Faulty {
    /// Each request gets a connection of its own.
    pub(crate) async fn sending(script: impl Fn(usize) -> Sent + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (asked, written) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (log, count) = (Arc::clone(&asked), Arc::clone(&written));
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                serve(connection, &script, &log, &count).await;
            }
        });
        Self { endpoint, asked, written }
    }

    /// An answer with this status, these header lines and this body.
    pub(crate) async fn answering(status: u16, headers: &'static str, body: &'static str) -> Self {
        Self::sending(move |_| answer(status, headers, body.as_bytes())).await
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Bytes of bodies without end that somebody took.
    pub(crate) fn written(&self) -> usize {
        *self.written.lock().unwrap()
    }
}

pub(crate) fn answer(status: u16, headers: &str, body: &[u8]) -> Sent {
    let head =
        format!("HTTP/1.1 {status} Whatever\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    Sent { bytes: [head.as_bytes(), body].concat(), and_on: None }
}

async fn serve(connection: TcpStream, script: &impl Fn(usize) -> Sent, log: &Mutex<Vec<String>>, count: &Mutex<usize>) {
    let mut connection = BufReader::new(connection);
    let (mut first, mut line) = (String::new(), String::new());
    if connection.read_line(&mut first).await.unwrap_or(0) == 0 {
        return;
    }
    while connection.read_line(&mut line).await.unwrap_or(0) > 2 {
        line.clear();
    }
    let before = {
        let mut log = log.lock().unwrap();
        log.push(first.trim().to_owned());
        log.len() - 1
    };
    let Sent { bytes, and_on } = script(before);
    let _ = connection.write_all(&bytes).await;
    if let Some(more) = and_on {
        while connection.write_all(&more).await.is_ok() {
            *count.lock().unwrap() += more.len();
        }
    }
}
