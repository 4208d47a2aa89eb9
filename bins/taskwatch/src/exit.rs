//! The exit codes, in one place, and which error leads to which.

use std::io;
use std::process::ExitCode;

use taskwatch_core::policy::PolicyError;
use taskwatch_core::ports::StoreError;
use taskwatch_replay::journal::{
    AbandonError, CaptureError, DatabaseError, FileCaptureError, OpenError as OpenJournalError, StatusError, WorkError,
};
use taskwatch_replay::run::{PlanError, QueueRunError, RunError};
use taskwatch_settings::SettingsError;
use taskwatch_sql_store::{OpenError, SchemaError};
use taskwatch_sqs_message::CallError;
use taskwatch_wiring::{HandlerError, IntakeError, RelayError};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked for has been done.
    Done = 0,
    /// The books do not balance, an act was refused, a letter failed again or stays, or a task is not there.
    Refused = 1,
    /// The command line or the configuration makes no sense (also clap's own code).
    Usage = 2,
    /// Some of the input was bad; the rest has been dealt with.
    BadInput = 3,
    /// The database cannot be reached, or is not one that this program can use.
    Database = 4,
    /// Anything else: a file that cannot be read or written, a bug.
    Other = 5,
    /// A queue cannot be reached, or is not to be used.
    Queue = 6,
    /// A signal ended the demo or the taking of letters to be archived, or a second one cut a drain short.
    Interrupted = 130,
}

/// For `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done
    1  the books do not balance, an act was refused, a letter failed again or stays, or there is
       no such task
    2  the command line or the configuration makes no sense
    3  some of the input was bad; the rest has been dealt with
    4  the database cannot be reached or used
    5  anything else: a file that cannot be read or written
    6  a queue cannot be reached or used
  130  interrupted: demo, dlq archive and dlq purge by a signal, a worker by the second one";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// Options that do not go together, found after parsing.
    #[error("{0}")]
    Usage(String),
    /// The configuration.
    #[error("failed to {0}")]
    Settings(#[from] SettingsError),
    /// The engine's numbers.
    #[error("failed to use the settings: {0}")]
    Policy(#[from] PolicyError),
    /// What works the tasks.
    #[error("failed to {0}")]
    Handler(#[from] HandlerError),
    /// Who may use the API.
    #[error("failed to {0}")]
    Intake(#[from] IntakeError),
    /// Where tasks are announced.
    #[error("failed to {0}")]
    Relay(#[from] RelayError),
    /// The way to the database.
    #[error("{place}: failed to {error}")]
    Open {
        /// Its address, which holds no password.
        place: String,
        /// What stood in the way.
        error: OpenError,
    },
    /// The state of the database.
    #[error("failed to {0}")]
    Schema(#[from] SchemaError),
    /// The database, in mid-work.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// No database where one was expected.
    #[error("{0}")]
    NoDatabase(String),
    /// A queue.
    #[error("failed to {0}")]
    Queue(#[from] CallError),
    /// Sending letters to a queue.
    #[error("failed to {0}")]
    Sending(String),
    /// Taking messages off a queue.
    #[error("failed to {0}")]
    Capture(#[from] CaptureError),
    /// Where dead letters are kept.
    #[error("failed to {0}")]
    Journal(String),
    /// The database, while letters were replayed.
    #[error("failed to {0}")]
    Tasks(String),
    /// Standard output, mostly.
    #[error("failed to read or write: {0}")]
    Io(#[from] io::Error),
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failed {
    /// The code that this error ends the process with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Settings(_) | Self::Policy(_) => Exit::Usage,
            Self::Handler(_) | Self::Intake(_) | Self::Relay(_) => Exit::Usage,
            Self::Open { error: OpenError::Url { .. } | OpenError::Settings(_), .. } => Exit::Usage,
            Self::Open { .. } | Self::Schema(_) | Self::Store(_) | Self::NoDatabase(_) => Exit::Database,
            Self::Queue(_) | Self::Sending(_) | Self::Capture(CaptureError::Receive(_) | CaptureError::Delete(_)) => {
                Exit::Queue
            }
            Self::Tasks(_) => Exit::Database,
            Self::Capture(_) | Self::Journal(_) => Exit::Other,
            Self::Io(_) | Self::Other(_) => Exit::Other,
        }
    }

    /// Says it on standard error.
    pub(crate) fn tell(&self) -> ExitCode {
        crate::out::complain(&self.to_string());
        self.exit().into()
    }
}

/// What goes wrong with a journal says so itself.
macro_rules! journal_errors {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failed {
            fn from(error: $error) -> Self {
                Self::Journal(error.to_string())
            }
        })*
    };
}

journal_errors!(DatabaseError, FileCaptureError, OpenJournalError, StatusError, WorkError);

impl From<PlanError> for Failed {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Tasks(_) => Self::Tasks(error.to_string()),
            PlanError::Journal(_) => Self::Journal(error.to_string()),
        }
    }
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Plan(error) => error.into(),
            RunError::PutBack(_) => Self::Tasks(error.to_string()),
            RunError::Journal(error) => error.into(),
        }
    }
}

impl From<QueueRunError> for Failed {
    fn from(error: QueueRunError) -> Self {
        match error {
            QueueRunError::Plan(error) => error.into(),
            QueueRunError::Tasks(_) => Self::Tasks(error.to_string()),
            QueueRunError::Journal(error) => error.into(),
            QueueRunError::PutBack(_) => Self::Journal(error.to_string()),
            QueueRunError::Queue { .. } => Self::Sending(error.to_string()),
        }
    }
}

impl From<AbandonError> for Failed {
    fn from(error: AbandonError) -> Self {
        match error {
            AbandonError::Call { .. } => Self::Sending(error.to_string()),
            other => Self::Journal(other.to_string()),
        }
    }
}
