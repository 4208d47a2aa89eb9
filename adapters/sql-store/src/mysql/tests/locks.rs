//! What is locked, by whom, and for how long.

use std::time::{Duration, Instant};

use deadpool::managed::{Manager as _, Metrics, Object};
use taskwatch_core::task::LeaseToken;

use super::*;
use crate::mysql::select::{Plenty, select};

const SECOND: i64 = 1_000_000;

/// Pending rows due by then, or In Progress rows whose lease ended by then.
fn due_by(seconds: i64) -> DueBefore {
    let then = Timestamp::from_micros(seconds * SECOND);
    DueBefore { ours: then, foreign: then, limit: 10 }
}

fn only(id: i64) -> Select {
    Select::Ids(vec![TaskId::try_from(id).unwrap()])
}

/// Waits a second for a lock, and no longer.
async fn impatient(link: &mut Link) {
    link.send(Packet::new("SET SESSION innodb_lock_wait_timeout = 1")).await.unwrap();
}

async fn number(link: &mut Link, sql: &'static str) -> i64 {
    link.send(Packet::new(sql)).await.unwrap()[0].rows[0].get(0)
}

/// Ends a connection from the server's side, and waits until it is gone.
async fn kill(store: &MySqlStore, connection: i64) {
    let mut other = Link::take(&store.pool).await.unwrap();
    let mut packet = Packet::new("KILL ");
    packet.int(connection);
    other.send(packet).await.unwrap();
    gone(&mut other, connection).await;
}

