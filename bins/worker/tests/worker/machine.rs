//! What the machine is told: systemd by its socket, load balancers over HTTP.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use taskwatch_core::task::Status;
use taskwatch_testbed::MariaDb;

use crate::place::{PATIENCE, Place, Worker, shell};

/// systemd's end of `NOTIFY_SOCKET`.
struct Systemd {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Systemd {
    fn of(place: &Place) -> Self {
        let path = place.folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { path, socket }
    }

    fn settings(&self) -> (&'static str, &str) {
        ("NOTIFY_SOCKET", self.path.to_str().unwrap())
    }

    /// The next that it is told; `None` where nothing comes for so long.
    fn told(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut word = [0; 256];
        match self.socket.recv(&mut word) {
            Ok(length) => Some(String::from_utf8(word[..length].to_vec()).unwrap().trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Takes all that has been told, and what comes within a moment.
    fn empty(&self) {
        while self.told(Duration::from_millis(1)).is_some() {}
    }
}

#[tokio::test]
async fn systemd_hears_that_it_is_ready_that_it_lives_and_that_it_stops() {
    let place = Place::new().await;
    let systemd = Systemd::of(&place);
    // An idle queue beats as often as an engine looks at its leases.
    let settings = [systemd.settings(), ("WATCHDOG_USEC", "2000000"), ("TASKWATCH_WORKER_LEASE", "3s")];
    let worker = place.worker(&settings);
    assert_eq!(systemd.told(PATIENCE).as_deref(), Some("READY=1"));
    for _ in 0..3 {
        assert_eq!(systemd.told(PATIENCE).as_deref(), Some("WATCHDOG=1"));
    }
    worker.signal(Signal::STOP);
    systemd.empty();
    assert_eq!(systemd.told(Duration::from_secs(2)), None, "one that stands still says nothing");
    worker.signal(Signal::CONT);
    assert_eq!(systemd.told(PATIENCE).as_deref(), Some("WATCHDOG=1"));
    worker.signal(Signal::TERM);
    loop {
        match systemd.told(PATIENCE).as_deref() {
            Some("WATCHDOG=1") => {}
            other => break assert_eq!(other, Some("STOPPING=1")),
        }
    }
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn the_watchdog_hears_of_progress_and_not_of_time() {
    let place = Place::new().await;
    let systemd = Systemd::of(&place);
    // An idle engine looks at its leases every 10 s, which is far too seldom for this watchdog.
    let settings = [systemd.settings(), ("WATCHDOG_USEC", "400000"), ("TASKWATCH_WORKER_LEASE", "2h")];
    let _worker = place.worker(&settings);
    assert_eq!(systemd.told(PATIENCE).as_deref(), Some("READY=1"));
    let begun = Instant::now();
    let mut told = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        told += u32::from(systemd.told(Duration::from_millis(100)).is_some());
    }
    assert!(told < 10, "told {told} times, of the 30 that a mere timer would");
}

#[tokio::test]
async fn an_idle_worker_lives_however_long_its_leases_are() {
    let place = Place::new().await;
    let systemd = Systemd::of(&place);
    // It is asked every 12 s whether it has looked at the clock.
    let settings = [systemd.settings(), ("WATCHDOG_USEC", "48000000"), ("TASKWATCH_WORKER_LEASE", "2h")];
    let _worker = place.worker(&settings);
    let told: Vec<_> = (0..3).map(|_| systemd.told(PATIENCE)).collect();
    assert_eq!(told, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"].map(|word| Some(word.to_owned())));
}

#[tokio::test]
async fn what_cannot_work_is_never_ready() {
    let place = Place::new().await;
    let systemd = Systemd::of(&place);
    let (code, said) = place.worker(&[systemd.settings(), ("TASKWATCH_QUEUE_NAME", "")]).end();
    assert_eq!((code, systemd.told(Duration::from_millis(1))), (Some(2), None), "{said}");
}

/// A port that nobody listens on.
fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).proxy(None);
    config.build().new_agent()
}

/// The status and what it says; 0 where nobody listens.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    match agent().get(format!("http://{address}{path}")).call() {
        Ok(mut answer) => (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap()),
        Err(_) => (0, String::new()),
    }
}

/// Asks until it answers so.
async fn becomes(worker: &Worker, address: SocketAddr, path: &str, status: u16) -> String {
    let begun = Instant::now();
    loop {
        let (found, said) = get(address, path);
        if found == status {
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "{path} still answers {found}: {said}; {}", worker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn it_is_ready_while_database_and_queue_answer_and_nobody_has_told_it_to_stop() {
    let mut server = MariaDb::start().unwrap_or_else(|error| panic!("failed to {error}"));
    let place = Place::on(&server).await;
    let address = free();
    let slow = shell("sleep 3");
    let told = address.to_string();
    let settings = [("TASKWATCH_WORKER_HEALTH", told.as_str()), ("TASKWATCH_HANDLER_COMMAND", &slow)];
    let worker = place.worker(&settings);
    assert_eq!(becomes(&worker, address, "/readyz", 200).await, "ready");

    server.kill().unwrap();
    // It finds out when it needs it.
    place.aws.sqs("SendMessage", &json!({ "QueueUrl": place.queue.url, "MessageBody": r#"{"task_id":1}"# })).unwrap();
    let why = becomes(&worker, address, "/readyz", 503).await;
    assert!(why.contains("in the way"), "{why}");
    assert_eq!(get(address, "/healthz").0, 200, "to start it again would mend nothing");
    server.restart().unwrap();
    becomes(&worker, address, "/readyz", 200).await;

    place.add(&["slow"]).await;
    place.until(Status::InProgress, 1).await;
    worker.signal(Signal::TERM);
    assert_eq!(becomes(&worker, address, "/readyz", 503).await, "stopping");
    assert_eq!(worker.end().0, Some(0));
    place.until(Status::Completed, 1).await;
}

#[tokio::test]
async fn the_intake_is_served_by_the_same_process() {
    let place = Place::new().await;
    let address = free();
    let told = address.to_string();
    let queue = place.queue.url.clone();
    let worker = place.worker(&[
        ("TASKWATCH_WORKER_INTAKE", "true"),
        ("TASKWATCH_INTAKE_LISTEN", &told),
        ("TASKWATCH_ANNOUNCE_TARGET", &queue),
    ]);
    becomes(&worker, address, "/tasks", 200).await;
    for title in ["a", "b", "c"] {
        let task = json!({ "title": title }).to_string();
        let added = agent().post(format!("http://{address}/tasks")).content_type("application/json").send(task);
        assert_eq!(added.unwrap().status().as_u16(), 200);
    }
    place.until(Status::Completed, 3).await;
    let listed: Value = serde_json::from_str(&get(address, "/tasks").1).unwrap();
    assert!(listed.as_array().unwrap().iter().all(|task| task["status"] == "Completed"), "{listed}");
    let (code, said) = worker.stop();
    assert_eq!(code, Some(0), "{said}");
    place.audit().await;
}
