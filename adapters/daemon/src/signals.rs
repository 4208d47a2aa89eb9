//! SIGINT, SIGTERM and SIGHUP: the first drains, the second ends the process at once.

use std::io;

use taskwatch_core::stop::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The signals, which no longer end the process by themselves.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` under `nohup`.
    hangup: Option<Signal>,
}

impl Signals {
    /// Takes them over from here on. Needs a runtime.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen() -> io::Result<Self> {
        let hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    /// Waits for the next of any.
    pub async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether whoever started this process has told it to outlive its terminal, where the system says so.
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has_hangup_ignored(&status))
}

/// Looks at the mask of ignored signals, whose lowest bit is the first signal, SIGHUP.
fn has_hangup_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Set by the first signal, after `told` has been called; the second calls `end`, which must end the process. Needs a
/// runtime.
///
/// # Errors
/// When the system does not let it listen.
pub fn stop(
    told: impl FnOnce() + Send + 'static,
    end: impl FnOnce() -> std::convert::Infallible + Send + 'static,
) -> io::Result<Stop> {
    let mut signals = Signals::listen()?;
    let (first, heard) = oneshot::channel();
    tokio::spawn(async move {
        signals.next().await;
        told();
        // Nobody listens once the work is done.
        let _ = first.send(());
        signals.next().await;
        end();
    });
    Ok(Stop::when(async move {
        if heard.await.is_err() {
            // The runtime shuts down; nobody is left to stop.
            std::future::pending::<()>().await;
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_told_by_the_first_bit_of_the_mask() {
        for (status, ignored) in [
            ("Name:\tx\nSigIgn:\t0000000000001001\n", true),
            ("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n", false),
            ("", false),
        ] {
            assert_eq!(has_hangup_ignored(status), ignored, "{status}");
        }
    }
}
