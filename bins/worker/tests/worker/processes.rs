//! What the kernel knows about processes.

use std::fs;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};

use crate::place::PATIENCE;

/// The processor time that a process has used so far.
pub(crate) fn cpu(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / clock_ticks_per_second())
}

/// The most memory that a process has had at a time so far, in MiB.
pub(crate) fn peak(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Whether a process does not only wait to be collected.
pub(crate) fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The processes that have this variable in their environment.
pub(crate) fn marked(name: &str, value: &str) -> Vec<u32> {
    let wanted = format!("{name}={value}");
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| {
        // It may be gone by now.
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    })
    .collect()
}

/// Waits until all of these have ended.
pub(crate) async fn gone(which: impl Fn() -> Vec<u32>) {
    let begun = Instant::now();
    loop {
        let left: Vec<u32> = which().into_iter().filter(|id| is_alive(*id)).collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{left:?} are still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// SIGKILL, to somebody else's child.
pub(crate) fn kill(id: u32) {
    let id = Pid::from_raw(id.try_into().unwrap()).unwrap();
    kill_process(id, Signal::KILL).unwrap();
}
