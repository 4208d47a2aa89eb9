//! Signals.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use crate::support::{Answer, Served, until};

/// A request that the program has begun to work on: it has asked for the body.
fn begun(served: &Served) -> TcpStream {
    let mut stream = served.connect();
    let head = "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 14\r\nConnection: close\r\n";
    write!(stream, "POST /tasks HTTP/1.1\r\nHost: x\r\n{head}\r\n").unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("100 Continue"), "{line}");
    reader.read_line(&mut line).unwrap();
    assert!(reader.buffer().is_empty());
    stream
}

#[test]
fn a_request_that_was_begun_is_answered_before_the_end() {
    let mut served = Served::new(&[]);
    let idle = served.connect();
    let mut stream = begun(&served);
    served.signal();
    until(|| TcpStream::connect(served.address).is_err());
    stream.write_all(br#"{"title": "t"}"#).unwrap();
    let answer = Answer::read(stream);
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(idle);
    assert!(served.wait().success(), "{}", served.log());
    let listed = served.run(&["list", "--json"]);
    assert!(String::from_utf8(listed.stdout).unwrap().contains("\"Pending\""));
}

#[test]
fn a_request_that_never_ends_does_not_keep_it() {
    let mut served = Served::new(&["--set", "worker.drain=300ms"]);
    let _stream = begun(&served);
    served.signal();
    assert!(served.wait().success());
    assert!(served.log().contains("cut off"), "{}", served.log());
}
