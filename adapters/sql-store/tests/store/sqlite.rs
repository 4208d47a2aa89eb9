//! The store on SQLite.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Fixture as _;
use crate::support::sqlite::{Sqlite, options};
use taskwatch_core::ports::{Filter, Records as _, Select, Store as _, StoreError};
use taskwatch_sql_store::{ConnectOptions, OpenError, SCHEMA_VERSION, SchemaError, SqlStore};

crate::cases!(Sqlite::new().await;
    keeps_every_text_as_it_is,
    cuts_a_reason_and_refuses_a_title_that_does_not_fit,
    answers_a_used_key_with_its_first_task,
    gives_ids_in_the_order_of_the_batch,
    hands_out_what_is_due_earliest_first,
    passes_over_rows_that_another_program_still_has_time_for,
    writes_by_compare_and_set_even_a_row_without_a_status,
    many_workers_share_the_work_without_doubles,
    renews_leases_that_are_held_and_names_the_others,
    pages_through_rows_and_orphans,
    keeps_the_ends_of_the_range,
    reads_rows_and_ledger_as_of_one_instant,
    survives_being_dropped_at_any_moment,
);

#[tokio::test]
async fn the_file_is_its_owners_and_a_folder_or_a_text_is_no_database() {
    let fixture = Sqlite::new().await;
    let mode = std::fs::metadata(fixture.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "these are not the rows you are looking for, but plain text ".repeat(20)).unwrap();
    for path in [folder.path().to_owned(), text, folder.path().join("no/such/folder.db")] {
        let opened = SqlStore::open(&ConnectOptions::new(format!("sqlite:{}", path.display()))).await;
        let message = opened.unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
    let opened = SqlStore::open(&ConnectOptions::new("sqlite::memory:")).await;
    assert!(matches!(opened, Err(OpenError::Url { .. })));
}

#[tokio::test]
async fn two_handles_migrate_at_once_and_a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (SqlStore::open(&options(&folder)).await.unwrap(), SqlStore::open(&options(&folder)).await.unwrap());
    assert_eq!(a.schema_version().await.unwrap(), 0);
    assert!(matches!(a.check().await, Err(SchemaError::Older { found: 0, .. })));
    let early = a.transact(&Select::Ids(vec![crate::support::id(1)]), &|_| None).await;
    assert!(matches!(&early, Err(StoreError::Refused(why)) if why.contains("taskwatch migrate")), "{early:?}");
    let (one, two) = tokio::join!(a.migrate(), b.migrate());
    one.unwrap();
    two.unwrap();
    assert_eq!(b.schema_version().await.unwrap(), SCHEMA_VERSION);
    assert!(b.check().await.unwrap().server.starts_with("SQLite 3."));

    let fixture = Sqlite::new().await;
    fixture.raw("INSERT INTO taskwatch_schema VALUES (99, 0)").await;
    for refused in [fixture.store().migrate().await, fixture.store().check().await.map(drop)] {
        assert!(matches!(refused, Err(SchemaError::Newer { found: 99, .. })), "{refused:?}");
    }
}

/// A database that another program has made.
struct Original {
    folder: tempfile::TempDir,
    store: SqlStore,
}

impl Original {
    async fn with(sql: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqlStore::open(&options(&folder)).await.unwrap();
        let original = Self { folder, store };
        original.raw(sql).await;
        original
    }

    async fn connect(&self) -> sqlx::SqliteConnection {
        use sqlx::Connection as _;
        let path = format!("sqlite:{}", self.folder.path().join("tasks.db").display());
        sqlx::SqliteConnection::connect(&path).await.unwrap()
    }

    async fn raw(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.connect().await).await.unwrap();
    }

    async fn ask(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    async fn add(&self) -> i64 {
        let tasks = crate::support::titled(1);
        let added = self.store.insert(&tasks, &crate::support::origin(), crate::support::at(0)).await.unwrap();
        added[0].task().get()
    }
}

#[tokio::test]
async fn an_original_table_is_taken_over_with_its_rows() {
    let original = Original::with(
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT NOT NULL, description TEXT, status TEXT, owner TEXT)",
    )
    .await;
    let refused = original.store.migrate().await.unwrap_err().to_string();
    assert!(refused.contains("owner"), "{refused}");
    original
        .raw(
            "ALTER TABLE tasks DROP COLUMN owner; \
             INSERT INTO tasks VALUES (5, 'a', NULL, 'Completed'), (9, 'b', 'x', 'Pending')",
        )
        .await;
    original.store.migrate().await.unwrap();
    original.store.check().await.unwrap();
    let rows = original.store.list(&Filter { limit: 9, ..Filter::default() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.id.get(), row.seq)).collect::<Vec<_>>(), [(9, 0), (5, 0)]);
    assert_eq!(original.add().await, 10);
}

