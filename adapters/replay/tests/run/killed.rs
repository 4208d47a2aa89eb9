//! Processes that are killed at each of their boundaries, and the same command that goes on.

use std::collections::BTreeSet;
use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_core::delivery::Delivery;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source as Home};
use taskwatch_core::policy::Policy;
use taskwatch_core::ports::{Clock as _, Failure, Record, Records as _};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, OnAbandon, Status, TaskId};
use taskwatch_core::transition::EventKind;
use taskwatch_replay::journal::{Entry, Outcome, Source, State, mark};
use taskwatch_testkit::{CountingObserver, SeededEntropy};
use tempfile::TempDir;

use crate::bench::{Fast, entries, open};
use crate::child::{self, EFFECTS, SENT, TIMES, database};
use crate::letters::{about, grouped, lines, saying};
use crate::work::{Script, Step};

/// What is to become of a letter that nothing stands in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completes,
    /// Or nobody knows how far it came.
    CompletesOnce,
    Fails,
    Dropped,
    Left,
}

/// Tasks by title, whether they have failed before, and what is to become of their letters. Then come one that is completed,
/// one that is cancelled, another letter of the second, and two that nobody can work.
const TASKS: [(&str, bool, End); 7] = [
    ("ok", false, End::Completes),
    ("ok", true, End::Completes),
    ("once", true, End::CompletesOnce),
    ("bad", true, End::Fails),
    ("once", false, End::CompletesOnce),
    ("again", true, End::Completes),
    ("ok", false, End::Completes),
];

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Killed,
    /// It says that it has to be run again.
    Again,
    Done,
}

struct World {
    folder: TempDir,
    since: Duration,
    tasks: Vec<TaskId>,
    ends: Vec<End>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Fast { since: Fast::wall(), times: TIMES };
        let store = Arc::new(database(folder.path()).await);
        store.migrate().await.unwrap();
        let script = Arc::new(Script::default());
        let parts = Parts {
            store: Arc::clone(&store) as _,
            handler: Arc::clone(&script) as _,
            clock: Arc::new(clock),
            entropy: Arc::new(SeededEntropy::new(1)),
            observer: Arc::new(CountingObserver::new()),
            origin: Origin::new(Home::Ec2, "before"),
            policy: Policy::default(),
        };
        let engine = Engine::new(parts).unwrap();
        let deliver = async |task| drop(engine.process(vec![Delivery::of(task, "receipt")], &Stop::never()).await);
        let add = async |title: &str| {
            let on_abandon = if title == "once" { OnAbandon::Fail } else { OnAbandon::Retry };
            engine.add(&[NewTask { on_abandon, ..NewTask::titled(title) }]).await.unwrap()[0].task()
        };
        let (mut tasks, mut ends, mut letters) = (Vec::new(), Vec::new(), Vec::new());
        for (n, (title, has_failed, end)) in TASKS.into_iter().enumerate() {
            let task = add(title).await;
            if has_failed {
                script.next(task, Step::Fail(Failure::permanent("it broke")));
                deliver(task).await;
            }
            letters.push(if n < 5 { about(task) } else { grouped(task, "g") });
            tasks.push(task);
            ends.push(end);
        }
        let (done, cancelled) = (add("ok").await, add("ok").await);
        deliver(done).await;
        engine.cancel(&[cancelled], "no longer needed").await.unwrap();
        for task in [done, cancelled, tasks[1], 99.try_into().unwrap()] {
            letters.push(about(task));
            tasks.push(task);
        }
        letters.push(saying("nothing"));
        ends.extend([End::Dropped, End::Dropped, End::Dropped, End::Left, End::Left]);
        store.close().await;
        let file = folder.path().join("letters");
        std::fs::write(&file, lines(&letters)).unwrap();
        let journal = open(&folder.path().join("journal"), &Source::File(file), clock.now()).await;
        journal.capture_file(&clock, &Stop::never(), &|_| {}).await.unwrap();
        journal.close().await;
        Self { folder, since: clock.since, tasks, ends }
    }

    fn letters(&self) -> PathBuf {
        self.folder.path().join("letters")
    }

    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for name in ["journal", "tasks.db"] {
            std::fs::copy(self.folder.path().join(name), copy.path().join(name)).unwrap();
        }
        copy
    }

    fn run(&self, task: &str, folder: &Path, kill: Option<u32>) -> Run {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "child::child", "--ignored", "--nocapture"])
            .env(child::TASK, task)
            .env(child::FOLDER, folder)
            .env(child::LETTERS, self.letters())
            .env(child::SINCE, self.since.as_micros().to_string())
            .env_remove(child::KILL)
            .envs(kill.map(|kill| (child::KILL, kill.to_string())));
        let done = command.output().unwrap();
        if done.status.signal() == Some(9) {
            return Run::Killed;
        }
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let again = task == "unsure" && said.contains("to be run again");
        assert!(again || done.status.success() && said.contains("1 passed"), "{task}, killed at {kill:?}: {said}");
        if again { Run::Again } else { Run::Done }
    }

    /// Without being killed, to the end.
    fn go_on(&self, task: &str, folder: &Path) {
        assert!((0..3).any(|_| self.run(task, folder, None) == Run::Done), "{task} comes to no end");
    }

    fn found(&self, folder: &Path) -> Found {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let now = Fast { since: self.since, times: TIMES }.now();
            let journal = open(&folder.join("journal"), &Source::File(self.letters()), now).await;
            let store = database(folder).await;
            let found = Found {
                journal: journal.id().to_owned(),
                entries: entries(&journal).await,
                records: store.records(None, 1000).await.unwrap(),
                effects: lines_of(&folder.join(EFFECTS)),
                sent: lines_of(&folder.join(SENT)),
            };
            store.close().await;
            found
        })
    }
}

