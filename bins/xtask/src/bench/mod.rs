//! Benchmarks that need a server.

mod announcement;
mod figures;
pub(crate) mod lambda;
mod machine;
pub(crate) mod replay;
mod report;
mod statements;
mod tasks;
pub(crate) mod worker;

use anyhow::Result;
use taskwatch_testbed::ENV_MARIADB;

use crate::mariadb;
use crate::workspace::{Workspace, run};

/// The store's throughput, on SQLite and on a MariaDB that lives as long as the benchmark.
pub(crate) fn store(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let server = mariadb::start()?;
    let bench = ["bench", "--package", "taskwatch-sql-store", "--bench", "throughput", "--"];
    run(workspace.cargo(bench).args(arguments).env(ENV_MARIADB, server.handover()))
}
