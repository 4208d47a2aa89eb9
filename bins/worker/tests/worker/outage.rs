//! A worker that reaches AWS through a front which breaks its calls, and what it does meanwhile.
//!
//! The bounds are far from what is usual (a few calls a second, 1 % of a core, no growth) and further from what a tight
//! circle makes (hundreds of calls, a whole core).

use std::fs;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;
use taskwatch_core::task::{Status, TaskId};
use taskwatch_core::transition::EventKind::{Added, Completed, Started};
use taskwatch_testbed::Front;

use crate::place::{PATIENCE, Place, Worker};

/// What is said when receives work again.
pub(crate) const ANSWERS: &str = "the event source answers again";

/// How long a look at an outage takes.
const LOOK: Duration = Duration::from_secs(2);

/// Calls that an outage may cost, per second.
const CALLS: f64 = 40.0;

/// The part of one core that it may cost.
const LOAD: f64 = 0.2;

/// What memory may grow by meanwhile, in KiB.
const GROWTH: u64 = 16 * 1024;

/// A place with a front before its SQS.
pub(crate) struct Outage {
    pub(crate) place: Place,
    pub(crate) front: Front,
}

impl Outage {
    pub(crate) fn at(place: Place) -> Self {
        let front = Front::before(place.aws).unwrap();
        Self { place, front }
    }

    /// A worker behind the front. Its tasks take next to no time; polls and visibility are short, so that tests are.
    pub(crate) fn worker(&self, settings: &[(&str, &str)]) -> Worker {
        let endpoint = self.front.endpoint();
        let mine = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("TASKWATCH_HANDLER_KIND", "simulate"),
            ("TASKWATCH_HANDLER_COMMAND", ""),
            ("TASKWATCH_HANDLER_SIMULATE_DURATION", "5ms"),
            ("TASKWATCH_QUEUE_WAIT", "1s"),
            ("TASKWATCH_QUEUE_HIDDEN", "10s"),
        ];
        self.place.worker(&[&mine, settings].concat())
    }

    /// Looks at a worker in trouble for a while: what it costs. Polls that were under way when the trouble began are over
    /// afterwards: until then they may still bring messages, and so prove that all is well. The figures show of a test that fails, and with
    /// `--nocapture`.
    #[expect(clippy::print_stdout, reason = "figures")]
    pub(crate) async fn is_calm(&self, worker: &Worker) {
        let (begun, before) = (Instant::now(), Cost::of(worker, &self.front));
        tokio::time::sleep(LOOK).await;
        let (seconds, now) = (begun.elapsed().as_secs_f64(), Cost::of(worker, &self.front));
        let calls = f64::from(now.calls - before.calls) / seconds;
        let load = (now.cpu - before.cpu).as_secs_f64() / seconds;
        let growth = now.memory.saturating_sub(before.memory);
        let cost = format!("{calls:.1} calls/s, {:.1} % of a core, {} KiB + {growth} KiB", load * 100.0, before.memory);
        println!("{cost}");
        assert!(calls <= CALLS && load <= LOAD && growth <= GROWTH, "{cost}: {}", worker.log());
    }

    /// What was broken no longer is: waits until that is said, and all is done.
    #[expect(clippy::print_stdout, reason = "figures")]
    pub(crate) async fn recovers(&self, worker: &mut Worker, tasks: usize) {
        let healed = Instant::now();
        worker.says("recovered: ").await;
        println!("recovered after {:.1} s", healed.elapsed().as_secs_f64());
        self.all_done(worker, tasks).await;
        println!("all done after {:.1} s", healed.elapsed().as_secs_f64());
    }

    /// Waits until so many tasks are completed, or more.
    pub(crate) async fn completed(&self, worker: &Worker, tasks: usize) {
        let begun = Instant::now();
        loop {
            let found = self.place.statuses().await;
            if found.get(Status::Completed.as_str()).is_some_and(|completed| *completed >= tasks) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "not {tasks} completed: {found:?}: {}", worker.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until so many tasks are completed and no message is left.
    pub(crate) async fn all_done(&self, worker: &Worker, tasks: usize) {
        self.completed(worker, tasks).await;
        self.place.emptied().await;
    }

    /// Each of these tasks was begun once, completed once, and nothing else ever happened to it.
    pub(crate) async fn once(&self, tasks: &[TaskId]) {
        self.place.audit().await;
        let records = self.place.records().await;
        assert_eq!(records.len(), tasks.len());
        for record in records {
            let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
            assert_eq!(events, [Added, Started, Completed]);
        }
    }
}

/// What a worker has cost so far.
struct Cost {
    calls: u32,
    /// Time on processors, by itself and in the kernel.
    cpu: Duration,
    /// In KiB, at the moment.
    memory: u64,
}

impl Cost {
    fn of(worker: &Worker, front: &Front) -> Self {
        let of_process = |file| fs::read_to_string(format!("/proc/{}/{file}", worker.id())).unwrap();
        let stat = of_process("stat");
        // The name before may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        let status = of_process("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            calls: front.all_calls().all.try_into().unwrap(),
            cpu: Duration::from_millis(ticks * 1000 / clock_ticks_per_second()),
            memory: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        }
    }
}

/// The lines that say that something is wrong, except for those about single tasks.
pub(crate) fn troubles(worker: &Worker) -> Vec<String> {
    said(worker, |line| (line.contains(" WARN ") || line.contains("ERROR ")) && !line.contains(" task="))
}

/// The lines that say that it no longer is.
pub(crate) fn recoveries(worker: &Worker) -> Vec<String> {
    said(worker, |line| line.contains("recovered: "))
}

fn said(worker: &Worker, which: impl Fn(&str) -> bool) -> Vec<String> {
    worker.log().lines().filter(|line| which(line)).map(str::to_owned).collect()
}

/// One line for its beginning, one for its end, and no other.
pub(crate) fn said_once(worker: &Worker, trouble: &str, recovery: &str) {
    let (troubles, recoveries) = (troubles(worker), recoveries(worker));
    let log = worker.log();
    assert!(troubles.len() == 1 && troubles[0].contains(trouble), "«{trouble}» once: {log}");
    assert!(recoveries.len() == 1 && recoveries[0].contains(recovery), "«{recovery}» once: {log}");
}

/// Waits until it has said this so often.
pub(crate) async fn says(worker: &Worker, words: &str, times: usize) {
    let begun = Instant::now();
    while worker.lines(words) < times {
        assert!(begun.elapsed() < PATIENCE, "not {times} times «{words}»: {}", worker.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
