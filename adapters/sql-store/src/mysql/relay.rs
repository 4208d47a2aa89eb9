//! A way to the server on which small packets do not wait.
//!
//! sqlx 0.9.0 leaves Nagle's algorithm on (<https://github.com/transact-rs/sqlx/issues/4335>, mended after that release):
//! the second of two writes waits until the server has acknowledged the first, which it puts off for 40 ms. That is what
//! TLS does in its handshake, and with each packet of more than 16 KiB. The driver offers no way to set `TCP_NODELAY`, but
//! it does connect to a Unix socket. So this connects to the server, and passes on what the driver sends to such a
//! socket: encrypted by the driver as before, whose checks of the certificate and of the server's name stay what they
//! are. A round trip takes some 0.03 ms longer. To be taken out with the first release of the driver that sets it.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::select;
use tokio::io::{BufReader, copy_buf};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Two records of TLS.
const BUFFER: usize = 32 << 10;

/// How long to wait until a goodbye is on its way.
const GOODBYE: Duration = Duration::from_secs(1);

/// Passes the bytes of one connection on, until either side closes it or this is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    path: PathBuf,
    passing: JoinHandle<()>,
}

impl Relay {
    /// Connects to the server. The client then connects to [`Relay::path`], once. `None`: this process may have no Unix
    /// sockets, and has to go without.
    pub(super) async fn to(host: &str, port: u16) -> io::Result<Option<Self>> {
        let path = unused_name();
        let listener = match UnixListener::bind(&path) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::debug!(%error, "no Unix socket: packets to the database may wait for 40 ms");
                return Ok(None);
            }
        };
        let server = connect(host, port).await?;
        let passing = tokio::spawn(async move {
            if let Ok(client) = accept(listener).await {
                pass(client, server).await;
            }
        });
        Ok(Some(Self { path, passing }))
    }

    /// Where the client is waited for.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until what the client has sent before it closed is on its way.
    pub(super) async fn end(mut self) {
        let _ = tokio::time::timeout(GOODBYE, &mut self.passing).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let server = TcpStream::connect((host, port)).await?;
    server.set_nodelay(true)?;
    Ok(server)
}

/// The name of a socket that is no file: in Linux's abstract namespace.
fn unused_name() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    PathBuf::from(format!("\0taskwatch.{}.{number}.{time}", std::process::id()))
}

/// The name can be seen by every user of the machine, so only this process is let in.
async fn accept(listener: UnixListener) -> io::Result<UnixStream> {
    let own = i32::try_from(std::process::id()).ok();
    loop {
        let (client, _) = listener.accept().await?;
        if own.is_some() && client.peer_cred().is_ok_and(|peer| peer.pid() == own) {
            return Ok(client);
        }
    }
}

/// As soon as one side is gone, so is the other: a server must learn at once that nobody will end the transaction.
async fn pass(mut client: UnixStream, mut server: TcpStream) {
    let (from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    let mut from_client = BufReader::with_capacity(BUFFER, from_client);
    let mut from_server = BufReader::with_capacity(BUFFER, from_server);
    let there = pin!(copy_buf(&mut from_client, &mut to_server));
    let back = pin!(copy_buf(&mut from_server, &mut to_client));
    select(there, back).await;
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What does not come would be waited for without end.
    async fn soon<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        tokio::time::timeout(Duration::from_secs(20), future).await?
    }

    async fn server() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn small_packets_do_not_wait() {
        let (_listener, port) = server().await;
        assert!(connect("127.0.0.1", port).await.unwrap().nodelay().unwrap());
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_either_side_ends_it() {
        let (listener, port) = server().await;
        let long: Vec<u8> = (0..3 * BUFFER).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for server_ends in [false, true] {
            let relay = Relay::to("localhost", port).await.unwrap().unwrap();
            let mut client = UnixStream::connect(relay.path()).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            for (from, to) in [(0, 1), (1, 0)] {
                let mut got = vec![0; long.len()];
                if from < to {
                    tokio::try_join!(client.write_all(&long), server.read_exact(&mut got)).unwrap();
                } else {
                    tokio::try_join!(server.write_all(&long), client.read_exact(&mut got)).unwrap();
                }
                assert!(got == long, "{from} to {to}");
            }
            if server_ends {
                server.write_all(b"last words").await.unwrap();
                drop(server);
                let mut last = Vec::new();
                soon(client.read_to_end(&mut last)).await.unwrap();
                assert_eq!(last, b"last words");
            } else {
                client.write_all(b"goodbye").await.unwrap();
                drop(client);
                relay.end().await;
                let mut last = Vec::new();
                soon(server.read_to_end(&mut last)).await.unwrap();
                assert_eq!(last, b"goodbye");
            }
        }
    }

    #[tokio::test]
    async fn a_relay_that_is_dropped_lets_go_of_the_server() {
        let (listener, port) = server().await;
        for connected in [false, true] {
            let relay = Relay::to("127.0.0.1", port).await.unwrap().unwrap();
            let _client = if connected { Some(UnixStream::connect(relay.path()).await.unwrap()) } else { None };
            let (mut server, _) = listener.accept().await.unwrap();
            drop(relay);
            let read = soon(server.read(&mut [0])).await;
            assert!(!matches!(&read, Err(error) if error.kind() == io::ErrorKind::TimedOut), "{read:?}");
            assert_eq!(read.unwrap_or(0), 0);
        }
    }

    #[tokio::test]
    async fn only_this_process_is_let_in() {
        let (listener, port) = server().await;
        let relay = Relay::to("127.0.0.1", port).await.unwrap().unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let name = relay.path().to_str().unwrap().strip_prefix('\0').unwrap();
        let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect('\\0' + sys.argv[1])\n\
                      try:\n    s.send(b'intruder')\n    print(s.recv(1))\nexcept OSError:\n    print(b'')";
        let mut stranger = Command::new(taskwatch_testbed::python().unwrap());
        stranger.args(["-c", script, name]).stdout(Stdio::piped());
        let seen = tokio::task::spawn_blocking(move || stranger.output()).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&seen.stdout).trim(), "b''", "{seen:?}");
        let mut client = UnixStream::connect(relay.path()).await.unwrap();
        client.write_all(b"own").await.unwrap();
        drop(client);
        let mut got = Vec::new();
        soon(server.read_to_end(&mut got)).await.unwrap();
        assert_eq!(got, b"own");
    }
}
