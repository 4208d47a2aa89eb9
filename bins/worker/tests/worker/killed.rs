//! Workers that are killed in the middle of their work.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind;
use taskwatch_testbed::MariaDb;

use crate::place::{Place, Worker, note, shell};
use crate::processes::{gone, marked};

/// Repeats a run: the seed that it has printed.
const SEED: &str = "TASKWATCH_TEST_SEED";

/// In the environment of workers and of what they start.
const MARK: &str = "TEST_MARK";

const WORKERS: usize = 3;
const TASKS: usize = 600;
const KILLS: usize = 30;

/// Small, and good enough to draw moments: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[tokio::test]
async fn workers_that_are_killed_at_random_lose_nothing_and_finish_nothing_twice() {
    let place = Place::on(MariaDb::shared().unwrap()).await;
    let drawn = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    let seed: u64 = env::var(SEED).map_or_else(|_| drawn(), |seed| seed.parse().unwrap());
    note(format_args!("{SEED}={seed}"));
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let titles = vec!["a"; TASKS];
    place.add(&titles).await;
    let work = shell("sleep 0.1");
    let settings = [
        ("TASKWATCH_HANDLER_COMMAND", &*work),
        ("TASKWATCH_WORKER_LEASE", "8s"),
        ("TASKWATCH_QUEUE_HIDDEN", "10s"),
        ("TASKWATCH_WORKER_MAX_ATTEMPTS", "1000"),
        ("TASKWATCH_WORKER_CONCURRENCY", "4"),
        (MARK, &*place.queue.url),
    ];
    let start = || place.worker(&settings);
    let mut workers: Vec<Worker> = (0..WORKERS).map(|_| start()).collect();
    let mut at_work = 0;
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(150 + dice.below(300))).await;
        let victim = usize::try_from(dice.below(WORKERS as u64)).unwrap();
        let killed = std::mem::replace(&mut workers[victim], start());
        at_work += usize::from(killed.lines("at work") > 0);
        killed.kill();
    }
    let left = Instant::now();
    place.until(Status::Completed, TASKS).await;
    note(format_args!("{KILLS} killed, {at_work} of them at work; all done {:?} after the last", left.elapsed()));
    place.emptied().await;
    for worker in workers {
        let (code, said) = worker.stop();
        assert_eq!(code, Some(0), "{said}");
    }
    gone(|| marked(MARK, &place.queue.url)).await;
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    for entry in place.records().await.iter().flat_map(|record| &record.entries) {
        *events.entry(entry.event.to_string()).or_default() += 1;
    }
    note(format_args!("{events:?}"));
    assert!(events.get(&EventKind::Abandoned.to_string()) > Some(&0), "no kill has struck: {events:?}");
    place.each_completed_once().await;
    place.audit().await;
}

#[tokio::test]
async fn what_a_killed_worker_has_started_goes_with_it() {
    let place = Place::new().await;
    place.add(&["a"; 3]).await;
    // One of them leaves the group.
    let hangs = shell("python3 -c 'import os; os.setpgid(0, 0); os.execlp(\"sleep\", \"sleep\", \"600\")' & sleep 600");
    let worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &hangs), (MARK, &place.queue.url)]);
    let begun = Instant::now();
    // The worker; and of each task a shell and two that sleep.
    while marked(MARK, &place.queue.url).len() < 1 + 3 * 3 {
        assert!(begun.elapsed() < crate::place::PATIENCE, "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.kill();
    let killed = Instant::now();
    gone(|| marked(MARK, &place.queue.url)).await;
    note(format_args!("gone {:?} after their worker", killed.elapsed()));
}
