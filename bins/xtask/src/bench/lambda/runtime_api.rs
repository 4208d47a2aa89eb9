//! The Lambda runtime API, version 2018-06-01, as a measuring device.
//!
//! It runs in this process, so that nothing it does stands on the clock of the function; a request is timed when its
//! head has arrived, before anything is made of it, and every answer leaves in one write.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use nix::time::ClockId;

use super::super::machine::cpu_clock;

/// What Lambda gives a function of this kind; no batch comes near it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A request's head has no more header lines.
const HEADERS: usize = 64;

const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const INVOCATION: &str = "/2018-06-01/runtime/invocation/";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT_EVENT: &str = "/2020-01-01/extension/event/next";

/// A point in time, and how much CPU time all threads of the function had used by then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) cpu: Duration,
}

/// What the function did.
#[derive(Debug)]
pub(super) enum Sign {
    /// It asked for an invocation.
    Ready(Moment),
    /// It is being given one.
    Given(Moment),
    /// It answered.
    Answered { moment: Moment, succeeded: bool, body: String },
    /// It gave up, or did what no function does.
    Failed(String),
}

/// A server for one function.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    events: Sender<Arc<str>>,
    signs: Receiver<Sign>,
}

#[derive(Debug)]
struct Shared {
    /// Of the function, once it runs.
    clock: OnceLock<ClockId>,
    events: Mutex<Receiver<Arc<str>>>,
    signs: Sender<Sign>,
    is_over: AtomicBool,
}

impl RuntimeApi {
    /// Listens on a port of its own.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to listen")?;
        let address = listener.local_addr()?;
        let (events, to_give) = mpsc::channel();
        let (to_tell, signs) = mpsc::channel();
        let (clock, is_over) = (OnceLock::new(), AtomicBool::new(false));
        let shared = Arc::new(Shared { clock, events: Mutex::new(to_give), signs: to_tell, is_over });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), shared) = (stream, Arc::clone(&theirs)) else { return };
                if shared.is_over.load(Ordering::Acquire) {
                    return;
                }
                thread::spawn(move || {
                    if let Err(error) = serve(stream, &shared) {
                        let _ = shared.signs.send(Sign::Failed(error.to_string()));
                    }
                });
            }
        });
        Ok(Self { address, shared, events, signs })
    }

    /// From here on, moments are told on the clock of this process.
    pub(super) fn watch(&self, pid: u32) -> Result<()> {
        self.shared.clock.set(cpu_clock(pid)?).ok().context("one function is watched already")
    }

    /// Leaves an event for whoever asks next.
    pub(super) fn give(&self, event: &Arc<str>) -> Result<()> {
        self.events.send(Arc::clone(event)).context("the runtime API is gone")
    }

    /// What the function does next; `None` if it does nothing for so long.
    pub(super) fn sign(&self, patience: Duration) -> Result<Option<Sign>> {
        match self.signs.recv_timeout(patience) {
            Ok(sign) => Ok(Some(sign)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(gone @ RecvTimeoutError::Disconnected) => Err(gone).context("the runtime API is gone"),
        }
    }
}

impl Shared {
    fn now(&self) -> io::Result<Moment> {
        // A function that is faster than its parent waits here, before it is timed.
        let clock = self.clock.wait();
        let at = Instant::now();
        Ok(Moment { at, cpu: Duration::from(clock.now()?) })
    }

    fn tell(&self, sign: Sign) {
        // Nobody listens any more: the function is being ended.
        let _ = self.signs.send(sign);
    }
}

/// A request, and when its head had arrived.
struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
    moment: Moment,
}

fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut invocations = 0_u64;
    while let Some(Request { method, path, body, moment }) = read(&mut stream, &mut buffer, shared)? {
        match (method.as_str(), path.as_str()) {
            ("GET", NEXT) => {
                shared.tell(Sign::Ready(moment));
                // Ends when the function is no longer wanted.
                let Ok(event) = shared.events.lock().unwrap_or_else(PoisonError::into_inner).recv() else {
                    return Ok(());
                };
                invocations += 1;
                let answer = invocation(&event, invocations);
                shared.tell(Sign::Given(shared.now()?));
                stream.write_all(&answer)?;
            }
            ("POST", path) if path.starts_with(INVOCATION) => {
                let body = String::from_utf8_lossy(&body).into_owned();
                shared.tell(Sign::Answered { moment, succeeded: path.ends_with("/response"), body });
                stream.write_all(&answer("202 Accepted", "", "{\"status\":\"OK\"}"))?;
            }
            ("POST", INIT_ERROR) => {
                shared.tell(Sign::Failed(format!("its init failed: {}", String::from_utf8_lossy(&body))));
                stream.write_all(&answer("202 Accepted", "", "{\"status\":\"OK\"}"))?;
            }
            // Functions register as an extension of themselves to hear of their end, which does not come here.
            ("POST", REGISTER) => {
                stream.write_all(&answer("200 OK", "Lambda-Extension-Identifier: bench\r\n", "{}"))?;
            }
            ("GET", NEXT_EVENT) => {}
            (method, path) => {
                shared.tell(Sign::Failed(format!("it asked for {method} {path}, which nobody serves here")));
                stream.write_all(&answer("404 Not Found", "", "{}"))?;
            }
        }
    }
    Ok(())
}

