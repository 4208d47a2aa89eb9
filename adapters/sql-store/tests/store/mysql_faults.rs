//! What the store makes of a server and a network that fail, and how little it asks of them when they do not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::mysql::MySql;
use crate::support::proxy::{Fault, Proxy};
use crate::support::{Fixture as _, at, audited, claim, complete, due, fail, ids, origin, titled};
use taskwatch_core::ports::{Inserted, Lease, Records as _, Select, Store as _, StoreError};
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use taskwatch_testbed::MariaDb;

/// A store with one connection, behind a proxy.
async fn proxied(fixture: &MySql) -> (Proxy, SqlStore) {
    let proxy = Proxy::to(fixture.server.port()).await;
    let options = ConnectOptions { connections: 1, ..fixture.options(proxy.port) };
    let store = SqlStore::open(&options).await.unwrap();
    (proxy, store)
}

async fn add(fixture: &MySql, count: usize) -> Vec<TaskId> {
    let inserted = fixture.store().insert(&titled(count), &origin(), at(0)).await.unwrap();
    inserted.iter().map(Inserted::task).collect()
}

#[tokio::test]
async fn statements_and_round_trips_do_not_grow_with_the_batch() {
    let fixture = MySql::new().await;
    let (proxy, store) = proxied(&fixture).await;
    for size in [1, 100] {
        proxy.take_log();
        let log = |what: &str, trips: usize, statements: usize| {
            let log = proxy.take_log();
            // No literal holds a semicolon: they are hexadecimal.
            let all: Vec<&str> = log.iter().flat_map(|packet| packet.split(';')).collect();
            let counted =
                all.iter().filter(|sql| !matches!(**sql, "START TRANSACTION" | "COMMIT" | "ROLLBACK")).count();
            assert_eq!((log.len(), counted), (trips, statements), "{what} of {size}: {all:?}");
        };
        store.insert(&titled(size), &origin(), at(0)).await.unwrap();
        log("insert", 2, 2);
        let keyed: Vec<NewTask> = (0..size)
            .map(|n| NewTask {
                idempotency_key: Some(format!("{size}/{n}")),
                not_before: Some(at(99)),
                ..NewTask::titled("k")
            })
            .collect();
        store.insert(&keyed, &origin(), at(0)).await.unwrap();
        log("insert with keys", 3, 3);
        let seen = store.transact(&Select::Due(due(1, size)), &claim(at(1), 7)).await.unwrap();
        assert_eq!(seen.iter().filter(|seen| seen.written).count(), size);
        log("claim", 3, 4);
        let leases: Vec<Lease> =
            seen.iter().map(|seen| Lease { task: seen.row.id, token: crate::support::token(&seen.row, 7) }).collect();
        assert!(store.extend(&leases, at(50)).await.unwrap().is_empty());
        log("extend", 2, 3);
        let tasks = ids(leases.iter().map(|lease| lease.task));
        let done = store.transact(&tasks, &complete(at(2))).await.unwrap();
        assert!(done.iter().all(|seen| seen.written));
        log("settle", 2, 3);
        store.transact(&tasks, &complete(at(3))).await.unwrap();
        log("settle what is settled", 2, 1);
        // A claim that brought all it asked for is most likely followed by another: then nothing is asked first.
        store.transact(&Select::Due(due(1, size)), &claim(at(1), 7)).await.unwrap();
        log("claim after a full one", 2, 1);
        store.transact(&Select::Due(due(1, size)), &claim(at(1), 7)).await.unwrap();
        log("claim where nothing is due", 1, 1);
        assert!(store.any_open().await.unwrap());
        log("look for open tasks", 1, 1);
    }
    assert_eq!(audited(fixture.store()).await.len(), 202);
}

