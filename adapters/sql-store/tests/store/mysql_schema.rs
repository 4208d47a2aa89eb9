//! Migration of the original table, in place, with its Python writers at work; and the ways in.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use crate::support::mysql::MySql;
use crate::support::{at, audited, change, claim, ids, origin, titled};
use taskwatch_core::ports::{DueBefore, Filter, Inserted, Lease, Records as _, Select, Store as _};
use taskwatch_core::task::{FoundStatus, NewTask, Status};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::{Event, EventKind};
use taskwatch_sql_store::{ConnectOptions, PasswordSource, SCHEMA_VERSION, SchemaError, SqlStore, TlsMode};
use taskwatch_testbed::{MariaDb, python};

/// As the old system made it.
const ORIGINAL: &str = "CREATE TABLE tasks (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, \
                        description TEXT, status VARCHAR(50) DEFAULT 'Pending')";

/// A database that holds what `sql` made, and a store that has not migrated it.
struct Bare {
    server: &'static MariaDb,
    database: String,
    folder: tempfile::TempDir,
    store: SqlStore,
}

impl Bare {
    async fn with(sql: &str) -> Self {
        let server = MariaDb::shared().unwrap();
        let database = server.create_database().unwrap();
        server.sql(&database, sql).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Self::open(server, &database, &folder).await;
        Self { server, database, folder, store }
    }

    async fn open(server: &MariaDb, database: &str, folder: &tempfile::TempDir) -> SqlStore {
        SqlStore::open(&crate::support::mysql::options(server, server.port(), database, folder)).await.unwrap()
    }

    async fn another(&self) -> SqlStore {
        Self::open(self.server, &self.database, &self.folder).await
    }

    fn ask(&self, sql: &str) -> String {
        self.server.sql(&self.database, sql).unwrap().trim().to_owned()
    }

