//! The table of settings: every key with its meaning, its kind, its limits and its default, and nothing else. Reading,
//! refusing, documenting and showing all go by it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use confique::Config;
use url::Url;

use crate::kinds::{
    Choice, argv, buckets, choice, duration, fraction, http_url, origins, path, region, socket, switch, text, whole,
};
use crate::place::{Place, place};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// All settings as they are written down, each for itself.
#[derive(Debug, Config)]
pub(crate) struct Definitions {
    #[config(nested)]
    pub(crate) database: DatabaseKeys,
    #[config(nested)]
    pub(crate) aws: Aws,
    #[config(nested)]
    pub(crate) handler: HandlerKeys,
    #[config(nested)]
    pub(crate) worker: Worker,
    #[config(nested)]
    pub(crate) intake: Intake,
    #[config(nested)]
    pub(crate) announce: Announce,
    #[config(nested)]
    pub(crate) queue: Queue,
    #[config(nested)]
    pub(crate) lambda: Lambda,
    #[config(nested)]
    pub(crate) replay: Replay,
    #[config(nested)]
    pub(crate) log: Log,
}

/// Which database, and how to get in.
#[derive(Debug, Config)]
pub(crate) struct DatabaseKeys {
    /// Where the tasks are kept: an SQLite file, or a MySQL or MariaDB server (port 3306 if left out). It never holds a
    /// password.
    #[config(default = "sqlite://taskwatch.db", deserialize_with = place)]
    pub(crate) url: Place,

    /// A file that holds the password and nothing else; a line break at its end does not count.
    #[config(deserialize_with = path)]
    pub(crate) password_file: Option<PathBuf>,

    /// ARN or name of an AWS Secrets Manager secret: either the JSON that RDS keeps (`{"username", "password", ...}`) or
    /// the bare password.
    #[config(deserialize_with = text::<2048, _>)]
    pub(crate) password_secret: Option<String>,

    /// Logs in with RDS IAM tokens instead of a password. Needs a verified TLS connection.
    #[config(default = false, deserialize_with = switch)]
    pub(crate) iam_auth: bool,

    /// A PEM file with certificate authorities to trust beside those of the system (in the Lambda function: beside those
    /// that Mozilla trusts), such as the RDS bundle.
    #[config(deserialize_with = path)]
    pub(crate) ca_file: Option<PathBuf>,

    /// Encryption of the connection to the server. `verify` checks certificate and host name, `prefer` encrypts where the
    /// server can and checks nothing, `off` does not encrypt. Without it: `verify`, or on localhost without `ca_file` and
    /// `iam_auth`, `prefer`.
    #[config(deserialize_with = choice)]
    pub(crate) tls: Option<TlsChoice>,

    /// Lets `database.tls` be `prefer` or `off` for a server that is not on localhost.
    #[config(default = false, deserialize_with = switch)]
    pub(crate) tls_insecure_anyway: bool,

    /// How many connections are open at most.
    #[config(default = 4, deserialize_with = whole::<1, 1000, _, _>)]
    pub(crate) connections: u32,

    /// How long to wait for a connection before the database counts as not available.
    #[config(default = "10s", deserialize_with = duration::<100, { 10 * MINUTE }, _>)]
    pub(crate) connect_timeout: Duration,
}

/// How AWS is reached.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Aws {
    /// The region. Without it `AWS_REGION` counts, then `AWS_DEFAULT_REGION`.
    #[config(deserialize_with = region)]
    pub region: Option<String>,
}

/// What works a task.
#[derive(Debug, Config)]
pub(crate) struct HandlerKeys {
    /// What works a task: pretended work, a program, or an HTTP request. Without it no task can be worked.
    #[config(deserialize_with = choice)]
    pub(crate) kind: Option<HandlerChoice>,

    /// For `command`: the program and its arguments, run without a shell. As a variable or flag: a JSON array. Other users
    /// of the machine can read it, so it must hold no secrets.
    #[config(deserialize_with = argv)]
    pub(crate) command: Option<Vec<String>>,

