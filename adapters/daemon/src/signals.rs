//! SIGINT, SIGTERM and SIGHUP: the first drains, the second ends the process at once. A notice from elsewhere drains as well.

use std::convert::Infallible;
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

/// What has told the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<N> {
    /// A signal, the first of all.
    Signal,
    /// What else was listened to, before any signal.
    Notice(N),
    /// The first signal after that. Whoever takes the machine down sends it to everybody, and it hurries nothing.
    SignalToo,
}

/// Set by the first signal, after `told` has been called; the second calls `end`, which must end the process. Needs a
/// runtime.
///
/// # Errors
/// When the system does not let it listen.
pub fn stop(
    told: impl FnOnce() + Send + 'static,
    end: impl FnOnce() -> Infallible + Send + 'static,
) -> io::Result<Stop> {
    let mut once = Some(told);
    let told = move |_: Told<Infallible>| {
        if let Some(told) = once.take() {
            told();
        }
    };
    stop_or(std::future::pending(), told, end)
}

/// Set by the first signal or by `notice`, whichever comes first, after `told` has been called. The second signal calls
/// `end`, which must end the process; a notice does not count as one. Needs a runtime.
///
/// # Errors
/// When the system does not let it listen.
pub fn stop_or<N: Send + 'static>(
    notice: impl Future<Output = N> + Send + 'static,
    mut told: impl FnMut(Told<N>) + Send + 'static,
    end: impl FnOnce() -> Infallible + Send + 'static,
) -> io::Result<Stop> {
    let mut signals = Signals::listen()?;
    let (first, heard) = oneshot::channel();
    tokio::spawn(async move {
        let notice = tokio::select! {
            () = signals.next() => None,
            notice = notice => Some(notice),
        };
        let is_notice = notice.is_some();
        told(notice.map_or(Told::Signal, Told::Notice));
        // Nobody listens once the work is done.
        let _ = first.send(());
        if is_notice {
            signals.next().await;
            told(Told::SignalToo);
        }
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
    use rustix::process::{Signal, getpid, kill_process};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// The only test of this process that sends signals.
    #[tokio::test]
    async fn a_notice_stops_and_only_the_second_signal_after_it_ends() {
        let (said, mut heard) = unbounded_channel();
        let ended = said.clone();
        let (notice, noticed) = oneshot::channel();
        let stop = stop_or(
            async { noticed.await.unwrap() },
            move |told| said.send(format!("{told:?}")).unwrap(),
            move || {
                ended.send("end".to_owned()).unwrap();
                std::panic::resume_unwind(Box::new(()))
            },
        )
        .unwrap();
        assert!(!stop.is_set());
        notice.send("going").unwrap();
        assert_eq!(heard.recv().await.unwrap(), "Notice(\"going\")");
        stop.wait().await;
        for what in ["SignalToo", "end"] {
            kill_process(getpid(), Signal::TERM).unwrap();
            assert_eq!(heard.recv().await.unwrap(), what);
        }

        let (said, mut heard) = unbounded_channel();
        let ended = said.clone();
        let stop = super::stop(
            move || said.send("told").unwrap(),
            move || {
                ended.send("end").unwrap();
                std::panic::resume_unwind(Box::new(()))
            },
        )
        .unwrap();
        assert!(!stop.is_set());
        for what in ["told", "end"] {
            kill_process(getpid(), Signal::TERM).unwrap();
            assert_eq!(heard.recv().await.unwrap(), what);
        }
        stop.wait().await;
    }

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
