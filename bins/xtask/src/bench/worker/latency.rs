//! How long a message takes at a moderate load: from just before it is sent until the row is `Completed`.
//!
//! A trigger writes down when that is, the same for all: the moment when the row is written, which is before the commit
//! and the delete. Nothing is looked at meanwhile, so that looking costs nobody anything.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::super::tasks::{Rows, Tasks};
use super::place::Place;
use super::subject::{Crew, Subject};
use super::throughput::check;

/// Messages per second.
pub(super) const LOAD: u32 = 100;

/// These do not count: connections are made.
const WARM_UP: usize = 50;
/// How long the last one may take.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

const WATCH: &str = "\
CREATE TABLE bench_completed (task BIGINT PRIMARY KEY, at DECIMAL(20, 6) NOT NULL) ENGINE = InnoDB;
CREATE TRIGGER bench_completed AFTER UPDATE ON tasks FOR EACH ROW
INSERT INTO bench_completed SELECT NEW.id, UNIX_TIMESTAMP(SYSDATE(6)) FROM DUAL
WHERE NEW.status = 'Completed' AND OLD.status <> 'Completed';";

/// What one run came to.
#[derive(Debug)]
pub(super) struct Run {
    /// In milliseconds, of every message.
    pub(super) latencies: Vec<f64>,
    /// Of one core, in percent.
    pub(super) cpu_share: f64,
}

/// Sends for so long.
pub(super) fn run(place: &Place<'_>, subject: &Subject, time: Duration) -> Result<Run> {
    let count = WARM_UP + usize::try_from(time.as_millis())? * usize::try_from(LOAD)? / 1_000;
    let tasks = place.tasks.anew()?;
    let ids = tasks.add(count, Rows::Python)?;
    tasks.sql(WATCH)?;
    let queue = place.queue()?;
    let polls = place.polls()?;
    let mut crew = Crew::start(subject, 1, &tasks, place.stand_in, &queue)?;
    place.until_polled(&mut crew, polls)?;

    let mut sent = Vec::with_capacity(count);
    let (mut begun, mut cpu) = (Instant::now(), Duration::ZERO);
    let (mut next, interval) = (Instant::now(), Duration::from_secs(1) / LOAD);
    for (number, id) in ids.iter().enumerate() {
        if number == WARM_UP {
            (begun, cpu) = (Instant::now(), crew.cpu()?);
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next += interval;
        sent.push(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64());
        queue.send_one(*id)?;
    }
    let last = Instant::now();
    while queue.left()? > 0 {
        ensure!(last.elapsed() < PATIENCE, "messages are left; {}", crew.said());
        crew.insist_on_life()?;
        thread::sleep(LOOK);
    }
    let cpu_share = (crew.cpu()? - cpu).as_secs_f64() * 100.0 / begun.elapsed().as_secs_f64();
    drop(crew);
    let latencies = completed(&tasks, &ids)?.into_iter().zip(sent).map(|(at, sent)| (at - sent) * 1e3);
    let latencies = latencies.skip(WARM_UP).collect();
    check(&tasks, &ids, subject.who)?;
    tasks.remove()?;
    Ok(Run { latencies, cpu_share })
}

/// When each was, in seconds.
fn completed(tasks: &Tasks<'_>, ids: &[i64]) -> Result<Vec<f64>> {
    let rows = tasks.sql("SELECT task, at FROM bench_completed ORDER BY task")?;
    let mut moments = Vec::with_capacity(ids.len());
    for (id, row) in ids.iter().zip(rows.lines()) {
        let (task, at) = row.split_once('\t').context("a row without two columns")?;
        ensure!(task == id.to_string(), "task {id} was not seen to be completed, but {task} was");
        moments.push(at.parse().with_context(|| format!("no time: {at}"))?);
    }
    ensure!(moments.len() == ids.len(), "of {} tasks {} were seen to be completed", ids.len(), moments.len());
    Ok(moments)
}
