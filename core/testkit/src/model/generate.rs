//! Draws commands that make sense in the model's world, so that few of them come to nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;
use taskwatch_core::task::{NewTask, OnAbandon, Status, TaskId};
use taskwatch_core::time::Timestamp;

use super::command::{Command, End, Parcel, Worker};
use super::world::{World, name};

/// From here on few tasks are added: they have to meet each other's workers.
const ENOUGH_TASKS: i64 = 10;

/// The two that workers look for are likelier. Others differ only for who looks closely: to a database's collation they
/// can be equal.
const STATUSES: [&str; 11] = [
    "Pending",
    "Pending",
    "In Progress",
    "In Progress",
    "In Progress",
    "Completed",
    "Failed",
    "Cancelled",
    "Paused",
    "pending",
    "Pending ",
];

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_micros(1);

/// Up to, at and beyond every bound that the policy sets.
const WAITS: [Duration; 9] = [
    MOMENT,
    SECOND,
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_micros(59_999_999),
    Duration::from_secs(60),
    Duration::from_micros(599_999_999),
    Duration::from_secs(600),
    Duration::from_secs(13 * 3600),
];

/// The reference for [`super::Machine`].
#[derive(Debug)]
pub struct Model;

impl ReferenceStateMachine for Model {
    type State = World;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<World> {
        Just(World::default()).boxed()
    }

    fn transitions(world: &World) -> BoxedStrategy<Command> {
        let limit = || select(vec![1_usize, 2, 3, 100]);
        let crowded = world.last_id >= ENOUGH_TASKS;
        let mut commands: Vec<(u32, BoxedStrategy<Command>)> = vec![
            (if crowded { 1 } else { 6 }, (worker(), vec(new_task(world.now), 1..4)).prop_map(add).boxed()),
            (if crowded { 1 } else { 2 }, select(STATUSES.to_vec()).prop_map(Command::OtherInserts).boxed()),
            (7, select(WAITS.to_vec()).prop_map(Command::Wait).boxed()),
            (6, (worker(), limit()).prop_map(|(by, limit)| Command::ClaimDue(by, limit)).boxed()),
            (3, (worker(), limit()).prop_map(|(by, limit)| Command::Rescue(by, limit)).boxed()),
            (8, (worker(), vec(parcel(world), 1..5)).prop_map(|(by, parcels)| Command::Deliver(by, parcels)).boxed()),
            (2, (worker(), tasks(world)).prop_map(|(by, tasks)| Command::Cancel(by, tasks)).boxed()),
            (3, (worker(), tasks(world)).prop_map(|(by, tasks)| Command::Replay(by, tasks)).boxed()),
            (3, tasks(world).prop_map(Command::Take).boxed()),
            (4, (task(world), select(STATUSES.to_vec())).prop_map(|(t, s)| Command::OtherWrites(t, s)).boxed()),
            (1, task(world).prop_map(Command::OtherDeletes).boxed()),
        ];
        if !world.holds.is_empty() {
            commands.extend([
                (
                    9,
                    (worker(), holds(world, 1..4), vec(end(), 3), takes(), weighted(0.8, Just(())))
                        .prop_map(finish)
                        .boxed(),
                ),
                (2, (worker(), holds(world, 1..3)).prop_map(|(by, holds)| Command::GiveBack(by, holds)).boxed()),
                (3, (hold(world), end()).prop_map(|(hold, end)| Command::Settle(hold, end)).boxed()),
                (1, hold(world).prop_map(Command::Release).boxed()),
                (5, holds(world, 1..4).prop_map(Command::Extend).boxed()),
            ]);
        }
        Union::new_weighted(commands).boxed()
    }

    fn apply(mut world: World, command: &Command) -> World {
        world.step(command);
        world
    }

    /// Steps that were left out while shrinking may have opened the attempt.
    fn preconditions(world: &World, command: &Command) -> bool {
        let open = |holds: &[usize]| {
            let tasks: BTreeSet<_> =
                holds.iter().filter_map(|hold| world.holds.get(*hold)).map(|a| a.task.id).collect();
            tasks.len() == holds.len()
        };
        match command {
            Command::Finish { ends, takes, .. } => {
                let holds: Vec<usize> = ends.iter().map(|(hold, _)| *hold).collect();
                open(&holds) && (takes.is_zero() || holds.len() == 1)
            }
            Command::GiveBack(_, holds) | Command::Extend(holds) => open(holds),
            Command::Settle(hold, _) | Command::Release(hold) => open(&[*hold]),
            _ => true,
        }
    }
}

