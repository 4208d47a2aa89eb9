//! A browser, led by the W3C WebDriver protocol.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_testbed::find_program;
use tempfile::TempDir;

use crate::support::until;

/// The name under which an answer holds an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Chromium without a window; it ends with the test.
pub(crate) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    _folder: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command =
            Command::new(find_program("chromedriver").unwrap_or_else(|error| panic!("failed to {error}")));
        // Its profile and whatever else it writes.
        command.env("HOME", folder.path()).env("TMPDIR", folder.path()).args(["--port=0", "--log-level=SEVERE"]);
        let said = folder.path().join("said");
        let driver = command.stdin(Stdio::null()).stdout(File::create(&said).unwrap()).stderr(Stdio::null()).spawn();
        let driver = driver.unwrap();
        let mut port = None;
        until(|| {
            let said = std::fs::read_to_string(&said).unwrap();
            port =
                said.split_once("successfully on port ").and_then(|(_, port)| Some(port.split_once('.')?.0.to_owned()));
            port.is_some()
        });
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60)));
        let agent = config.http_status_as_error(false).proxy(None).build().new_agent();
        let mut this =
            Self { driver, agent, session: format!("http://127.0.0.1:{}/session", port.unwrap()), _folder: folder };
        let mut arguments = vec!["--headless", "--disable-dev-shm-usage", "--disable-gpu"];
        // Nobody but the test's own server.
        arguments.push("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
        // Its sandbox refuses to work for root.
        arguments.extend(rustix::process::geteuid().is_root().then_some("--no-sandbox"));
        let wanted = json!({ "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } });
        let session = this.post("", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        this.session = format!("{}/{}", this.session, session["sessionId"].as_str().unwrap());
        this
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.agent.post(format!("{}{path}", self.session)).send(body.to_string());
        let mut answer: Value = serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {}", answer["value"]["message"]);
        answer["value"].take()
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// As a person would: it must be there to be seen.
    pub(crate) fn click(&self, selector: &str) {
        self.post(&format!("/element/{}/click", self.element(selector)), &json!({}));
    }

    /// Types; `\n` is the Enter key.
    pub(crate) fn keys(&self, selector: &str, text: &str) {
        self.post(
            &format!("/element/{}/value", self.element(selector)),
            &json!({ "text": text.replace('\n', "\u{e007}") }),
        );
    }

    /// What a function with this body returns.
    pub(crate) fn run(&self, body: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// The text of an element as it can be seen: nothing where it is hidden.
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = format!("const element = document.querySelector({})", json!(selector));
        let text = self.run(&format!("{element}; return element.checkVisibility() ? element.innerText : ''"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until the text of an element is right.
    pub(crate) fn see(&self, selector: &str, right: impl Fn(&str) -> bool) {
        let mut last = String::new();
        until(|| {
            let text = self.text(selector);
            let is_right = right(&text);
            if text != last {
                #[expect(clippy::print_stdout, reason = "shown where the test fails")]
                {
                    println!("{selector}: {text:?}");
                }
                last = text;
            }
            is_right
        });
    }

    /// What its console has said since the last time.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, and the driver knows of no other end.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