#[tokio::test]
async fn connections_that_died_in_the_pool_are_replaced_without_a_word() {
    let fixture = MySql::new().await;
    let store = fixture.store();
    let tasks = add(&fixture, 6).await;
    // Several idle connections, all of them dead: the first failure must not lead to the next dead one.
    let all = ids(tasks.clone());
    futures_util::future::join_all((0..4).map(|_| store.transact(&all, &|_| None))).await;
    let calls: [&str; 5] = ["transact", "insert", "extend", "list", "check"];
    for call in calls {
        assert!(fixture.kill_connections() > 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
        match call {
            "transact" => {
                let seen = store.transact(&ids([tasks[0]]), &claim(at(1), 0)).await.unwrap();
                assert!(seen[0].written);
            }
            "insert" => assert_eq!(store.insert(&titled(2), &origin(), at(1)).await.unwrap().len(), 2),
            "extend" => {
                let token = taskwatch_core::task::LeaseToken::from_stored(1);
                let lost = store.extend(&[Lease { task: tasks[1], token }], at(9)).await.unwrap();
                assert_eq!(lost, [tasks[1]]);
            }
            "list" => assert_eq!(audited(store).await.len(), 8),
            _ => assert!(store.check().await.unwrap().server.contains("MariaDB")),
        }
    }
}

#[tokio::test]
async fn what_was_lost_before_the_write_is_repeated_once() {
    let fixture = MySql::new().await;
    let (proxy, store) = proxied(&fixture).await;
    let tasks = add(&fixture, 2).await;
    for (fault, task) in [(Fault::BreakBefore, tasks[0]), (Fault::BreakAfter, tasks[1])] {
        proxy.set_trap("FOR UPDATE", fault);
        let asked = AtomicUsize::new(0);
        let claim = claim(at(1), 0);
        let decide = |row: &_| {
            asked.fetch_add(1, Ordering::SeqCst);
            claim(row)
        };
        let seen = store.transact(&ids([task]), &decide).await.unwrap();
        assert!(seen[0].written);
        assert_eq!(asked.into_inner(), 1, "the rows were read once");
    }
    assert_eq!(proxy.sprung(), 2);
    audited(fixture.store()).await;
}

#[tokio::test]
async fn a_lost_commit_is_unknown_and_repeating_the_call_finds_out() {
    let fixture = MySql::new().await;
    let (proxy, store) = proxied(&fixture).await;
    for (fault, written) in [(Fault::BreakBefore, false), (Fault::BreakAfter, true)] {
        let task = add(&fixture, 1).await[0];
        proxy.set_trap("UPDATE (SELECT", fault);
        let asked = AtomicUsize::new(0);
        let claim = claim(at(1), 0);
        let decide = |row: &_| {
            asked.fetch_add(1, Ordering::SeqCst);
            claim(row)
        };
        let lost = store.transact(&ids([task]), &decide).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "never repeated blindly");
        tokio::time::sleep(Duration::from_millis(400)).await;
        // Starting is not possible twice, so the repetition writes only where the first one did not.
        let again = store.transact(&ids([task]), &decide).await.unwrap();
        assert_eq!(again[0].written, !written);
        let record = audited(fixture.store()).await.pop().unwrap();
        assert_eq!(record.entries.len(), 2);
    }
    assert_eq!(proxy.sprung(), 2);
}

