//! Renewing leases.

use taskwatch_core::ports::Lease;
use taskwatch_core::task::{LeaseToken, TaskId};

use super::Bench;
use super::moves::{LEASE, at, claim, complete, missing};

async fn claimed(bench: Bench<'_>, count: usize) -> Vec<Lease> {
    let tasks = bench.add(count).await;
    bench.write(&tasks, &claim(at(0), 1)).await;
    let mut leases = Vec::new();
    for task in tasks {
        let token = bench.row(task).await.lease.expect("a claimed row has a token");
        leases.push(Lease { task, token });
    }
    leases
}

pub(super) async fn held_leases_move_without_an_entry(bench: Bench<'_>) {
    let leases = claimed(bench, 3).await;
    let lost = bench.store.extend(&leases[..2], at(500)).await.expect("the renewal goes through");
    assert!(lost.is_empty(), "leases that are held are not lost: {lost:?}");
    let again = bench.store.extend(&leases[..2], at(500)).await.expect("the renewal goes through");
    assert!(again.is_empty(), "a lease that already ends then is held all the same: {again:?}");
    for (lease, due) in leases.iter().zip([at(500), at(500), at(0) + LEASE]) {
        let (row, entries) = bench.record(lease.task).await;
        assert_eq!(row.due, due, "the lease that was renewed has moved, and no other");
        assert_eq!((entries.len(), row.seq, row.lease), (2, 2, Some(lease.token)), "a renewal leaves no entry");
    }
    bench.write(&[leases[0].task], &complete(at(400))).await;
    let none = bench.store.extend(&[], at(500)).await.expect("an empty renewal goes through");
    assert!(none.is_empty(), "no leases, none lost: {none:?}");
}

pub(super) async fn lost_leases_are_named(bench: Bench<'_>) {
    let held = claimed(bench, 4).await;
    let tasks: Vec<TaskId> = held.iter().map(|lease| lease.task).collect();
    bench.write(&[tasks[0]], &complete(at(1))).await;
    bench.foreign.write_status(tasks[1], "Completed").await;
    let mut leases = held.clone();
    leases[2].token = LeaseToken::from_stored(leases[2].token.get() ^ 1);
    leases.push(Lease { task: missing(&tasks), token: held[0].token });
    let mut lost = bench.store.extend(&leases, at(500)).await.expect("the renewal goes through");
    lost.sort_unstable();
    let expected = [tasks[0], tasks[1], tasks[2], missing(&tasks)];
    assert_eq!(lost, expected, "lost: settled, overwritten, somebody else's, missing");
    for (task, due) in tasks.iter().zip([at(1), at(0) + LEASE, at(0) + LEASE, at(500)]) {
        assert_eq!(bench.row(*task).await.due, due, "a lease that is lost does not move (task {task})");
    }
}
