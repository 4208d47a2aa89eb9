//! What the tests start as a process of its own, and let kill itself.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use taskwatch_replay::journal::{By, Capture, Journal, Outcome, Settlement, Source, State};
use taskwatch_sqs_message::{CallError, Outgoing, SendingQueue};
use taskwatch_sqs_queue::{AwsSettings, SqsQueues};
use taskwatch_testbed::Aws;

/// The file that is captured by the task `file`.
pub(crate) const LETTERS: &str = "letters";
/// `capture`, `work`, `abandon` or `file`.
pub(crate) const TASK: &str = "JOURNAL_TEST_TASK";
pub(crate) const FOLDER: &str = "JOURNAL_TEST_FOLDER";
pub(crate) const ARN: &str = "JOURNAL_TEST_ARN";
/// `Committed 2`: kill yourself when you get there for the second time.
pub(crate) const KILL: &str = "JOURNAL_TEST_KILL";

/// The machine's clock.
pub(crate) struct Wall;

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} says what to do: run by other tests"))
}

/// A place at which the process may be told to die.
struct Death {
    at: Option<(String, u32)>,
    passed: AtomicU32,
}

impl Death {
    fn told() -> Self {
        let at = env::var(KILL).ok().map(|text| {
            let (place, time) = text.split_once(' ').unwrap();
            (place.to_owned(), time.parse().unwrap())
        });
        Self { at, passed: AtomicU32::new(0) }
    }

    fn here(&self, place: &str) {
        let Some((at, time)) = &self.at else { return };
        if at == place && self.passed.fetch_add(1, Ordering::SeqCst) + 1 == *time {
            kill_process(getpid(), Signal::KILL).unwrap();
            loop {
                std::thread::park();
            }
        }
    }
}

/// One by one, so that it may die between two.
struct Sending<'a>(&'a Death, SqsQueues);

#[async_trait]
impl SendingQueue for Sending<'_> {
    async fn send(&self, queue: &str, messages: &[Outgoing], within: Duration) -> Vec<Result<(), CallError>> {
        self.0.here("Prepared");
        let mut outcomes = Vec::new();
        for one in messages.chunks(1) {
            outcomes.extend(self.1.send(queue, one, within).await);
            self.0.here("SentOne");
        }
        self.0.here("Sent");
        outcomes
    }
}

fn queues() -> SqsQueues {
    let endpoint = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}")).endpoint().to_owned();
    SqsQueues::new(AwsSettings { region: Some("eu-west-1".to_owned()), endpoint: Some(endpoint) })
}

#[tokio::test]
#[ignore = "run by other tests"]
async fn child() {
    let death = Death::told();
    let folder = PathBuf::from(var(FOLDER));
    let task = var(TASK);
    let source = if task == "file" { Source::File(folder.join(LETTERS)) } else { Source::Queue(var(ARN)) };
    let by = By { who: "child".to_owned(), reason: None };
    let path = Journal::path_for(&folder, &source);
    let journal =
        Journal::open(&path, &source, &by, Wall.now()).await.unwrap_or_else(|error| panic!("failed to {error}"));
    death.here("Opened");
    match task.as_str() {
        "capture" => capture(&journal, &death).await,
        "work" => work(&journal, &death, &folder.join("effects")).await,
        "abandon" => {
            let (sending, within) = (Sending(&death, queues()), Duration::from_secs(10));
            let done = journal.abandon(&sending, &Wall, &Stop::never(), within, &|_| death.here("Noted")).await;
            assert!(done.unwrap().is_complete);
        }
        "file" => {
            let done = journal.capture_file(&Wall, &Stop::never(), &|_| death.here("Chunk")).await;
            assert!(done.unwrap().is_complete);
        }
        other => panic!("{other}"),
    }
    journal.close().await;
}

async fn capture(journal: &Journal, death: &Death) {
    let second = Duration::from_secs(1);
    let how = Capture { receivers: 2, wait: second, hidden_for: 6 * second, empty_polls: 2, ..Capture::default() };
    let tell = |progress: taskwatch_replay::journal::Progress| death.here(&format!("{:?}", progress.step));
    let done = journal.capture(&how, &queues(), &Wall, &Stop::never(), &tell).await;
    let done = done.unwrap_or_else(|error| panic!("failed to {error}"));
    assert_eq!(done.undeleted, 0);
}

/// Each effect is a line in a file, which stands for the task's row and ledger.
async fn work(journal: &Journal, death: &Death, effects: &std::path::Path) {
    loop {
        let page = journal.unfinished(None, 5).await.unwrap();
        if page.is_empty() {
            break;
        }
        let done = std::fs::read_to_string(effects).unwrap_or_default();
        let is_done = |number: &str| done.lines().any(|line| line == number);
        let (begun, free): (Vec<_>, Vec<_>) = page.iter().partition(|entry| entry.state == State::InWork);
        let mut settled = Vec::new();
        let mut to_do: Vec<_> = free.iter().map(|entry| entry.number).collect();
        for entry in begun {
            if is_done(&entry.number.to_string()) {
                settled.push(entry.number);
            } else {
                to_do.push(entry.number);
            }
        }
        journal.begin(&to_do, Wall.now()).await.unwrap();
        death.here("Begun");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(effects).unwrap();
        for entry in &to_do {
            writeln!(file, "{entry}").unwrap();
            death.here("Worked");
        }
        settled.extend(to_do);
        let settle = |entry| Settlement { entry, outcome: Outcome::Completed, why: "done".to_owned() };
        journal.settle(&settled.into_iter().map(settle).collect::<Vec<_>>(), Wall.now()).await.unwrap();
        death.here("Settled");
    }
}
