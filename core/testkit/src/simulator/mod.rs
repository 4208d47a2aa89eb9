//! A whole system in virtual time, from one seed: workers, a queue, people, another program, and one database, with
//! everything going wrong that can. The same seed is the same run, to the microsecond.
//!
//! ```
//! use taskwatch_testkit::simulator::Scenario;
//!
//! let outcome = Scenario::seeded(7).run();
//! assert_eq!(outcome.complaints(), Vec::<String>::new());
//! ```
//!
//! Trouble lasts for [`Scenario::span`]; after that everything must come to rest by itself.

mod life;
mod others;
mod outcome;
mod queue;
mod unreliable;
mod work;
mod worker;
mod world;

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use taskwatch_core::ports::{Records, Store};

use self::world::World;
use crate::MemoryStore;

pub use outcome::{Happened, Outcome};

/// Where the workers' deliveries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// A queue that delivers at least once, in any order, with a visibility timeout and dead letters.
    Queue,
    /// The task table.
    Table,
    /// A queue, with the table as its sweeper; some announcements are never sent.
    Both,
}

/// What goes wrong, each as a share or chance between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trouble {
    /// Chance that a worker's process is killed at one of its await points rather than stopped.
    pub crashes: f64,
    /// Chance that a worker stands still for longer than a lease, and then goes on as if nothing had happened.
    pub freezes: f64,
    /// Share of calls of the database and the queue that fail with nothing done.
    pub unavailable: f64,
    /// Share of calls of the database whose answer is lost; half of them have been written.
    pub unknown: f64,
    /// Chance that the database is away altogether for a while.
    pub outages: f64,
    /// Share of deliveries that come twice.
    pub duplicates: f64,
    /// Share of attempts that take longer than a lease, or than the time limit.
    pub slow: f64,
    /// How busy the other program is: it inserts, overwrites and deletes rows.
    pub foreign: f64,
    /// How busy people are: they cancel tasks, and replay those that failed.
    pub people: f64,
}

impl Trouble {
    /// All is well, but for handlers that fail.
    pub const NONE: Self = Self {
        crashes: 0.0,
        freezes: 0.0,
        unavailable: 0.0,
        unknown: 0.0,
        outages: 0.0,
        duplicates: 0.0,
        slow: 0.0,
        foreign: 0.0,
        people: 0.0,
    };

    /// Each kind is left out now and then, so that no kind always hides another.
    fn seeded(rng: &mut Rng) -> Self {
        let mut upto = |most: f64| if rng.f64() < 0.3 { 0.0 } else { rng.f64() * most };
        Self {
            crashes: upto(1.0),
            freezes: upto(0.5),
            unavailable: upto(0.2),
            unknown: upto(0.2),
            outages: upto(1.0),
            duplicates: upto(0.4),
            slow: upto(0.4),
            foreign: upto(1.0),
            people: upto(1.0),
        }
    }
}

/// What to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// How many workers there are.
    pub workers: usize,
    /// How many tasks are added; the other program may insert more.
    pub tasks: usize,
    /// Where deliveries come from.
    pub feed: Feed,
    /// How long tasks are added and things go wrong.
    pub span: Duration,
    /// What goes wrong.
    pub trouble: Trouble,
}

impl Scenario {
    /// Anything, as the seed says.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            seed,
            workers: rng.usize(1..=4),
            tasks: rng.usize(5..=30),
            feed: *rng.choice(&[Feed::Queue, Feed::Table, Feed::Both]).unwrap_or(&Feed::Both),
            span: Duration::from_secs(rng.u64(30..=150)),
            trouble: Trouble::seeded(&mut rng),
        }
    }

    /// Runs it on a store in memory.
    #[must_use]
    pub fn run(&self) -> Outcome {
        self.run_on(|store| store)
    }

    /// Runs it on what `wrap` makes of the store in memory: a store that may have something wrong with it.
    #[must_use]
    pub fn run_on<S: Store + Records + 'static>(&self, wrap: impl FnOnce(MemoryStore) -> S) -> Outcome {
        let mut rng = Rng::with_seed(self.seed);
        let world = World::new(self, &mut rng, wrap);
        let mut everyone: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        for place in 0..self.workers {
            everyone.push(Box::pin(worker::works(&world, place, rng.fork())));
        }
        everyone.push(Box::pin(others::program_that_adds(&world, rng.fork())));
        everyone.push(Box::pin(others::program_of_old(&world, rng.fork())));
        everyone.push(Box::pin(others::people(&world, rng.fork())));
        everyone.push(Box::pin(others::until_all_is_at_rest(&world)));
        let clock = world.clock.clone();
        clock.run(async {
            while everyone.next().await.is_some() {}
            drop(everyone);
            outcome::take(&world).await
        })
    }
}
