//! The suite that every store passes.

use async_trait::async_trait;
use taskwatch_core::task::TaskId;
use taskwatch_testkit::conformance::{ForeignWrites, store};

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