/// The next request; `None` at the end of the connection.
fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, shared: &Shared) -> io::Result<Option<Request>> {
    let mut head = None;
    loop {
        if head.is_none()
            && let Some((length, method, path, body)) = parse(buffer)?
        {
            head = Some((length, method, path, body, shared.now()?));
        }
        if let Some((length, method, path, body, moment)) = head.take_if(|head| buffer.len() >= head.0 + head.3) {
            let content = buffer[length..length + body].to_vec();
            buffer.drain(..length + body);
            return Ok(Some(Request { method, path, body: content, moment }));
        }
        let mut chunk = [0; 16 << 10];
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            // The function was ended.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// The length of the head, method, path, and the length of the body; `None` if there is more to come.
fn parse(buffer: &[u8]) -> io::Result<Option<(usize, String, String, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(buffer).map_err(io::Error::other)? else { return Ok(None) };
    let header = |name: &str| request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    if header("transfer-encoding").is_some() {
        return Err(io::Error::other("a request in chunks is not read here"));
    }
    let body = match header("content-length") {
        Some(header) => {
            let text = std::str::from_utf8(header.value).map_err(io::Error::other)?;
            text.trim().parse().map_err(io::Error::other)?
        }
        None => 0,
    };
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    Ok(Some((length, method.to_owned(), path.to_owned(), body)))
}

fn invocation(event: &str, number: u64) -> Vec<u8> {
    let deadline = SystemTime::now() + TIMEOUT;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = format!(
        "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-{number:012x}\r\n\
         Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:bench\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r\n"
    );
    answer("200 OK", &headers, event)
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body.as_bytes()].concat()
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the thread that accepts connections.
        let _ = TcpStream::connect(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn sign(api: &RuntimeApi) -> Sign {
        api.sign(PATIENCE).unwrap().expect("it says something")
    }

    #[test]
    fn an_invocation_is_given_answered_and_timed_on_the_clock_of_its_function() {
        let api = RuntimeApi::start().unwrap();
        api.watch(std::process::id()).unwrap();
        let mut function = TcpStream::connect(api.address).unwrap();
        write!(function, "GET {NEXT} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let Sign::Ready(ready) = sign(&api) else { panic!("it is ready") };
        api.give(&"{\"Records\":[]}".into()).unwrap();
        let Sign::Given(given) = sign(&api) else { panic!("it is given one") };
        assert!(given.at >= ready.at && given.cpu >= ready.cpu && ready.cpu > Duration::ZERO);
        let mut answer = vec![0; 4096];
        let length = function.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n{\"Records\":[]}"), "{answer}");
        assert!(answer.contains("Lambda-Runtime-Aws-Request-Id: "), "{answer}");

        // In two pieces, of which the second ends the body and begins the next request.
        write!(function, "POST {INVOCATION}1/response HTTP/1.1\r\nContent-Length: 4\r\n\r\nnu").unwrap();
        write!(function, "llPOST {INVOCATION}2/error HTTP/1.1\r\ncontent-length: 0\r\n\r\n").unwrap();
        let answers = [sign(&api), sign(&api)];
        let [Sign::Answered { succeeded: true, body, .. }, Sign::Answered { succeeded: false, .. }] = &answers else {
            panic!("{answers:?}")
        };
        assert_eq!(body, "null");
    }

    #[test]
    fn whatever_is_not_understood_is_told() {
        for request in
            ["GET /other HTTP/1.1\r\n\r\n", "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "\0\r\n\r\n"]
        {
            let api = RuntimeApi::start().unwrap();
            api.watch(std::process::id()).unwrap();
            TcpStream::connect(api.address).unwrap().write_all(request.as_bytes()).unwrap();
            assert!(matches!(sign(&api), Sign::Failed(_)), "{request:?}");
        }
    }
}
