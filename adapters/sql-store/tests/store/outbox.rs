//! The outbox on real databases, beyond what the conformance suite asks of every outbox.

use taskwatch_core::outbox::{Announcement, Outbox as _};
use taskwatch_core::ports::{Filter, Inserted, Records as _, Select, Store as _, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::transition::Event;
use taskwatch_sql_store::{SCHEMA_VERSION, SchemaError, SqlStore};

use crate::support::{Fixture, at, audited, change, claim, complete, due, fail, ids, origin, titled};

/// Which tasks are announced by this second, to come again a minute later.
async fn taken(store: &SqlStore, seconds: i64) -> Vec<TaskId> {
    let taken = store.take(100, at(seconds), at(seconds + 60)).await.unwrap();
    taken.into_iter().map(|one| one.task.id).collect()
}

async fn add(store: &SqlStore, count: usize) -> Vec<TaskId> {
    store.insert(&titled(count), &origin(), at(0)).await.unwrap().iter().map(Inserted::task).collect()
}

/// Puts failed tasks back.
fn replay(row: &TaskRow) -> Option<taskwatch_core::ports::Change> {
    change(row, at(9), &[Event::Replayed { due: at(9) }], None)
}

/// Makes failed tasks of these.
async fn failed(store: &SqlStore, tasks: &[TaskId]) {
    for decide in [&claim(at(1), 0) as &taskwatch_core::ports::Decide<'_>, &fail(at(2), "no")] {
        let seen = store.transact(&ids(tasks.to_vec()), decide).await.unwrap();
        assert!(seen.iter().all(|seen| seen.written));
    }
}

/// What cannot be announced is not written either: it is one transaction.
async fn announcement_and_change_stand_or_fall_together(fixture: &impl Fixture, refuse: &str, allow: &str) {
    let store = fixture.announcing().await;
    let tasks = add(&store, 2).await;
    failed(&store, &tasks).await;
    assert_eq!(taken(&store, 0).await, tasks);
    fixture.raw(refuse).await;
    let refused = store.insert(&titled(2), &origin(), at(3)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    let refused = store.transact(&ids(tasks.clone()), &replay).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    let records = audited(&store).await;
    assert_eq!(records.iter().map(|record| record.entries.len()).collect::<Vec<_>>(), [3, 3], "{records:?}");
    // Those who do not announce are not concerned.
    assert_eq!(fixture.store().insert(&titled(1), &origin(), at(3)).await.unwrap().len(), 1);
    fixture.raw(allow).await;
    let written = store.transact(&ids(tasks.clone()), &replay).await.unwrap();
    assert!(written.iter().all(|seen| seen.written));
    assert_eq!(taken(&store, 59).await, tasks, "the replays");
}

/// From the first version on: with its rows and its ledger.
async fn a_first_version_is_brought_up_to_date(fixture: &impl Fixture) {
    let store = fixture.store();
    let tasks = add(store, 2).await;
    fixture.raw("DROP TABLE task_outbox").await;
    fixture.raw("DELETE FROM taskwatch_schema WHERE version > 1").await;
    assert_eq!(store.schema_version().await.unwrap(), 1);
    assert!(matches!(store.check().await, Err(SchemaError::Older { found: 1, .. })));
    let announcing = fixture.announcing().await;
    let early = announcing.insert(&titled(1), &origin(), at(0)).await;
    assert!(matches!(&early, Err(StoreError::Refused(why)) if why.contains("taskwatch migrate")), "{early:?}");
    let (one, two) = tokio::join!(store.migrate(), announcing.migrate());
    one.unwrap();
    two.unwrap();
    store.check().await.unwrap();
    assert_eq!(store.schema_version().await.unwrap(), SCHEMA_VERSION);
    assert_eq!(audited(store).await.len(), tasks.len());
    let later = add(&announcing, 1).await;
    assert_eq!(taken(store, 0).await, later, "what was there before is not announced");
}

/// Relays that take and strike off while others write: everything comes, and nothing stays.
async fn many_relays_and_writers_get_along(fixture: &impl Fixture) {
    let store = fixture.announcing().await;
    let writers = (0..4).map(|n| {
        let store = &store;
        async move {
            for _ in 0..10 {
                let added = add(store, 5).await;
                if n % 2 == 0 {
                    failed(store, &added[..2]).await;
                    store.transact(&ids(added[..2].to_vec()), &replay).await.unwrap();
                }
            }
        }
    });
    let relays = (0..3).map(|_| {
        let store = &store;
        async move {
            let mut mine: Vec<Announcement> = Vec::new();
            for _ in 0..60 {
                let some = store.take(7, at(100), at(200)).await.unwrap();
                let numbers: Vec<i64> = some.iter().map(|one| one.number).collect();
                store.published(&numbers).await.unwrap();
                mine.extend(some);
            }
            mine
        }
    });
    let (_, relayed) = tokio::join!(futures_util::future::join_all(writers), futures_util::future::join_all(relays));
    let mut numbers: Vec<i64> = relayed.concat().iter().map(|one| one.number).collect();
    let rest = store.take(1000, at(100), at(200)).await.unwrap();
    let rest: Vec<i64> = rest.iter().map(|one| one.number).collect();
    store.published(&rest).await.unwrap();
    numbers.extend(rest);
    numbers.sort_unstable();
    let all = numbers.len();
    numbers.dedup();
    assert_eq!((all, numbers.len()), (200 + 40, 200 + 40), "each task once, and the replays");
    assert!(store.take(9, at(1_000_000), at(2_000_000)).await.unwrap().is_empty(), "all have been struck off");
    audited(&store).await;
}

/// A page that is full of tasks without a row does not look like the end.
async fn rows_without_a_task_do_not_look_like_the_end(fixture: &impl Fixture) {
    let store = fixture.announcing().await;
    let tasks = add(&store, 50).await;
    fixture.raw(&format!("DELETE FROM tasks WHERE id < {}", tasks[45])).await;
    let taken = store.take(10, at(0), at(60)).await.unwrap();
    assert_eq!(taken.iter().map(|one| one.task.id).collect::<Vec<_>>(), tasks[45..]);
    let left = store.list(&Filter { limit: 99, ..Filter::default() }).await.unwrap();
    assert_eq!(left.len(), 5);
    let numbers: Vec<i64> = taken.iter().map(|one| one.number).collect();
    store.published(&numbers).await.unwrap();
    fixture.raw("INSERT INTO tasks (id, title) VALUES (1, 'back again')").await;
    assert!(self::taken(&store, 100).await.is_empty(), "what had no row is gone for good");
}

/// Due work is claimed by those who announce as by those who do not.
async fn announcing_changes_nothing_else(fixture: &impl Fixture) {
    let store = fixture.announcing().await;
    let keyed = NewTask { idempotency_key: Some("k".into()), ..NewTask::titled("keyed") };
    let added = store.insert(&[keyed.clone(), keyed, NewTask::titled("free")], &origin(), at(0)).await.unwrap();
    assert_eq!(added[1], Inserted::Existed(added[0].task()));
    let seen = store.transact(&Select::Due(due(1, 9)), &claim(at(1), 0)).await.unwrap();
    assert_eq!(seen.iter().filter(|seen| seen.written).count(), 2);
    let done = store.transact(&ids(seen.iter().map(|seen| seen.row.id)), &complete(at(2))).await.unwrap();
    assert!(done.iter().all(|seen| seen.written));
    assert_eq!(audited(fixture.store()).await.len(), 2);
}

macro_rules! cases {
    ($new:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(&$new).await;
            }
        )*
    };
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use crate::support::sqlite::Sqlite;

    cases!(Sqlite::new().await;
        a_first_version_is_brought_up_to_date,
        many_relays_and_writers_get_along,
        rows_without_a_task_do_not_look_like_the_end,
        announcing_changes_nothing_else,
    );

    #[tokio::test]
    async fn announcement_and_change_stand_or_fall_together() {
        let refuse = "CREATE TRIGGER no BEFORE INSERT ON task_outbox BEGIN SELECT RAISE(ABORT, 'no'); END";
        super::announcement_and_change_stand_or_fall_together(&Sqlite::new().await, refuse, "DROP TRIGGER no").await;
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use std::time::Duration;

    use super::*;
    use crate::support::mysql::MySql;
    use crate::support::proxy::{Fault, Proxy};
    use taskwatch_sql_store::ConnectOptions;

    cases!(MySql::new().await;
        a_first_version_is_brought_up_to_date,
        many_relays_and_writers_get_along,
        rows_without_a_task_do_not_look_like_the_end,
        announcing_changes_nothing_else,
    );

    #[tokio::test]
    async fn announcement_and_change_stand_or_fall_together() {
        let refuse = "CREATE TRIGGER no BEFORE INSERT ON task_outbox FOR EACH ROW SIGNAL SQLSTATE '45000'";
        super::announcement_and_change_stand_or_fall_together(&MySql::new().await, refuse, "DROP TRIGGER no").await;
    }

    /// A store with one connection, behind a proxy.
    async fn proxied(fixture: &MySql, announces: bool) -> (Proxy, SqlStore) {
        let proxy = Proxy::to(fixture.server.port()).await;
        let options = ConnectOptions { connections: 1, announces, ..fixture.options(proxy.port) };
        let store = SqlStore::open(&options).await.unwrap();
        (proxy, store)
    }

    /// Round trips, and statements beside those that only frame a transaction, since the last call.
    fn counted(proxy: &Proxy) -> (usize, usize) {
        let log = proxy.take_log();
        let framing = |sql: &&str| matches!(*sql, "START TRANSACTION" | "COMMIT" | "ROLLBACK");
        let all = log.iter().flat_map(|packet| packet.split(';')).count();
        let frames = log.iter().flat_map(|packet| packet.split(';')).filter(framing).count();
        (log.len(), all - frames)
    }

    /// Waits until the server is done with all transactions on this database: its connection may be gone before it is.
    async fn quiet(fixture: &MySql) {
        let open = "SELECT COUNT(*) FROM information_schema.innodb_trx t \
                    JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE()";
        while fixture.ask(open) != "0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn announcing_takes_no_round_trip_and_claims_take_no_statement_more() {
        let fixture = MySql::new().await;
        let mut costs = Vec::new();
        for announces in [false, true] {
            let (proxy, store) = proxied(&fixture, announces).await;
            for size in [1, 100] {
                proxy.take_log();
                let mut cost = Vec::new();
                let tasks = add(&store, size).await;
                cost.push(counted(&proxy));
                failed(&store, &tasks).await;
                cost.push(counted(&proxy));
                let seen = store.transact(&ids(tasks.clone()), &replay).await.unwrap();
                assert!(seen.iter().all(|seen| seen.written));
                cost.push(counted(&proxy));
                store.transact(&ids(tasks.clone()), &claim(at(9), 1)).await.unwrap();
                let done = store.transact(&ids(tasks), &complete(at(10))).await.unwrap();
                assert!(done.iter().all(|seen| seen.written));
                cost.push(counted(&proxy));
                costs.push(cost);
            }
        }
        // Insert; claim and fail; replay; claim and settle.
        let [alone, many, alone_told, many_told] = &costs[..] else { panic!("{costs:?}") };
        assert_eq!((alone, alone_told), (many, many_told), "costs do not grow with the batch");
        let more = |(trips, statements): (usize, usize)| (trips, statements + 1);
        assert_eq!(*alone_told, [more(alone[0]), alone[1], more(alone[2]), alone[3]]);
        let (proxy, store) = proxied(&fixture, true).await;
        proxy.take_log();
        let all = store.take(1000, at(100), at(200)).await.unwrap();
        assert_eq!((all.len(), counted(&proxy)), (202, (2, 3)), "taken");
        let numbers: Vec<i64> = all.iter().map(|one| one.number).collect();
        store.published(&numbers).await.unwrap();
        assert_eq!(counted(&proxy), (1, 1), "struck off");
        assert!(store.take(1000, at(300), at(400)).await.unwrap().is_empty());
        assert_eq!(counted(&proxy), (2, 1), "nothing to take");
    }

    #[tokio::test]
    async fn a_lost_insert_is_announced_if_and_only_if_it_was_written() {
        let fixture = MySql::new().await;
        let (proxy, store) = proxied(&fixture, true).await;
        for (fault, key, written) in [(Fault::BreakBefore, "a", 0), (Fault::BreakAfter, "b", 1)] {
            let tasks = [NewTask { idempotency_key: Some(key.into()), ..NewTask::titled(key) }];
            proxy.set_trap("COMMIT", fault);
            let lost = store.insert(&tasks, &origin(), at(0)).await;
            assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
            quiet(&fixture).await;
            assert_eq!(taken(fixture.store(), 0).await.len(), written);
            store.insert(&tasks, &origin(), at(0)).await.unwrap();
            assert_eq!(taken(fixture.store(), 0).await.len(), 1 - written, "repeated, it is announced once in all");
        }
        assert_eq!(proxy.sprung(), 2);
    }

    #[tokio::test]
    async fn a_lost_replay_is_announced_if_and_only_if_it_was_written() {
        let fixture = MySql::new().await;
        let (proxy, store) = proxied(&fixture, true).await;
        for (fault, written) in [(Fault::BreakBefore, 0), (Fault::BreakAfter, 1)] {
            let tasks = add(&store, 1).await;
            failed(&store, &tasks).await;
            taken(&store, 0).await;
            proxy.set_trap("INSERT INTO task_outbox", fault);
            let lost = store.transact(&ids(tasks.clone()), &replay).await;
            assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
            quiet(&fixture).await;
            assert_eq!(taken(fixture.store(), 9).await.len(), written);
            let again = store.transact(&ids(tasks), &replay).await.unwrap();
            assert_eq!(again[0].written, written == 0);
            assert_eq!(taken(fixture.store(), 9).await.len(), 1 - written);
        }
        assert_eq!(proxy.sprung(), 2);
    }

    #[tokio::test]
    async fn what_was_taken_with_a_lost_confirmation_is_not_lost() {
        let fixture = MySql::new().await;
        let (proxy, store) = proxied(&fixture, true).await;
        let tasks = add(&store, 2).await;
        proxy.set_trap("UPDATE task_outbox", Fault::BreakBefore);
        let lost = store.take(9, at(0), at(60)).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        quiet(&fixture).await;
        proxy.set_trap("UPDATE task_outbox", Fault::BreakAfter);
        let lost = store.take(9, at(0), at(60)).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        quiet(&fixture).await;
        assert!(taken(&store, 59).await.is_empty(), "taken, though nobody knows");
        let again = store.take(9, at(60), at(120)).await.unwrap();
        assert_eq!(again.iter().map(|one| one.task.id).collect::<Vec<_>>(), tasks);
        // Striking off may be done twice, so a lost confirmation is made good without a word.
        let numbers: Vec<i64> = again.iter().map(|one| one.number).collect();
        for fault in [Fault::BreakBefore, Fault::BreakAfter] {
            proxy.set_trap("DELETE o FROM", fault);
            store.published(&numbers).await.unwrap();
        }
        assert!(taken(&store, 1000).await.is_empty());
        assert_eq!(proxy.sprung(), 4);
    }

    /// A relay that hangs with announcements locked does not hold up another, nor those who announce.
    #[tokio::test]
    async fn what_another_relay_has_locked_is_passed_over() {
        let fixture = MySql::new().await;
        let store = fixture.announcing().await;
        let tasks = add(&store, 5).await;
        let (server, database) = (fixture.server, fixture.database.clone());
        let relay = std::thread::spawn(move || {
            let lock = "SELECT number FROM task_outbox ORDER BY due_at, number LIMIT 2 FOR UPDATE";
            server.sql(&database, &format!("START TRANSACTION; {lock}; DO SLEEP(20)"))
        });
        let hangs =
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'DO SLEEP%'";
        while fixture.ask(hangs) != "1" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let later = add(&store, 1).await;
        let free = store.take(9, at(0), at(60)).await.unwrap();
        assert_eq!(free.iter().map(|one| one.task.id).collect::<Vec<_>>(), [&tasks[2..], &later].concat());
        store.published(&free.iter().map(|one| one.number).collect::<Vec<i64>>()).await.unwrap();
        assert_eq!(fixture.ask(hangs), "1", "nobody waited for the relay that hangs");
        fixture.ask("SELECT id INTO @id FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'DO SLEEP%'; KILL @id");
        assert!(relay.join().unwrap().is_err());
        assert_eq!(taken(&store, 0).await, tasks[..2]);
    }
}
