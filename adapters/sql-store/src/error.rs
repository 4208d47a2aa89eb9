//! What can go wrong, by operation, and what follows from it.

use taskwatch_core::ports::StoreError;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not one of a database this build knows.
    #[error("understand the database address {url:?}: {why}")]
    Url {
        /// The address, without a password.
        url: String,
        /// What is wrong with it and what to write instead.
        why: String,
    },
    /// Two settings contradict each other, or one is missing.
    #[error("use the database settings: {0}")]
    Settings(String),
    /// The database file cannot be made or read.
    #[error("open the database file {path}: {source}")]
    File {
        /// Where it was looked for.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The server, or the file, does not answer as a database should.
    #[error("connect to the database: {0}")]
    Connect(String),
}

/// Why a schema could not be read, checked or migrated.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database cannot be reached at present.
    #[error("reach the database: {0}")]
    Unavailable(String),
    /// A newer program has migrated the database.
    #[error("use the schema: the database is at version {found}, this program knows up to {known}; upgrade taskwatch")]
    Newer {
        /// Of the database.
        found: u32,
        /// Of this program.
        known: u32,
    },
    /// The database has not been migrated to this program's version.
    #[error("use the schema: the database is at version {found}, this program needs {known}; run `taskwatch migrate`")]
    Older {
        /// Of the database; 0 when taskwatch never was here.
        found: u32,
        /// Of this program.
        known: u32,
    },
    /// There is something in the way that a person has to decide about.
    #[error("use the table {table}: {why}")]
    Table {
        /// Which.
        table: &'static str,
        /// What is wrong and what to do.
        why: String,
    },
    /// Another process has been migrating for too long.
    #[error("wait for another migration: {0}")]
    Locked(String),
    /// The database refused a statement.
    #[error("change the schema ({step}): {why}")]
    Refused {
        /// What was being done.
        step: &'static str,
        /// What the database said.
        why: String,
    },
}

/// An error as seen from inside: what may be done about it, beside what [`StoreError`] tells the caller.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Rolled back by the database (deadlock, lock wait): the whole transaction can be repeated after a while.
    Again(String),
    /// The connection was lost, or was dead from the start, and nothing can have been written.
    #[cfg_attr(not(any(feature = "mysql", test)), expect(dead_code, reason = "a file has no connection to lose"))]
    Lost(String),
    /// As [`StoreError::Unavailable`].
    Unavailable(String),
    /// As [`StoreError::Unknown`].
    Unknown(String),
    /// As [`StoreError::Refused`].
    Refused(String),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Again(why) | Fault::Lost(why) | Fault::Unavailable(why) => Self::Unavailable(why),
            Fault::Unknown(why) => Self::Unknown(why),
            Fault::Refused(why) => Self::Refused(why),
        }
    }
}

impl Fault {
    /// The ledger has an entry of this number, though the row has not come that far. The row was locked, so nobody else can
    /// have written it meanwhile: the table was truncated, or its ids were given out again, or `seq` was changed by hand.
    pub(crate) fn entered_before(task: i64, seq: i64) -> Self {
        Self::Refused(format!(
            "task {task} has an entry {seq} in task_ledger already, from an earlier row of this id: give the row an id \
             above all in task_ledger, or forget its past: DELETE FROM task_ledger WHERE task_id = {task}; UPDATE tasks \
             SET recorded = NULL, seq = 0 WHERE id = {task}"
        ))
    }

    /// The table gives out ids that the ledger has seen: it was truncated, or its counter was set back.
    pub(crate) fn ids_used_before(cure: &str) -> Self {
        Self::Refused(format!(
            "tasks gives out ids that task_ledger has entries of already, from earlier rows: let it go on behind them: \
             {cure}"
        ))
    }

    /// What a person gets to read.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Again(why) | Self::Lost(why) | Self::Unavailable(why) | Self::Unknown(why) | Self::Refused(why) => {
                why
            }
        }
    }

    /// The fault while the schema is read or changed.
    pub(crate) fn in_schema(self, step: &'static str) -> SchemaError {
        match self {
            Self::Refused(why) => SchemaError::Refused { step, why },
            other => SchemaError::Unavailable(other.message().to_owned()),
        }
    }
}
