//! Processes that stand still, as Lambda freezes an environment between two invocations.

use std::fs;
use std::io;

use rustix::process::{Pid, Signal, kill_process};

/// Processes that do nothing until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it lets them go on"]
pub struct Frozen(Vec<Pid>);

impl Frozen {
    /// Stops every process of this user that has been started with this variable (Linux only).
    ///
    /// # Errors
    /// Where there is no `/proc`, or the kernel refuses.
    pub fn by_variable(name: &str, value: &str) -> io::Result<Self> {
        let wanted = format!("{name}={value}");
        let mut frozen = Self(Vec::new());
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            // It may be another user's, or gone by now.
            let (Some(pid), Ok(variables)) = (pid, fs::read(entry.path().join("environ"))) else { continue };
            if variables.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
                kill_process(pid, Signal::STOP)?;
                frozen.0.push(pid);
            }
        }
        Ok(frozen)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            // One that was killed meanwhile needs no help.
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_frozen_stands_still_and_goes_on() {
        let mut child = Command::new("sleep").arg("1000").env("TASKWATCH_FROZEN", "this one").spawn().unwrap();
        let state = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
        };
        let is = |wanted: char| {
            let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
            while state() != wanted && std::time::Instant::now() < until {
                std::thread::yield_now();
            }
            state() == wanted
        };
        // Spawned means that it is about to become another program, whose environment is not there yet.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while fs::read(format!("/proc/{}/environ", child.id())).unwrap().is_empty() {
            assert!(std::time::Instant::now() < until, "it never gets its environment");
            std::thread::yield_now();
        }
        let frozen = Frozen::by_variable("TASKWATCH_FROZEN", "this one").unwrap();
        assert_eq!(frozen.count(), 1);
        assert!(is('T'));
        drop(frozen);
        assert!(is('S'));
        assert_eq!(Frozen::by_variable("TASKWATCH_FROZEN", "another").unwrap().count(), 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
