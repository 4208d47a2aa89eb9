//! `cargo xtask bench worker`: what the EC2 worker does and costs, beside three others that do the same work.
//!
//! All in one run, against one MariaDB server, over verified TLS as to RDS, and fauxqs in the place of SQS. The subjects
//! take turns, so that whatever the machine does hits all of them; each run has a database and a queue of its own. One
//! that ends, stops, or leaves a task uncompleted or a message undeleted ends the benchmark, and after each run of ours
//! the conservation laws are checked: speed without the work is none.
//!
//! **What is compared.** The messages are what SNS makes of the Python system's announcements, and the rows are as that
//! system inserts them, so that taskwatch has to adopt each of them: three entries in the ledger for each task. No handler
//! does anything. Everybody has two long polls under way, except for the Python loop, which has one, as it does one thing
//! at a time.
//!
//! - *bare limit*: Rust with the same SDK and database driver: receive ten, two updates of all ten, delete ten. It checks,
//!   fences, renews, notes, repeats and tells nothing.
//! - *taskwatch*: as it is shipped, with ledger, fencing, log and renewals; `handler.kind=simulate` with a duration of zero,
//!   and all else as it comes.
//! - *sqs-consumer*: its batch handler with one update statement for all ten, twice. Most of its users have it handle one
//!   message at a time; this is the least it can do.
//! - *boto3*: the Python system's loop: two updates with a commit each, and a delete, for each message; but over one
//!   connection, and without the system's calls of PutMetricData.
//!
//! **What one machine cannot show.** It works for the stand-in and the database as well, so that several processes share
//! what these leave over: their throughput is the machine's. The stand-in answers in less than a millisecond where SQS takes
//! several, so that CPU time says more about a fleet than messages per second do. And it wakes all polls that wait for one
//! message, of which all but one come back empty; SQS does not.

mod aims;
mod idle;
mod latency;
mod place;
mod queue;
mod subject;
mod throughput;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use self::place::Place;
use self::queue::StandIn;
use self::subject::{PEERS, Who};
use self::throughput::{in_turn, rate_of, told};
use super::figures::{Line, Measured as _, Samples, Spread, Unit};
use super::machine::machine;
use super::report::{Ratio, Report, Section};
use super::tasks::Tasks;
use crate::mariadb;
use crate::workspace::Workspace;

const RATIOS: [Ratio<Who>; 3] = [
    Ratio { heading: "/ bare limit", other: Who::Bare, is_inverse: false },
    Ratio { heading: "/ sqs-consumer", other: Who::SqsConsumer, is_inverse: false },
    Ratio { heading: "/ boto3", other: Who::Boto3, is_inverse: false },
];

const IDLE: &str = "idle, CPU of one core";

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds of everything
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "quick")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// One short round: for trying it out, not for figures
    #[arg(long)]
    quick: bool,
    /// Write all figures to a JSON file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The amounts.
struct Plan {
    rounds: u16,
    /// Messages of a run, where somebody works some thousands in a second.
    messages: usize,
    /// How long messages are sent at a moderate load.
    moderate: Duration,
    idle: Duration,
}

impl Plan {
    const fn of(options: &Options) -> Self {
        let second = Duration::from_secs(1);
        if options.quick {
            Self { rounds: 1, messages: 6_000, moderate: second.saturating_mul(4), idle: second.saturating_mul(8) }
        } else {
            let rounds = options.rounds;
            Self { rounds, messages: 16_000, moderate: second.saturating_mul(8), idle: second.saturating_mul(25) }
        }
    }

    /// For a run of some seconds.
    const fn messages(&self, who: Who) -> usize {
        match who {
            Who::Bare | Who::Taskwatch => self.messages,
            Who::SqsConsumer => self.messages / 2,
            Who::Boto3 => self.messages / 16,
        }
    }
}

