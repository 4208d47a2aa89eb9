//! A proxy in front of the database that counts round trips.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};

/// Listens until the process ends.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    trips: AtomicU64,
}

/// How often somebody waited for the server: what was sent before an answer began is one question, however many
/// packets it took. Encryption changes nothing about that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trips {
    pub(super) connections: u64,
    pub(super) trips: u64,
}

impl Proxy {
    /// In front of a server on this machine.
    pub(super) fn before(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to listen")?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let theirs = Arc::clone(&counts);
        thread::spawn(move || {
            for client in listener.incoming() {
                // Either end sees its connection closed where the other fails.
                let _ = client.and_then(|client| join(client, server, &theirs));
            }
        });
        Ok(Self { address, counts })
    }

    /// So far.
    pub(super) fn count(&self) -> Trips {
        let connections = self.counts.connections.load(Ordering::Acquire);
        Trips { connections, trips: self.counts.trips.load(Ordering::Acquire) }
    }
}

impl std::ops::Sub for Trips {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { connections: self.connections - earlier.connections, trips: self.trips - earlier.trips }
    }
}

fn join(client: TcpStream, server: SocketAddr, counts: &Arc<Counts>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    counts.connections.fetch_add(1, Ordering::AcqRel);
    // The server greets first. A client that speaks before is counted, too.
    let answered = Arc::new(AtomicBool::new(true));
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (counts, asked) = (Arc::clone(counts), Arc::clone(&answered));
    thread::spawn(move || {
        copy(from_client, to_server, || {
            if asked.swap(false, Ordering::AcqRel) {
                counts.trips.fetch_add(1, Ordering::AcqRel);
            }
        });
    });
    // Noted before it is passed on: nobody can answer to what has not come.
    thread::spawn(move || copy(server, client, || answered.store(true, Ordering::Release)));
    Ok(())
}

/// Until one of the two closes; then both are closed.
fn copy(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut()) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        note();
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_in_pieces_is_one_and_an_answer_in_pieces_is_none() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::before(listener.local_addr().unwrap()).unwrap();
        let mut client = TcpStream::connect(proxy.address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let pass = |from: &mut TcpStream, to: &mut TcpStream| {
            from.write_all(b"x").unwrap();
            to.read_exact(&mut [0]).unwrap();
        };
        pass(&mut server, &mut client);
        assert_eq!(proxy.count(), Trips { connections: 1, trips: 0 });
        for trips in 1..=3 {
            pass(&mut client, &mut server);
            pass(&mut client, &mut server);
            assert_eq!(proxy.count(), Trips { connections: 1, trips });
            pass(&mut server, &mut client);
            pass(&mut server, &mut client);
        }
        drop(client);
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    }
}
