//! Cells that a hand has written into, and ids that were used before: neither holds up other tasks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use taskwatch_core::ledger::fold;
use taskwatch_core::outbox::Outbox as _;
use taskwatch_core::ports::{DueBefore, Filter, Inserted, Record, Records as _, Select, Store as _, StoreError};
use taskwatch_core::task::{FoundStatus, OnAbandon, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Id, Metadata, Subscriber, span};

use crate::support::{Fixture, at, audited, claim, complete, due, fail, ids, origin, titled};

/// Keeps warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target().starts_with("taskwatch_sql_store")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{}={value:?} ", field.name()));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

async fn add(fixture: &impl Fixture, count: usize) -> Vec<TaskId> {
    let inserted = fixture.store().insert(&titled(count), &origin(), at(0)).await.unwrap();
    inserted.iter().map(Inserted::task).collect()
}

async fn row(fixture: &impl Fixture, task: TaskId) -> TaskRow {
    fixture.store().record(task).await.unwrap().unwrap().row.unwrap()
}

/// Each of these is set on a task of its own, between two that nobody has touched.
async fn in_the_way(fixture: &impl Fixture, cells: &[&str]) -> (Vec<TaskId>, Vec<TaskId>) {
    let tasks = add(fixture, 2 * cells.len() + 1).await;
    let mut odd = Vec::new();
    for (cell, &task) in cells.iter().zip(tasks.iter().skip(1).step_by(2)) {
        fixture.raw(&format!("UPDATE tasks SET {cell} WHERE id = {task}")).await;
        odd.push(task);
    }
    (tasks, odd)
}