fn worker() -> impl Strategy<Value = Worker> + Clone {
    select(Worker::ALL.to_vec())
}

fn end() -> impl Strategy<Value = End> + Clone {
    let later = select(vec![Duration::ZERO, 10 * SECOND, Duration::from_secs(13 * 3600)]);
    prop_oneof![
        3 => Just(End::Complete),
        3 => Just(End::Retry),
        2 => later.prop_map(End::RetryAfter),
        2 => Just(End::Permanent),
        1 => Just(End::Panic),
    ]
}

/// Shorter than what makes the engine look at its leases.
fn takes() -> impl Strategy<Value = Duration> {
    select(vec![Duration::ZERO, Duration::ZERO, MOMENT, 3 * SECOND])
}

fn add((by, tasks): (Worker, Vec<NewTask>)) -> Command {
    Command::Add(by, tasks)
}

type Finish = (Worker, Vec<usize>, Vec<End>, Duration, Option<()>);

fn finish((by, holds, ends, takes, belief): Finish) -> Command {
    let takes = if holds.len() == 1 { takes } else { Duration::ZERO };
    Command::Finish { by, ends: holds.into_iter().zip(ends).collect(), takes, believes: belief.is_some() }
}

fn new_task(now: Timestamp) -> impl Strategy<Value = NewTask> {
    let due = select(vec![now.minus(SECOND), now, now + SECOND, now + Duration::from_secs(60)]);
    let key = select(vec!["key 1", "key 2", "key 3"]).prop_map(str::to_owned);
    let text = select(vec!["", "a description"]).prop_map(str::to_owned);
    let on_abandon = prop_oneof![2 => Just(OnAbandon::Retry), 1 => Just(OnAbandon::Fail)];
    let all = (weighted(0.3, due), weighted(0.3, select(vec![1_u32, 2, 5])), weighted(0.3, key), weighted(0.3, text));
    (all, on_abandon).prop_map(|((not_before, max_attempts, idempotency_key, description), on_abandon)| NewTask {
        description,
        not_before,
        max_attempts,
        on_abandon,
        idempotency_key,
        ..NewTask::titled("ours")
    })
}

/// One that there is, those lately added or claimed before the others; or, now and then, one that there is not.
fn task(world: &World) -> impl Strategy<Value = TaskId> + Clone + use<> {
    let last = world.last_id;
    let claimed = world.holds.iter().rev().take(3).map(|attempt| attempt.task.id.get());
    let claimed: Vec<i64> = claimed.chain([last.max(1)]).collect();
    let young = (last - 3).max(1)..=last.max(1);
    prop_oneof![3 => young, 3 => 1..=last.max(1), 3 => select(claimed), 1 => Just(last + 1)].prop_map(name)
}

/// In order and without doubles. Failed ones oftener, as only a replay moves them.
fn tasks(world: &World) -> impl Strategy<Value = Vec<TaskId>> + use<> {
    let failed = world.records().filter_map(|record| record.row.as_ref());
    let failed: Vec<TaskId> = failed.filter(|row| row.recorded == Some(Status::Failed)).map(|row| row.id).collect();
    let one = if failed.is_empty() {
        task(world).boxed()
    } else {
        prop_oneof![1 => task(world), 1 => select(failed)].boxed()
    };
    vec(one, 1..4).prop_map(|tasks| BTreeSet::from_iter(tasks).into_iter().collect())
}

fn parcel(world: &World) -> impl Strategy<Value = Parcel> + use<> {
    (task(world), end(), any::<bool>(), select(vec![1_u32, 3, 4]))
        .prop_map(|(task, end, traced, receive_count)| Parcel { task, end, traced, receive_count })
}

/// The latest, and those whose token still stands in the row, before the others.
fn hold(world: &World) -> impl Strategy<Value = usize> + Clone + use<> {
    let count = world.holds.len();
    let stands = |hold: &usize| {
        let attempt = &world.holds[*hold];
        world.row(attempt.task.id).is_some_and(|row| row.lease == Some(attempt.token))
    };
    let standing: Vec<usize> = (0..count).filter(stands).chain([count - 1]).collect();
    prop_oneof![2 => count.saturating_sub(4)..count, 3 => select(standing), 1 => 0..count]
}

/// Of different tasks.
fn holds(world: &World, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> + use<> {
    let owners: Vec<TaskId> = world.holds.iter().map(|attempt| attempt.task.id).collect();
    vec(hold(world), count).prop_map(move |mut holds| {
        let mut seen = BTreeSet::new();
        holds.retain(|hold| seen.insert(owners[*hold]));
        holds
    })
}