    /// For `http`: where each task is sent by POST. It is shown in messages, so it must hold no secrets.
    #[config(deserialize_with = http_url)]
    pub(crate) http_url: Option<Url>,

    /// For `http`: a file with further request headers, one `Name: value` a line, such as an Authorization header.
    #[config(deserialize_with = path)]
    pub(crate) http_headers_file: Option<PathBuf>,

    /// How long an attempt may take before it is cut off and counts as failed.
    #[config(default = "15m", deserialize_with = duration::<10, { 12 * HOUR }, _>)]
    pub(crate) time_limit: Duration,

    /// For `simulate`: how long an attempt takes.
    #[config(default = "50ms", deserialize_with = duration::<0, { 12 * HOUR }, _>)]
    pub(crate) simulate_duration: Duration,

    /// For `simulate`: the share of attempts that fail and may be tried again.
    #[config(default = 0.0, deserialize_with = fraction)]
    pub(crate) simulate_failures: f64,

    /// For `simulate`: the share of attempts that fail for good.
    #[config(default = 0.0, deserialize_with = fraction)]
    pub(crate) simulate_permanent: f64,

    /// For `simulate`: the share of attempts that panic.
    #[config(default = 0.0, deserialize_with = fraction)]
    pub(crate) simulate_panics: f64,

    /// For `simulate`: what the draws start from; the same seed gives the same results.
    #[config(default = 0, deserialize_with = whole::<0, { u64::MAX }, _, _>)]
    pub(crate) simulate_seed: u64,
}

/// How tasks are claimed, repeated and given back.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Worker {
    /// The name in the ledger. Without it the host name and process number.
    #[config(deserialize_with = text::<100, _>)]
    pub name: Option<String>,

    /// How many attempts run at the same time.
    #[config(default = 16, deserialize_with = whole::<1, 1000, _, _>)]
    pub concurrency: usize,

    /// How long a claim lasts; it is renewed in good time while the work goes on. After that another worker may take the
    /// task over.
    #[config(default = "60s", deserialize_with = duration::<SECOND, { 12 * HOUR }, _>)]
    pub lease: Duration,

    /// How many attempts a task gets that does not say so itself.
    #[config(default = 5, deserialize_with = whole::<1, 1000, _, _>)]
    pub max_attempts: u32,

    /// The wait before the second attempt is drawn between zero and this; the bound doubles with each further attempt.
    #[config(default = "1s", deserialize_with = duration::<1, DAY, _>)]
    pub backoff_base: Duration,

    /// Where that doubling ends.
    #[config(default = "15m", deserialize_with = duration::<1, { 30 * DAY }, _>)]
    pub backoff_cap: Duration,

    /// How long a shutdown waits for running attempts before it gives their tasks back.
    #[config(default = "20s", deserialize_with = duration::<0, { 12 * HOUR }, _>)]
    pub drain: Duration,

    /// How often the table is asked for due tasks while there are none.
    #[config(default = "1s", deserialize_with = duration::<10, HOUR, _>)]
    pub poll: Duration,

    /// Where `taskwatch-worker` answers `/healthz` and `/readyz`. Without it, nowhere.
    #[config(deserialize_with = socket)]
    pub health: Option<SocketAddr>,

    /// Has `taskwatch-worker` serve the API as well, on `intake.listen`.
    #[config(default = false, deserialize_with = switch)]
    pub intake: bool,

    /// Has `taskwatch-worker`, on EC2, ask the instance metadata whether the instance is about to go: EC2 takes a Spot
    /// instance back, an Auto Scaling group takes it out. It drains then as if told by a signal, within the time that is
    /// left. Elsewhere it makes no difference.
    #[config(default = true, deserialize_with = switch)]
    pub notices: bool,

    /// The lifecycle hook whose action `taskwatch-worker` completes once it has drained, where an Auto Scaling group takes
    /// the instance out. Without it: the group's hook for instances that terminate, if it has just one. Takes
    /// `autoscaling:DescribeAutoScalingInstances`, `autoscaling:RecordLifecycleActionHeartbeat` and
    /// `autoscaling:CompleteLifecycleAction`, and without this setting `autoscaling:DescribeLifecycleHooks`.
    #[config(deserialize_with = text::<255, _>)]
    pub lifecycle_hook: Option<String>,

    /// How long a row that another program inserted is left to that program before the sweeper adopts it.
    #[config(default = "10m", deserialize_with = duration::<0, { 30 * DAY }, _>)]
    pub adopt_after: Duration,
}

