//! The suites that every store and every outbox passes.

use async_trait::async_trait;
use taskwatch_core::task::TaskId;
use taskwatch_sql_store::SqlStore;
use taskwatch_testkit::conformance::{ForeignWrites, outbox, store};

use crate::support::Fixture;

/// The other program, writing to the database of a fixture.
struct Foreign<F>(F);

#[async_trait]
impl<F: Fixture> ForeignWrites for Foreign<F> {
    async fn insert_foreign(&self, title: &str, status: &str) {
        self.0.raw(&format!("INSERT INTO tasks (title, status) VALUES ('{title}', '{status}')")).await;
    }

    async fn write_status(&self, task: TaskId, status: &str) {
        self.0.raw(&format!("UPDATE tasks SET status = '{status}' WHERE id = {task}")).await;
    }

    async fn delete(&self, task: TaskId) {
        self.0.raw(&format!("DELETE FROM tasks WHERE id = {task}")).await;
    }
}

/// A store that announces if it is asked to, and the other program.
async fn outbox_of<F: Fixture>(fixture: F, announces: bool) -> (SqlStore, Foreign<F>) {
    let store = if announces { fixture.announcing().await } else { fixture.store().clone() };
    (store, Foreign(fixture))
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_a_store() {
    store(async || {
        let fixture = crate::support::sqlite::Sqlite::new().await;
        (fixture.store().clone(), Foreign(fixture))
    })
    .await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_a_store() {
    store(async || {
        let fixture = crate::support::mysql::MySql::new().await;
        (fixture.store().clone(), Foreign(fixture))
    })
    .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_an_outbox() {
    outbox(async |announces| outbox_of(crate::support::sqlite::Sqlite::new().await, announces).await).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_an_outbox() {
    outbox(async |announces| outbox_of(crate::support::mysql::MySql::new().await, announces).await).await;
}