    fn writer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(python().unwrap());
        let (host, port) = (self.server.host().to_string(), self.server.port().to_string());
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/support/writer.py"))
            .args([&host, &port, self.server.user()])
            .arg(self.folder.path().join("password"))
            .arg(&self.database)
            .args(arguments);
        command
    }

    /// What the Python writer prints.
    fn python(&self, arguments: &[&str]) -> String {
        let done = self.writer(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    fn python_flood(&self) -> Child {
        let mut child = self.writer(&["flood"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::with_capacity(1, child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child.stdout = Some(out.into_inner());
        child
    }

    /// The definition of what the store needs, for comparison.
    fn definition(&self) -> String {
        self.ask(
            "SHOW CREATE TABLE task_ledger; SHOW CREATE TABLE task_outbox; SELECT column_name, column_type, column_default, is_nullable, \
             character_set_name FROM information_schema.columns WHERE table_schema = DATABASE() AND \
             table_name = 'tasks' ORDER BY column_name; SELECT index_name, seq_in_index, column_name, non_unique FROM \
             information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'tasks' ORDER BY 1, 2; \
             SELECT version FROM taskwatch_schema",
        )
    }
}

#[tokio::test]
async fn python_writers_work_before_during_and_after() {
    let bare = Bare::with(ORIGINAL).await;
    let old = bare.python(&["add", "Alte Aufgabe ä😀", "x"]);
    bare.python(&["add", "running", "y"]);
    bare.python(&["set", "2", "In Progress"]);
    assert_eq!(bare.store.schema_version().await.unwrap(), 0);
    assert!(matches!(bare.store.check().await, Err(SchemaError::Older { found: 0, .. })));

    let mut flood = bare.python_flood();
    bare.store.migrate().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    flood.stdin.take().unwrap().write_all(b"stop\n").unwrap();
    let done = flood.wait_with_output().unwrap();
    assert!(done.status.success());
    let flooded: usize = String::from_utf8(done.stdout).unwrap().trim().parse().unwrap();
    assert!(flooded > 0);

    assert_eq!(bare.store.schema_version().await.unwrap(), SCHEMA_VERSION);
    let health = bare.store.check().await.unwrap();
    assert_eq!(health.transport, "not encrypted");
    let new = bare.python(&["add", "new task", "z"]);
    let rows = bare.store.list(&Filter { limit: 100_000, ..Filter::default() }).await.unwrap();
    assert_eq!(rows.len(), flooded + 3, "no row was lost");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    for row in &rows {
        assert_eq!((row.recorded, row.seq, row.attempt, row.max_attempts), (None, 0, 0, None));
        let age = now.abs_diff(u128::try_from(row.created.as_micros()).unwrap());
        assert!(age < 120_000_000, "{row:?}: every row has a time, old or new");
        assert!(row.due == row.created || row.due.since(row.created) < std::time::Duration::from_secs(1));
    }

    // Both sides see what the other does.
    let id = |text: &str| crate::support::id(text.parse().unwrap());
    let due = DueBefore { ours: Timestamp::from_micros(i64::MAX), foreign: Timestamp::from_micros(i64::MAX), limit: 1 };
    let now = Timestamp::from_micros(i64::try_from(now).unwrap() + 120_000_000);
    let seen = bare.store.transact(&Select::Due(due), &claim(now, 0)).await.unwrap();
    assert_eq!((seen[0].row.id, seen[0].written), (id(&old), true));
    assert!(bare.python(&["list"]).starts_with("1|Alte Aufgabe ä😀|x|In Progress"));
    bare.python(&["set", &old, "Completed"]);
    let record = bare.store.record(id(&old)).await.unwrap().unwrap();
    let row = record.row.unwrap();
    assert_eq!((row.status.clone(), row.recorded), (FoundStatus::Known(Status::Completed), Some(Status::InProgress)));
    assert!(row.is_overwritten());
    assert_eq!(record.entries[0].event, EventKind::Adopted);
    let late = change(&row, now, &[Event::Completed { token: row.lease.unwrap(), now }], None);
    assert!(late.is_some(), "the ledger alone would still allow it: whether to, core decides");
    bare.python(&["set", &new, "In Progress"]);
    let seen = bare.store.transact(&ids([id(&new)]), &|_| None).await.unwrap();
    assert_eq!(seen[0].row.status, FoundStatus::Known(Status::InProgress));
}

#[tokio::test]
async fn a_migration_goes_on_from_wherever_it_was_stopped() {
    let whole = Bare::with(ORIGINAL).await;
    whole.store.migrate().await.unwrap();
    let expected = whole.definition();
    // Each is the database as a kill between two statements may leave it.
    let pieces = [
        "SELECT 1",
        "ALTER TABLE tasks ADD COLUMN recorded VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, \
         ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE tasks ADD COLUMN attempt INT NOT NULL DEFAULT 0, ADD COLUMN lease_token BIGINT NULL, \
         ADD COLUMN max_attempts INT NULL, ADD COLUMN on_abandon VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin \
         NOT NULL DEFAULT 'retry', ADD COLUMN seq INT NOT NULL DEFAULT 0, ADD COLUMN created_at BIGINT NOT NULL DEFAULT \
         0, ADD COLUMN reason VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, ADD COLUMN idempotency_key \
         VARBINARY(1020) NULL",
        "ALTER TABLE tasks ALTER COLUMN due_at SET DEFAULT (TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', \
         UTC_TIMESTAMP(6)))",
        "UPDATE tasks SET due_at = 1, created_at = 1 WHERE id = 1",
        "ALTER TABLE tasks ADD INDEX tasks_due (status, due_at, id)",
        "CREATE TABLE taskwatch_schema (version INT PRIMARY KEY, applied_at BIGINT NOT NULL)",
    ];
    for stopped_after in 1..=pieces.len() {
        let bare = Bare::with(&format!("{ORIGINAL}; INSERT INTO tasks (title) VALUES ('a'), ('b')")).await;
        for piece in &pieces[..stopped_after] {
            bare.ask(piece);
        }
        bare.store.migrate().await.unwrap();
        assert_eq!(bare.definition(), expected, "stopped after {stopped_after}");
        bare.store.check().await.unwrap();
        assert_eq!(bare.ask("SELECT COUNT(*) FROM tasks WHERE created_at = 0 OR due_at = 0"), "0");
        bare.store.migrate().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_migrate_at_once_do_not_disturb_each_other() {
    let fill = (0..3000).map(|n| format!("('t{n}')")).collect::<Vec<_>>().join(", ");
    let bare = Bare::with(&format!("{ORIGINAL}; INSERT INTO tasks (title) VALUES {fill}")).await;
    let mut stores = Vec::new();
    for _ in 0..6 {
        stores.push(bare.another().await);
    }
    let done = futures_util::future::join_all(stores.iter().map(|store| async move {
        store.migrate().await?;
        store.check().await
    }))
    .await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(bare.ask("SELECT COUNT(*) FROM taskwatch_schema"), SCHEMA_VERSION.to_string());
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let newer = Bare::with(ORIGINAL).await;
    newer.store.migrate().await.unwrap();
    newer.ask("INSERT INTO taskwatch_schema VALUES (7, 0)");
    for refused in [newer.store.migrate().await, newer.store.check().await.map(drop)] {
        assert!(matches!(refused, Err(SchemaError::Newer { found: 7, known: SCHEMA_VERSION })), "{refused:?}");
    }
    for (sql, word) in [
        (format!("{ORIGINAL} ENGINE = MyISAM"), "ENGINE = InnoDB"),
        ("CREATE TABLE tasks (id INT PRIMARY KEY, name TEXT)".into(), "title"),
        (format!("{}; CREATE VIEW tasks AS SELECT * FROM other", ORIGINAL.replace("tasks", "other")), "view"),
    ] {
        let bare = Bare::with(&sql).await;
        let refused = bare.store.migrate().await.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
        assert!(refused.contains("tasks"), "{refused}");
    }
    for (sql, word) in [
        ("ALTER TABLE tasks DROP INDEX tasks_due", "tasks_due"),
        ("ALTER TABLE tasks DROP COLUMN reason", "reason"),
        ("ALTER TABLE tasks ALTER COLUMN due_at SET DEFAULT 0", "default"),
        ("DROP TABLE task_ledger", "task_ledger"),
        ("ALTER TABLE task_ledger ENGINE = MyISAM", "InnoDB"),
        ("DROP TABLE task_outbox", "task_outbox"),
    ] {
        let bare = Bare::with(ORIGINAL).await;
        bare.store.migrate().await.unwrap();
        bare.ask(sql);
        let refused = bare.store.check().await.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
}

#[tokio::test]
async fn tables_with_other_types_are_worked_like_any_other() {
    let all = "ENUM('Pending', 'In Progress', 'Completed', 'Failed', 'Cancelled')";
    for (id, status) in [
        ("INT UNSIGNED", "VARCHAR(50)"),
        ("BIGINT UNSIGNED", "CHAR(12)"),
        ("SMALLINT", all),
        ("MEDIUMINT UNSIGNED", "VARCHAR(50) CHARACTER SET ascii"),
    ] {
        let table = ORIGINAL.replace("id INT", &format!("id {id}")).replace("VARCHAR(50)", status);
        let bare = Bare::with(&format!("{table}; INSERT INTO tasks (title) VALUES ('old')")).await;
        bare.store.migrate().await.unwrap();
        bare.store.check().await.unwrap();
        let tasks = [NewTask { idempotency_key: Some("k".into()), ..NewTask::titled("keyed") }, NewTask::titled("t")];
        let added = bare.store.insert(&tasks, &origin(), at(0)).await.unwrap();
        let again = bare.store.insert(&tasks[..1], &origin(), at(0)).await.unwrap();
        assert_eq!(again, [Inserted::Existed(added[0].task())], "{id}");
        assert_eq!(added[1].task(), crate::support::id(3));
        bare.python(&["add", "py", "x"]);
        let ends = Timestamp::from_micros(i64::MAX);
        let late = Timestamp::from_micros(2_000_000_000_000_000);
        let due = DueBefore { ours: ends, foreign: ends, limit: 9 };
        let seen = bare.store.transact(&Select::Due(due), &claim(late, 0)).await.unwrap();
        assert!(seen.len() == 4 && seen.iter().all(|seen| seen.written), "{id} {status}: {seen:?}");
        let leases: Vec<Lease> =
            seen.iter().map(|seen| Lease { task: seen.row.id, token: crate::support::token(&seen.row, 0) }).collect();
        assert_eq!(bare.store.extend(&leases, Timestamp::from_micros(i64::MAX)).await.unwrap(), []);
        let ran = ids(leases.iter().map(|lease| lease.task));
        let failed = bare.store.transact(&ran, &crate::support::fail(late, "why")).await.unwrap();
        assert!(failed.len() == 4 && failed.iter().all(|seen| seen.written), "{id} {status}: {failed:?}");
        assert!(!bare.store.any_open().await.unwrap());
        let filter = Filter { statuses: vec![Status::Failed], limit: 9, ..Filter::default() };
        assert_eq!(bare.store.list(&filter).await.unwrap().len(), 4, "{id} {status}");
        assert_eq!(audited(&bare.store).await.len(), 4, "{id} {status}");
    }
}

#[tokio::test]
async fn columns_that_cannot_be_worked_with_are_named() {
    for (from, to, word) in [
        ("id INT AUTO_INCREMENT", "id VARCHAR(36)", "varchar(36)"),
        ("id INT AUTO_INCREMENT", "id INT", "AUTO_INCREMENT"),
        ("status VARCHAR(50) DEFAULT 'Pending'", "status ENUM('Pending', 'In Progress', 'Completed')", "status"),
        ("status VARCHAR(50)", "status VARCHAR(8)", "VARCHAR(50)"),
        ("description TEXT", "description BLOB", "description"),
    ] {
        assert!(ORIGINAL.contains(from));
        let bare = Bare::with(&ORIGINAL.replace(from, to)).await;
        let refused = bare.store.migrate().await;
        assert!(
            matches!(&refused, Err(SchemaError::Table { table: "tasks", why }) if why.contains(word)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn rows_that_another_program_has_locked_for_a_while_do_not_stop_a_migration() {
    // As a migration that was stopped has left it: nothing is to be done but to fill in the times, and the rest after that.
    let columns = "ALTER TABLE tasks ADD COLUMN recorded VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, \
         ADD COLUMN attempt INT NOT NULL DEFAULT 0, ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0, \
         ADD COLUMN lease_token BIGINT NULL, ADD COLUMN max_attempts INT NULL, \
         ADD COLUMN on_abandon VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'retry', \
         ADD COLUMN seq INT NOT NULL DEFAULT 0, ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0, \
         ADD COLUMN reason VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, \
         ADD COLUMN idempotency_key VARBINARY(1020) NULL";
    let now = "SET DEFAULT (TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6)))";
    let bare = Bare::with(&format!(
        "{ORIGINAL}; INSERT INTO tasks (title) VALUES ('t'); {columns}; \
         ALTER TABLE tasks ALTER COLUMN due_at {now}, ALTER COLUMN created_at {now}"
    ))
    .await;
    let (server, database) = (bare.server, bare.database.clone());
    // Longer than one waits for a lock.
    let holder = std::thread::spawn(move || {
        server.sql(&database, "START TRANSACTION; UPDATE tasks SET title = 'x'; DO SLEEP(7); COMMIT")
    });
    let sleeping =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'DO SLEEP%'";
    while bare.ask(sleeping) == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    bare.store.migrate().await.unwrap();
    holder.join().unwrap().unwrap();
    bare.store.check().await.unwrap();
    assert_eq!(bare.ask("SELECT title FROM tasks WHERE created_at > 0"), "x");
}

#[tokio::test]
async fn a_transaction_that_keeps_the_table_open_is_not_waited_for_long() {
    let bare = Bare::with(&format!("{ORIGINAL}; INSERT INTO tasks (title) VALUES ('t')")).await;
    let (server, database) = (bare.server, bare.database.clone());
    let reader = std::thread::spawn(move || {
        server.sql(&database, "START TRANSACTION; SELECT * FROM tasks; DO SLEEP(20); COMMIT")
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let refused = bare.store.migrate().await;
    assert!(matches!(&refused, Err(SchemaError::Locked(why)) if why.contains("transaction")), "{refused:?}");
    bare.ask("SELECT id INTO @id FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'DO SLEEP%'; KILL @id");
    assert!(reader.join().unwrap().is_err());
    bare.store.migrate().await.unwrap();
    bare.store.check().await.unwrap();
}

#[tokio::test]
async fn a_table_in_another_character_set_is_worked_like_any_other() {
    let latin =
        format!("{ORIGINAL} DEFAULT CHARACTER SET latin1; INSERT INTO tasks (title, status) VALUES ('Käse', 'fällig')");
    let bare = Bare::with(&format!("SET NAMES utf8mb4; {latin}")).await;
    bare.store.migrate().await.unwrap();
    let added = bare.store.insert(&titled(2), &origin(), at(0)).await.unwrap();
    let due = DueBefore { ours: at(1), foreign: at(1), limit: 9 };
    assert_eq!(bare.store.transact(&Select::Due(due), &claim(at(1), 0)).await.unwrap().len(), 2);
    let tasks = ids(added.iter().map(Inserted::task));
    let done = bare.store.transact(&tasks, &crate::support::fail(at(2), "grund: 😀")).await.unwrap();
    assert!(done.iter().all(|seen| seen.written));
    let odd = bare.store.record(crate::support::id(1)).await.unwrap().unwrap().row.unwrap();
    assert_eq!((odd.title.as_str(), odd.status), ("Käse", FoundStatus::Unknown("fällig".into())));
    audited(&bare.store).await;
    let refused = bare.store.insert(&[NewTask::titled("😀")], &origin(), at(0)).await;
    assert!(matches!(refused, Err(taskwatch_core::ports::StoreError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn only_the_right_authority_gets_through_when_tls_is_verified() {
    let fixture = MySql::new().await;
    let verified = ConnectOptions {
        tls: TlsMode::Verify,
        ca_file: Some(fixture.server.ca_pem_path().to_owned()),
        ..fixture.options(fixture.server.port())
    };
    let store = SqlStore::open(&verified).await.unwrap();
    assert!(store.check().await.unwrap().transport.starts_with("TLS, "));
    let inserted = store.insert(&titled(1), &origin(), at(0)).await.unwrap();
    assert_eq!(inserted.len(), 1);
    for ca_file in [None, Some(fixture.server.other_ca_pem_path().to_owned())] {
        let refused = SqlStore::open(&ConnectOptions { ca_file, ..verified.clone() }).await.unwrap_err().to_string();
        assert!(refused.contains("database.ca_file"), "{refused}");
    }
    // On this machine encryption is taken where it is offered.
    let automatic = ConnectOptions { tls: TlsMode::Auto, ..fixture.options(fixture.server.port()) };
    let store = SqlStore::open(&automatic).await.unwrap();
    assert!(store.check().await.unwrap().transport.starts_with("TLS, "));
}

/// What a MySQL without TLS says first.
fn greeting(plugin: &str) -> Vec<u8> {
    let mut greeting = vec![10];
    greeting.extend(b"8.0.36\0");
    greeting.extend([1, 0, 0, 0]);
    greeting.extend(b"12345678\0");
    // Protocol 4.1, secure connection, plugin authentication; no CLIENT_SSL (0x0800).
    greeting.extend(0x8200_u16.to_le_bytes());
    greeting.extend([45, 2, 0]);
    greeting.extend(0x0008_u16.to_le_bytes());
    greeting.push(21);
    greeting.extend([0; 10]);
    greeting.extend(b"123456789012\0");
    greeting.extend(plugin.as_bytes());
    greeting.push(0);
    greeting
}

/// A server, as far as the client gets to see: it says these in turn, each after the client has said something.
async fn scripted(says: Vec<Vec<u8>>) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        for (turn, packet) in says.iter().enumerate() {
            let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
            client.write_all(&[length[0], length[1], length[2], u8::try_from(2 * turn).unwrap()]).await.unwrap();
            client.write_all(packet).await.unwrap();
            let mut answer = [0; 4096];
            if client.read(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
    });
    port
}

#[tokio::test]
async fn a_server_without_tls_is_refused_when_it_must_be_verified() {
    let port = scripted(vec![greeting("mysql_native_password")]).await;
    let options =
        ConnectOptions { tls: TlsMode::Verify, ..ConnectOptions::new(format!("mysql://u@127.0.0.1:{port}/d")) };
    let refused = SqlStore::open(&options).await.unwrap_err().to_string();
    assert!(refused.contains("TLS"), "{refused}");
}

#[tokio::test]
async fn a_password_that_would_have_to_be_encrypted_wants_tls() {
    // MySQL 8 asks for the whole password; the client then asks for the key to encrypt it with.
    let port =
        scripted(vec![greeting("caching_sha2_password"), vec![1, 4], b"\x01-----BEGIN PUBLIC KEY-----".to_vec()]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let options = ConnectOptions {
        tls: TlsMode::Disable,
        password: PasswordSource::File(file),
        ..ConnectOptions::new(format!("mysql://u@127.0.0.1:{port}/d"))
    };
    let refused = SqlStore::open(&options).await.unwrap_err().to_string();
    assert!(refused.contains("database.tls = prefer or verify") && !refused.contains("mysql-rsa"), "{refused}");
}

#[tokio::test]
async fn a_rotated_password_is_picked_up_and_a_wrong_one_is_not_shown() {
    let fixture = MySql::new().await;
    let user = format!("p{}", &fixture.database[2..14]);
    let account = |verb: &str, password: &str| {
        fixture.ask(&format!("{verb} USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}'"));
    };
    account("CREATE", "first-s3cret");
    fixture.ask(&format!("GRANT ALL ON {}.* TO '{user}'@'127.0.0.1'", fixture.database));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first-s3cret\n").unwrap();
    let mut options = fixture.options(fixture.server.port());
    options.url = options.url.replace(fixture.server.user(), &user);
    options.password = PasswordSource::File(file.clone());
    let store = SqlStore::open(&options).await.unwrap();
    account("ALTER", "second-s3cret");
    fixture.kill_connections();
    let refused = store.insert(&titled(1), &origin(), at(0)).await.unwrap_err();
    assert!(!format!("{refused:?} {store:?} {options:?}").contains("s3cret"), "{refused:?} {store:?} {options:?}");
    std::fs::write(&file, "second-s3cret\n").unwrap();
    store.insert(&titled(1), &origin(), at(0)).await.unwrap();
}
