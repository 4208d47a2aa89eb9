//! What becomes of a server whose owner is killed.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn no_server_outlives_an_owner_that_was_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("mariadb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("xtask starts");
    let mut lines = BufReader::new(owner.stdout.take().expect("a pipe")).lines();
    let mut value = |name: &str| {
        let line = lines.next().expect("a line").expect("text");
        line.strip_prefix(name).unwrap_or_else(|| panic!("{name} expected, not {line}")).trim().to_owned()
    };
    let url = value("url");
    let ca = value("ca");
    let folder = Path::new(&ca).parent().expect("a folder");
    let address = url.split(['@', '/']).nth(3).expect("host and port");
    TcpStream::connect(address).expect("the server answers");
    assert!(folder.is_dir());

    owner.kill().expect("SIGKILL");
    owner.wait().expect("it ends");

    let deadline = Instant::now() + Duration::from_secs(60);
    while folder.exists() || TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "{address} or {} is still there", folder.display());
        thread::sleep(Duration::from_millis(50));
    }
}
