//! The schema on MySQL and MariaDB, where every statement that changes a table commits by itself.
//!
//! So each step first looks at what is there and then adds what is missing: after a kill between any two statements, the
//! next run goes on where the last one stopped. A lock of the server keeps two processes from doing so at once.

mod check;
mod questions;

use std::time::Duration;

use deadpool::managed::Pool;

pub(crate) use self::check::check;
use super::SCHEMA_VERSION;
use crate::error::{Fault, SchemaError};
use crate::mysql::packet::Packet;
use crate::mysql::session::{Answer, Connector, Link};

/// A statement that changes a table may copy it.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is looked for in `information_schema`.
const LOOK: &str = "look at the tables";

/// What writes rows is repeated after these pauses, when another program had them locked.
const REPEATED: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

/// The original table, for a database that has none.
const TASKS: &str = "\
    CREATE TABLE IF NOT EXISTS tasks (
        id INT AUTO_INCREMENT PRIMARY KEY,
        title VARCHAR(255) NOT NULL,
        description TEXT,
        status VARCHAR(50) DEFAULT 'Pending'
    ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4";

/// Columns to add, with constant defaults: that takes no copy of the table, and no statement that replicas would
/// evaluate differently.
const COLUMNS: [(&str, &str); 10] = [
    ("recorded", "ADD COLUMN recorded VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"),
    ("attempt", "ADD COLUMN attempt INT NOT NULL DEFAULT 0"),
    ("due_at", "ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0"),
    ("lease_token", "ADD COLUMN lease_token BIGINT NULL"),
    ("max_attempts", "ADD COLUMN max_attempts INT NULL"),
    (
        "on_abandon",
        "ADD COLUMN on_abandon VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'retry'",
    ),
    ("seq", "ADD COLUMN seq INT NOT NULL DEFAULT 0"),
    ("created_at", "ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0"),
    ("reason", "ADD COLUMN reason VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"),
    // Bytes: a key with a space at its end is another key.
    ("idempotency_key", "ADD COLUMN idempotency_key VARBINARY(1020) NULL"),
];

/// The default of both times, for rows that another program inserts. Free of the session's time zone.
macro_rules! now {
    () => {
        "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))"
    };
}
use now;

const INDEXES: [(&str, &str); 2] = [
    ("tasks_due", "ADD INDEX tasks_due (status, due_at, id)"),
    ("tasks_idempotency", "ADD UNIQUE INDEX tasks_idempotency (idempotency_key)"),
];

const LEDGER: &str = "\
    CREATE TABLE IF NOT EXISTS task_ledger (
        task_id BIGINT NOT NULL,
        seq INT NOT NULL,
        event VARCHAR(16) NOT NULL,
        from_status VARCHAR(50) NULL,
        to_status VARCHAR(50) NOT NULL,
        attempt INT NOT NULL,
        due_at BIGINT NOT NULL,
        lease_token BIGINT NULL,
        recorded_at BIGINT NOT NULL,
        source VARCHAR(16) NOT NULL,
        worker VARCHAR(255) NOT NULL,
        reason VARCHAR(1024) NULL,
        trace_id VARCHAR(64) NULL,
        PRIMARY KEY (task_id, seq),
        INDEX task_ledger_time (recorded_at)
    ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Numbers are not given out again: a relay that is late must not strike off another's announcement.
const OUTBOX: &str = "\
    CREATE TABLE IF NOT EXISTS task_outbox (
        number BIGINT AUTO_INCREMENT PRIMARY KEY,
        task_id BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        trace_id VARCHAR(64) NULL,
        INDEX task_outbox_due (due_at, number)
    ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

const VERSIONS: &str = "\
    CREATE TABLE IF NOT EXISTS taskwatch_schema (version INT PRIMARY KEY, applied_at BIGINT NOT NULL) ENGINE = InnoDB";

/// The version of the database, 0 when taskwatch never was here.
pub(crate) async fn version(pool: &Pool<Connector>) -> Result<u32, SchemaError> {
    let mut ddl = Ddl::open(pool).await?;
    let version = ddl.version().await?;
    ddl.link.release();
    Ok(version)
}

