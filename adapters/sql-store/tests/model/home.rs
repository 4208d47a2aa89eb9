//! A database for all cases of a test: emptied, not made anew, between them.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use taskwatch_testkit::VirtualClock;
use taskwatch_testkit::model::{OtherProgram, Parts, System};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// The kind of database.
pub(crate) trait Kind: Sized + 'static {
    /// Opens a new one: the store's way in, the other program's, and what has to stay while they are used.
    async fn open() -> (ConnectOptions, Other, TempDir);
    /// The home that this thread has for its cases.
    fn home() -> Rc<Home>;
}

/// Dropped in this order: the connections need their runtime.
pub(crate) struct Home {
    other: Arc<Other>,
    store: SqlStore,
    _folder: TempDir,
    runtime: Runtime,
}

impl Home {
    fn new<K: Kind>() -> Rc<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (store, other, folder) = runtime.block_on(async {
            let (options, other, folder) = K::open().await;
            let store = SqlStore::open(&options).await.unwrap();
            store.migrate().await.unwrap();
            (store, other, folder)
        });
        Rc::new(Self { other: Arc::new(other), store, _folder: folder, runtime })
    }
}

/// A store on a database of some kind.
pub(crate) struct Database<K> {
    home: Rc<Home>,
    kind: std::marker::PhantomData<K>,
}

impl<K: Kind> System for Database<K> {
    fn open(_: &VirtualClock) -> Self {
        let home = K::home();
        home.runtime.block_on(async {
            home.other.run("DELETE FROM tasks").await;
            home.other.run("DELETE FROM task_ledger").await;
        });
        Self { home, kind: std::marker::PhantomData }
    }

    fn parts(&self) -> Parts {
        let store = Arc::new(self.home.store.clone());
        Parts { store: Arc::clone(&store) as _, records: store, other: Arc::clone(&self.home.other) as _ }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.home.runtime.block_on(future)
    }
}

/// The other program's own connection.
pub(crate) enum Other {
    #[cfg(feature = "sqlite")]
    Sqlite(Mutex<sqlx::SqliteConnection>),
    #[cfg(feature = "mysql")]
    MySql(Mutex<sqlx::MySqlConnection>),
}

impl Other {
    /// Runs a statement, and answers with the id that it gave.
    async fn run(&self, sql: impl Into<String>) -> i64 {
        let sql = AssertSqlSafe(sql.into());
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => connection.lock().await.execute(sql).await.unwrap().last_insert_rowid(),
            #[cfg(feature = "mysql")]
            Self::MySql(connection) => {
                connection.lock().await.execute(sql).await.unwrap().last_insert_id().try_into().unwrap()
            }
        }
    }
}

#[async_trait]
impl OtherProgram for Other {
    async fn insert(&self, title: &str, status: &str, now: Timestamp) -> TaskId {
        // It names neither of the times; they are filled in here as if the server's clock were the virtual one.
        let now = now.as_micros();
        let columns = "title, status, due_at, created_at";
        let sql = format!("INSERT INTO tasks ({columns}) VALUES ('{title}', '{status}', {now}, {now})");
        TaskId::try_from(self.run(sql).await).unwrap()
    }

    async fn write_status(&self, task: TaskId, status: &str) {
        self.run(format!("UPDATE tasks SET status = '{status}' WHERE id = {task}")).await;
    }

    async fn delete(&self, task: TaskId) {
        self.run(format!("DELETE FROM tasks WHERE id = {task}")).await;
    }
}

/// A file.
#[cfg(feature = "sqlite")]
pub(crate) struct Sqlite;

#[cfg(feature = "sqlite")]
impl Kind for Sqlite {
    async fn open() -> (ConnectOptions, Other, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("tasks.db").display());
        let connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        (ConnectOptions::new(url), Other::Sqlite(Mutex::new(connection)), folder)
    }

    fn home() -> Rc<Home> {
        thread_local! { static HOME: OnceCell<Rc<Home>> = const { OnceCell::new() } }
        HOME.with(|home| Rc::clone(home.get_or_init(Home::new::<Self>)))
    }
}

/// A database of its own on the shared server.
#[cfg(feature = "mysql")]
pub(crate) struct MariaDb;

#[cfg(feature = "mysql")]
impl Kind for MariaDb {
    async fn open() -> (ConnectOptions, Other, TempDir) {
        use taskwatch_sql_store::{PasswordSource, TlsMode};
        let server = taskwatch_testbed::MariaDb::shared().unwrap();
        let database = server.create_database().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, server.password()).unwrap();
        let address = format!("mysql://{}@{}:{}/{database}", server.user(), server.host(), server.port());
        let options = ConnectOptions {
            password: PasswordSource::File(password),
            tls: TlsMode::Disable,
            ..ConnectOptions::new(address)
        };
        let url = format!("{}?ssl-mode=disabled", server.url(&database));
        let connection = sqlx::MySqlConnection::connect(&url).await.unwrap();
        (options, Other::MySql(Mutex::new(connection)), folder)
    }

    fn home() -> Rc<Home> {
        thread_local! { static HOME: OnceCell<Rc<Home>> = const { OnceCell::new() } }
        HOME.with(|home| Rc::clone(home.get_or_init(Home::new::<Self>)))
    }
}
