//! A process is killed at every boundary, on real queues of a stand-in for AWS, and the same command goes on.

use std::collections::BTreeMap;
use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use serde_json::json;
use taskwatch_core::ports::Clock as _;
use taskwatch_replay::journal::{By, Entry, Journal, Source, State, Status};
use taskwatch_testbed::{Aws, ENV_AWS, Queue};
use tempfile::TempDir;

use crate::child::{self, Wall};
use crate::fake::{all, body};

const MESSAGES: usize = 23;
const GROUPS: usize = 3;

fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

fn queue(end: &str) -> Queue {
    let queue = aws().create_queue(&format!("{}{end}", Aws::unique("dead")), &[]).unwrap();
    for n in 0..MESSAGES {
        let mut request = json!({ "QueueUrl": queue.url, "MessageBody": format!("body {n:02}") });
        if end == ".fifo" {
            request["MessageGroupId"] = json!(format!("group {}", n % GROUPS));
            request["MessageDeduplicationId"] = json!(n.to_string());
        }
        aws().sqs("SendMessage", &request).unwrap();
    }
    queue
}

fn run(task: &str, folder: &Path, queue: &Queue, kill: Option<&str>) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "child::child", "--ignored", "--nocapture"])
        .env(ENV_AWS, json!({ "endpoint": aws().endpoint() }).to_string())
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_EC2_METADATA_DISABLED", "true")])
        .env(child::TASK, task)
        .env(child::FOLDER, folder)
        .env(child::ARN, &queue.arn)
        .env_remove(child::KILL)
        .envs(kill.map(|kill| (child::KILL, kill)));
    command.output().unwrap()
}

fn killed(task: &str, folder: &Path, queue: &Queue, at: &str) {
    let done = run(task, folder, queue, Some(at));
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.signal(), Some(9), "{task} killed at {at}: {} {said}", done.status);
}

fn succeeds(task: &str, folder: &Path, queue: &Queue) {
    let done = run(task, folder, queue, None);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{task}: {said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn journal(folder: &Path, queue: &Queue) -> (Vec<Entry>, Status) {
    journal_of(folder, &Source::Queue(queue.arn.clone()))
}

fn journal_of(folder: &Path, source: &Source) -> (Vec<Entry>, Status) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let by = By { who: "test".to_owned(), reason: None };
        // Of a copy: whoever starts a process hands on the lock to it for a moment.
        let path = Journal::path_for(folder, source);
        let copy = copied(folder);
        let path = copy.path().join(path.file_name().unwrap());
        let journal = Journal::open(&path, source, &by, Wall.now()).await.unwrap();
        let entries = all(&journal).await;
        (entries, Journal::status(&path).await.unwrap())
    })
}

