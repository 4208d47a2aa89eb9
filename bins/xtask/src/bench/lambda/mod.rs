//! `cargo xtask bench lambda`: what the Lambda function costs, beside three others that do the same work or none.
//!
//! All in one run on one MariaDB server, over verified TLS as to RDS, the functions taking turns so that whatever the
//! machine does hits all of them. A function that answers a failure, or leaves a task uncompleted, ends the benchmark:
//! speed without the work is none.

mod aims;
mod cold;
mod event;
mod function;
mod proxy;
mod runtime_api;
mod subject;
mod trips;
mod warm;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use self::subject::{Subject, Who};
use super::figures::{Line, Measured as _, Spread, Unit};
use super::machine::machine;
use super::report::{Ratio, Report, Section};
use super::tasks::Tasks;
use crate::mariadb;
use crate::workspace::Workspace;

const RATIOS: [Ratio<Who>; 2] = [
    Ratio { heading: "/ floor", other: Who::Floor, is_inverse: false },
    Ratio { heading: "Powertools /", other: Who::Powertools, is_inverse: true },
];

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Cold starts of each Rust function
    #[arg(long, value_name = "N", default_value_t = 40)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    cold: u16,
    /// Cold starts of the Python function
    #[arg(long, value_name = "N", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    cold_python: u16,
    /// Warm batches of ten for each function
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    warm: u16,
    /// Write all figures to a JSON file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Builds, measures, and prints one table.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let folder = tempfile::tempdir().context("failed to create a folder")?;
    let (subjects, versions) = subject::all(workspace, folder.path())?;
    let server = mariadb::start()?;
    let tasks = Tasks::prepare(workspace, &server, folder.path())?;
    let circumstances = circumstances(&tasks, &versions, options)?;
    let recipe = |subject: &Subject| subject.recipe(&tasks, server.port());

    eprintln!("==> cold starts");
    let runs =
        |who| usize::from(if who == Who::Powertools { options.cold_python.min(options.cold) } else { options.cold });
    let functions = subjects.iter().map(|subject| (subject.who, recipe(subject), runs(subject.who)));
    let cold = cold::measure(&tasks, &functions.collect::<Vec<_>>())?;
    eprintln!("==> warm batches");
    let functions = subjects.iter().map(|subject| (subject.who, recipe(subject))).collect::<Vec<_>>();
    let warm = warm::measure(&tasks, &functions, usize::from(options.warm))?;
    eprintln!("==> round trips");
    let counted = trips::count(&tasks, &subjects)?;

    let sections = vec![
        Section { title: "Cold start: median / p90", lines: cold },
        Section { title: "Warm: median / p99", lines: warm.batches },
        Section { title: "Database: the most of three", lines: counted.lines },
        Section { title: "Memory", lines: warm.memory },
        Section { title: "Size", lines: sizes(&subjects) },
    ];
    let kinds = counted.kinds.into_iter();
    let notes = kinds.map(|(who, kinds)| (format!("{}, the statements of a batch of 10", who.name()), kinds));
    let report = Report { circumstances, sections, notes: notes.collect(), ratios: RATIOS.to_vec() };
    let aims = aims::aims(&report);
    if let Some(path) = &options.json {
        let text = format!("{:#}\n", report.json(&aims));
        fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    println!("{}", report.table(&aims));
    Ok(())
}

fn sizes(subjects: &[Subject]) -> Vec<Line<Who>> {
    let line = |name: &str, size: fn((u64, u64)) -> u64| {
        let values = subjects.iter().filter_map(|subject| Some((subject.who, warm::size(size(subject.size?)))));
        Line { name: name.to_owned(), unit: Unit::Mebibytes, values: values.collect::<BTreeMap<_, Spread>>() }
    };
    vec![line("program", |(program, _)| program), line("zip file", |(_, zip)| zip)]
}

/// What the figures depend on.
fn circumstances(tasks: &Tasks<'_>, versions: &str, options: &Options) -> Result<Vec<String>> {
    let server = tasks.sql("SELECT VERSION()")?;
    Ok(vec![
        machine()?,
        format!("MariaDB {} on this machine, TLS verified; {versions}", server.trim()),
        format!(
            "cold: {} fresh processes each ({} of Python), programs in the page cache; warm: {} batches of 10, fewer of \
             100 and 1000",
            options.cold, options.cold_python, options.warm
        ),
    ])
}