/// The API that adds tasks over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Intake {
    /// Where `taskwatch serve` listens. Whatever is not this machine's own address lets others in: see `intake.token_file`.
    #[config(default = "127.0.0.1:8080", deserialize_with = socket)]
    pub listen: SocketAddr,

    /// Browser pages of which other origins may use the API, or `*` for all of them. As a variable or flag: a JSON array.
    /// Without it only pages of the API's own origin may.
    #[config(default = [], deserialize_with = origins)]
    pub origins: Vec<String>,

    /// A file that holds the bearer token which requests must show, and nothing else; a line break at its end does not
    /// count. Without it everybody who can reach the API may use it.
    #[config(deserialize_with = path)]
    pub token_file: Option<PathBuf>,

    /// How many tasks one answer holds at most; it holds fewer where they would be more than 4 MiB.
    #[config(default = 10_000, deserialize_with = whole::<1, 100_000, _, _>)]
    pub page_limit: usize,
}

/// Where the tasks that are added or put back are announced.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Announce {
    /// The ARN of an SNS topic or the URL of an SQS queue. With it, each task that is added or put back leaves an
    /// announcement in the database, in the same transaction, and whoever adds it publishes that afterwards. Without it
    /// nothing is announced: workers then find tasks in the table.
    #[config(deserialize_with = text::<2048, _>)]
    pub target: Option<String>,

    /// How long the answer to whoever adds a task may wait for its announcement. One that takes longer is left to the
    /// next sweep.
    #[config(default = "1s", deserialize_with = duration::<0, { 30 * SECOND }, _>)]
    pub within: Duration,

    /// How often a program that keeps running looks for announcements that were left behind.
    #[config(default = "10s", deserialize_with = duration::<100, HOUR, _>)]
    pub sweep: Duration,
}

/// Which queue, and what is done to its messages.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Queue {
    /// The URL or the ARN of the SQS queue that `taskwatch-worker` polls. Lambda functions are told by their event source
    /// mapping.
    #[config(deserialize_with = text::<2048, _>)]
    pub name: Option<String>,

    /// How many long polls are under way at the same time.
    #[config(default = 2, deserialize_with = whole::<1, 32, _, _>)]
    pub receivers: usize,

    /// How long SQS may hold a poll open while there are no messages.
    #[config(default = "20s", deserialize_with = duration::<0, { 20 * SECOND }, _>)]
    pub wait: Duration,

    /// How long a received message stays hidden from others; it is renewed in good time while the work goes on.
    #[config(default = "60s", deserialize_with = duration::<{ 10 * SECOND }, { 12 * HOUR }, _>)]
    pub hidden: Duration,

    /// Buckets from which the payloads of messages are fetched that hold a pointer to S3 instead (the extended client's).
    /// As a variable or flag: a JSON array. Pointers to other buckets, and all of them without it, are dead letters.
    #[config(default = [], deserialize_with = buckets)]
    pub payload_buckets: Vec<String>,

    /// Has a message that comes again come when its task is due, instead of after the queue's visibility timeout. Needs
    /// `sqs:ChangeMessageVisibility`; without that, the timeout counts.
    #[config(default = true, deserialize_with = switch)]
    pub visibility: bool,

    /// What becomes of messages that can never be worked. `send`: they are sent to the dead-letter queue with the reason
    /// among their attributes, and deleted then; needs `sqs:SendMessage` there, without which it is as `redrive`.
    /// `redrive`: they are left to the queue, which moves them once they have been received too often.
    #[config(default = "send", deserialize_with = choice)]
    pub dead_letters: DeadLetters,
}

