//! Kills the programs of a process that was itself killed, and cannot do so any more.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::ioctl_fionbio;
use rustix::process::Pid;

/// The variable by which programs are known that this process has started. No setting begins like this.
pub(super) const MARK: &str = "_TASKWATCH_PROCESS";

/// Its value: this process, and no other that had the same number before.
pub(super) static MARKED: LazyLock<String> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", std::process::id(), since.as_nanos())
});

/// Reads which process groups begin (`+`) and end (`-`). Its input ends with the process that writes it, whatever the
/// cause; what is left then is killed. Linux also tells which processes have the mark and have not left the session:
/// those of a group that had not been told yet. One that was about to become a program has the mark a moment later. In a
/// container the session can be one from outside: its number is then 0, for all of them alike. A service manager's signal to all processes of a service is not meant for it.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
mark=$1 session= groups=' '
if read -r stat < /proc/$$/stat; then
    set -- ${stat##*) }
    session=$4
fi
while read -r what group; do
    case $what in
        +) groups="$groups$group " ;;
        -) case $groups in *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;; esac ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done
for pause in 0 1; do
    sleep $pause
    for file in /proc/[0-9]*/environ; do
        tr '\0' '\n' < "$file" | grep -qxF "$mark" || continue
        id=${file#/proc/} id=${id%/environ}
        read -r stat < "/proc/$id/stat" || continue
        set -- ${stat##*) }
        if [ "$4" = "$session" ]; then kill -KILL "$id"; fi
    done
done
"#;

/// A shell that waits beside this process, on a pipe that nobody else holds open.
#[derive(Debug, Default)]
pub(super) enum Watch {
    /// Nothing had to be watched so far.
    #[default]
    NotBegun,
    Kept {
        shell: Child,
        pipe: ChildStdin,
    },
    /// There is no shell on this machine: nobody looks after orphans.
    Impossible,
}

impl Watch {
    /// A group has begun; `all` are alive, this one too.
    pub(super) fn begun(&mut self, group: Pid, all: &HashSet<Pid>) {
        if !self.is_told('+', group) {
            // It has ended, or does not read any more: it may have been stopped.
            self.begin(all);
        }
    }

    /// A group has ended.
    pub(super) fn ended(&mut self, group: Pid, left: &HashSet<Pid>) {
        if matches!(self, Self::Kept { .. }) && !self.is_told('-', group) {
            self.begin(left);
        }
    }

    fn is_told(&mut self, what: char, group: Pid) -> bool {
        match self {
            // In one piece or not at all.
            Self::Kept { pipe, .. } => pipe.write_all(line(what, group).as_bytes()).is_ok(),
            Self::NotBegun => false,
            Self::Impossible => true,
        }
    }

    fn begin(&mut self, all: &HashSet<Pid>) {
        if let Self::Kept { shell, .. } = self {
            let _ = shell.kill();
            let _ = shell.wait();
        }
        *self = start(all).map_or(Self::Impossible, |(shell, pipe)| Self::Kept { shell, pipe });
    }
}

fn start(all: &HashSet<Pid>) -> io::Result<(Child, ChildStdin)> {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "taskwatch-orphans", &format!("{MARK}={}", *MARKED)])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C goes to the whole group of a terminal.
        .process_group(0)
        .spawn()?;
    let mut pipe = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let lines: String = all.iter().map(|group| line('+', *group)).collect();
    pipe.write_all(lines.as_bytes())?;
    // Whoever starts programs must not be held up by it.
    ioctl_fionbio(&pipe, true)?;
    Ok((shell, pipe))
}

fn line(what: char, group: Pid) -> String {
    format!("{what} {}\n", group.as_raw_nonzero())
}
