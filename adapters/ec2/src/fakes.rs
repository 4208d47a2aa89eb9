//! Metadata and groups that follow a script, in virtual time, and a log to look at.

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use taskwatch_core::ports::Clock as _;
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::VirtualClock;
use tracing_subscriber::fmt::MakeWriter;

use crate::groups::{Action, CallError, Groups, Hook};
use crate::metadata::{AskError, Metadata};
use crate::watch::Watch;

/// 2017-09-18T08:20:00Z
pub(crate) const START: Timestamp = Timestamp::from_micros(1_505_722_800_000_000);

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the metadata say at a path so many seconds after the start.
type Script = dyn Fn(&str, u64) -> Result<Option<&'static str>, &'static str> + Send + Sync;

pub(crate) struct FakeMetadata {
    clock: VirtualClock,
    script: Box<Script>,
    pub(crate) asked: Mutex<Vec<(u64, String)>>,
}

#[async_trait]
impl Metadata for FakeMetadata {
    async fn get(&self, path: &str) -> Result<Option<String>, AskError> {
        let now = self.clock.now().since(START).as_secs();
        self.asked.lock().unwrap().push((now, path.to_owned()));
        let said = (self.script)(path, now);
        said.map(|said| said.map(str::to_owned)).map_err(|why| AskError { path: path.to_owned(), why: why.to_owned() })
    }
}

/// A watch in virtual time, over what a script says.
pub(crate) struct Bench {
    pub(crate) clock: VirtualClock,
    pub(crate) metadata: Arc<FakeMetadata>,
    pub(crate) log: Log,
}

impl Bench {
    pub(crate) fn new(
        script: impl Fn(&str, u64) -> Result<Option<&'static str>, &'static str> + Send + Sync + 'static,
    ) -> Self {
        let clock = VirtualClock::new(START);
        let metadata = FakeMetadata { clock: clock.clone(), script: Box::new(script), asked: Mutex::default() };
        Self { clock, metadata: Arc::new(metadata), log: Log::default() }
    }

    /// Runs this beside the watch, until it ends or so much time has passed: what it ended with, and how long it took.
    pub(crate) fn run<F: Future>(&self, most: Duration, what: impl FnOnce(Watch) -> F) -> (Option<F::Output>, u64) {
        let (watch, watching) = Watch::over(self.metadata.clone(), Arc::new(self.clock.clone()));
        let clock = self.clock.clone();
        let enough = self.clock.sleep(most);
        let work = async {
            let ended = match select(std::pin::pin!(what(watch)), enough).await {
                Either::Left((ended, _)) => Some(ended),
                Either::Right(_) => None,
            };
            (ended, clock.now().since(START).as_secs())
        };
        // Nobody waits for the watch itself, which may never end.
        let beside = async {
            watching.await;
            std::future::pending::<()>().await;
        };
        let writer = self.log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG);
        let subscriber = subscriber.with_writer(writer).finish();
        tracing::subscriber::with_default(subscriber, || {
            self.clock.run(async {
                match select(std::pin::pin!(work), std::pin::pin!(beside)).await {
                    Either::Left((done, _)) => done,
                    Either::Right(_) => unreachable!("it waits for ever"),
                }
            })
        })
    }

    /// How often it has asked.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.metadata.asked.lock().unwrap().iter().filter(|(_, asked)| asked == path).count()
    }
}

/// What an instance of group `workers` hears that is `Terminated` from the 10th second on.
pub(crate) fn terminated(path: &str, now: u64) -> Result<Option<&'static str>, &'static str> {
    Ok(match path {
        "instance-id" => Some("i-1"),
        "autoscaling/target-lifecycle-state" if now >= 10 => Some("Terminated"),
        "autoscaling/target-lifecycle-state" => Some("InService"),
        _ => None,
    })
}

/// How a call of Auto Scaling goes, the how manieth it is of its kind.
type Answers = dyn Fn(&str, usize) -> Answer + Send + Sync;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    NotAllowed,
    NotWaiting,
    Fails,
    Hangs,
}

/// Group `workers` with these hooks, of so many seconds each.
pub(crate) struct FakeGroups {
    clock: VirtualClock,
    hooks: Vec<(&'static str, u64)>,
    answers: Box<Answers>,
    calls: Mutex<Vec<(u64, String)>>,
}

impl FakeGroups {
    pub(crate) fn new(
        bench: &Bench,
        hooks: &[(&'static str, u64)],
        answers: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (hooks, calls) = (hooks.to_vec(), Mutex::default());
        Arc::new(Self { clock: bench.clock.clone(), hooks, answers: Box::new(answers), calls })
    }

    /// What was called, and when.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|(at, call)| format!("{at} {call}")).collect()
    }

    async fn call(&self, action: &'static str, what: impl Debug) -> Result<(), CallError> {
        let now = self.clock.now().since(START).as_secs();
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((now, format!("{action} {what:?}")));
            calls.iter().filter(|(_, call)| call.starts_with(action)).count()
        };
        let why = "because".to_owned();
        match (self.answers)(action, nth) {
            Answer::Good => Ok(()),
            Answer::NotAllowed => Err(CallError::NotAllowed { action, why }),
            Answer::NotWaiting => Err(CallError::NotWaiting { action, why }),
            Answer::Fails => Err(CallError::Failed { action, why }),
            Answer::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Groups for FakeGroups {
    async fn group_of(&self, instance: &str) -> Result<Option<String>, CallError> {
        self.call("group", instance).await.map(|()| Some("workers".to_owned()))
    }

    async fn hooks(&self, group: &str) -> Result<Vec<Hook>, CallError> {
        self.call("hooks", group).await?;
        let hook = |(name, time): &(&'static str, u64)| Hook { name: (*name).to_owned(), heartbeat: Some(secs(*time)) };
        Ok(self.hooks.iter().map(hook).collect())
    }

    async fn heartbeat(&self, action: &Action) -> Result<(), CallError> {
        self.call("beat", (&action.instance, &action.group, &action.hook)).await
    }

    async fn complete(&self, action: &Action) -> Result<(), CallError> {
        self.call("complete", (&action.instance, &action.group, &action.hook)).await
    }
}

/// What has been logged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The lines of this level or a more urgent one than debug.
    pub(crate) fn lines(&self, level: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let of_level = |line: &&str| line.split_whitespace().nth(1) == Some(level);
        text.lines().filter(of_level).map(str::to_owned).collect()
    }

    /// How many lines of info and warning there are.
    pub(crate) fn count(&self) -> usize {
        self.lines("INFO").len() + self.lines("WARN").len()
    }
}

impl io::Write for Log {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}
