//! The way to the broker, which can be closed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

/// A port of 127.0.0.1 that refuses connections until it is opened. It is held all the time, so nobody else gets it.
pub(crate) struct Road {
    socket: OwnedFd,
    pub(crate) port: u16,
}

impl Road {
    pub(crate) fn closed() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = SocketAddrV4::try_from(getsockname(&socket).unwrap()).unwrap().port();
        Self { socket, port }
    }

    /// From now on it leads to this port.
    pub(crate) fn open(self, to: u16) {
        listen(&self.socket, 128).unwrap();
        let listener = TcpListener::from(self.socket);
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The client sees what fails.
                let _ = join(client, to);
            }
        });
    }
}

fn join(client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
    Ok(())
}
