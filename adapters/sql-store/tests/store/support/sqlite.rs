//! A database file of one's own.

use std::path::PathBuf;

use sqlx::{Connection, SqliteConnection};
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use tempfile::TempDir;

use super::Fixture;

pub(crate) struct Sqlite {
    store: SqlStore,
    folder: TempDir,
}

impl Sqlite {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqlStore::open(&options(&folder)).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tasks.db")
    }
}

pub(crate) fn options(folder: &TempDir) -> ConnectOptions {
    ConnectOptions::new(format!("sqlite:{}", folder.path().join("tasks.db").display()))
}

impl Fixture for Sqlite {
    fn store(&self) -> &SqlStore {
        &self.store
    }

    async fn raw(&self, sql: &str) {
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", self.path().display())).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn announcing(&self) -> SqlStore {
        SqlStore::open(&ConnectOptions { announces: true, ..options(&self.folder) }).await.unwrap()
    }
}