/// Waits until the server has no such connection any more.
async fn gone(other: &mut Link, connection: i64) {
    loop {
        let mut packet = Packet::new("SELECT COUNT(*) FROM information_schema.processlist WHERE id = ");
        packet.int(connection);
        if other.send(packet).await.unwrap()[0].rows[0].get::<i64, _>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_server_soon_forgets_a_client_that_vanished() {
    let (store, _folder) = database(1).await;
    let mut link = Link::take(&store.pool).await.unwrap();
    assert_eq!(number(&mut link, "SELECT CAST(@@SESSION.wait_timeout AS SIGNED)").await, 60);
    assert_eq!(number(&mut link, "SELECT CAST(@@SESSION.idle_transaction_timeout AS SIGNED)").await, 20);
    // What the server closed in the meantime is noticed before it is used.
    let connection = number(&mut link, "SELECT CAST(CONNECTION_ID() AS SIGNED)").await;
    link.release();
    let mut session = Object::take(store.pool.get().await.unwrap());
    let idle = Metrics { created: Instant::now().checked_sub(Duration::from_secs(30)).unwrap(), ..Metrics::default() };
    assert!(store.pool.manager().recycle(&mut session, &idle).await.is_ok());
    kill(&store, connection).await;
    assert!(store.pool.manager().recycle(&mut session, &idle).await.is_err(), "it was taken for alive");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_for_idleness_fails_no_batch() {
    let (store, _folder) = database(1).await;
    let mut link = Link::take(&store.pool).await.unwrap();
    let connection = number(&mut link, "SELECT CAST(CONNECTION_ID() AS SIGNED)").await;
    let mut other = Link::take(&store.pool).await.unwrap();
    link.send(Packet::new("SET SESSION wait_timeout = 1")).await.unwrap();
    link.release();
    gone(&mut other, connection).await;
    assert_eq!(store.transact(&only(1), &|_| None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_look_that_comes_to_the_end_of_what_is_due_locks_nothing_behind_it() {
    let (store, _folder) = database(3).await;
    let mut other = Link::take(&store.pool).await.unwrap();
    impatient(&mut other).await;
    // In the index, the running rows stand before the waiting ones.
    let nothing = select(&store.pool, &Select::LeaseOver(due_by(9)), &Plenty::default()).await.unwrap();
    other.send(Packet::new("UPDATE tasks SET status = 'Pending!' WHERE id = 1")).await.unwrap();
    assert!(nothing.is_none(), "a transaction is open, with nothing in it");
    other.send(Packet::new("UPDATE tasks SET status = 'Pending' WHERE id = 1")).await.unwrap();
    let one = select(&store.pool, &Select::Due(due_by(0)), &Plenty::default()).await.unwrap().unwrap();
    assert_eq!(one.found.len(), 1);
    other.send(Packet::new("UPDATE tasks SET status = 'Completed' WHERE id = 2")).await.unwrap();
    let taken = other.send(Packet::new("UPDATE tasks SET status = 'Completed' WHERE id = 1")).await.unwrap_err();
    assert_eq!(crate::mysql::fault::number(&taken.error), Some(1205), "{taken:?}");
}

#[tokio::test]
async fn a_worker_that_finds_plenty_does_not_ask_first() {
    let (store, _folder) = database(4).await;
    let two = Select::Due(DueBefore { limit: 2, ..due_by(9) });
    let plenty = Plenty::default();
    let first = select(&store.pool, &two, &plenty).await.unwrap().unwrap();
    let second = select(&store.pool, &two, &plenty).await.unwrap().unwrap();
    assert_eq!((first.found.len(), second.found.len()), (2, 2));
    // Asking would have found rows, since it sees those that are locked.
    let third = select(&store.pool, &two, &plenty).await.unwrap();
    assert!(third.is_some_and(|third| third.found.is_empty()));
}

/// Starts all tasks of a database, and answers with their leases.
async fn started(store: &MySqlStore, count: usize) -> Vec<Lease> {
    let mut link = Link::take(&store.pool).await.unwrap();
    let sql = "UPDATE tasks SET status = 'In Progress', recorded = 'In Progress', lease_token = id + 100, due_at = 1";
    link.send(Packet::new(sql)).await.unwrap();
    link.release();
    (1..)
        .map(|id| Lease { task: TaskId::try_from(id).unwrap(), token: LeaseToken::from_stored(id + 100) })
        .take(count)
        .collect()
}

async fn dues(store: &MySqlStore) -> Vec<i64> {
    let mut link = Link::take(&store.pool).await.unwrap();
    let answers = link.send(Packet::new("SELECT due_at FROM tasks ORDER BY id")).await.unwrap();
    link.release();
    answers[0].rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_locked_row_does_not_hold_up_the_other_leases() {
    let (store, _folder) = database(4).await;
    let mut leases = started(&store, 4).await;
    leases[3].token = LeaseToken::from_stored(1);
    let mut holder = Link::take(&store.pool).await.unwrap();
    found(&mut holder, &only(2)).await;
    let lost = store.extend(&leases, Timestamp::from_micros(77)).await.unwrap();
    assert_eq!(lost, [leases[3].task], "a lease is not lost because its row is locked");
    assert_eq!(dues(&store).await, [77, 1, 77, 1]);
    // Whoever had the row locked has taken it over.
    let mut taken_over = Packet::new("UPDATE tasks SET lease_token = 5 WHERE id = 2");
    taken_over.then("COMMIT");
    holder.send(taken_over).await.unwrap();
    let lost = store.extend(&leases[..2], Timestamp::from_micros(78)).await.unwrap();
    assert_eq!(lost, [leases[1].task]);
    assert_eq!(dues(&store).await, [78, 1, 77, 1]);
}

#[tokio::test]
async fn a_lease_whose_row_is_locked_for_a_moment_is_renewed() {
    let (store, _folder) = database(2).await;
    let leases = started(&store, 2).await;
    let mut holder = Link::take(&store.pool).await.unwrap();
    found(&mut holder, &only(1)).await;
    let renewal = store.clone();
    let extending = tokio::spawn(async move { renewal.extend(&leases, Timestamp::from_micros(77)).await });
    while dues(&store).await != [1, 77] {
        assert!(!extending.is_finished(), "one of the two was not renewed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    holder.send(Packet::new("ROLLBACK")).await.unwrap();
    assert!(extending.await.unwrap().unwrap().is_empty());
    assert_eq!(dues(&store).await, [77, 77]);
}

#[tokio::test]
async fn a_row_that_stays_locked_does_not_hold_up_the_others() {
    let (store, _folder) = database(3).await;
    let mut link = Link::take(&store.pool).await.unwrap();
    let mut holder = Link::take(&store.pool).await.unwrap();
    impatient(&mut link).await;
    link.release();
    found(&mut holder, &only(2)).await;
    let all = Select::Ids((1..=4).map(|id| TaskId::try_from(id).unwrap()).collect());
    let decide = crate::plan::tests::start;
    let seen = store.transact(&all, &decide).await.unwrap();
    let seen: Vec<(i64, bool)> = seen.iter().map(|seen| (seen.row.id.get(), seen.written)).collect();
    assert_eq!(seen, [(1, true), (2, false), (3, true)], "in order, and the locked one is told");
    drop(holder);
    let seen = store.transact(&only(2), &decide).await.unwrap();
    assert!(seen[0].written);
}

#[tokio::test]
async fn an_answer_that_is_late_names_the_limit() {
    let (store, _folder) = database(0).await;
    let mut link = Link::take(&store.pool).await.unwrap();
    let late = link.send_within(Packet::new("DO SLEEP(9)"), Duration::from_millis(250)).await.unwrap_err();
    assert!(late.error.to_string().contains("0.25 s"), "{late:?}");
}
