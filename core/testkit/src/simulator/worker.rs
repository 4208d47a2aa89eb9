//! Worker processes, one after the other in each place.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::{BoxFuture, join, select};
use taskwatch_core::due::DueSource;
use taskwatch_core::engine::Engine;
use taskwatch_core::ledger::Source;
use taskwatch_core::ports::Clock as _;
use taskwatch_core::stop::Stop;

use super::Feed;
use super::life::{End, Fate, Life};
use super::work::Work;
use super::world::{POLICY, World};

const POLL: Duration = Duration::from_secs(2);
/// A process that is going to be killed dies within so many polls.
const LONGEST_LIFE: u64 = 300;

/// Starts a new process in this place whenever the last one has ended, until the simulation does.
pub(super) async fn works(world: &World, place: usize, mut rng: Rng) {
    for process in 0_u32.. {
        if world.stop.is_set() {
            return;
        }
        let handler = Arc::new(Work {
            clock: world.clock.clone(),
            slow: world.scenario.trouble.slow,
            runs: Arc::clone(&world.runs),
            rng: Mutex::new(rng.fork()),
        });
        let source = if world.scenario.feed == Feed::Queue { Source::Lambda } else { Source::Ec2 };
        let engine = world.engine(source, format!("worker {place}.{process}"), handler, &mut rng);
        let (fate, stop) = befalls(world, &mut rng);
        let still = POLICY.lease.mul_f64(0.5 + 2.0 * rng.f64());
        let freeze = move || -> Option<BoxFuture<'_, ()>> {
            world.trouble()?;
            world.freezes.fetch_add(1, Ordering::Relaxed);
            Some(world.clock.sleep(still))
        };
        let end = Life::new(Box::pin(process_of(world, engine, stop)), fate, freeze).await;
        if end == End::Killed {
            world.crashes.fetch_add(1, Ordering::Relaxed);
        }
        world.wait(&mut rng, Duration::from_secs(5)).await;
    }
}

/// Works until it is stopped.
async fn process_of(world: &World, engine: Arc<Engine>, stop: Stop) {
    let table = DueSource::new(Arc::clone(&engine), POLL, stop.clone());
    match &world.queue {
        None => engine.drive(&table, &stop).await,
        Some(queue) if world.scenario.feed == Feed::Queue => engine.drive(queue, &stop).await,
        Some(queue) => {
            join(engine.drive(queue, &stop), engine.drive(&table, &stop)).await;
        }
    }
}

/// What befalls a process that starts now: it is killed, or stopped for a new version, or lives to the end.
fn befalls(world: &World, rng: &mut Rng) -> (Fate, Stop) {
    let quiet = (Fate { dies_at: None, freezes_at: None }, world.stop.clone());
    let Some(trouble) = world.trouble() else { return quiet };
    let some_poll = |rng: &mut Rng, chance: f64| (rng.f64() < chance).then(|| rng.u64(1..LONGEST_LIFE));
    let fate = Fate { dies_at: some_poll(rng, trouble.crashes), freezes_at: some_poll(rng, trouble.freezes) };
    let (end, clock) = (world.stop.clone(), world.clock.clone());
    let version = world.scenario.span.mul_f64(rng.f64());
    let stop = Stop::when(async move {
        select(Box::pin(end.wait()), clock.sleep(version)).await;
    });
    (fate, stop)
}