#[tokio::test]
async fn what_stands_beside_an_original_table_is_kept() {
    let original = Original::with(
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, description TEXT, status TEXT); \
         CREATE TABLE log (text TEXT); \
         CREATE TABLE notes (task INTEGER REFERENCES tasks (id), text TEXT); \
         CREATE INDEX by_title ON tasks (title); \
         CREATE TRIGGER added AFTER INSERT ON tasks BEGIN INSERT INTO log VALUES (new.title); END; \
         CREATE TRIGGER noted AFTER INSERT ON notes BEGIN UPDATE tasks SET description = new.text WHERE id = new.task; END; \
         CREATE VIEW waiting AS SELECT title FROM tasks WHERE status = 'Pending'; \
         INSERT INTO tasks (title, status) VALUES ('first', 'Pending'), ('second', 'Pending'); \
         DELETE FROM tasks WHERE id = 2",
    )
    .await;
    original.store.migrate().await.unwrap();
    original.store.check().await.unwrap();
    assert_eq!(original.ask("SELECT group_concat(text) FROM log").await, "first,second", "copying adds nothing");
    assert_eq!(original.add().await, 3, "an id is given out once");
    assert_eq!(original.ask("SELECT group_concat(text) FROM log").await, "first,second,task 0");
    assert_eq!(
        original.ask("SELECT group_concat(title) FROM (SELECT title FROM waiting ORDER BY 1)").await,
        "first,task 0"
    );
    assert_eq!(
        original.ask("SELECT sql FROM sqlite_master WHERE name = 'by_title'").await,
        "CREATE INDEX by_title ON tasks (title)"
    );
    original.raw("INSERT INTO notes VALUES (1, 'noted')").await;
    assert_eq!(original.ask("SELECT description FROM tasks WHERE id = 1").await, "noted");

    let empty = Original::with(
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, description TEXT, status TEXT); \
         INSERT INTO tasks (title) VALUES ('gone'); DELETE FROM tasks",
    )
    .await;
    empty.store.migrate().await.unwrap();
    assert_eq!(empty.add().await, 2, "an id is given out once");
}

#[tokio::test]
async fn what_would_be_lost_with_an_original_table_is_named() {
    for (sql, word) in [
        ("CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT UNIQUE, description TEXT, status TEXT)", "UNIQUE"),
        (
            "CREATE TABLE other (id INTEGER PRIMARY KEY, title TEXT, description TEXT, status TEXT); \
             CREATE VIEW tasks AS SELECT * FROM other",
            "view",
        ),
        (
            "CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT, description TEXT, status TEXT); \
             CREATE TRIGGER sums AFTER INSERT ON tasks BEGIN INSERT INTO missing VALUES (1); END; \
             CREATE INDEX tasks_due ON tasks (status)",
            "tasks_due",
        ),
    ] {
        let original = Original::with(sql).await;
        let before = original.ask("SELECT group_concat(sql) FROM sqlite_master").await;
        let refused = original.store.migrate().await.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
        assert_eq!(original.ask("SELECT group_concat(sql) FROM sqlite_master").await, before, "nothing was changed");
    }
}

/// As two processes would: locks of the file count between two handles like between two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_share_the_work_without_doubles() {
    let fixture = Sqlite::new().await;
    let options = ConnectOptions::new(format!("sqlite:{}", fixture.path().display()));
    let other = SqlStore::open(&options).await.unwrap();
    fixture
        .store()
        .insert(&crate::support::titled(150), &crate::support::origin(), crate::support::at(0))
        .await
        .unwrap();
    let work = |store: SqlStore, salt: u64| async move {
        let mut done = 0;
        let now = crate::support::at(1);
        loop {
            let due = Select::Due(crate::support::due(1, 2));
            let seen = store.transact(&due, &crate::support::claim(now, salt)).await.unwrap();
            if seen.is_empty() {
                return done;
            }
            let mine = crate::support::ids(seen.iter().filter(|seen| seen.written).map(|seen| seen.row.id));
            let settled = store.transact(&mine, &crate::support::complete(now)).await.unwrap();
            assert!(settled.iter().all(|seen| seen.written));
            done += settled.len();
        }
    };
    let workers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(work(if n % 2 == 0 { fixture.store().clone() } else { other.clone() }, n)))
        .collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await.unwrap();
    }
    assert_eq!(done, 150);
    crate::support::audited(fixture.store()).await;
}
