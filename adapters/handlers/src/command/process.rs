//! A process group that lives no longer than its attempt.

use std::collections::HashSet;
use std::io;
use std::process::ExitStatus;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::orphans::{MARK, MARKED, Watch};
use crate::text::Tail;

/// How long the rest of the output is read for after the group is dead. Only a process that has left the group can
/// keep a pipe open for longer.
const LINGER: Duration = Duration::from_secs(1);

/// Every group of this process that may be alive, and who kills them when this process is killed.
#[derive(Default)]
struct Groups {
    all: HashSet<Pid>,
    watch: Watch,
}

impl Groups {
    fn begun(&mut self, id: Pid) {
        self.all.insert(id);
        self.watch.begun(id, &self.all);
    }

    fn ended(&mut self, id: Pid) {
        if self.all.remove(&id) {
            self.watch.ended(id, &self.all);
        }
    }
}

static GROUPS: LazyLock<Mutex<Groups>> = LazyLock::new(Mutex::default);

/// Whether [`kill_all_groups`] has been called. Programs are started under its read lock, so that none is missed.
static OVER: RwLock<bool> = RwLock::new(false);

/// Kills every program that a [`Command`](crate::Command) of this process runs, with its group, for a process that is
/// about to exit without a drain.
///
/// From here on no program is started, and the attempts that were cut off never come to a result: whoever finds their
/// leases run out settles them.
pub fn kill_all_groups() {
    *OVER.write().unwrap_or_else(PoisonError::into_inner) = true;
    let mut groups = groups();
    for id in groups.all.clone() {
        // Fails only if nobody is left, or if the rest run as another user.
        let _ = kill_process_group(id, Signal::KILL);
        groups.ended(id);
    }
}

fn is_over() -> bool {
    *OVER.read().unwrap_or_else(PoisonError::into_inner)
}

fn groups() -> MutexGuard<'static, Groups> {
    // Nothing is left half done where a panic could strike.
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that leads a group of its own. Dropping it kills them all.
pub(super) struct Group {
    child: Child,
    /// `None` once the leader has been waited for: its number may then be given to somebody else.
    id: Option<Pid>,
}

impl Group {
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        let over = OVER.read().unwrap_or_else(PoisonError::into_inner);
        if *over {
            return Err(io::Error::other("this process is about to exit"));
        }
        let child = command.env(MARK, &*MARKED).process_group(0).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            groups().begun(id);
        }
        drop(over);
        Ok(Self { child, id })
    }

    /// Feeds the child and reads what it writes until it ends, then kills what it has left running.
    pub(super) async fn run(&mut self, input: &[u8], out: &mut Tail, err: &mut Tail) -> io::Result<ExitStatus> {
        let (stdin, stdout, stderr) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A child that does not want its input is free not to read it.
                let _ = stdin.write_all(input).await;
            }
        };
        let pipes = async { tokio::join!(feed, drain(stdout, out), drain(stderr, err)) };
        tokio::pin!(pipes);
        let ended = tokio::select! {
            status = self.child.wait() => Some(status?),
            _ = &mut pipes => None,
        };
        match ended {
            Some(_) if is_over() => std::future::pending().await,
            Some(status) => {
                self.kill();
                // What was in the pipes when it ended belongs to the reason.
                let _ = tokio::time::timeout(LINGER, pipes).await;
                Ok(status)
            }
            // It has closed its outputs and goes on working.
            None => {
                let status = self.child.wait().await?;
                if is_over() {
                    std::future::pending::<()>().await;
                }
                self.kill();
                Ok(status)
            }
        }
    }

    /// Kills every process of the group. Between the end of the leader and this call its number is free only if nobody
    /// is left in the group, and would have to be given to the leader of a new group within microseconds to be missed.
    fn kill(&mut self) {
        if let Some(id) = self.id.take() {
            // Fails only if nobody is left, or if the rest run as another user.
            let _ = kill_process_group(id, Signal::KILL);
            groups().ended(id);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads to the end, keeping the tail.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, tail: &mut Tail) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 8192];
    // A pipe that cannot be read has no more to say.
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        tail.push(&buffer[..count]);
    }
}
