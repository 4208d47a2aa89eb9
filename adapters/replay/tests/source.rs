//! A capture before the engine: what is delivered, what is kept aside, what is reported.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};
use taskwatch_core::delivery::{Answer, Answered, Delivery, Subject, Why};
use taskwatch_core::ports::EventSource;
use taskwatch_replay::{FileSource, Format, OpenError, Report, Reporter, default_rejected};

struct Bench {
    dir: tempfile::TempDir,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), reports: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("capture.jsonl");
        fs::write(&path, content).expect("written");
        path
    }

    fn reporter(&self) -> Reporter {
        let reports = Arc::clone(&self.reports);
        Box::new(move |report| reports.lock().expect("whole").push(report.clone()))
    }

    fn open(&self, path: &Path) -> Result<FileSource, OpenError> {
        FileSource::open(path, default_rejected(path), self.reporter())
    }

    fn reports(&self) -> Vec<Report> {
        self.reports.lock().expect("whole").clone()
    }
}

async fn drain(source: &FileSource, max: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while let Some(batch) = source.receive(max).await.expect("no failure") {
        assert!((1..=max).contains(&batch.len()), "{}", batch.len());
        all.extend(batch);
    }
    all
}

/// Answers as the engine would answer rows that run well.
fn answered(delivery: Delivery) -> Answered {
    match &delivery.subject {
        Subject::Unreadable(reason) => {
            let why = Why::Unreadable(reason.clone());
            Answered { delivery, answer: Answer::DeadLetter, why }
        }
        _ => Answered { delivery, answer: Answer::Acknowledge, why: Why::Completed },
    }
}