/// What the Lambda function does, and how it answers its queue.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Lambda {
    /// What the function is for. `process`: the messages of an SQS event source mapping. `intake`: the API that adds
    /// tasks, behind a function URL, an API Gateway or a load balancer; whatever else invokes it has it look for
    /// announcements that were left behind.
    #[config(default = "process", deserialize_with = choice)]
    pub role: Role,

    /// How a batch is answered of which something failed. `whole`: the invocation fails and every message comes again,
    /// which is safe with any event source mapping. `partial`: the failed messages alone come again, which needs
    /// `ReportBatchItemFailures` on the mapping: without that, SQS would delete them.
    #[config(default = "whole", deserialize_with = choice)]
    pub report: BatchReport,

    /// Nothing is started later than this before the function's timeout. Half of it is for running attempts to end by
    /// themselves, unless `worker.drain` is less; the rest is for giving back what has not, and for the answer.
    #[config(default = "2s", deserialize_with = duration::<500, { 10 * MINUTE }, _>)]
    pub margin: Duration,
}

/// How `taskwatch replay` and `taskwatch dlq` deal with dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Replay {
    /// The folder in which dead letters are kept that were taken off a queue, one journal for each queue and file. All who
    /// replay the same queue on a machine must use the same. Without it, `taskwatch` in the folder that `XDG_STATE_HOME`
    /// names, or `.local/state/taskwatch` in the home folder.
    #[config(deserialize_with = path)]
    pub journals: Option<PathBuf>,

    /// A task that has been put back this often is left alone, so that nothing goes round in circles.
    #[config(default = 3, deserialize_with = whole::<1, 1_000_000, _, _>)]
    pub max_replays: u32,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Config)]
pub struct Log {
    /// The least urgent messages that are still logged.
    #[config(default = "info", deserialize_with = choice)]
    pub level: LogLevel,

    /// Lines for people or JSON objects for programs.
    #[config(default = "text", deserialize_with = choice)]
    pub format: LogFormat,
}

/// `database.tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsChoice {
    Verify,
    Prefer,
    Off,
}

impl Choice for TlsChoice {
    const WORDS: &'static [(&'static str, Self)] =
        &[("verify", Self::Verify), ("prefer", Self::Prefer), ("off", Self::Off)];
}

/// `handler.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandlerChoice {
    Simulate,
    Command,
    Http,
}

impl Choice for HandlerChoice {
    const WORDS: &'static [(&'static str, Self)] =
        &[("simulate", Self::Simulate), ("command", Self::Command), ("http", Self::Http)];
}

/// `lambda.report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchReport {
    /// The invocation fails.
    Whole,
    /// The response names the failures.
    Partial,
}

impl Choice for BatchReport {
    const WORDS: &'static [(&'static str, Self)] = &[("whole", Self::Whole), ("partial", Self::Partial)];
}

/// `queue.dead_letters`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetters {
    /// Sent to the dead-letter queue.
    Send,
    /// Left to the queue's redrive policy.
    Redrive,
}

impl Choice for DeadLetters {
    const WORDS: &'static [(&'static str, Self)] = &[("send", Self::Send), ("redrive", Self::Redrive)];
}

/// `lambda.role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Works what a queue announces.
    Process,
    /// Serves the API.
    Intake,
}

impl Choice for Role {
    const WORDS: &'static [(&'static str, Self)] = &[("process", Self::Process), ("intake", Self::Intake)];
}

/// `log.level`: from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed and was given up.
    Error,
    /// What may need somebody to look.
    Warn,
    /// What happened.
    Info,
    /// How it happened.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Choice for LogLevel {
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Off.as_str(), Self::Off),
        (Self::Error.as_str(), Self::Error),
        (Self::Warn.as_str(), Self::Warn),
        (Self::Info.as_str(), Self::Info),
        (Self::Debug.as_str(), Self::Debug),
        (Self::Trace.as_str(), Self::Trace),
    ];
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}
