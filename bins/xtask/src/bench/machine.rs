//! What the figures depend on, and what a process has used of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::workspace::output;

/// The machine and the compiler, on one line.
pub(super) fn machine() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("failed to read {path}"));
    let processor = read("/proc/cpuinfo")?;
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = thread::available_parallelism().context("failed to count the cores")?;
    let (load, kernel) = (read("/proc/loadavg")?, read("/proc/sys/kernel/osrelease")?);
    let rust = output(Command::new("rustc").arg("--version"))?;
    Ok(format!(
        "{cores} cores of {}, Linux {}, load {} before; {}",
        processor.map_or("an unknown processor", |(_, name)| name),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default(),
        rust.trim()
    ))
}

/// The clock of the CPU time of a process with all its threads.
pub(super) fn cpu_clock(pid: u32) -> Result<ClockId> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    ClockId::pid_cpu_clock_id(pid).context("failed to find the CPU clock of a process")
}

/// The CPU time of a process that runs, of all its threads, so far.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    Ok(cpu_clock(pid)?.now().context("failed to read the CPU clock of a process")?.into())
}

/// In bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) now: u64,
    pub(super) peak: u64,
}

/// What a process has in memory, and the most that it ever had.
pub(super) fn memory(pid: u32) -> Result<Memory> {
    let status = Path::new("/proc").join(pid.to_string()).join("status");
    let status = fs::read_to_string(status).context("failed to look at the memory of a process")?;
    Ok(Memory { now: field(&status, "VmRSS:")?, peak: field(&status, "VmHWM:")? })
}

/// From kB to bytes.
fn field(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let number = number.with_context(|| format!("/proc/PID/status has no {name} in kB"))?;
    Ok(number.trim().parse::<u64>()? * 1024)
}

/// The end of what a process has said into a file.
pub(super) fn said(log: &Path) -> String {
    const LAST_LINES: usize = 15;
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines = log.lines().collect::<Vec<_>>();
    format!("its log ends with:\n{}", lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    9876 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!((field(status, "VmRSS:").unwrap(), field(status, "VmHWM:").unwrap()), (1_263_616, 10_113_024));
        assert!(field(status, "VmSwap:").is_err());
        let own = memory(std::process::id()).unwrap();
        assert!(own.peak >= own.now && own.now > 0);
    }
}
