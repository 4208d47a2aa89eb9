//! Who is measured, and how it is built.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::figures::Measured;
use super::super::tasks::Tasks;
use super::function::Recipe;
use crate::workspace::{Workspace, output, run};
use crate::{package, python};

/// Where the others are, below the root.
const PEERS: &str = "bins/lambda/peers";

/// The order is the one of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Rust that answers and does nothing.
    Bare,
    /// Rust that does the least.
    Floor,
    /// What `cargo xtask package` ships.
    Taskwatch,
    /// Python with Powertools.
    Powertools,
}

impl Measured for Who {
    const ALL: &'static [Self] = &[Self::Bare, Self::Floor, Self::Taskwatch, Self::Powertools];
    const OURS: Self = Self::Taskwatch;

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Floor => "floor",
            Self::Taskwatch => "taskwatch",
            Self::Powertools => "Powertools",
        }
    }
}

impl Who {
    /// Whether it works tasks.
    pub(super) const fn works(self) -> bool {
        !matches!(self, Self::Bare)
    }
}

/// One of them, ready to be started.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) who: Who,
    command: Vec<OsString>,
    folder: PathBuf,
    /// Of the program and of its zip file, in bytes; of none that is interpreted.
    pub(super) size: Option<(u64, u64)>,
}

impl Subject {
    /// How to start it, with the database at this port.
    pub(super) fn recipe(&self, tasks: &Tasks<'_>, port: u16) -> Recipe {
        let mut variables = tasks.variables(port);
        let others = [
            ("PATH", "/usr/bin:/bin"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "process-tasks"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/process-tasks"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef"),
            ("TASKWATCH_HANDLER_KIND", "simulate"),
            ("TASKWATCH_HANDLER_SIMULATE_DURATION", "0s"),
            ("TASKWATCH_LAMBDA_REPORT", "partial"),
            ("POWERTOOLS_SERVICE_NAME", "tasks"),
            ("POWERTOOLS_METRICS_NAMESPACE", "TaskManagementSystem"),
            ("POWERTOOLS_TRACE_DISABLED", "true"),
        ];
        variables.extend(others.map(|(name, value)| (name, value.to_owned())));
        variables.push(("LAMBDA_TASK_ROOT", self.folder.display().to_string()));
        Recipe { command: self.command.clone(), folder: self.folder.clone(), variables }
    }
}

/// Builds all of them, each into a folder of its own below `folder`; answers them with the versions of the Python part.
pub(super) fn all(workspace: &Workspace, folder: &Path) -> Result<(Vec<Subject>, String)> {
    run(&mut workspace.cargo(["build", "--profile", "dist", "--package", "taskwatch-lambda-peers"]))?;
    let built = workspace.target_folder()?.join("dist");
    let bootstrap = package::build_function(workspace)?;
    let mut subjects = vec![
        program(Who::Bare, &built.join("bare"), folder)?,
        program(Who::Floor, &built.join("floor"), folder)?,
        program(Who::Taskwatch, &bootstrap, folder)?,
    ];
    let python = python::ensure_for(workspace, &workspace.root.join(PEERS).join("powertools/requirements.txt"))?;
    subjects.push(powertools(workspace, &python, folder)?);
    let ask = "import platform as p, importlib.metadata as m; print(', '.join(['Python ' + p.python_version()] + \
               [f'{name} {m.version(name)}' for name in ['aws-lambda-powertools', 'awslambdaric', 'PyMySQL']]))";
    let versions = output(Command::new(&python).args(["-c", ask]))?;
    Ok((subjects, versions.trim().to_owned()))
}

/// A copy: another build may replace the original at any time.
fn program(who: Who, built: &Path, folder: &Path) -> Result<Subject> {
    let own = folder_of(who, folder)?;
    let bytes = fs::read(built).with_context(|| format!("failed to read {}", built.display()))?;
    let zip = package::zipped("bootstrap", &bytes).context("failed to zip a function")?;
    let copy = own.join("bootstrap");
    fs::copy(built, &copy).with_context(|| format!("failed to copy {}", built.display()))?;
    let size = Some((u64::try_from(bytes.len())?, u64::try_from(zip.len())?));
    Ok(Subject { who, command: vec![copy.into()], folder: own, size })
}

fn powertools(workspace: &Workspace, python: &Path, folder: &Path) -> Result<Subject> {
    let own = folder_of(Who::Powertools, folder)?;
    let source = workspace.root.join(PEERS).join("powertools/function.py");
    fs::copy(&source, own.join("function.py")).with_context(|| format!("failed to copy {}", source.display()))?;
    // As Lambda's own runtime starts it.
    let command = [python.as_os_str(), "-m".as_ref(), "awslambdaric".as_ref(), "function.handler".as_ref()];
    Ok(Subject { who: Who::Powertools, command: command.map(OsString::from).to_vec(), folder: own, size: None })
}

fn folder_of(who: Who, folder: &Path) -> Result<PathBuf> {
    let own = folder.join(who.name());
    fs::create_dir(&own).with_context(|| format!("failed to create {}", own.display()))?;
    Ok(own)
}
