//! Stands between the store and the server: notes what the store sends, and breaks the connection where it hurts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What to do with the next command that contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server never gets it.
    BreakBefore,
    /// The server gets it and does it, and the answer is lost.
    BreakAfter,
}

#[derive(Default)]
struct State {
    log: Mutex<Vec<String>>,
    trap: Mutex<Option<(&'static str, Fault)>>,
    sprung: AtomicUsize,
}

/// A port that leads to the server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                client.set_nodelay(true).unwrap();
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                server.set_nodelay(true).unwrap();
                tokio::spawn(serve(client, server, Arc::clone(&state)));
            }
        });
        proxy
    }

    /// Breaks the connection of the next command that contains `text`.
    pub(crate) fn set_trap(&self, text: &'static str, fault: Fault) {
        *self.state.trap.lock().unwrap() = Some((text, fault));
    }

    /// How many traps have been sprung.
    pub(crate) fn sprung(&self) -> usize {
        self.state.sprung.load(Ordering::SeqCst)
    }

    /// The commands since the last call, each of them a round trip.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }
}

async fn serve(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let mut back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    // `None`: the connection has come to its own end, or is to be broken before the command.
    let broken = tokio::select! {
        broken = forward(from_client, to_server, &state) => broken,
        _ = &mut back => None,
    };
    back.abort();
    if let Some(Broken { mut to_server, packet }) = broken {
        // The answer would have gone to nobody: the server must do the command before its client is seen to be gone.
        let _ = to_server.write_all(&packet).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

struct Broken {
    to_server: OwnedWriteHalf,
    packet: Vec<u8>,
}

/// Passes packets on, one by one, until a trap is sprung.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) -> Option<Broken> {
    loop {
        let mut packet = vec![0; 4];
        from.read_exact(&mut packet).await.ok()?;
        let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
        packet.resize(4 + length, 0);
        from.read_exact(&mut packet[4..]).await.ok()?;
        // Packet number 0 begins a command; 3 is COM_QUERY. The handshake begins with 1.
        if packet[3] == 0 && length > 0 {
            let text = match packet[4] {
                3 => String::from_utf8_lossy(&packet[5..]).into_owned(),
                other => format!("command {other}"),
            };
            let trap = {
                let mut trap = state.trap.lock().unwrap();
                trap.take_if(|(part, _)| text.contains(*part))
            };
            state.log.lock().unwrap().push(text);
            if let Some((_, fault)) = trap {
                state.sprung.fetch_add(1, Ordering::SeqCst);
                return (fault == Fault::BreakAfter).then_some(Broken { to_server: to, packet });
            }
        }
        to.write_all(&packet).await.ok()?;
    }
}
