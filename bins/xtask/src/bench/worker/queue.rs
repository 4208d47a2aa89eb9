//! The stand-in for SQS, and its queues.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use ureq::Agent;

use super::super::announcement::body;
use super::super::machine;
use super::subject::PEERS;
use crate::node;
use crate::workspace::Workspace;

const REGION: &str = "eu-west-1";
const PATIENCE: Duration = Duration::from_secs(30);
/// Most messages of one call.
const FULL: usize = 10;

/// fauxqs, in a process of its own. Ends with the value.
#[derive(Debug)]
pub(super) struct StandIn {
    child: Child,
    endpoint: String,
    agent: Agent,
}

/// How often each kind of call was made.
pub(super) type Calls = BTreeMap<String, u64>;

/// One queue of it, removed with the value.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    stand_in: &'a StandIn,
    name: String,
    pub(super) url: String,
}

impl StandIn {
    /// Starts it in a folder of its own below `folder`.
    pub(super) fn start(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let source = workspace.root.join(PEERS).join("fauxqs");
        let (own, script) = script(workspace, &source, "server.mjs", folder)?;
        let log = own.join("log");
        let mut command = Command::new(node::program()?);
        command.arg(script).current_dir(&own).env("AWS_REGION", REGION).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(File::create(&log)?).spawn().context("failed to start the stand-in for SQS")?;
        let output = child.stdout.take().context("the stand-in for SQS has no output")?;
        let agent = Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build().new_agent();
        // Complete from here on, so that whatever fails ends the process.
        let mut stand_in = Self { child, endpoint: String::new(), agent };
        let mut port = String::new();
        BufReader::new(output).read_line(&mut port).context("failed to hear of the stand-in for SQS")?;
        let port: u16 = port
            .trim()
            .parse()
            .with_context(|| format!("the stand-in for SQS does not say where it listens; {}", machine::said(&log)))?;
        stand_in.endpoint = format!("http://127.0.0.1:{port}");
        Ok(stand_in)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What makes an SDK of whatever language talk to it.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let fixed = [
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let mut variables = vec![("AWS_ENDPOINT_URL", self.endpoint.clone())];
        variables.extend(fixed.map(|(name, value)| (name, value.to_owned())));
        variables
    }

    /// So far.
    pub(super) fn calls(&self) -> Result<Calls> {
        let answer = self.get("calls")?;
        let count = |(name, count): (&String, &Value)| Some((name.clone(), count.as_u64()?));
        Ok(answer.as_object().into_iter().flatten().filter_map(count).collect())
    }

    /// A new one.
    pub(super) fn queue(&self, name: String) -> Result<Queue<'_>> {
        let answer =
            self.call("CreateQueue", &json!({ "QueueName": name, "Attributes": { "VisibilityTimeout": "60" } }))?;
        let url = answer["QueueUrl"].as_str().context("a queue without a URL")?.to_owned();
        Ok(Queue { stand_in: self, name, url })
    }

    fn get(&self, path: &str) -> Result<Value> {
        let answer = self.agent.get(format!("{}/{path}", self.endpoint)).call();
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        let text = text.with_context(|| format!("failed to ask the stand-in for SQS for {path}"))?;
        serde_json::from_str(&text).with_context(|| format!("the stand-in for SQS answers {text}"))
    }

    fn call(&self, action: &str, request: &Value) -> Result<Value> {
        let scope = format!("test/20260101/{REGION}/sqs/aws4_request");
        let answer = self
            .agent
            .post(&self.endpoint)
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .header("x-amz-target", format!("AmazonSQS.{action}"))
            .content_type("application/x-amz-json-1.0")
            .send(request.to_string());
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        let text = text.with_context(|| format!("failed to call {action} of the stand-in for SQS"))?;
        serde_json::from_str(&text).with_context(|| format!("the stand-in for SQS answers {action} with {text}"))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Queue<'_> {
    /// Announces tasks, ten with a call.
    pub(super) fn send(&self, tasks: &[i64]) -> Result<()> {
        for tasks in tasks.chunks(FULL) {
            let entry = |task: &i64| json!({ "Id": task.to_string(), "MessageBody": body(*task) });
            let entries = tasks.iter().map(entry).collect::<Vec<_>>();
            let answer =
                self.stand_in.call("SendMessageBatch", &json!({ "QueueUrl": self.url, "Entries": entries }))?;
            let sent = answer["Successful"].as_array().map_or(0, Vec::len);
            ensure!(sent == tasks.len(), "of {} messages {sent} were sent: {answer}", tasks.len());
        }
        Ok(())
    }

    /// Announces one task.
    pub(super) fn send_one(&self, task: i64) -> Result<()> {
        self.stand_in.call("SendMessage", &json!({ "QueueUrl": self.url, "MessageBody": body(task) })).map(drop)
    }

    /// How many messages have not been deleted.
    pub(super) fn left(&self) -> Result<u64> {
        let queues = self.stand_in.get("_fauxqs/queues")?;
        let own = queues.as_array().into_iter().flatten().find(|queue| queue["name"] == *self.name);
        let own = own.with_context(|| format!("the stand-in for SQS has no queue {} any more", self.name))?;
        let counts = ["approximateMessageCount", "approximateInflightCount", "approximateDelayedCount"];
        counts.into_iter().map(|count| own[count].as_u64().with_context(|| format!("no {count} in {own}"))).sum()
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        // The next one has another name.
        let _ = self.stand_in.call("DeleteQueue", &json!({ "QueueUrl": self.url }));
    }
}

/// Copies a script of Node.js into a folder of its own, with the packages that the lock file beside it names.
pub(super) fn script(workspace: &Workspace, source: &Path, name: &str, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let own = folder.join(source.file_name().context("a script without a folder")?);
    fs::create_dir(&own).with_context(|| format!("failed to create {}", own.display()))?;
    symlink(node::ensure_for(workspace, source)?, own.join("node_modules")).context("failed to link npm packages")?;
    let copy = own.join(name);
    fs::copy(source.join(name), &copy).with_context(|| format!("failed to copy {name}"))?;
    Ok((own, copy))
}
