//! Everyone but the workers: the program that adds tasks, the one of old beside it, people, and whoever looks whether
//! all has come to rest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use taskwatch_core::engine::Engine;
use taskwatch_core::ledger::Source;
use taskwatch_core::ports::{AttemptInfo, Clock as _, Failure, Handler, Inserted};
use taskwatch_core::task::{NewTask, OnAbandon, Status, Task, TaskId};

use super::Feed;
use super::world::{World, rests};

/// How long it may take after the end of all trouble until everything rests.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// How often dead letters are looked through.
const ROUND: Duration = Duration::from_secs(5);

/// Of engines that only add, cancel and replay.
struct NoWork;

#[async_trait]
impl Handler for NoWork {
    async fn handle(&self, _task: &Task, _attempt: &AttemptInfo) -> Result<(), Failure> {
        Err(Failure::permanent("nothing is worked here"))
    }
}

impl World {
    fn announce(&self, task: TaskId) {
        if let Some(queue) = &self.queue {
            queue.send(Some(task));
        }
    }

    fn desk(&self, name: &str, rng: &mut Rng) -> Arc<Engine> {
        self.engine(Source::Local, name.to_owned(), Arc::new(NoWork), rng)
    }

    /// Any row, with its status.
    fn any_row(&self, rng: &mut Rng) -> Option<(TaskId, Option<Status>)> {
        let rows: Vec<_> = self.rows.snapshot().into_iter().filter_map(|record| record.row).collect();
        rng.choice(&rows).map(|row| (row.id, row.status.known()))
    }
}

/// Adds each task under a key of its own, again until it knows that it was added, and announces it.
pub(super) async fn program_that_adds(world: &World, mut rng: Rng) {
    let engine = world.desk("intake", &mut rng);
    let count = u32::try_from(world.scenario.tasks.max(1)).unwrap_or(u32::MAX);
    let pause = world.scenario.span / count;
    for n in 0..world.scenario.tasks {
        let new = NewTask {
            not_before: rng.bool().then(|| world.clock.now() + Duration::from_secs(rng.u64(0..20))),
            max_attempts: rng.bool().then(|| rng.u32(1..5)),
            on_abandon: if rng.u32(0..4) == 0 { OnAbandon::Fail } else { OnAbandon::Retry },
            idempotency_key: Some(format!("key {n}")),
            trace: None,
            ..NewTask::titled(format!("task {n}"))
        };
        let added = loop {
            match engine.add(std::slice::from_ref(&new)).await {
                Ok(added) => break added,
                Err(_) => world.wait(&mut rng, Duration::from_secs(1)).await,
            }
        };
        // Where the table is swept, an announcement may be lost.
        let lost = world.scenario.feed == Feed::Both && rng.u32(0..5) == 0;
        for one in added.iter().filter(|_| !lost) {
            world.announce(Inserted::task(one));
        }
        world.wait(&mut rng, pause * 2).await;
    }
    world.added.store(true, Ordering::Relaxed);
}

/// Shares the table and the queue, and knows nothing of ledgers and leases.
pub(super) async fn program_of_old(world: &World, mut rng: Rng) {
    loop {
        world.wait(&mut rng, Duration::from_secs(10)).await;
        let Some(trouble) = world.trouble() else { return };
        if rng.f64() >= trouble.foreign {
            continue;
        }
        let status = rng.choice(&Status::ALL).map_or("Pending", |status| status.as_str());
        let task = match rng.u32(0..10) {
            0..3 => Some(world.rows.foreign_insert("of old", status)),
            3..7 => world.any_row(&mut rng).map(|(task, _)| {
                world.rows.foreign_write(task, status);
                task
            }),
            7 => {
                let found = world.any_row(&mut rng);
                if let Some((task, _)) = found {
                    world.rows.foreign_write(task, "on hold");
                    world.wait(&mut rng, Duration::from_secs(10)).await;
                    world.rows.foreign_write(task, "Pending");
                }
                found.map(|(task, _)| task)
            }
            8 => {
                let found = world.any_row(&mut rng);
                found.map(|(task, _)| world.rows.foreign_delete(task));
                None
            }
            _ => {
                if let Some(queue) = &world.queue {
                    queue.send(None);
                    queue.send(TaskId::try_from(1_000_000).ok());
                }
                None
            }
        };
        if let Some(task) = task {
            world.announce(task);
        }
    }
}

/// Cancel what they no longer want, and replay what has failed.
pub(super) async fn people(world: &World, mut rng: Rng) {
    let engine = world.desk("somebody", &mut rng);
    loop {
        world.wait(&mut rng, Duration::from_secs(10)).await;
        let Some(trouble) = world.trouble() else { return };
        if rng.f64() >= trouble.people {
            continue;
        }
        let Some((task, status)) = world.any_row(&mut rng) else { continue };
        if status != Some(Status::Failed) {
            // Refusals and outages are theirs to see; the books must balance either way.
            let _seen = engine.cancel(&[task], "not wanted").await;
        } else if engine.replay(&[task], "fixed").await.is_ok() {
            world.announce(task);
        }
    }
}

/// Looks through the dead letters, puts back what still has something to be done about it, and ends the simulation when
/// nothing has.
pub(super) async fn until_all_is_at_rest(world: &World) {
    loop {
        world.clock.sleep(ROUND).await;
        if world.trouble().is_some() {
            continue;
        }
        if world.nothing_is_left() {
            world.at_rest.store(true, Ordering::Relaxed);
            break;
        }
        if world.elapsed() > world.scenario.span + PATIENCE {
            break;
        }
        let rows: Vec<_> = world.rows.snapshot().into_iter().filter_map(|record| record.row).collect();
        for task in world.queue.iter().flat_map(super::queue::Queue::take_dead).flatten() {
            if rows.iter().any(|row| row.id == task && !rests(row)) {
                world.announce(task);
            }
        }
    }
    world.end();
}
