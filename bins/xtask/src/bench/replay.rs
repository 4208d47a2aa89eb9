//! `cargo xtask bench replay`: a file of archived dead letters through the engine, beside a program that reads the same
//! file and runs the same statements bare.
//!
//! Each letter is of a task that has failed for good: it is put back, claimed and completed, with three entries in the
//! ledger, on a MariaDB server over verified TLS; no handler does anything. Both take turns, each in a process and with a
//! database of its own. The laws are checked after each run of ours.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use super::figures::{Measured, Samples, Unit, mebibytes};
use super::machine::{self, machine};
use super::report::{Ratio, Report, Section};
use super::statements::{own_statements, since, total};
use super::tasks::{DESCRIPTION, TITLE, Tasks};
use crate::workspace::Workspace;
use crate::{mariadb, package};

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The order is the one of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Bare,
    Taskwatch,
}

impl Measured for Who {
    const ALL: &'static [Self] = &[Self::Bare, Self::Taskwatch];
    const OURS: Self = Self::Taskwatch;

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare limit",
            Self::Taskwatch => "taskwatch",
        }
    }
}

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Letters in the file
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    letters: u64,
    /// Rounds of both
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// Builds, measures, and prints the figures as a table and as Markdown.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let folder = tempfile::tempdir().context("failed to create a folder")?;
    let ours = package::build_like_worker(workspace, "taskwatch", "taskwatch")?;
    let bare = package::build_like_worker(workspace, "taskwatch-peers", "bare-replay")?;
    let server = mariadb::start()?;
    let tasks = Tasks::prepare(workspace, &server, folder.path())?;
    let file = folder.path().join("dead.jsonl");
    write(&file, options.letters)?;
    let circumstances = vec![
        machine()?,
        format!("MariaDB {} on this machine, TLS verified", tasks.sql("SELECT VERSION()")?.trim()),
        format!(
            "{} letters in {:.0} MiB, {} rounds; taskwatch: --simulate, handler.simulate_duration=0s",
            options.letters,
            mebibytes(fs::metadata(&file)?.len()),
            options.rounds
        ),
    ];
    let mut samples = Samples::default();
    for round in 1..=options.rounds {
        for (who, program) in [(Who::Bare, &bare), (Who::Taskwatch, &ours)] {
            eprintln!("==> round {round} of {}: {}", options.rounds, who.name());
            let own = folder.path().join(format!("{round}-{}", who.name().replace(' ', "-")));
            fs::create_dir(&own)?;
            one(who, program, &file, &own, &tasks, options.letters, &mut samples)
                .with_context(|| format!("{} failed", who.name()))?;
        }
    }
    let sections = vec![Section { title: "A file of dead letters: median / most", lines: samples.lines(100) }];
    let ratios = vec![Ratio { heading: "/ bare limit", other: Who::Bare, is_inverse: false }];
    let report = Report { circumstances, sections, notes: Vec::new(), ratios };
    println!("{}\n{}", report.table(&[]), report.markdown());
    Ok(())
}

/// As `taskwatch dlq archive` writes them.
fn write(file: &Path, letters: u64) -> Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for number in 1..=letters {
        let body = json!({ "task_id": number, "title": TITLE, "description": DESCRIPTION }).to_string();
        let letter = json!({
            "messageId": format!("5fea7756-0ea4-451a-a703-{number:012x}"),
            "body": body,
            "attributes": { "ApproximateReceiveCount": "4", "SentTimestamp": "1790000000000" },
            "messageAttributes": { "TaskwatchReason": { "dataType": "String", "stringValue": "exit code 65" } },
            "eventSource": "aws:sqs",
        });
        writeln!(out, "{letter}")?;
    }
    Ok(out.flush()?)
}

/// A database of tasks that have failed for good, with their ledgers.
fn failed<'a>(tasks: &Tasks<'a>, letters: u64) -> Result<Tasks<'a>> {
    let tasks = tasks.anew()?;
    tasks.sql(&format!(
        "INSERT INTO tasks (id, title, description, status, recorded, attempt, seq, reason, due_at, created_at) \
         SELECT seq, '{TITLE}', '{DESCRIPTION}', 'Failed', 'Failed', 1, 3, 'exit code 65', 3, 1 FROM seq_1_to_{letters}; \
         INSERT INTO task_ledger SELECT seq, 1, 'Added', NULL, 'Pending', 0, 1, NULL, 1, 'local', 'w', NULL, NULL \
         FROM seq_1_to_{letters}; \
         INSERT INTO task_ledger SELECT seq, 2, 'Started', 'Pending', 'In Progress', 1, 9, seq, 2, 'ec2', 'w', NULL, NULL \
         FROM seq_1_to_{letters}; \
         INSERT INTO task_ledger SELECT seq, 3, 'Failed', 'In Progress', 'Failed', 1, 3, seq, 3, 'ec2', 'w', 'exit code 65', \
         NULL FROM seq_1_to_{letters};"
    ))?;
    tasks.sql("UPDATE tasks SET lease_token = id")?;
    Ok(tasks)
}

fn one(
    who: Who,
    program: &PathBuf,
    file: &Path,
    own: &Path,
    tasks: &Tasks<'_>,
    letters: u64,
    samples: &mut Samples<Who>,
) -> Result<()> {
    let tasks = failed(tasks, letters)?;
    let mut command = Command::new(program);
    match who {
        Who::Bare => command.arg(file).arg(own.join("journal")),
        Who::Taskwatch => command
            .arg("replay")
            .arg(file)
            .args(["--yes", "--simulate", "--reason", "benchmark", "--set", "log.level=warn"])
            .args(["--set", "handler.simulate_duration=0s", "--journal"])
            .arg(own.join("journal")),
    };
    let log = File::create(own.join("log"))?;
    command.current_dir(own).env_clear().env("PATH", "/usr/bin:/bin").envs(tasks.variables(tasks.server.port()));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let own_statements = own_statements(&tasks)?;
    let before = tasks.statements()?;
    let begun = Instant::now();
    let mut child = command.spawn().context("failed to start it")?;
    let (mut peak, mut cpu) = (0, Duration::ZERO);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // It may have ended since.
        if let (Ok(memory), Ok(used)) = (machine::memory(child.id()), machine::cpu(child.id())) {
            (peak, cpu) = (memory.peak, used);
        }
        thread::sleep(LOOK);
    };
    let took = begun.elapsed();
    ensure!(status.success(), "it ended with {status}; {}", machine::said(&own.join("log")));
    let statements = total(&since(&before, &tasks.statements()?, &own_statements));
    let completed = tasks.sql("SELECT COUNT(*) FROM tasks WHERE status = 'Completed'")?;
    ensure!(completed.trim().parse() == Ok(letters), "{} of {letters} tasks are completed", completed.trim());
    if who == Who::Taskwatch {
        tasks.verify()?;
    }
    tasks.remove()?;
    let each = |number: f64| number * 1_000.0 / precise(letters);
    samples.note("time", Unit::Seconds, who, took.as_secs_f64());
    samples.note("letters per second", Unit::Number, who, precise(letters) / took.as_secs_f64());
    samples.note("CPU time", Unit::Seconds, who, cpu.as_secs_f64());
    samples.note("peak memory", Unit::Mebibytes, who, mebibytes(peak));
    samples.note("SQL statements for 1,000 letters", Unit::Number, who, each(precise(statements)));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
const fn precise(count: u64) -> f64 {
    count as f64
}