/// Brings the database to [`SCHEMA_VERSION`].
pub(crate) async fn migrate(pool: &Pool<Connector>) -> Result<(), SchemaError> {
    let mut ddl = Ddl::open(pool).await?;
    let found = ddl.version().await?;
    super::refuse_newer(found)?;
    if found == SCHEMA_VERSION {
        ddl.link.release();
        return Ok(());
    }
    ddl.require_server().await?;
    // While a change of the table waits for a transaction that has it open, all other programs wait behind: not for long.
    let lock = "SELECT CAST(GET_LOCK(CONCAT('taskwatch.', MD5(DATABASE())), 120) AS SIGNED)";
    ddl.run("wait for another migration", Packet::new("SET SESSION lock_wait_timeout = 5")).await?;
    if ddl.number("wait for another migration", Packet::new(lock)).await? != Some(1) {
        return Err(SchemaError::Locked("another process has been migrating for two minutes".into()));
    }
    let found = ddl.version().await?;
    super::refuse_newer(found)?;
    if found < 1 {
        ddl.first_version().await?;
    }
    if found < 2 {
        ddl.second_version().await?;
    }
    // The connection is closed, which releases the lock and forgets the session's settings.
    Ok(())
}

/// A connection with the questions and changes that the steps are made of.
struct Ddl {
    link: Link,
}

impl Ddl {
    async fn open(pool: &Pool<Connector>) -> Result<Self, SchemaError> {
        let open = async || {
            let mut link = Link::take(pool).await?;
            // A connection that died in the pool is found out here.
            match link.send(Packet::new("DO 0")).await {
                Ok(_) => Ok(link),
                Err(broken) => Err(link.abandon(pool, &broken).await),
            }
        };
        let link = crate::retry::retrying(open).await.map_err(|fault| fault.in_schema("connect"))?;
        Ok(Self { link })
    }

    /// From nothing, or from the original table, or from anything in between, to version 1.
    async fn first_version(&mut self) -> Result<(), SchemaError> {
        let began = self.number("ask for the time", Packet::new(concat!("SELECT ", now!()))).await?.unwrap_or(0);
        self.run("create tasks", Packet::new(TASKS)).await?;
        self.require_table("tasks").await?;
        let found = self.columns().await?;
        let columns = questions::names(&found);
        for name in ["id", "title", "description", "status"] {
            if !columns.contains(name) {
                let why = format!("it has no column {name}, so it is not a table of tasks: choose another database");
                return Err(SchemaError::Table { table: "tasks", why });
            }
        }
        questions::fit(&found)?;
        let missing: Vec<_> = COLUMNS.iter().filter(|(name, _)| !columns.contains(*name)).collect();
        self.alter("add columns to tasks", missing.into_iter().map(|(_, sql)| *sql)).await?;
        // Set by itself: added together with the column, replicas would evaluate it anew for the rows there are.
        let defaults = [
            concat!("ALTER COLUMN due_at SET DEFAULT (", now!(), ")"),
            concat!("ALTER COLUMN created_at SET DEFAULT (", now!(), ")"),
        ];
        if !questions::have_defaults(&self.columns().await?) {
            self.alter("set defaults in tasks", defaults.into_iter()).await?;
        }
        self.fill_times(began).await?;
        let indexes = questions::names(&self.run(LOOK, Packet::new(questions::INDEXES)).await?);
        let missing: Vec<_> = INDEXES.iter().filter(|(name, _)| !indexes.contains(*name)).collect();
        self.alter("add indexes to tasks", missing.into_iter().map(|(_, sql)| *sql)).await?;
        self.run("create task_ledger", Packet::new(LEDGER)).await?;
        self.require_table("task_ledger").await?;
        self.run("create taskwatch_schema", Packet::new(VERSIONS)).await?;
        let done = Packet::new(concat!("INSERT IGNORE INTO taskwatch_schema VALUES (1, ", now!(), ")"));
        self.run("note the version", done).await.map(drop)
    }

