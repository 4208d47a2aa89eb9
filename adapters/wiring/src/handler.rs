//! What works a task.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::ports::{AttemptInfo, Failure, Handler};
use taskwatch_core::task::Task;
use taskwatch_handlers::{
    Command, Http, InvalidCommand, InvalidHttp, InvalidSimulation, Simulate, Simulation, Spawned,
};
use taskwatch_settings::Work;

/// Why there is no handler: phrased to follow «failed to».
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The program cannot be run like this.
    #[error("prepare the handler: {0}")]
    Command(#[from] InvalidCommand),
    /// The program is not there.
    #[error("prepare the handler: {0}")]
    Program(String),
    /// The address cannot be called like this.
    #[error("prepare the handler: {0}")]
    Http(#[from] InvalidHttp),
    /// The numbers make no sense.
    #[error("prepare the handler: {0}")]
    Simulation(#[from] InvalidSimulation),
    /// The file with the request headers is not there, or not to be read.
    #[error("read the headers in {path} (handler.http_headers_file): {error}")]
    Headers {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line of it is no header. It is not repeated: it may be a secret.
    #[error("read the headers in {path} (handler.http_headers_file): line {line}: expected «Name: value»")]
    Header {
        /// In which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
    },
}

/// The handler that the section `handler` names.
///
/// # Errors
/// [`HandlerError`]
pub fn handler(work: &Work, time_limit: Duration) -> Result<Arc<dyn Handler>, HandlerError> {
    Ok(match work {
        Work::Simulate(simulate) => Arc::new(Simulate::new(Simulation {
            duration: simulate.duration,
            spread: 0.5,
            retry_fraction: simulate.failures,
            permanent_fraction: simulate.permanent,
            panic_fraction: simulate.panics,
            seed: simulate.seed,
        })?),
        Work::Command(argv) => {
            let command = Command::new(argv.clone(), time_limit)?;
            command.check().map_err(HandlerError::Program)?;
            Arc::new(Spawned::new(command))
        }
        Work::Http { url, headers_file } => {
            let headers = headers_file.as_deref().map(headers).transpose()?.unwrap_or_default();
            Arc::new(Spawned::new(Http::new(url.as_str(), headers, time_limit)?))
        }
    })
}

/// One `Name: value` a line; empty lines do not count.
fn headers(path: &Path) -> Result<Vec<(String, String)>, HandlerError> {
    let text = fs::read_to_string(path).map_err(|error| HandlerError::Headers { path: path.to_owned(), error })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| match line.split_once(':') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(HandlerError::Header { path: path.to_owned(), line: at + 1 }),
        })
        .collect()
}

/// For an engine that adds, cancels and puts back, but is never given anything to work.
#[must_use]
pub fn no_work() -> Arc<dyn Handler> {
    Arc::new(NoWork)
}

struct NoWork;

#[async_trait]
impl Handler for NoWork {
    async fn handle(&self, _: &Task, _: &AttemptInfo) -> Result<(), Failure> {
        Err(Failure::retry("this program works no tasks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_found_out_at_the_start() {
        let of = |program: &str| handler(&Work::Command(vec![program.to_owned()]), Duration::from_secs(1)).map(drop);
        assert!(of("sh").is_ok() && of("/bin/sh").is_ok());
        for (program, cure) in [
            ("/no/such/program", "install it"),
            ("no-such-program", "install it"),
            ("/etc/passwd", "make it executable"),
            ("/bin", "make it executable"),
        ] {
            let refused = of(program).unwrap_err().to_string();
            assert!(refused.contains(program) && refused.contains(cure), "{refused}");
        }
    }

    #[test]
    fn a_line_that_is_no_header_is_named_and_not_repeated() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "X-Tenant: 7\n\n Authorization :Bearer a:b \n").unwrap();
        let expected = [("X-Tenant", "7"), ("Authorization", "Bearer a:b")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(file.path()).unwrap(), expected);
        fs::write(file.path(), "X-Tenant: 7\nhunter2\n").unwrap();
        let refused = headers(file.path()).unwrap_err().to_string();
        assert!(refused.ends_with("line 2: expected «Name: value»") && !refused.contains("hunter2"), "{refused}");
        let missing = headers(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(missing.contains("/no/such/file"), "{missing}");
    }
}
