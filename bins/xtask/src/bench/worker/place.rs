//! Where all of them work: one database server, one stand-in for SQS.

use std::cell::Cell;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::tasks::Tasks;
use super::queue::{Queue, StandIn};
use super::subject::Crew;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// Each run has a database and a queue of its own here.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) stand_in: &'a StandIn,
    /// Leads to databases of one's own.
    pub(super) tasks: &'a Tasks<'a>,
    pub(super) server_pid: u32,
    queues: Cell<u32>,
}

impl<'a> Place<'a> {
    pub(super) fn new(stand_in: &'a StandIn, tasks: &'a Tasks<'a>) -> Result<Self> {
        let folder = tasks.server.folder().context("the database server is not ours")?;
        let pid = fs::read_to_string(folder.join("pid")).context("failed to find the database server's process")?;
        let server_pid = pid.trim().parse().context("the server's pid is no number")?;
        Ok(Self { stand_in, tasks, server_pid, queues: Cell::new(0) })
    }

    /// A queue that nobody had before.
    pub(super) fn queue(&self) -> Result<Queue<'a>> {
        let number = self.queues.get() + 1;
        self.queues.set(number);
        self.stand_in.queue(format!("task-processing-queue-{number}"))
    }

    /// How often anybody has polled so far.
    pub(super) fn polls(&self) -> Result<u64> {
        Ok(self.stand_in.calls()?.get("ReceiveMessage").copied().unwrap_or(0))
    }

    /// Waits until one that has just been started polls.
    pub(super) fn until_polled(&self, crew: &mut Crew, polls_before: u64) -> Result<()> {
        let begun = Instant::now();
        while self.polls()? == polls_before {
            ensure!(begun.elapsed() < PATIENCE, "nobody polls; {}", crew.said());
            crew.insist_on_life()?;
            thread::sleep(LOOK);
        }
        Ok(())
    }
}
