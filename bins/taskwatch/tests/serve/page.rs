//! The page in a real browser, under its own policy.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::browser::Browser;
use crate::support::Served;

const TOKEN: &str = "0123456789abcdef";
/// What harms where text is taken for markup.
const HOSTILE: &str = r#"<img src=x onerror="document.title='harmed'"><script>document.title='harmed'</script>&amp;"#;

fn served() -> Served {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    Served::in_folder(folder, &["--set", "intake.token_file=token", "--set", "intake.page_limit=3"])
}

fn add(served: &Served, title: &str) {
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\n");
    let body = json!({ "title": title, "description": HOSTILE }).to_string();
    assert_eq!(served.request("POST /tasks", &headers, &body).status, 200);
}

/// The tasks that are listed, from above.
fn listed(browser: &Browser) -> Vec<i64> {
    let cells = "return [...document.querySelectorAll('#tasks td:first-child')].map((cell) => Number(cell.innerText))";
    serde_json::from_value(browser.run(cells)).unwrap()
}

fn until_listed(browser: &Browser, tasks: &[i64]) {
    crate::support::until(|| listed(browser) == tasks);
}

fn enter(browser: &Browser, url: &str) {
    browser.open(url);
    browser.see("#said", |said| said == "This server asks for a token.");
    browser.keys("#token", &format!("{TOKEN}\n"));
}

#[test]
fn a_person_can_add_find_follow_and_cancel_tasks() {
    let served = served();
    for title in ["first", HOSTILE, "third", "fourth"] {
        add(&served, title);
    }
    let browser = Browser::start();
    browser.open(&format!("http://{}/", served.address));
    browser.see("#said", |said| said == "This server asks for a token.");
    browser.keys("#token", "0123456789abcdeX\n");
    browser.see("#said", |said| said == "This is not the token.");
    browser.keys("#token", &format!("{TOKEN}\n"));

    until_listed(&browser, &[4, 3, 2]);
    assert_eq!((browser.text("#said"), browser.text("#door-title")), (String::new(), String::new()));
    let row =
        browser.run("return [...document.querySelectorAll('#tasks tr:last-child td')].map((cell) => cell.textContent)");
    assert_eq!(row, json!(["2", HOSTILE, HOSTILE, "Pending"]));
    browser.click("#older");
    until_listed(&browser, &[1]);
    browser.click("#newest");
    until_listed(&browser, &[4, 3, 2]);

    // Nobody presses anything.
    add(&served, "of another program");
    until_listed(&browser, &[5, 4, 3]);

    browser.keys("#title", "Send the invoice");
    browser.keys("#description", "No. 4711");
    browser.run("document.getElementById('not-before').value = '2099-12-01T02:00'");
    browser.keys("#title", "\n");
    browser.see("#said", |said| said == "Task added successfully: task 6.");
    until_listed(&browser, &[6, 5, 4]);
    browser.click("button[aria-label='Show task 6']");
    browser.see("#task-title", |title| title == "Task 6: Send the invoice");
    browser.see("#facts", |facts| facts.contains("No. 4711") && facts.contains("2099"));
    browser.see("#ledger", |ledger| ledger.contains("Added") && ledger.contains("Pending"));
    browser.keys("#reason", "the customer called\n");
    browser.see("#said", |said| said == "Task cancelled: task 6.");
    browser.see("#ledger", |ledger| ledger.contains("Pending → Cancelled") && ledger.contains("the customer called"));
    browser.see("#cancel", str::is_empty);

    browser.keys("#status", "Cancelled");
    until_listed(&browser, &[6]);
    // A second task with the same words is another task.
    browser.keys("#title", "Send the invoice\n");
    browser.see("#said", |said| said == "Task added successfully: task 7.");
    assert_eq!(served.run(&["verify"]).status.code(), Some(0));

    browser.run("location.reload()");
    until_listed(&browser, &[7, 6, 5]);
    assert_eq!(browser.run("return document.title"), "taskwatch");
    let complaints = browser.console();
    assert!(complaints.iter().all(|one| one.contains("401 (Unauthorized)")), "{complaints:?}");
    browser.click("#forget");
    browser.see("#said", |said| said == "This server asks for a token.");
    assert_eq!(listed(&browser), [0_i64; 0]);
}

#[test]
fn it_works_behind_a_gateway_that_puts_something_before_the_path() {
    let served = served();
    for title in ["first", "second", "third", "fourth"] {
        add(&served, title);
    }
    let gateway = gateway(Arc::new(Mutex::new(served.address)));
    let browser = Browser::start();
    enter(&browser, &format!("http://{gateway}/stage/"));
    until_listed(&browser, &[4, 3, 2]);
    browser.click("#older");
    until_listed(&browser, &[1]);
    browser.keys("#title", "fifth\n");
    browser.see("#said", |said| said == "Task added successfully: task 5.");
    browser.click("button[aria-label='Show task 1']");
    browser.see("#task-title", |title| title == "Task 1: first");
    browser.open(&format!("http://{gateway}/stage"));
    until_listed(&browser, &[5, 4, 3]);
}

#[test]
fn a_server_that_goes_away_is_named_until_it_is_back() {
    let first = served();
    add(&first, "first");
    let server = Arc::new(Mutex::new(first.address));
    let browser = Browser::start();
    enter(&browser, &format!("http://{}/stage/", gateway(Arc::clone(&server))));
    until_listed(&browser, &[1]);
    drop(first);
    browser.see("#said", |said| said == "The server cannot be reached.");
    assert_eq!(listed(&browser), [1]);
    let second = served();
    *server.lock().unwrap() = second.address;
    browser.see("#said", str::is_empty);
    until_listed(&browser, &[]);
}

/// Passes on requests for what is below `/stage`, without that, one a connection.
fn gateway(server: Arc<Mutex<SocketAddr>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = *server.lock().unwrap();
            // The browser sees what fails.
            thread::spawn(move || pass_on(client, server));
        }
    });
    address
}

fn pass_on(mut client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        let mut piece = [0; 4096];
        let length = client.read(&mut piece)?;
        request.extend_from_slice(&piece[..length]);
        if length == 0 {
            return Ok(());
        }
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let rest = request.split_off(head);
    let head = String::from_utf8_lossy(&request).replacen(" /stage ", " /stage/ ", 1);
    if !head.contains(" /stage/") {
        return client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let head = head.replacen(" /stage/", " /", 1);
    let mut server = TcpStream::connect(server)?;
    write!(server, "{}\r\nConnection: close", head.replacen("Connection: keep-alive\r\n", "", 1))?;
    server.write_all(&rest)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    io::copy(&mut server, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)
}