/// Where the cell can be bounded, the task is worked like any other, carefully.
async fn what_can_be_bounded_is(fixture: &impl Fixture, cells: &[&str]) {
    let store = fixture.store();
    let (tasks, odd) = in_the_way(fixture, cells).await;
    let seen = store.transact(&Select::Due(due(1, 100)), &claim(at(1), 0)).await.unwrap();
    assert_eq!(seen.iter().map(|seen| seen.row.id).collect::<Vec<_>>(), tasks);
    for (seen, cell) in seen.iter().filter(|seen| odd.contains(&seen.row.id)).zip(cells) {
        assert!(seen.written, "{cell}");
        let (column, value) = cell.split_once(" = ").unwrap();
        let row = &seen.row;
        match (column, value) {
            ("attempt", "2147483647") => assert_eq!(row.attempt, 1_000_000_000, "{cell}"),
            ("attempt", _) => assert_eq!(row.attempt, 0, "{cell}"),
            ("max_attempts", "-3") => assert_eq!(row.max_attempts, Some(0), "{cell}"),
            ("max_attempts", _) => assert_eq!(row.max_attempts, Some(1), "{cell}"),
            ("on_abandon", _) => assert_eq!(row.on_abandon, OnAbandon::Fail, "{cell}"),
            ("created_at", _) => assert_eq!(row.created, row.due, "{cell}"),
            ("reason", _) => assert_eq!(row.reason, None, "{cell}"),
            _ => panic!("no expectation for {cell}"),
        }
    }
    let done = store.transact(&ids(tasks.clone()), &complete(at(2))).await.unwrap();
    assert!(done.iter().all(|seen| seen.written), "{done:?}");
    let listed = store.list(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    assert_eq!(listed.len(), tasks.len());
}

/// Where nobody can tell what state the task is in, it is left alone; its neighbours are not.
async fn what_cannot_be_told_is_left_alone(fixture: &impl Fixture, cells: &[&str]) {
    let store = fixture.store();
    let (tasks, odd) = in_the_way(fixture, cells).await;
    let far = Timestamp::from_micros(i64::MAX);
    let all = DueBefore { ours: far, foreign: far, limit: 100 };
    let before = store.records(None, 100).await.unwrap();
    for select in [Select::Due(all), ids(tasks.clone())] {
        let seen = store.transact(&select, &|_: &TaskRow| None).await.unwrap();
        for seen in seen.iter().filter(|seen| odd.contains(&seen.row.id)) {
            assert!(matches!(&seen.row.status, FoundStatus::Unknown(_)), "{:?}", seen.row);
            assert_eq!(seen.row.state(), None, "{:?}", seen.row);
            let status = seen.row.status.to_string();
            let in_vain =
                matches!(select, Select::Due(_)) && ["recorded", "seq"].iter().any(|name| status.contains(name));
            assert!(!in_vain, "handed out, again and again: {status}");
        }
    }
    let seen = store.transact(&ids(tasks.clone()), &claim(at(1), 0)).await.unwrap();
    let written: Vec<TaskId> = seen.iter().filter(|seen| seen.written).map(|seen| seen.row.id).collect();
    let good: Vec<TaskId> = tasks.iter().copied().filter(|task| !odd.contains(task)).collect();
    assert_eq!(written, good);
    for (&task, cell) in odd.iter().zip(cells) {
        let (column, _) = cell.split_once(" = ").unwrap();
        let row = row(fixture, task).await;
        assert!(row.status.to_string().contains(column), "{cell}: {}", row.status);
        let was = before.iter().find(|record| record.task == task).unwrap();
        assert_eq!(was.row.as_ref(), Some(&row), "{cell}");
        assert_eq!(store.record(task).await.unwrap().as_ref(), Some(was), "{cell}");
    }
    let listed = store.list(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    assert_eq!(listed.len(), tasks.len());
}

/// Not positive, and so nobody's: such rows are passed over.
async fn an_id_that_is_none_is_passed_over(fixture: &impl Fixture) {
    let store = fixture.store();
    fixture.raw("INSERT INTO tasks (id, title, due_at) VALUES (-5, 'none', 1)").await;
    let task = add(fixture, 1).await[0];
    let far = Timestamp::from_micros(i64::MAX);
    let all = DueBefore { ours: far, foreign: far, limit: 9 };
    let due = store.transact(&Select::Due(all), &|_: &TaskRow| None).await.unwrap();
    assert_eq!(due.iter().map(|seen| seen.row.id).collect::<Vec<_>>(), [task]);
    let listed = store.list(&Filter { limit: 9, ..Filter::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [task]);
    assert_eq!(audited(store).await.len(), 1);
}

/// Whatever else is odd about it.
async fn what_was_finished_stays_finished(fixture: &impl Fixture, cell: &str) {
    let store = fixture.store();
    let task = add(fixture, 1).await[0];
    for decide in [&claim(at(1), 0) as &taskwatch_core::ports::Decide<'_>, &complete(at(2))] {
        assert!(store.transact(&ids([task]), decide).await.unwrap()[0].written);
    }
    fixture.raw(&format!("UPDATE tasks SET {cell} WHERE id = {task}")).await;
    let row = row(fixture, task).await;
    assert_eq!(row.state().map(|state| state.status), Some(Status::Completed));
}

/// It is missing from the books of its task, which says so, and from those of no other.
async fn an_entry_that_cannot_be_read_spoils_only_its_own_books(fixture: &impl Fixture, cells: &[&str]) {
    let store = fixture.store();
    let tasks = add(fixture, cells.len() + 1).await;
    let seen = store.transact(&ids(tasks.clone()), &claim(at(1), 0)).await.unwrap();
    assert!(seen.iter().all(|seen| seen.written));
    for (cell, task) in cells.iter().zip(&tasks) {
        fixture.raw(&format!("UPDATE task_ledger SET {cell} WHERE task_id = {task} AND seq = 1")).await;
    }
    let orphan = tasks[0];
    fixture.raw(&format!("UPDATE task_ledger SET event = 'Vanished' WHERE task_id = {orphan}")).await;
    fixture.raw(&format!("DELETE FROM tasks WHERE id = {orphan}")).await;
    let mut records: BTreeMap<TaskId, Record> = BTreeMap::new();
    // Page by page: one with nothing legible on it is not the end.
    while let Some(record) = store.records(records.keys().last().copied(), 1).await.unwrap().pop() {
        records.insert(record.task, record);
    }
    assert!(records.keys().copied().eq(tasks.iter().copied()), "{records:?}");
    for (n, task) in tasks.iter().enumerate() {
        let record = &records[task];
        let broken = fold(&record.entries).is_err() || record.entries.is_empty();
        assert_eq!(broken, n < cells.len(), "{record:?}");
    }
}

async fn an_id_that_was_used_before_is_refused_by_name(fixture: &impl Fixture) {
    let store = fixture.store();
    let old = add(fixture, 3).await;
    let (used, fresh) = (old[0], old[1]);
    fixture.raw(&format!("DELETE FROM tasks WHERE id = {used}")).await;
    fixture.raw(&format!("INSERT INTO tasks (id, title, status, due_at) VALUES ({used}, 'again', 'Pending', 1)")).await;
    for select in [ids([used, fresh]), Select::Due(due(1, 9))] {
        let refused = store.transact(&select, &claim(at(1), 0)).await;
        let Err(StoreError::Refused(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains(&format!("task {used} has an entry 1 ")), "{why}");
        assert!(why.contains(&format!("DELETE FROM task_ledger WHERE task_id = {used};")), "{why}");
    }
    // Nothing is left open: the others can be had, and nobody has written to them.
    assert!(store.transact(&ids([fresh]), &claim(at(1), 0)).await.unwrap()[0].written);
    // What the message says to do helps.
    let refused = store.transact(&ids([used]), &claim(at(1), 0)).await.unwrap_err().to_string();
    let cure = &refused[refused.find("DELETE").unwrap()..];
    fixture.raw(cure).await;
    assert!(store.transact(&ids([used]), &claim(at(1), 0)).await.unwrap()[0].written);
    audited(store).await;
}

/// The table's counter was set back, so that it gives out ids anew.
async fn ids_given_out_anew_are_refused(fixture: &impl Fixture, set_back: &str, cure: &str) {
    let store = fixture.announcing().await;
    let old = store.insert(&titled(5), &origin(), at(0)).await.unwrap();
    let largest = old.last().unwrap().task();
    store.transact(&ids(old.iter().map(Inserted::task)), &claim(at(1), 0)).await.unwrap();
    assert_eq!(store.take(9, at(0), at(60)).await.unwrap().len(), 5);
    fixture.raw(set_back).await;
    let refused = store.insert(&titled(2), &origin(), at(2)).await;
    let Err(StoreError::Refused(why)) = refused else { panic!("{refused:?}") };
    let last = if cure.starts_with("ALTER") { largest.get() + 1 } else { largest.get() };
    let cure = cure.replace('?', &last.to_string());
    assert!(why.ends_with(&cure), "{why}");
    assert!(store.take(9, at(2), at(60)).await.unwrap().is_empty(), "nothing was inserted, and nothing is announced");
    fixture.raw(&cure).await;
    let added = store.insert(&titled(2), &origin(), at(3)).await.unwrap();
    assert!(added.iter().all(|inserted| inserted.task() > largest), "{added:?}");
    assert_eq!(audited(&store).await.len(), 5 + 2);
}

/// `seq` set back by hand: the next number is taken.
async fn a_number_set_back_is_refused_by_name(fixture: &impl Fixture) {
    let store = fixture.store();
    let tasks = add(fixture, 2).await;
    for decide in [&claim(at(1), 0) as &taskwatch_core::ports::Decide<'_>, &fail(at(2), "no")] {
        store.transact(&ids(tasks.clone()), decide).await.unwrap();
    }
    let (set_back, other) = (tasks[1], tasks[0]);
    fixture
        .raw(&format!("UPDATE tasks SET seq = 1, status = 'Pending', recorded = 'Pending' WHERE id = {set_back}"))
        .await;
    let refused = store.transact(&ids([set_back]), &claim(at(3), 1)).await;
    assert!(matches!(&refused, Err(StoreError::Refused(why)) if why.contains("an entry 2 ")), "{refused:?}");
    assert_eq!(store.record(other).await.unwrap().unwrap().entries.len(), 3);
}

/// One warning for each cell, however often it is read.
async fn an_odd_cell_is_said_once(fixture: &impl Fixture, id: i64) {
    fixture.raw(&format!("INSERT INTO tasks (id, title, on_abandon, attempt) VALUES ({id}, 't', 'maybe', -1)")).await;
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    for _ in 0..3 {
        row(fixture, crate::support::id(id)).await;
    }
    let said = warnings.0.lock().unwrap().clone();
    assert_eq!(said.len(), 2, "{said:?}");
    for (column, word) in [("attempt", "-1"), ("on_abandon", "maybe")] {
        let about =
            |text: &&String| text.contains(column) && text.contains(word) && text.contains(&format!("task={id}"));
        assert_eq!(said.iter().filter(about).count(), 1, "{column}: {said:?}");
    }
}

async fn a_task_with_an_odd_cell_is_announced_all_the_same(fixture: &impl Fixture, cell: &str) {
    let store = fixture.announcing().await;
    let tasks = store.insert(&titled(2), &origin(), at(0)).await.unwrap();
    fixture.raw(&format!("UPDATE tasks SET {cell} WHERE id = {}", tasks[0].task())).await;
    let taken = store.take(9, at(0), at(60)).await.unwrap();
    assert!(taken.iter().map(|one| one.task.id).eq(tasks.iter().map(Inserted::task)));
}

macro_rules! cases {
    ($new:expr; $($case:ident($($argument:expr),*)),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                super::$case(&$new, $($argument),*).await;
            }
        )*
    };
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use crate::support::sqlite::Sqlite;

    cases!(Sqlite::new().await;
        what_can_be_bounded_is(&[
            "attempt = -1", "attempt = 2147483647", "attempt = 'many'", "max_attempts = -3", "max_attempts = 'few'",
            "on_abandon = 'RETRY'", "on_abandon = ''", "on_abandon = x'00'", "created_at = 'yesterday'", "reason = x'ff'",
        ]),
        what_cannot_be_told_is_left_alone(&[
            "recorded = 'pending'", "recorded = x'00'", "due_at = 'tomorrow'", "lease_token = 'mine'", "seq = -1",
            "seq = 'first'", "seq = 4294967295", "seq = 99999999999", "title = x'ff'", "description = x'ff'",
        ]),
        an_id_that_is_none_is_passed_over(),
        what_was_finished_stays_finished("due_at = 'tomorrow'"),
        an_entry_that_cannot_be_read_spoils_only_its_own_books(&[
            "event = 'Vanished'", "to_status = 'Gone'", "from_status = 'Gone'", "attempt = -1", "due_at = 'late'",
            "recorded_at = 'once'", "source = 'moon'", "worker = x'ff'",
        ]),
        an_id_that_was_used_before_is_refused_by_name(),
        ids_given_out_anew_are_refused(
            "DELETE FROM tasks; UPDATE sqlite_sequence SET seq = 0 WHERE name = 'tasks'",
            "UPDATE sqlite_sequence SET seq = ? WHERE name = 'tasks'"
        ),
        a_number_set_back_is_refused_by_name(),
        an_odd_cell_is_said_once(7_000_001),
        a_task_with_an_odd_cell_is_announced_all_the_same("title = x'ff', description = x'ff'"),
    );
}

#[cfg(feature = "mysql")]
mod mysql {
    use crate::support::mysql::MySql;

    /// A database where somebody has allowed NULL.
    async fn lax() -> MySql {
        let fixture = MySql::new().await;
        fixture.ask(
            "ALTER TABLE tasks MODIFY attempt INT NULL DEFAULT 0, MODIFY on_abandon VARCHAR(16) NULL DEFAULT 'retry', \
             MODIFY seq INT NULL DEFAULT 0, MODIFY created_at BIGINT NULL DEFAULT 1, MODIFY due_at BIGINT NULL DEFAULT 1, \
             MODIFY title VARCHAR(255) NULL; ALTER TABLE task_ledger MODIFY worker VARCHAR(255) NULL, MODIFY due_at BIGINT NULL",
        );
        fixture
    }

    cases!(lax().await;
        what_can_be_bounded_is(&[
            "attempt = -1", "attempt = 2147483647", "attempt = NULL", "max_attempts = -3", "on_abandon = 'sometimes'",
            "on_abandon = NULL", "created_at = NULL",
        ]),
        what_cannot_be_told_is_left_alone(&[
            "recorded = 'pending'", "seq = -1", "seq = 2147483647", "seq = NULL", "due_at = NULL", "title = NULL",
        ]),
        an_id_that_is_none_is_passed_over(),
        what_was_finished_stays_finished("due_at = NULL"),
        an_entry_that_cannot_be_read_spoils_only_its_own_books(&[
            "event = 'Vanished'", "to_status = 'Gone'", "from_status = 'Gone'", "attempt = -1", "source = 'moon'",
            "worker = NULL", "due_at = NULL",
        ]),
        an_id_that_was_used_before_is_refused_by_name(),
        ids_given_out_anew_are_refused("TRUNCATE TABLE tasks", "ALTER TABLE tasks AUTO_INCREMENT = ?"),
        a_number_set_back_is_refused_by_name(),
        an_odd_cell_is_said_once(7_000_002),
        a_task_with_an_odd_cell_is_announced_all_the_same("title = NULL"),
    );
}
