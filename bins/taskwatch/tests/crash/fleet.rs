//! Worker processes, started, killed and replaced.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;

/// The exit code of a worker that cannot reach its database.
const NO_DATABASE: i32 = 4;

/// `taskwatch run` in a process of its own.
pub(crate) struct Worker {
    /// In the ledger.
    pub(crate) name: String,
    child: Child,
    /// The server went away while this one may have been starting: it may give up.
    pub(crate) may_give_up: bool,
}

/// The workers of a test. None outlives it.
pub(crate) struct Fleet<'a> {
    flags: &'a [&'a str],
    script: &'a str,
    started: usize,
    pub(crate) workers: Vec<Worker>,
}

impl<'a> Fleet<'a> {
    /// Nobody yet. Each worker will run a shell script for each attempt.
    pub(crate) const fn new(flags: &'a [&'a str], script: &'a str) -> Self {
        Self { flags, script, started: 0, workers: Vec::new() }
    }

    /// Starts a worker with a name that nobody had before.
    pub(crate) fn start(&mut self, place: &Place, more: &[&str]) {
        self.started += 1;
        let name = format!("worker-{}", self.started);
        let mut command = place.command(["run", "--command"]);
        command.args(self.flags).args(more).arg("--set").arg(format!("worker.name={name}"));
        command.args(["--", "sh", "-c", self.script]);
        command.stdout(place.log(&name)).stderr(place.log(&name));
        self.workers.push(Worker { name, child: command.spawn().unwrap(), may_give_up: false });
    }

    /// Starts workers until there are this many.
    pub(crate) fn fill(&mut self, place: &Place, count: usize) {
        while self.workers.len() < count {
            self.start(place, &[]);
        }
    }

    /// SIGKILL: it does not get to say or write anything more.
    pub(crate) fn kill(&mut self, at: usize) -> String {
        let mut worker = self.workers.swap_remove(at);
        worker.child.kill().unwrap();
        worker.child.wait().unwrap();
        worker.name
    }

    /// SIGTERM, and the end that follows.
    pub(crate) fn terminate(&mut self, place: &Place, at: usize) -> ExitStatus {
        self.workers[at].signal(Signal::TERM);
        self.end(place, at)
    }

    /// Waits for the end of a worker.
    pub(crate) fn end(&mut self, place: &Place, at: usize) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        let worker = &mut self.workers[at];
        loop {
            if let Some(status) = worker.child.try_wait().unwrap() {
                self.workers.swap_remove(at);
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end:\n{}", worker.name, place.said(&worker.name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Buries those that could not start without a server; nobody else may have ended.
    pub(crate) fn inspect(&mut self, place: &Place) {
        self.workers.retain_mut(|worker| {
            let Some(status) = worker.child.try_wait().unwrap() else { return true };
            let excused = worker.may_give_up && status.code() == Some(NO_DATABASE);
            assert!(excused, "{} ended by itself, {status}:\n{}", worker.name, place.said(&worker.name));
            false
        });
    }
}

impl Worker {
    /// Stands still, without noticing, until it is told to go on.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`Worker::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // Where this fails, it has ended already.
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}
