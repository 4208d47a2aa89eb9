//! How fast a full queue is worked, and what that takes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::figures::{Measured as _, Samples, Unit, mebibytes};
use super::super::machine;
use super::super::statements::{own_statements, since, total};
use super::super::tasks::{Rows, Tasks};
use super::place::Place;
use super::queue::Calls;
use super::subject::{Crew, Subject, Who};

pub(super) const RATE: &str = "messages per second";
pub(super) const CPU: &str = "CPU for 10,000 messages";

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Nobody takes as long for the next message.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one run came to.
#[derive(Debug)]
pub(super) struct Run {
    /// Messages per second.
    pub(super) rate: f64,
    /// Seconds for 10,000 messages.
    cpu: f64,
    server_cpu: f64,
    /// Of one core, in percent.
    server_share: f64,
    stand_in_share: f64,
    peak_memory: u64,
    statements: u64,
    pub(super) calls: Calls,
    messages: usize,
}

/// What is used up by a moment.
struct Mark {
    at: Instant,
    left: u64,
    crew: Duration,
    server: Duration,
    stand_in: Duration,
}

/// Has so many processes work so many messages that have been sent before they start. The clock runs from the moment
/// when a tenth of them is done: whoever starts is no longer starting then.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
pub(super) fn run(place: &Place<'_>, subject: &Subject, processes: usize, messages: usize) -> Result<Run> {
    let tasks = place.tasks.anew()?;
    let ids = tasks.add(messages, Rows::Python)?;
    let queue = place.queue()?;
    queue.send(&ids)?;
    let own = own_statements(&tasks)?;
    let (statements, calls) = (tasks.statements()?, place.stand_in.calls()?);

    let mut crew = Crew::start(subject, processes, &tasks, place.stand_in, &queue)?;
    let mark = |crew: &Crew, left| {
        let (server, stand_in) = (machine::cpu(place.server_pid)?, machine::cpu(place.stand_in.pid())?);
        Ok::<_, anyhow::Error>(Mark { at: Instant::now(), left, crew: crew.cpu()?, server, stand_in })
    };
    let until = |crew: &mut Crew, enough: &dyn Fn(u64) -> bool| {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            let left = queue.left()?;
            if enough(left) {
                return mark(crew, left);
            }
            if left < last {
                (last, since) = (left, Instant::now());
            }
            ensure!(since.elapsed() < PATIENCE, "nothing is done any more, {left} messages are left; {}", crew.said());
            crew.insist_on_life()?;
            thread::sleep(LOOK);
        }
    };
    let all = u64::try_from(messages)?;
    let begun = until(&mut crew, &|left| left <= all - all / 10)?;
    let ended = until(&mut crew, &|left| left == 0)?;
    let peak_memory = crew.peak_memory()?;
    drop(crew);

    let statements = since(&statements, &tasks.statements()?, &own);
    let after = place.stand_in.calls()?;
    let made = after.into_iter().map(|(call, count)| (call.clone(), count - calls.get(&call).unwrap_or(&0)));
    let calls = made.filter(|(_, count)| *count > 0).collect();
    check(&tasks, &ids, subject.who)?;
    tasks.remove()?;

    let took = (ended.at - begun.at).as_secs_f64();
    let worked = begun.left as f64;
    let per_ten_thousand = |cpu: Duration| cpu.as_secs_f64() * 1e4 / worked;
    let share = |cpu: Duration| cpu.as_secs_f64() * 100.0 / took;
    Ok(Run {
        rate: worked / took,
        cpu: per_ten_thousand(ended.crew - begun.crew),
        server_cpu: per_ten_thousand(ended.server - begun.server),
        server_share: share(ended.server - begun.server),
        stand_in_share: share(ended.stand_in - begun.stand_in),
        peak_memory,
        statements: total(&statements),
        calls,
        messages,
    })
}

/// Speed without the work is none.
pub(super) fn check(tasks: &Tasks<'_>, ids: &[i64], who: Who) -> Result<()> {
    tasks.insist_on_completed(ids)?;
    if who.is_ours() { tasks.verify() } else { Ok(()) }
}

impl Run {
    /// All that a run of one process tells.
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    pub(super) fn note(&self, samples: &mut Samples<Who>, who: Who) {
        let thousands = self.messages as f64 / 1e3;
        samples.note(RATE, Unit::Number, who, self.rate);
        samples.note(CPU, Unit::Seconds, who, self.cpu);
        samples.note("CPU of the database for 10,000 messages", Unit::Seconds, who, self.server_cpu);
        samples.note("peak memory", Unit::Mebibytes, who, mebibytes(self.peak_memory));
        samples.note(
            "SQS calls for 1,000 messages",
            Unit::Number,
            who,
            self.calls.values().sum::<u64>() as f64 / thousands,
        );
        samples.note("SQL statements for 1,000 messages", Unit::Number, who, self.statements as f64 / thousands);
        samples.note("database, of one core", Unit::Percent, who, self.server_share);
        samples.note("stand-in for SQS, of one core", Unit::Percent, who, self.stand_in_share);
    }
}

/// By kind, for a note.
pub(super) fn told(calls: &Calls) -> String {
    calls.iter().map(|(call, count)| format!("{call} {count}")).collect::<Vec<_>>().join(", ")
}

/// So many processes took turns with others.
pub(super) fn rate_of(processes: usize) -> String {
    format!("{RATE}, {processes} process{}", if processes == 1 { "" } else { "es" })
}

/// Adds what the run failed at to its error.
pub(super) fn in_turn(place: &Place<'_>, subject: &Subject, processes: usize, messages: usize) -> Result<Run> {
    run(place, subject, processes, messages)
        .with_context(|| format!("{} with {} failed", subject.who.name(), rate_of(processes)))
}