/// Builds, measures, and prints the figures as a table and as Markdown.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let plan = Plan::of(options);
    let folder = tempfile::tempdir().context("failed to create a folder")?;
    let (subjects, versions) = subject::all(workspace, folder.path())?;
    let server = mariadb::start()?;
    let tasks = Tasks::prepare(workspace, &server, folder.path())?;
    let stand_in = StandIn::start(workspace, folder.path())?;
    let place = Place::new(&stand_in, &tasks)?;
    let circumstances = circumstances(workspace, &tasks, &versions, &plan)?;

    let (mut one, mut moderate) = (Samples::default(), Moderate::default());
    let mut several = Samples::default();
    let mut notes = BTreeMap::new();
    for round in 1..=plan.rounds {
        eprintln!("==> round {round} of {}: full queues", plan.rounds);
        for subject in &subjects {
            let run = in_turn(&place, subject, 1, plan.messages(subject.who))?;
            run.note(&mut one, subject.who);
            several.note(&rate_of(1), Unit::Number, subject.who, run.rate);
            notes.insert(subject.who, told(&run.calls));
        }
        for processes in [2, 4] {
            for subject in &subjects {
                let messages = plan.messages(subject.who) * if subject.who == Who::Boto3 { processes } else { 1 };
                let run = in_turn(&place, subject, processes, messages)?;
                several.note(&rate_of(processes), Unit::Number, subject.who, run.rate);
            }
        }
        eprintln!("==> round {round} of {}: a moderate load", plan.rounds);
        for subject in &subjects {
            let run = latency::run(&place, subject, plan.moderate)
                .with_context(|| format!("{} failed at a moderate load", subject.who.name()))?;
            moderate.note(subject.who, run);
        }
    }
    eprintln!("==> idle");
    let mut idle = Samples::default();
    for (who, share) in idle::run(&place, &subjects, plan.idle)? {
        idle.note(IDLE, Unit::Percent, who, share);
    }

    let sections = vec![
        Section { title: "A full queue, one process: median / most", lines: one.lines(100) },
        Section { title: "A full queue, several processes: median / most", lines: several.lines(100) },
        Section { title: "100 messages per second, one process", lines: moderate.lines() },
        Section { title: "An empty queue", lines: idle.lines(100) },
    ];
    let note =
        |(who, calls): (Who, String)| (format!("{}, SQS calls for {} messages", who.name(), plan.messages(who)), calls);
    let notes = notes.into_iter().map(note).collect();
    let report = Report { circumstances, sections, notes, ratios: RATIOS.to_vec() };
    let aims = aims::aims(&report);
    if let Some(path) = &options.json {
        let text = format!("{:#}\n", report.json(&aims));
        fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    println!("{}\n{}", report.table(&aims), report.markdown());
    Ok(())
}

/// What came of the moderate load: percentiles are of the messages of all rounds.
#[derive(Debug, Default)]
struct Moderate {
    latencies: BTreeMap<Who, Vec<f64>>,
    cpu: Samples<Who>,
}

impl Moderate {
    fn note(&mut self, who: Who, run: latency::Run) {
        self.latencies.entry(who).or_default().extend(run.latencies);
        self.cpu.note("CPU of one core", Unit::Percent, who, run.cpu_share);
    }

    fn lines(self) -> Vec<Line<Who>> {
        let spreads = self.latencies.into_iter().filter_map(|(who, all)| Some((who, Spread::of(all, 99)?)));
        let spreads: BTreeMap<Who, Spread> = spreads.collect();
        let line = |name: &str, of: fn(&Spread) -> Option<f64>| {
            let values = spreads.iter().filter_map(|(who, spread)| Some((*who, Spread::exactly(of(spread)?))));
            Line { name: name.to_owned(), unit: Unit::Milliseconds, values: values.collect() }
        };
        let mut lines = vec![
            line("from send to Completed, p50", |spread| Some(spread.median)),
            line("from send to Completed, p99", |spread| spread.high),
        ];
        lines.extend(self.cpu.lines(100));
        lines
    }
}

/// What the figures depend on.
fn circumstances(workspace: &Workspace, tasks: &Tasks<'_>, versions: &str, plan: &Plan) -> Result<Vec<String>> {
    let server = tasks.sql("SELECT VERSION()")?;
    let stand_in = subject::pinned(&workspace.root.join(PEERS).join("fauxqs/package.json"))?;
    Ok(vec![
        machine()?,
        format!("MariaDB {} and {stand_in} on this machine, TLS verified; {versions}", server.trim()),
        format!(
            "{} rounds of {} messages ({} for sqs-consumer, {} for boto3), {} polls at a time (1 for boto3)",
            plan.rounds,
            plan.messages,
            plan.messages(Who::SqsConsumer),
            plan.messages(Who::Boto3),
            subject::RECEIVERS
        ),
        "taskwatch: handler.kind=simulate, handler.simulate_duration=0s".to_owned(),
    ])
}