#[tokio::test]
async fn a_lost_insert_is_unknown_and_its_key_tells() {
    let fixture = MySql::new().await;
    let (proxy, store) = proxied(&fixture).await;
    for (fault, key, written) in [(Fault::BreakBefore, "a", false), (Fault::BreakAfter, "b", true)] {
        let tasks = [NewTask { idempotency_key: Some(key.into()), ..NewTask::titled(key) }];
        proxy.set_trap("COMMIT", fault);
        let lost = store.insert(&tasks, &origin(), at(0)).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
        let again = store.insert(&tasks, &origin(), at(0)).await.unwrap();
        assert_eq!(matches!(again[0], Inserted::Existed(_)), written);
    }
    assert_eq!(audited(fixture.store()).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_repeated_until_it_succeeds() {
    let fixture = MySql::alone().await;
    let tasks = add(&fixture, 2).await;
    let (low, high) = (tasks[0], tasks[1]);
    // Another program takes the rows in the other order: one of the two must give way.
    let killed = || fixture.ask("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'").split('\t').nth(1).map(str::to_owned);
    let before = killed();
    for round in 0..5 {
        let other = format!(
            "START TRANSACTION; UPDATE tasks SET title = 'x' WHERE id = {high}; DO SLEEP(0.3); \
             UPDATE tasks SET title = 'y' WHERE id = {low}; DO SLEEP(0.2); COMMIT"
        );
        let sql = other.clone();
        let (server, database) = (fixture.server, fixture.database.clone());
        // A heavier transaction than ours, so that ours is the victim.
        let thread = std::thread::spawn(move || {
            let heavy =
                (0..50).map(|_| "INSERT INTO tasks (title, status) VALUES ('w', 'Completed');").collect::<String>();
            server.sql(&database, &sql.replacen("START TRANSACTION;", &format!("START TRANSACTION; {heavy}"), 1))
        });
        tokio::time::sleep(Duration::from_millis(150)).await;
        let started = Instant::now();
        let act = |row: &taskwatch_core::task::TaskRow| claim(at(round), 0)(row).or_else(|| complete(at(round))(row));
        let seen = fixture.store().transact(&ids([low, high]), &act).await.unwrap();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|seen| seen.written == (round < 2)), "{seen:?}");
        assert!(started.elapsed() < Duration::from_secs(10));
        // The other may be the victim instead: that is its own business.
        let _ = thread.join().unwrap();
    }
    assert_ne!(killed(), before, "there was no deadlock to survive");
    audited(fixture.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_batches_in_any_order_all_succeed() {
    let fixture = MySql::new().await;
    let tasks = add(&fixture, 30).await;
    let store = fixture.store();
    let done = futures_util::future::join_all((0..12_usize).map(|n| {
        let mut mine = tasks.clone();
        mine.rotate_left(n * 2);
        if n % 2 == 0 {
            mine.reverse();
        }
        mine.truncate(20);
        async move { store.transact(&ids(mine), &claim(at(1), n as u64)).await.unwrap() }
    }))
    .await;
    let written: Vec<TaskId> = done.concat().iter().filter(|seen| seen.written).map(|seen| seen.row.id).collect();
    assert_eq!(written.len(), written.iter().collect::<BTreeSet<_>>().len(), "no task was started twice");
    assert_eq!(written.len(), 30);
    audited(store).await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_and_comes_back() {
    let mut server = MariaDb::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = server.create_database().unwrap();
    let options = ConnectOptions {
        connect_timeout: Duration::from_secs(2),
        ..crate::support::mysql::options(&server, server.port(), &database, &folder)
    };
    let store = SqlStore::open(&options).await.unwrap();
    store.migrate().await.unwrap();
    let task = store.insert(&titled(1), &origin(), at(0)).await.unwrap()[0].task();
    server.kill().unwrap();
    for _ in 0..2 {
        let gone = store.transact(&ids([task]), &claim(at(1), 0)).await;
        assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");
    }
    let opened = SqlStore::open(&options).await;
    assert!(opened.is_err());
    server.restart().unwrap();
    assert!(store.transact(&ids([task]), &claim(at(1), 0)).await.unwrap()[0].written);
    audited(&store).await;
}

#[tokio::test]
async fn a_read_only_server_is_unavailable_and_left_for_another() {
    let server = MariaDb::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = server.create_database().unwrap();
    server
        .sql(
            "mysql",
            &format!(
                "CREATE USER 'small'@'127.0.0.1' IDENTIFIED BY '{}'; GRANT ALL ON {database}.* TO 'small'@'127.0.0.1'",
                server.password()
            ),
        )
        .unwrap();
    let mut options = crate::support::mysql::options(&server, server.port(), &database, &folder);
    options.url = options.url.replace(server.user(), "small");
    let store = SqlStore::open(&options).await.unwrap();
    store.migrate().await.unwrap();
    let task = store.insert(&titled(1), &origin(), at(0)).await.unwrap()[0].task();
    let connections =
        || server.sql("mysql", "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'small'").unwrap();
    assert_eq!(connections().trim(), "1");
    server.sql("mysql", "SET GLOBAL read_only = ON").unwrap();
    let refused = store.transact(&ids([task]), &claim(at(1), 0)).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("read")), "{refused:?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        connections().trim(),
        "0",
        "the connection was kept, though after a failover it leads to the wrong server"
    );
    server.sql("mysql", "SET GLOBAL read_only = OFF").unwrap();
    assert!(store.transact(&ids([task]), &claim(at(1), 0)).await.unwrap()[0].written);
}

#[tokio::test]
async fn a_missing_right_or_table_is_refused_with_what_to_do() {
    let fixture = MySql::new().await;
    let store = fixture.store();
    fixture.ask("DROP TABLE task_ledger");
    let refused = store.insert(&titled(1), &origin(), at(0)).await.unwrap_err().to_string();
    assert!(refused.contains("taskwatch migrate"), "{refused}");
    let name = format!("r{}", &fixture.database[2..14]);
    fixture.ask(&format!(
        "CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{}'; GRANT SELECT ON {}.* TO '{name}'@'127.0.0.1'",
        fixture.server.password(),
        fixture.database
    ));
    let mut options = fixture.options(fixture.server.port());
    options.url = options.url.replace(fixture.server.user(), &name);
    let reader = SqlStore::open(&options).await.unwrap();
    let refused = reader.insert(&titled(1), &origin(), at(0)).await;
    assert!(matches!(&refused, Err(StoreError::Refused(why)) if why.contains("grant")), "{refused:?}");
}

/// The length of the longest packet, and how many transactions were opened and committed.
fn measured(proxy: &Proxy) -> (usize, usize, usize) {
    let log = proxy.take_log();
    let count = |what: &str| log.iter().flat_map(|packet| packet.split(';')).filter(|sql| *sql == what).count();
    (log.iter().map(String::len).max().unwrap_or(0), count("START TRANSACTION"), count("COMMIT"))
}

#[tokio::test]
async fn a_batch_that_fills_many_packets_is_one_transaction() {
    let fixture = MySql::new().await;
    let (proxy, store) = proxied(&fixture).await;
    let big = |n: usize| NewTask {
        description: Some(format!("{n} {}", "x".repeat(65_000))),
        idempotency_key: Some(n.to_string()),
        ..NewTask::titled(n.to_string())
    };
    let tasks: Vec<NewTask> = (0..100).map(big).collect();
    proxy.take_log();
    let inserted = store.insert(&tasks, &origin(), at(0)).await.unwrap();
    let (longest, opened, committed) = measured(&proxy);
    assert!(longest > 3 << 20 && longest <= 4 << 20, "{longest}");
    assert_eq!((opened, committed), (1, 1));
    let rows = audited(fixture.store()).await;
    assert_eq!(rows.len(), 100);
    for (record, (task, inserted)) in rows.iter().zip(tasks.iter().zip(&inserted)) {
        let row = record.row.as_ref().unwrap();
        assert_eq!((row.id, &row.title, &row.description), (inserted.task(), &task.title, &task.description));
        assert_eq!(&Inserted::Added(record.entries[0].clone()), inserted);
    }
    // All or none: what is lost in the middle leaves nothing.
    proxy.set_trap("INSERT INTO tasks", Fault::BreakAfter);
    let more: Vec<NewTask> = (100..200).map(big).collect();
    assert_eq!(store.insert(&more, &origin(), at(0)).await.unwrap().len(), 100);
    assert_eq!((proxy.sprung(), audited(fixture.store()).await.len()), (1, 200));
}

#[tokio::test]
async fn a_server_that_takes_small_packets_gets_small_packets() {
    let fixture = MySql::alone().await;
    fixture.ask("SET GLOBAL max_allowed_packet = 131072");
    let (proxy, store) = proxied(&fixture).await;
    let inserted = store.insert(&titled(300), &origin(), at(0)).await.unwrap();
    let tasks = ids(inserted.iter().map(Inserted::task));
    assert!(store.transact(&tasks, &claim(at(1), 0)).await.unwrap().iter().all(|seen| seen.written));
    proxy.take_log();
    let reason: &'static str = Box::leak("ä".repeat(1024).into_boxed_str());
    let seen = store.transact(&tasks, &fail(at(2), reason)).await.unwrap();
    assert!(seen.len() == 300 && seen.iter().all(|seen| seen.written));
    let (longest, opened, committed) = measured(&proxy);
    assert!(longest > 40_000 && longest < 131_072, "{longest}");
    assert_eq!((opened, committed), (1, 1));
    for record in audited(fixture.store()).await {
        assert_eq!(record.row.unwrap().reason.as_deref(), Some(reason));
        assert_eq!(record.entries.len(), 3);
    }
    // What does not fit at all is refused by name, and not sent.
    let huge = [NewTask { description: Some("x".repeat(65_535)), ..NewTask::titled("huge") }];
    let refused = store.insert(&huge, &origin(), at(0)).await;
    assert!(matches!(&refused, Err(StoreError::Refused(why)) if why.contains("max_allowed_packet")), "{refused:?}");
    assert!(store.transact(&tasks, &|_| None).await.is_ok());
    assert_eq!(audited(fixture.store()).await.len(), 300);
}
