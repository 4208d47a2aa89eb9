//! SIGINT and SIGTERM: the first drains, the second ends the process at once.

use std::io;

use taskwatch_core::stop::Stop;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::out;

/// Takes over both signals from here on. Needs a runtime.
pub(crate) fn stop() -> io::Result<Stop> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (first, heard) = oneshot::channel();
    tokio::spawn(async move {
        let mut first = Some(first);
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            match first.take() {
                Some(first) => {
                    out::remark("stopping: running attempts may finish; once more to end at once");
                    // Nobody listens once the work is done.
                    let _ = first.send(());
                }
                None => std::process::exit(Exit::Interrupted as i32),
            }
        }
    });
    Ok(Stop::when(async move {
        if heard.await.is_err() {
            // The runtime shuts down; nobody is left to stop.
            std::future::pending::<()>().await;
        }
    }))
}
