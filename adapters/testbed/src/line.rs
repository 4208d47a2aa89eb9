//! A line to a server that can go dead without a sign, as behind a router that has forgotten a connection; that can be
//! slow; and that can lead to another server, as an address does after a failover.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A port of 127.0.0.1 that leads to a server on this machine.
///
/// What is sent over a dead connection is taken and thrown away, in both directions, and nobody is told when the other
/// side closes it. The threads behind it last as long as its connections and the process.
#[derive(Debug)]
pub struct Line {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: AtomicU16,
    /// One for each connection.
    dead: Mutex<Vec<Arc<AtomicBool>>>,
    /// Whether connections are dead from the beginning.
    deaf: AtomicBool,
    opened: AtomicUsize,
    /// How long each piece is on its way, in microseconds.
    delay: AtomicU64,
}

impl Line {
    /// To the server at this port.
    ///
    /// # Errors
    /// When the kernel has no port or thread to spare.
    pub fn to(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = Arc::new(State {
            server: AtomicU16::new(port),
            dead: Mutex::default(),
            deaf: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
            delay: AtomicU64::new(0),
        });
        let line = Self { port: listener.local_addr()?.port(), state: Arc::clone(&state) };
        thread::Builder::new().name("line".to_owned()).spawn(move || {
            for client in listener.incoming().flatten() {
                // Without a server, or a thread: the client sees a connection that closes at once.
                let _ = state.serve(client);
            }
        })?;
        Ok(line)
    }

    /// The port to connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Every connection there is goes dead; later ones work. Answers with how many went dead now.
    pub fn drop_silently(&self) -> usize {
        let dead = std::mem::take(&mut *self.state.dead.lock().unwrap_or_else(PoisonError::into_inner));
        dead.iter().filter(|one| Arc::strong_count(one) > 1 && !one.swap(true, Ordering::SeqCst)).count()
    }

    /// From now on connections are made and never answered, or, with `false`, answered again.
    pub fn be_deaf(&self, deaf: bool) {
        self.state.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Later connections lead to the server at this port.
    pub fn lead_to(&self, port: u16) {
        self.state.server.store(port, Ordering::SeqCst);
    }

    /// From now on everything takes this much longer in each direction, on every connection.
    pub fn be_slow(&self, delay: Duration) {
        self.state.delay.store(delay.as_micros().try_into().unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.state.opened.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let server: SocketAddr = (Ipv4Addr::LOCALHOST, self.server.load(Ordering::SeqCst)).into();
        let server = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let dead = Arc::new(AtomicBool::new(self.deaf.load(Ordering::SeqCst)));
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&dead));
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let (dead, state) = (Arc::clone(&dead), Arc::clone(self));
            thread::Builder::new().name("line".to_owned()).spawn(move || pass(from, to, &dead, &state.delay))?;
        }
        Ok(())
    }
}

/// Passes on what comes until the end, and the end, unless the connection is dead by then.
fn pass(mut from: TcpStream, mut to: TcpStream, dead: &AtomicBool, delay: &AtomicU64) {
    let mut piece = [0; 16 * 1024];
    loop {
        let length = from.read(&mut piece).unwrap_or(0);
        thread::sleep(Duration::from_micros(delay.load(Ordering::SeqCst)));
        let dead = dead.load(Ordering::SeqCst);
        if length == 0 {
            if !dead {
                let _ = to.shutdown(Shutdown::Both);
            }
            return;
        }
        if !dead && to.write_all(&piece[..length]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A server that says everything twice.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut byte = [0];
                    while client.read_exact(&mut byte).is_ok() && client.write_all(&[byte[0], byte[0]]).is_ok() {}
                });
            }
        });
        port
    }

    fn asks(client: &mut TcpStream) -> io::Result<[u8; 2]> {
        client.write_all(b"x")?;
        let mut answer = [0; 2];
        client.read_exact(&mut answer).map(|()| answer)
    }

    #[test]
    fn dead_connections_are_silent_and_new_ones_work() {
        let line = Line::to(echo()).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, line.port())).unwrap();
        let (mut old, mut new) = (connect(), connect());
        assert_eq!(asks(&mut old).unwrap(), *b"xx");
        assert_eq!(asks(&mut new).unwrap(), *b"xx");
        assert_eq!(line.drop_silently(), 2);
        let mut new = connect();
        assert_eq!(asks(&mut new).unwrap(), *b"xx");
        // Neither an answer nor an end.
        old.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert_eq!(asks(&mut old).unwrap_err().kind(), io::ErrorKind::WouldBlock);

        line.be_deaf(true);
        let mut deaf = connect();
        deaf.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert_eq!(asks(&mut deaf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(asks(&mut new).unwrap(), *b"xx");
        assert_eq!(line.opened(), 4);
    }

    #[test]
    fn it_can_be_slow_and_lead_elsewhere() {
        let line = Line::to(echo()).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, line.port())).unwrap();
        let mut old = connect();
        assert_eq!(asks(&mut old).unwrap(), *b"xx");
        line.be_slow(Duration::from_millis(30));
        let begun = Instant::now();
        assert_eq!(asks(&mut old).unwrap(), *b"xx");
        assert!(begun.elapsed() >= Duration::from_millis(60));
        line.be_slow(Duration::ZERO);

        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        line.lead_to(other.local_addr().unwrap().port());
        let mut new = connect();
        other.accept().unwrap().0.write_all(b"here").unwrap();
        let mut answer = [0; 4];
        new.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"here");
        assert_eq!(asks(&mut old).unwrap(), *b"xx");
    }

    #[test]
    fn an_end_is_passed_on_while_the_connection_lives() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let line = Line::to(listener.local_addr().unwrap().port()).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, line.port())).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}
