//! Who is measured, and how it is built and started.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::super::figures::Measured;
use super::super::machine;
use super::super::tasks::Tasks;
use super::queue::{Queue, StandIn, script};
use crate::workspace::{Workspace, output};
use crate::{node, package, python};

/// Where the others are, below the root.
pub(super) const PEERS: &str = "bins/worker/peers";

/// How many polls each has under way: the worker's default.
pub(super) const RECEIVERS: &str = "2";

/// The order is the one of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Rust that does the least.
    Bare,
    /// What `cargo xtask package` ships, with its settings as they come.
    Taskwatch,
    /// The npm package, in batches.
    SqsConsumer,
    /// A loop in Python.
    Boto3,
}

impl Who {
    /// Whether the books are ours.
    pub(super) const fn is_ours(self) -> bool {
        matches!(self, Self::Taskwatch)
    }
}

impl Measured for Who {
    const ALL: &'static [Self] = &[Self::Bare, Self::Taskwatch, Self::SqsConsumer, Self::Boto3];
    const OURS: Self = Self::Taskwatch;

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare limit",
            Self::Taskwatch => "taskwatch",
            Self::SqsConsumer => "sqs-consumer",
            Self::Boto3 => "boto3",
        }
    }
}

/// One of them, ready to be started.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) who: Who,
    command: Vec<OsString>,
    folder: PathBuf,
}

/// Builds all of them, each into a folder of its own below `folder`; answers them with the versions of what is not Rust.
pub(super) fn all(workspace: &Workspace, folder: &Path) -> Result<(Vec<Subject>, String)> {
    let bare = package::build_like_worker(workspace, "taskwatch-worker-peers", "bare-worker")?;
    let worker = package::build_worker(workspace)?;
    let peers = workspace.root.join(PEERS);

    let (own, index) = script(workspace, &peers.join("sqs-consumer"), "index.mjs", folder)?;
    let command = vec![node::program()?.into_os_string(), index.into_os_string()];
    let consumer = Subject { who: Who::SqsConsumer, command, folder: own };

    let python = python::ensure(workspace)?;
    let own = folder.join("boto3");
    fs::create_dir(&own).with_context(|| format!("failed to create {}", own.display()))?;
    let copy = own.join("worker.py");
    fs::copy(peers.join("boto3/worker.py"), &copy).context("failed to copy the Python worker")?;
    let ask = "import platform as p, importlib.metadata as m; print(', '.join(['Python ' + p.python_version()] + \
               [f'{name} {m.version(name)}' for name in ['boto3', 'PyMySQL']]))";
    let versions = [
        format!("Node.js {}", output(Command::new(node::program()?).arg("--version"))?.trim()),
        pinned(&peers.join("sqs-consumer/package.json"))?,
        output(Command::new(&python).args(["-c", ask]))?.trim().to_owned(),
    ];
    let boto3 = Subject { who: Who::Boto3, command: vec![python.into_os_string(), copy.into_os_string()], folder: own };
    let rust = [(Who::Bare, &bare), (Who::Taskwatch, &worker)];
    let rust = rust.map(|(who, built)| program(who, built, folder));
    let subjects = rust.into_iter().chain([Ok(consumer), Ok(boto3)]).collect::<Result<_>>()?;
    Ok((subjects, versions.join(", ")))
}

/// `name version, ...` of what a package asks for.
pub(super) fn pinned(package: &Path) -> Result<String> {
    let text = fs::read_to_string(package).with_context(|| format!("failed to read {}", package.display()))?;
    let package: serde_json::Value = serde_json::from_str(&text)?;
    let wanted = package["dependencies"].as_object().into_iter().flatten();
    Ok(wanted
        .map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or("?")))
        .collect::<Vec<_>>()
        .join(", "))
}

/// A copy: another build may replace the original at any time.
fn program(who: Who, built: &Path, folder: &Path) -> Result<Subject> {
    let own = folder.join(who.name().replace(' ', "-"));
    fs::create_dir(&own).with_context(|| format!("failed to create {}", own.display()))?;
    let copy = own.join("worker");
    fs::copy(built, &copy).with_context(|| format!("failed to copy {}", built.display()))?;
    Ok(Subject { who, command: vec![copy.into_os_string()], folder: own })
}

/// Processes of one subject on one queue. They end with the value.
#[derive(Debug)]
pub(super) struct Crew {
    who: Who,
    members: Vec<(Child, PathBuf)>,
}

impl Crew {
    /// So many of them; they inherit nothing but what they are told.
    pub(super) fn start(
        subject: &Subject,
        count: usize,
        tasks: &Tasks<'_>,
        stand_in: &StandIn,
        queue: &Queue<'_>,
    ) -> Result<Self> {
        let mut crew = Self { who: subject.who, members: Vec::new() };
        let (program, arguments) = subject.command.split_first().context("a worker without a program")?;
        for number in 0..count {
            let log = subject.folder.join(format!("log-{number}"));
            let output = File::create(&log).context("failed to create the log of a worker")?;
            let mut command = Command::new(program);
            command.args(arguments).current_dir(&subject.folder).env_clear().env("PATH", "/usr/bin:/bin");
            command.env("HOME", &subject.folder).envs(tasks.variables(tasks.server.port())).envs(stand_in.variables());
            command.env("TASKWATCH_QUEUE_NAME", &queue.url).env("TASKWATCH_QUEUE_RECEIVERS", RECEIVERS);
            command.env("TASKWATCH_HANDLER_KIND", "simulate").env("TASKWATCH_HANDLER_SIMULATE_DURATION", "0s");
            command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
            crew.members.push((command.spawn().context("failed to start a worker")?, log));
        }
        Ok(crew)
    }

    /// Fails if one of them has ended.
    pub(super) fn insist_on_life(&mut self) -> Result<()> {
        for (child, log) in &mut self.members {
            if let Some(status) = child.try_wait().context("failed to watch a worker")? {
                bail!("{} ended ({status}); {}", self.who.name(), machine::said(log));
            }
        }
        Ok(())
    }

    /// CPU time of all of them so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.members.iter().map(|(child, _)| machine::cpu(child.id())).sum()
    }

    /// The most memory that one of them ever had, in bytes.
    pub(super) fn peak_memory(&self) -> Result<u64> {
        let peaks = self.members.iter().map(|(child, _)| Ok(machine::memory(child.id())?.peak));
        Ok(peaks.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(0))
    }

    /// What the first of them has said.
    pub(super) fn said(&self) -> String {
        self.members.first().map(|(_, log)| machine::said(log)).unwrap_or_default()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // They wait for messages, or are of no use.
        for (child, _) in &mut self.members {
            let _ = child.kill();
        }
        for (child, _) in &mut self.members {
            let _ = child.wait();
        }
    }
}