    /// From version 1 to version 2.
    async fn second_version(&mut self) -> Result<(), SchemaError> {
        self.run("create task_outbox", Packet::new(OUTBOX)).await?;
        self.require_table("task_outbox").await?;
        let done = Packet::new(concat!("INSERT IGNORE INTO taskwatch_schema VALUES (2, ", now!(), ")"));
        self.run("note the version", done).await.map(drop)
    }

    /// Rows that were there before the columns get the time when the migration began, so that they come before all that
    /// are added meanwhile; a few thousand in a transaction.
    async fn fill_times(&mut self, began: i64) -> Result<(), SchemaError> {
        let step = "fill in the times of rows in tasks";
        let mut after = i64::MIN;
        loop {
            let mut chunk = Packet::new("SELECT CAST(MAX(id) AS SIGNED) FROM (SELECT id FROM tasks WHERE id > ");
            chunk.int(after).sql(" ORDER BY id LIMIT 5000) chunk");
            let Some(last) = self.number(step, chunk).await? else { return Ok(()) };
            let mut fill = Packet::new("UPDATE tasks SET due_at = ");
            fill.int(began).sql(", created_at = ").int(began);
            fill.sql(" WHERE created_at = 0 AND id > ").int(after).sql(" AND id <= ").int(last);
            self.insist(step, fill).await?;
            after = last;
        }
    }

    async fn version(&mut self) -> Result<u32, SchemaError> {
        let step = "read the version";
        let known = Packet::new(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name = 'taskwatch_schema'",
        );
        if self.number(step, known).await? != Some(1) {
            return Ok(0);
        }
        questions::version(step, &self.run(step, Packet::new(questions::VERSION)).await?)
    }

    async fn columns(&mut self) -> Result<Answer, SchemaError> {
        self.run("look at the columns of tasks", Packet::new(questions::COLUMNS)).await
    }

    async fn require_server(&mut self) -> Result<(), SchemaError> {
        let answer = self.run("ask for the server's version", Packet::new(questions::SERVER)).await?;
        questions::server(&answer).map(drop)
    }

    async fn require_table(&mut self, table: &'static str) -> Result<(), SchemaError> {
        let mut packet = Packet::default();
        questions::ask_for_table(&mut packet, table);
        questions::table(table, &self.run(LOOK, packet).await?)
    }

    /// Several changes of `tasks` in one statement, if there are any.
    async fn alter(
        &mut self,
        step: &'static str,
        changes: impl ExactSizeIterator<Item = &'static str>,
    ) -> Result<(), SchemaError> {
        if changes.len() == 0 {
            return Ok(());
        }
        let mut packet = Packet::new("ALTER TABLE tasks ");
        packet.list(changes, |packet, sql| packet.sql(sql));
        self.run(step, packet).await.map(drop)
    }

    /// A number, where there is one.
    async fn number(&mut self, step: &'static str, packet: Packet) -> Result<Option<i64>, SchemaError> {
        questions::number(step, &self.run(step, packet).await?)
    }

    /// As [`Ddl::run`], again and again while other programs have rows locked.
    async fn insist(&mut self, step: &'static str, packet: Packet) -> Result<Answer, SchemaError> {
        for pause in REPEATED {
            match self.run(step, packet.clone()).await {
                Err(SchemaError::Locked(_)) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.run(step, packet).await
    }

    async fn run(&mut self, step: &'static str, packet: Packet) -> Result<Answer, SchemaError> {
        let answers = self.link.send_within(packet, PATIENCE).await;
        let answers = answers.map_err(|broken| refused(step, crate::mysql::fault(&broken.error)))?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }
}

/// What a fault means while the schema is read or changed.
fn refused(step: &'static str, fault: Fault) -> SchemaError {
    match fault {
        Fault::Again(why) => SchemaError::Locked(format!(
            "{why}: a long transaction of another program keeps the table; end it and migrate again"
        )),
        Fault::Refused(why) if why.contains("too long") => {
            SchemaError::Refused { step, why: format!("{why}: run ALTER TABLE tasks ROW_FORMAT = DYNAMIC first") }
        }
        fault => fault.in_schema(step),
    }
}