fn lines_of(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

struct Found {
    journal: String,
    entries: Vec<Entry>,
    records: Vec<Record>,
    effects: Vec<String>,
    sent: Vec<String>,
}

impl Found {
    fn record(&self, task: TaskId) -> &Record {
        self.records.iter().find(|record| record.task == task).unwrap()
    }

    fn count(&self, task: TaskId, event: EventKind) -> usize {
        self.record(task).entries.iter().filter(|entry| entry.event == event).count()
    }

    fn status(&self, task: TaskId) -> Option<Status> {
        self.record(task).row.as_ref()?.standing().known()
    }

    /// What holds whatever was killed, and when.
    fn assert_sound(&self, world: &World, at: &str) {
        let mut audit = Audit::new();
        self.records.iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{at}: {:?}", books.offences);
        assert_eq!(self.entries.len(), world.ends.len(), "{at}: a letter is lost");
        for (n, (entry, (_, has_failed, end))) in self.entries.iter().zip(TASKS).enumerate() {
            let (task, at) = (world.tasks[n], format!("{at}: letter {}", n + 1));
            if entry.outcome == Some(Outcome::Completed) {
                assert_eq!(self.count(task, EventKind::Completed), 1, "{at}");
            }
            assert!(self.count(task, EventKind::Completed) <= 1, "{at}");
            let replays: Vec<_> =
                self.record(task).entries.iter().filter(|entry| entry.event == EventKind::Replayed).collect();
            assert!(replays.len() <= usize::from(has_failed), "{at}: {replays:?}");
            for replay in replays {
                let name = mark(&self.journal, entry.number, 1).replace(".1]", ".");
                assert!(replay.reason.as_ref().unwrap().contains(&name), "{at}: {replay:?}");
            }
            let effects = self.effects.iter().filter(|line| **line == task.to_string()).count();
            assert!(end != End::CompletesOnce || effects <= 1, "{at}: {effects} effects");
        }
    }

    /// What the run that was not killed has made of it.
    fn assert_worked(&self, world: &World, at: &str) {
        for (n, (entry, end)) in self.entries.iter().zip(&world.ends).enumerate() {
            let at = format!("{at}: letter {} is {}, {:?}, {:?}", n + 1, entry.state, entry.outcome, entry.why);
            match end {
                End::Completes => {
                    assert_eq!(entry.outcome, Some(Outcome::Completed), "{at}");
                    assert_eq!(self.count(world.tasks[n], EventKind::Completed), 1, "{at}");
                }
                End::CompletesOnce if entry.outcome.is_some() => {
                    assert_eq!(entry.outcome, Some(Outcome::Completed), "{at}");
                    assert_eq!(self.count(world.tasks[n], EventKind::Completed), 1, "{at}");
                }
                End::CompletesOnce => {
                    // It was under way when the process was killed.
                    let status = self.status(world.tasks[n]);
                    assert!(matches!(status, Some(Status::Failed | Status::InProgress)), "{at}: {status:?}");
                    assert!(self.count(world.tasks[n], EventKind::Started) > 0, "{at}");
                }
                End::Fails => {
                    assert_eq!(entry.outcome, Some(Outcome::Failed), "{at}");
                    assert_eq!(self.status(world.tasks[n]), Some(Status::Failed), "{at}");
                    assert_eq!(self.count(world.tasks[n], EventKind::Replayed), 1, "{at}");
                }
                End::Dropped => assert_eq!(entry.outcome, Some(Outcome::Dropped), "{at}"),
                End::Left => assert_eq!(entry.state, State::Kept, "{at}"),
            }
        }
    }

    fn assert_sent(&self, world: &World, is_killed: bool, at: &str) {
        let sent: Vec<Value> = self.sent.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        // As a FIFO queue does it; of a standard one, a later capture.
        let arrived: BTreeSet<_> =
            sent.iter().map(|one| (one["deduplication_id"].to_string(), one["body"].to_string())).collect();
        let expected = (1..).zip(&world.tasks).take(TASKS.len()).map(|(number, task)| {
            let id = json!(format!("taskwatch-{}-{number}", self.journal));
            (id.to_string(), json!(json!({ "task_id": task }).to_string()).to_string())
        });
        assert_eq!(arrived, expected.collect(), "{at}");
        assert!(is_killed || sent.len() == TASKS.len(), "{at}: {sent:?}");
        for (n, (entry, end)) in self.entries.iter().zip(&world.ends).enumerate() {
            let at = format!("{at}: letter {} is {}, {:?}", n + 1, entry.state, entry.why);
            match end {
                End::Dropped => assert_eq!(entry.outcome, Some(Outcome::Dropped), "{at}"),
                End::Left => assert_eq!(entry.state, State::Kept, "{at}"),
                _ => {
                    assert_eq!(entry.state, State::Sent, "{at}");
                    assert_eq!(self.status(world.tasks[n]), Some(Status::Pending), "{at}");
                    assert_eq!(self.count(world.tasks[n], EventKind::Replayed), usize::from(TASKS[n].1), "{at}");
                }
            }
        }
    }
}

/// Each boundary in turn, until a process gets to its end: more of them than this.
fn at_each(least: u32, case: impl Fn(u32) -> bool + Sync) {
    let (next, last) = (AtomicU32::new(1), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if !case(at) {
                        break;
                    }
                    last.fetch_max(at, Ordering::SeqCst);
                }
            });
        }
    });
    let last = last.into_inner();
    assert!(last >= least, "only {last} boundaries");
}

