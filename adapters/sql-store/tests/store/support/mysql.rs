//! A database of one's own on a real server.

use std::sync::Arc;

use taskwatch_sql_store::{ConnectOptions, PasswordSource, SqlStore, TlsMode};
use taskwatch_testbed::MariaDb;
use tempfile::TempDir;

use super::Fixture;

pub(crate) struct MySql {
    pub(crate) server: &'static MariaDb,
    pub(crate) database: String,
    store: SqlStore,
    folder: Arc<TempDir>,
}

impl MySql {
    /// A migrated database on the shared server.
    pub(crate) async fn new() -> Self {
        Self::on(MariaDb::shared().unwrap()).await
    }

    /// A migrated database on a server that nobody else uses, which ends with the process.
    pub(crate) async fn alone() -> Self {
        Self::on(Box::leak(Box::new(MariaDb::start().unwrap()))).await
    }

    async fn on(server: &'static MariaDb) -> Self {
        let database = server.create_database().unwrap();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let store = SqlStore::open(&options(server, server.port(), &database, &folder)).await.unwrap();
        store.migrate().await.unwrap();
        Self { server, database, store, folder }
    }

    /// The way in, by another port if there is a proxy in front.
    pub(crate) fn options(&self, port: u16) -> ConnectOptions {
        options(self.server, port, &self.database, &self.folder)
    }

    /// What the server answers to its root.
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.server.sql(&self.database, sql).unwrap().trim().to_owned()
    }

    /// Ends all connections to this database from the server's side.
    pub(crate) fn kill_connections(&self) -> usize {
        let list =
            format!("SELECT id FROM information_schema.processlist WHERE db = '{}' AND user <> 'root'", self.database);
        let ids = self.ask(&list);
        ids.lines().map(|id| self.ask(&format!("KILL {id}"))).count()
    }
}

pub(crate) fn options(server: &MariaDb, port: u16, database: &str, folder: &TempDir) -> ConnectOptions {
    let password = folder.path().join("password");
    std::fs::write(&password, format!("{}\n", server.password())).unwrap();
    ConnectOptions {
        password: PasswordSource::File(password),
        tls: TlsMode::Disable,
        ..ConnectOptions::new(format!("mysql://{}@{}:{port}/{database}", server.user(), server.host()))
    }
}

impl Fixture for MySql {
    fn store(&self) -> &SqlStore {
        &self.store
    }

    async fn raw(&self, sql: &str) {
        self.ask(sql);
    }

    async fn announcing(&self) -> SqlStore {
        let options = ConnectOptions { announces: true, ..self.options(self.server.port()) };
        SqlStore::open(&options).await.unwrap()
    }
}
