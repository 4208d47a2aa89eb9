//! Cleans up after a process that ended without running its destructors.
//!
//! A test that is killed, and a server kept in a `static`, never run `Drop`. So a small shell waits beside the server
//! on a pipe that only this process holds open; when it closes, whatever the cause, the shell kills and removes.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Reads the ids of process groups, the last of which counts; an empty line means that nothing runs.
///
/// The pause lets the kernel finish the killed server, which could otherwise still create files.
const SCRIPT: &str = r#"
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then kill -KILL "-$pid"; sleep 0.5; fi
rm -rf -- "$1"
"#;

/// Kills the watched process with all its group and removes the folder once this process is gone, or this value is.
#[derive(Debug)]
pub(crate) struct Reaper {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Reaper {
    /// Watches over a folder.
    pub(crate) fn over(folder: &Path) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .arg("-c")
            .arg(SCRIPT)
            .arg("taskwatch-testbed-reaper")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the whole group of the tests; this one must outlive them.
            .process_group(0)
            .spawn()?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Names the process to kill, the leader of its group; `None` if there is none at present.
    pub(crate) fn watch(&mut self, pid: Option<u32>) -> io::Result<()> {
        let line = pid.map_or_else(String::new, |pid| pid.to_string());
        self.pipe.as_mut().map_or(Ok(()), |pipe| writeln!(pipe, "{line}"))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It ends by itself now; waiting leaves no zombie, and nothing can be done about an error.
        let _ = self.shell.wait();
    }
}
