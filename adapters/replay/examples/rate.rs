//! How well a rate is kept, by an engine and by sending: letters of a journal on disk, tasks in memory, the machine's clock.
//!
//! `cargo run --release -p taskwatch-replay --example rate [RATE...]`, each for four seconds.

#![expect(clippy::print_stdout, reason = "figures for people")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source as Home};
use taskwatch_core::policy::Policy;
use taskwatch_core::ports::{AttemptInfo, Clock, Failure, Handler};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, Task};
use taskwatch_core::time::Timestamp;
use taskwatch_replay::Filter;
use taskwatch_replay::journal::{By, Journal, Source};
use taskwatch_replay::run::{Destinations, JournalSource, Listener, Order, Pace, Plan, Rules, Sending, Told};
use taskwatch_sqs_message::{CallError, Outgoing, SendingQueue};
use taskwatch_testkit::{CountingObserver, MemoryStore, SeededEntropy};

const SECONDS: f64 = 4.0;

struct Wall;

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Counts what goes, and sends nothing anywhere.
#[derive(Default)]
struct Counter(AtomicU64);

#[async_trait]
impl Handler for Counter {
    async fn handle(&self, _task: &Task, _attempt: &AttemptInfo) -> Result<(), Failure> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl SendingQueue for Counter {
    async fn send(&self, _queue: &str, messages: &[Outgoing], _within: Duration) -> Vec<Result<(), CallError>> {
        self.0.fetch_add(messages.len() as u64, Ordering::Relaxed);
        messages.iter().map(|_| Ok(())).collect()
    }
}

struct Deaf;

impl Listener for Deaf {
    fn told(&self, _told: &Told) {}
    fn passed_over(&self, _count: u64) {}
    fn trouble(&self, _what: &str) {}
}

async fn measure(rate: &str, to_queue: bool) -> Result<(), Box<dyn Error>> {
    let per_second: f64 = rate.parse()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of letters")]
    let letters = (per_second * SECONDS) as usize;
    let store = MemoryStore::new();
    let counter = Arc::new(Counter::default());
    let engine = Engine::new(Parts {
        store: Arc::new(store.clone()),
        handler: Arc::clone(&counter) as _,
        clock: Arc::new(Wall),
        entropy: Arc::new(SeededEntropy::new(1)),
        observer: Arc::new(CountingObserver::new()),
        origin: Origin::new(Home::Replay, "rate"),
        policy: Policy::default(),
    })?;
    engine.add(&vec![NewTask::titled("Sweep"); letters]).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("letters");
    let lines: String = (1..=letters).map(|id| format!("{{\"task_id\": {id}}}\n")).collect();
    std::fs::write(&file, lines)?;
    let by = By { who: "rate".to_owned(), reason: None };
    let journal = Journal::open(&folder.path().join("journal"), &Source::File(file), &by, Wall.now()).await?;
    journal.capture_file(&Wall, &Stop::never(), &|_| {}).await?;

    let (filter, stop) = (Filter::default(), Stop::never());
    let rules = Rules { max_replays: 3, uncertain: false, to_queue };
    let plan = Plan::new(&journal, &filter, None, &rules, None);
    let (why, pace) = ("rate".to_owned(), Pace::new(Some(rate.parse()?)));
    let begun = Instant::now();
    if to_queue {
        let destinations = Destinations { fixed: Some("queue".to_owned()), sources: Vec::new() };
        let sending = Sending {
            journal: &journal,
            engine: &engine,
            records: &store,
            sender: &*counter,
            destinations: &destinations,
            why,
            pace,
            listener: &Deaf,
        };
        sending.run(plan, &stop).await?;
    } else {
        let order = Order { why, patience: Duration::from_secs(60), pace };
        let source = JournalSource::new(&journal, plan, &engine, &store, order, stop.clone(), &Deaf);
        engine.drive(&source, &stop).await;
        source.finish().await?;
    }
    let took = begun.elapsed().as_secs_f64();
    let went = counter.0.load(Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "a count of letters")]
    let found = went as f64 / took;
    let way = if to_queue { "queue" } else { "engine" };
    println!("{way:6} {rate:>6}/s: {went} in {took:.3} s = {found:.1}/s, {:+.1} %", (found / per_second - 1.0) * 100.0);
    journal.close().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let rates: Vec<String> = std::env::args().skip(1).collect();
    let rates = if rates.is_empty() { ["20", "50", "90", "500", "5000"].map(str::to_owned).into() } else { rates };
    for rate in &rates {
        for to_queue in [false, true] {
            measure(rate, to_queue).await?;
        }
    }
    Ok(())
}