fn copied(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// Each message once, and in order within each group.
fn assert_complete(entries: &[&Entry], at: &str) {
    let mut groups: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for entry in entries {
        let body = body(entry);
        groups.entry(body[5..].parse::<usize>().unwrap() % GROUPS).or_default().push(body);
    }
    for (group, mut bodies) in groups.clone() {
        if entries[0].content_group().is_none() {
            bodies.sort();
        }
        let expected: Vec<_> = (0..MESSAGES).filter(|n| n % GROUPS == group).map(|n| format!("body {n:02}")).collect();
        assert_eq!(bodies, expected, "{at}");
    }
    assert_eq!(groups.len(), GROUPS, "{at}");
}

trait Group {
    fn content_group(&self) -> Option<String>;
}

impl Group for Entry {
    fn content_group(&self) -> Option<String> {
        match &self.content {
            taskwatch_replay::journal::Content::Message(message) => message.original()?.group,
            taskwatch_replay::journal::Content::Broken { .. } => None,
        }
    }
}

/// All cases at once: most of their time is waiting for what is hidden.
fn at_each(ends: &[&'static str], places: &[&'static str], case: impl Fn(&'static str, &'static str) + Sync) {
    thread::scope(|scope| {
        for &end in ends {
            for &place in places {
                let case = &case;
                scope.spawn(move || case(end, place));
            }
        }
    });
}

#[test]
fn a_capture_that_is_killed_anywhere_goes_on_and_loses_and_doubles_nothing() {
    let places = ["Opened 1", "Received 1", "Committed 2", "Deleted 2", "Marked 1", "Empty 1"];
    at_each(&["", ".fifo"], &places, |end, place| {
        let (folder, queue) = (tempfile::tempdir().unwrap(), queue(end));
        killed("capture", folder.path(), &queue, place);
        let (before, status) = journal(folder.path(), &queue);
        let captured = before.iter().filter(|entry| entry.state == State::Captured).count();
        match place {
            "Opened 1" | "Received 1" => assert_eq!(before.len(), 0, "{place}"),
            "Committed 2" | "Deleted 2" => assert!(captured > 0, "{place}: {status:?}"),
            _ => assert!(!before.is_empty(), "{place}"),
        }
        assert_eq!(status.is_capturing, place != "Opened 1", "{place}");
        succeeds("capture", folder.path(), &queue);
        let (entries, status) = journal(folder.path(), &queue);
        assert!(entries.iter().all(|entry| entry.state == State::Kept), "{place}: {status:?}");
        assert_complete(&entries.iter().collect::<Vec<_>>(), place);
        assert_eq!(
            aws().receive(&queue, 10, std::time::Duration::ZERO).unwrap(),
            [] as [serde_json::Value; 0],
            "{place}"
        );
    });
}

#[test]
fn work_that_is_killed_anywhere_goes_on_and_each_entry_has_one_effect() {
    let queue = queue("");
    let captured = tempfile::tempdir().unwrap();
    succeeds("capture", captured.path(), &queue);
    at_each(&[""], &["Begun 2", "Worked 3", "Worked 5", "Settled 1"], |_, place| {
        let folder = copied(captured.path());
        killed("work", folder.path(), &queue, place);
        succeeds("work", folder.path(), &queue);
        let effects = std::fs::read_to_string(folder.path().join("effects")).unwrap();
        let mut effects: Vec<i64> = effects.lines().map(|line| line.parse().unwrap()).collect();
        effects.sort_unstable();
        assert_eq!(effects, (1..=23).collect::<Vec<_>>(), "{place}");
        let (entries, _) = journal(folder.path(), &queue);
        assert!(entries.iter().all(|entry| entry.state == State::Settled), "{place}");
    });
}

#[test]
fn abandoning_that_is_killed_anywhere_goes_on_and_each_message_is_back_once() {
    let places = ["Prepared 1", "SentOne 1", "SentOne 7", "Sent 1", "Noted 1"];
    at_each(&["", ".fifo"], &places, |end, place| {
        let (folder, queue) = (tempfile::tempdir().unwrap(), queue(end));
        succeeds("capture", folder.path(), &queue);
        killed("abandon", folder.path(), &queue, place);
        succeeds("abandon", folder.path(), &queue);
        let (entries, status) = journal(folder.path(), &queue);
        assert!(entries.iter().all(|entry| entry.state == State::Sent), "{place}: {status:?}");
        let names = ["ApproximateNumberOfMessages"];
        let left = aws().sqs("GetQueueAttributes", &json!({ "QueueUrl": queue.url, "AttributeNames": names })).unwrap();
        let left: usize = left["Attributes"][names[0]].as_str().unwrap().parse().unwrap();
        let twice = match (end, place) {
            ("", "SentOne 1") => 1,
            ("", "SentOne 7") => 7,
            ("", "Sent 1") => MESSAGES,
            _ => 0,
        };
        assert_eq!(left, MESSAGES + twice, "{end} {place}");
        // Captured anew, each is there once.
        succeeds("capture", folder.path(), &queue);
        let (entries, status) = journal(folder.path(), &queue);
        assert_eq!(status.counts.again, twice as u64, "{place}");
        let back: Vec<_> = entries.iter().filter(|entry| entry.state == State::Kept).collect();
        assert_complete(&back, place);
    });
}

#[test]
fn a_file_whose_capture_is_killed_anywhere_is_read_on_from_there() {
    let nowhere = Queue { url: String::new(), arn: String::new() };
    at_each(&[""], &["Opened 1", "Chunk 1", "Chunk 3"], |_, place| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(child::LETTERS);
        // No ids: only their places tell them apart.
        std::fs::write(&file, "{\"task_id\": 5}\n".repeat(20_000)).unwrap();
        let source = Source::File(file);
        killed("file", folder.path(), &nowhere, place);
        let before = journal_of(folder.path(), &source).0.len();
        assert!((before > 0) == place.starts_with("Chunk") && before < 20_000, "{place}: {before}");
        succeeds("file", folder.path(), &nowhere);
        let (entries, status) = journal_of(folder.path(), &source);
        let lines: Vec<_> = entries.iter().map(|entry| entry.place.unwrap().line).collect();
        assert_eq!(lines, (1..=20_000).collect::<Vec<_>>(), "{place}");
        assert_eq!(status.counts.again, 0, "nothing was read twice");
    });
}
