//! Clients that hold connections, and a process that has none left.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;

use crate::support::{Served, until};

const HALF: &[u8] = b"GET /tasks HTTP/1.1\r\nHost: x\r\nX-Slow: ";

#[test]
fn half_a_head_is_not_waited_for_without_end() {
    let served = Served::new(&[]);
    let mut stalled = served.connect();
    stalled.write_all(HALF).unwrap();
    let mut answer = Vec::new();
    // It has a little longer than load balancers keep a connection for.
    stalled.set_read_timeout(Some(Duration::from_secs(150))).unwrap();
    // The end of the connection; the test's own patience ends with an error.
    assert_eq!(stalled.read_to_end(&mut answer).unwrap(), 0);
    assert_eq!(served.request("GET /tasks", "", "").json(), json!([]));
}

#[test]
fn half_a_head_does_not_keep_it_from_ending() {
    let mut served = Served::new(&["--set", "worker.drain=12h"]);
    let mut stalled = served.connect();
    stalled.write_all(HALF).unwrap();
    // Whoever came before has been let in, too.
    assert_eq!(served.request("GET /tasks", "", "").status, 200);
    served.signal();
    assert!(served.wait().success(), "{}", served.log());
    assert!(!served.log().contains("cut off"), "{}", served.log());
}

#[test]
fn without_files_to_open_it_waits_for_some() {
    let served = Served::new(&[]);
    assert_eq!(served.request("GET /tasks", "", "").json(), json!([]));
    let before = getrlimit(Resource::Nofile);
    let files = std::fs::read_dir(format!("/proc/{}/fd", served.pid().as_raw_nonzero())).unwrap().count();
    let few = Rlimit { current: Some(files as u64), ..before };
    prlimit(Some(served.pid()), Resource::Nofile, few).unwrap();
    let crowd: Vec<_> = (0..10).map(|_| served.connect()).collect();
    until(|| served.log().contains("Too many open files"));
    prlimit(Some(served.pid()), Resource::Nofile, before).unwrap();
    assert_eq!(served.request("GET /tasks", "", "").json(), json!([]));
    drop(crowd);
}