fn world() -> World {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(World::new())
}

/// Killed there, and then not: after each, everything is sound.
fn killed(world: &World, task: &str, at: u32) -> (bool, Found) {
    let (folder, say) = (world.copy(), format!("{task} killed at boundary {at}"));
    let is_killed = world.run(task, folder.path(), Some(at)) == Run::Killed;
    world.found(folder.path()).assert_sound(world, &say);
    world.go_on(task, folder.path());
    let found = world.found(folder.path());
    found.assert_sound(world, &say);
    (is_killed, found)
}

#[test]
fn work_that_is_killed_at_any_boundary_goes_on_and_each_letter_has_one_effect() {
    let world = world();
    at_each(50, |at| {
        let (is_killed, found) = killed(&world, "engine", at);
        found.assert_worked(&world, &format!("killed at boundary {at}"));
        is_killed
    });
}

#[test]
fn work_that_is_killed_again_and_again_comes_to_its_end() {
    let world = world();
    for at in [23, 31, 47] {
        let folder = world.copy();
        let times = (0..40).take_while(|_| world.run("engine", folder.path(), Some(at)) == Run::Killed).count();
        let say = format!("killed {times} times at boundary {at}");
        world.found(folder.path()).assert_sound(&world, &say);
        world.go_on("engine", folder.path());
        let found = world.found(folder.path());
        found.assert_sound(&world, &say);
        found.assert_worked(&world, &say);
        assert!(times > 0, "{say}");
    }
}

#[test]
fn sending_that_is_killed_at_any_boundary_goes_on_and_no_letter_is_lost_or_doubled() {
    let world = world();
    for task in ["queue", "unsure"] {
        at_each(25, |at| {
            let (is_killed, found) = killed(&world, task, at);
            found.assert_sent(&world, is_killed || task == "unsure", &format!("{task} killed at boundary {at}"));
            is_killed
        });
    }
}