fn kept(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("kept aside");
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn messages_are_delivered_answered_and_reported() {
    let bench = Bench::new();
    let record = json!({
        "messageId": "m-1", "body": json!({"task_id": 1, "traceparent": TRACEPARENT}).to_string(),
        "attributes": {"ApproximateReceiveCount": "3"},
    });
    let capture = bench.file(format!("{record}\n\n{}\n", json!({"Records": [record]})));
    let source = bench.open(&capture).expect("opened");
    let deliveries = drain(&source, 1).await;
    assert_eq!(deliveries.iter().map(|d| d.receipt.as_str()).collect::<Vec<_>>(), ["line 1", "line 3, record 1"]);
    assert_eq!(deliveries[0].task().map(|task| task.get()), Some(1));
    assert_eq!(deliveries[0].receive_count, 3);
    assert_eq!(deliveries[0].trace.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(source.summary().unanswered, 2);

    source.answer(deliveries.into_iter().map(answered).collect()).await.expect("answered");
    let reports = bench.reports();
    assert_eq!(reports.len(), 2);
    let file = capture.display();
    assert_eq!(reports[0].to_string(), format!("{file}:1, message m-1, task 1: completed"));
    assert_eq!(reports[1].to_string(), format!("{file}:3, record 1, message m-1, task 1: completed"));
    assert_eq!((&reports[0].answer, &reports[0].kept), (&Answer::Acknowledge, &None));
    let summary = source.summary();
    assert_eq!((summary.messages, summary.unreadable, summary.unanswered), (2, 0, 0));
    assert_eq!(summary.formats.into_iter().collect::<Vec<_>>(), [(Format::LambdaEvent, 1), (Format::Record, 1)]);
    assert!(!default_rejected(&capture).exists(), "nothing was bad");
}

#[tokio::test]
async fn bad_pieces_are_kept_aside_before_they_are_reported() {
    let bench = Bench::new();
    let capture = bench.file(b"hello\n{\"task_id\": 2}\n[{\"task_id\": 3}, {\"task_id\": -4}]\n\xff\xfe\n");
    let rejected = default_rejected(&capture);
    assert_eq!(rejected, bench.path("capture.jsonl.rejected.jsonl"));
    let reports = Arc::clone(&bench.reports);
    let seen = rejected.clone();
    let report: Reporter = Box::new(move |report| {
        if let Some(path) = &report.kept {
            assert_eq!(*path, seen);
            let kept = kept(path).into_iter().any(|entry| entry["line"] == report.line);
            assert!(kept, "line {} is reported and not there", report.line);
        }
        reports.lock().expect("whole").push(report.clone());
    });
    let source = FileSource::open(&capture, rejected.clone(), report).expect("opened");
    let deliveries = drain(&source, 100).await;
    assert!(!rejected.exists(), "nothing is kept before the engine has answered");
    for delivery in deliveries {
        source.answer(vec![answered(delivery)]).await.expect("answered");
    }
    let bad: Vec<_> = bench.reports().into_iter().filter(|report| report.kept.is_some()).collect();
    assert_eq!(
        bad.iter().map(|report| (report.line, report.record)).collect::<Vec<_>>(),
        [(1, None), (3, Some(2)), (4, None)]
    );
    assert_eq!(bench.reports().len(), 5);
    assert!(bad.iter().all(|report| matches!(&report.why, Why::Unreadable(_))));
    let kept = kept(&rejected);
    let file = capture.display().to_string();
    let reason = "`task_id` is -4: expected a positive integer";
    assert_eq!(kept[0]["raw"], "hello");
    assert_eq!(kept[1], json!({"file": file, "line": 3, "record": 2, "reason": reason, "raw": "{\"task_id\": -4}"}));
    assert_eq!((&kept[2]["raw_base64"], &kept[2]["raw"]), (&json!("//4="), &Value::Null));
    let summary = source.summary();
    assert_eq!((summary.messages, summary.unreadable), (2, 3));
}

#[tokio::test]
async fn what_was_kept_before_stays() {
    let bench = Bench::new();
    let capture = bench.file("bad\n");
    let rejected = default_rejected(&capture);
    // A crash has left a line without its end.
    fs::write(&rejected, "{\"raw\": \"older\"}\n{\"raw\": \"half\"}").expect("written");
    for _ in 0..2 {
        let source = bench.open(&capture).expect("opened");
        let deliveries = drain(&source, 10).await;
        source.answer(deliveries.into_iter().map(answered).collect()).await.expect("answered");
    }
    let raws: Vec<_> = kept(&rejected).into_iter().map(|entry| entry["raw"].clone()).collect();
    assert_eq!(raws, ["older", "half", "bad", "bad"]);
}

#[tokio::test]
async fn a_piece_that_cannot_be_kept_is_an_error_and_said_so() {
    let bench = Bench::new();
    let capture = bench.file("bad\n{\"task_id\": 1}\n");
    let source = FileSource::open(&capture, bench.path("no/such/dir"), bench.reporter()).expect("opened");
    let deliveries = drain(&source, 10).await;
    let error = source.answer(deliveries.into_iter().map(answered).collect()).await.expect_err("nowhere to keep it");
    assert!(error.to_string().contains("failed to keep 1 bad pieces aside: open"), "{error}");
    assert_eq!(bench.reports().iter().map(|report| report.kept.clone()).collect::<Vec<_>>(), [None, None]);
    let again = source.answer(vec![answered(Delivery::of(1.try_into().expect("positive"), "line 2"))]).await;
    assert!(again.expect_err("answered before").to_string().contains("line 2"));
}

#[tokio::test]
async fn a_pipe_hands_over_what_is_there() {
    let bench = Bench::new();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let source = FileSource::new("stdin", reader, bench.path("rejected"), bench.reporter()).expect("started");
    writer.write_all(b"{\"task_id\": 1}\n").expect("written");
    // The pipe stays open: waiting for the rest of ten would be waiting for ever.
    let batch = source.receive(10).await.expect("no failure").expect("not the end");
    assert_eq!(batch.len(), 1);
    let waiting = source.receive(10);
    tokio::pin!(waiting);
    let idle = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiting).await;
    assert!(idle.is_err(), "waits without holding up the runtime");
    writer.write_all(b"{\"task_id\": 2}").expect("written");
    drop(writer);
    assert_eq!(waiting.await.expect("no failure").map(|batch| batch.len()), Some(1));
    assert_eq!(source.receive(10).await.expect("no failure"), None);
}

#[tokio::test]
async fn no_batch_is_larger_than_asked_for() {
    let bench = Bench::new();
    let lines: String = (1..=1000).map(|id| format!("{{\"task_id\": {id}}}\n")).collect();
    let source = bench.open(&bench.file(lines)).expect("opened");
    let first = source.receive(0).await.expect("no failure").expect("asking for none is not the end");
    assert_eq!(first.len(), 1);
    let ids: Vec<_> = drain(&source, 7).await.iter().filter_map(|d| d.task().map(|task| task.get())).collect();
    assert_eq!(ids, (2..=1000).collect::<Vec<_>>());
}

/// Fails once, after its content, as a share that comes back. Tells when it has been dropped: then everything read from it has been sent on.
struct Failing {
    content: &'static [u8],
    failed: bool,
    _dropped: mpsc::Sender<()>,
}

impl Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.content.is_empty() && !std::mem::replace(&mut self.failed, true) {
            return Err(io::Error::other("the share is gone"));
        }
        self.content.read(into)
    }
}

#[tokio::test]
async fn a_failing_read_is_told_after_what_came_before_it() {
    // In the middle of a document too, where the parser is the one who meets it.
    for content in [&b"{\"task_id\": 1}\n"[..], b"{\"task_id\": 1}\n{\"Records\": [\n"] {
        let bench = Bench::new();
        let (_dropped, dropped) = mpsc::channel();
        let input = Failing { content, failed: false, _dropped };
        let source = FileSource::new("share", input, bench.path("rejected"), bench.reporter()).expect("started");
        dropped.recv().expect_err("nothing is sent");
        let batch = source.receive(10).await.expect("no failure yet").expect("not the end");
        assert_eq!(batch.len(), 1);
        let error = source.receive(10).await.expect_err("the failure");
        assert_eq!(error.to_string(), "failed to read share: the share is gone");
        assert_eq!(source.receive(10).await.expect("told once"), None);
        assert_eq!(source.summary().failure.as_deref(), Some("failed to read share: the share is gone"));
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let bench = Bench::new();
    let text = |result: Result<FileSource, OpenError>| result.err().expect("refused").to_string();
    let missing = text(bench.open(&bench.path("missing.json")));
    assert!(missing.contains("missing.json") && missing.contains("No such file"), "{missing}");
    assert!(text(bench.open(bench.dir.path())).contains("is a directory"));
    let capture = bench.file("x\n");
    let same = bench.dir.path().join(".").join("capture.jsonl");
    assert!(text(FileSource::open(&capture, same, bench.reporter())).contains("--rejected"));
}
