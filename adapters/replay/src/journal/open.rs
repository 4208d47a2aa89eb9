//! Opening a journal: the right one, and alone.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;
use taskwatch_core::time::Timestamp;

use super::database::{Database, DatabaseError, failed};
use super::lock::{Holder, Lock, LockError};
use super::source::Source;
use super::{meta, schema};

/// Version of the tables. A journal of another is refused.
pub const FORMAT_VERSION: u32 = 1;

const OPEN: &str = "open the tables";

/// Who opens a journal, and why: kept with everything that is decided from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// A person, or a program on their behalf.
    pub who: String,
    /// What for.
    pub reason: Option<String>,
}

/// An open journal, held by this process until it is dropped.
#[derive(Debug)]
pub struct Journal {
    pub(crate) database: Database,
    pub(crate) id: String,
    pub(crate) source: Source,
    /// This run's number.
    pub(crate) run: i64,
    _lock: Lock,
}

/// Why a journal cannot be opened. Phrased to follow «failed to»; nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else works with it.
    #[error("open the journal {path}: {holder} has it open: wait for its end, or end it")]
    InUse {
        /// The journal.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// The file or its folder.
    #[error("open {path}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Another file.
    #[error("open {path} as a journal: {why}: name another file, or move this one away")]
    NotAJournal {
        /// Which file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A journal of an older or newer program.
    #[error(
        "open the journal {path}: it has format {found}, and this program knows {known}: finish it with the program that \
         made it (put what is left back on the queue with --abandon)"
    )]
    Version {
        /// The journal.
        path: PathBuf,
        /// Its format.
        found: String,
        /// [`FORMAT_VERSION`].
        known: u32,
    },
    /// A journal of something else.
    #[error("open the journal {path} for {asked}: it is that of {found}: name that one, or another journal")]
    OtherSource {
        /// The journal.
        path: PathBuf,
        /// What it belongs to.
        found: Source,
        /// What it was to be opened for.
        asked: Source,
    },
    /// SQLite.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Journal {
    /// Where the journal of this source is kept, in a folder for all journals.
    #[must_use]
    pub fn path_for(folder: &Path, source: &Source) -> PathBuf {
        source.file_in(folder)
    }

    /// Opens the journal of this source, or begins one. Only its owner may read it.
    ///
    /// # Errors
    /// [`OpenError`]
    pub async fn open(path: &Path, source: &Source, by: &By, now: Timestamp) -> Result<Self, OpenError> {
        let lock = Lock::take(path).map_err(|error| match error {
            LockError::Held(holder) => OpenError::InUse { path: path.to_owned(), holder },
            LockError::Io(path, why) => OpenError::File { path, why },
        })?;
        create_private(path).map_err(|why| OpenError::File { path: path.to_owned(), why })?;
        let not_sqlite = |error: sqlx::Error| not_a_journal(path, &error);
        let pool = schema::connect(schema::connect_options(path)).await.map_err(not_sqlite)?;
        let database = Database { pool, path: path.to_owned() };
        let mut transaction = database.pool.begin_with("BEGIN IMMEDIATE").await.map_err(not_sqlite)?;
        let failed = database.failed(OPEN);
        if schema::is_empty(&mut transaction).await.map_err(not_sqlite)? {
            schema::create(&mut transaction).await.map_err(failed)?;
            begin(&mut transaction, source, now).await.map_err(failed)?;
        }
        let found = check(&mut transaction, path).await?;
        if found.source != *source {
            return Err(OpenError::OtherSource { path: path.to_owned(), found: found.source, asked: source.clone() });
        }
        let run =
            sqlx::query_scalar("INSERT INTO runs (who, reason, pid, begun_at) VALUES (?1, ?2, ?3, ?4) RETURNING run")
                .bind(&by.who)
                .bind(&by.reason)
                .bind(std::process::id())
                .bind(now.as_micros())
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(Self { database, id: found.id, source: found.source, run, _lock: lock })
    }

    /// What it is of.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.database.path
    }

    /// Its name in the attribute that sent entries carry: drawn when it was made.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Closes the file for good, and gives it a name of its own: another can then be begun in its place.
    ///
    /// # Errors
    /// What the system says; it is closed all the same.
    pub async fn retire(self) -> io::Result<PathBuf> {
        self.database.pool.close().await;
        let path = &self.database.path;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let retired = path.with_file_name(format!("{stem}-{}.journal", self.id));
        std::fs::rename(path, &retired)?;
        Ok(retired)
    }

    /// Closes the file, after which it is one file again, and lets others have it.
    pub async fn close(self) {
        self.database.pool.close().await;
    }
}

/// What a journal says of itself.
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) source: Source,
    pub(crate) created_at: Timestamp,
}

async fn begin(connection: &mut SqliteConnection, source: &Source, now: Timestamp) -> Result<(), sqlx::Error> {
    let id: String = sqlx::query_scalar("SELECT lower(hex(randomblob(8)))").fetch_one(&mut *connection).await?;
    meta::set(connection, meta::FORMAT, FORMAT_VERSION).await?;
    meta::set(connection, meta::ID, id).await?;
    meta::set(connection, meta::KIND, source.kind()).await?;
    meta::set(connection, meta::SOURCE, source.name()).await?;
    meta::set(connection, meta::CREATED_AT, now.as_micros()).await
}

/// Makes sure that this is a journal that this program knows.
pub(crate) async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<Found, OpenError> {
    let failed = failed(path, OPEN);
    let format = meta::get(connection, meta::FORMAT).await.map_err(|error| not_a_journal(path, &error))?;
    let missing = || OpenError::NotAJournal { path: path.to_owned(), why: "it says nothing of its source".to_owned() };
    let format = format.ok_or_else(missing)?;
    if format != FORMAT_VERSION.to_string() {
        return Err(OpenError::Version { path: path.to_owned(), found: format, known: FORMAT_VERSION });
    }
    let mut get = [meta::ID, meta::KIND, meta::SOURCE, meta::CREATED_AT].map(String::from);
    for value in &mut get {
        *value = meta::get(connection, value).await.map_err(failed)?.ok_or_else(missing)?;
    }
    let [id, kind, name, created_at] = get;
    let source = Source::from_parts(&kind, &name).ok_or_else(missing)?;
    Ok(Found { id, source, created_at: Timestamp::from_micros(created_at.parse().unwrap_or_default()) })
}

/// Another program's database has no table `meta`, and another file is none of SQLite's.
fn not_a_journal(path: &Path, error: &sqlx::Error) -> OpenError {
    let why = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    if ["no such table", "no such column", "not a database"].iter().any(|known| why.contains(known)) {
        OpenError::NotAJournal { path: path.to_owned(), why }
    } else {
        OpenError::Database(failed(path, OPEN)(sqlx::Error::Protocol(why)))
    }
}

/// SQLite would make the file readable by everybody.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
