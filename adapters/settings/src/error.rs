//! What can be wrong with settings.

use std::fmt;
use std::path::PathBuf;

/// The settings were refused; phrased to follow «failed to». Holds everything that was found wrong, so that one look
/// mends it all, and never a password.
///
/// Every such error is a mistake in the configuration: binaries end with the exit code for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub(crate) Vec<Problem>);

impl SettingsError {
    /// What was found wrong: at least one thing.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [problem] => write!(f, "take the settings: {problem}"),
            problems => {
                write!(f, "take the settings, for {} reasons:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for SettingsError {}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one: the default, if there is one.
    Default,
    /// A variable of wider use than taskwatch, which counts for less than the file.
    Ambient(&'static str),
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    CommandLine,
}

impl Origin {
    /// Higher wins.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Ambient(_) => 1,
            Self::File(_) => 2,
            Self::Environment(_) => 3,
            Self::CommandLine => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Ambient(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) => f.write_str(name),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file that was asked for cannot be read.
    #[error("the file {} (named by {by}) cannot be read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Who named it.
        by: Origin,
        /// The system's reason.
        why: String,
    },
    /// The file is not TOML. The line itself is not repeated: it may hold a secret.
    #[error("{}:{line}:{column}: not TOML: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What the parser says.
        why: String,
    },
    /// A section stands where none can, or a value where a section belongs.
    #[error("{} holds a value for {section}, which is a section: write [{section}] and its keys below", path.display())]
    NotASection {
        /// The file.
        path: PathBuf,
        /// The section.
        section: &'static str,
    },
    /// An environment variable that no setting has.
    #[error("the environment variable {name} is no setting{}", hint(nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The known name most like it.
        nearest: Option<String>,
    },
    /// A key that no setting has.
    #[error("{name} ({from}) is no setting{}", hint(nearest.as_deref()))]
    Unknown {
        /// The dotted key.
        name: String,
        /// Where it was found.
        from: Origin,
        /// The known name most like it.
        nearest: Option<String>,
    },
    /// A variable whose value is not UTF-8.
    #[error("the value of {0} is not UTF-8")]
    NotText(String),
    /// The command line gives two values.
    #[error("{0} is given twice on the command line")]
    Twice(&'static str),
    /// A value that does not fit its setting.
    #[error("{key} {}({from}): {why}", shown(given.as_deref()))]
    Misfit {
        /// The setting.
        key: &'static str,
        /// Where the value came from.
        from: Origin,
        /// The value, unless it might hold a secret.
        given: Option<String>,
        /// What was expected, or why not.
        why: String,
    },
    /// Two settings that exclude each other.
    #[error("{key} ({from}) contradicts {other} ({other_from}): {advice}")]
    Contradiction {
        /// One setting.
        key: &'static str,
        /// Where it came from.
        from: Origin,
        /// The other, with its value where that matters.
        other: String,
        /// Where that came from.
        other_from: Origin,
        /// What to do.
        advice: &'static str,
    },
    /// A setting without a value and without a default: a mistake in the table itself.
    #[error("{0}")]
    Incomplete(String),
    /// A setting that another one needs.
    #[error("{key} ({from}) needs {missing}, which is not set")]
    Missing {
        /// What was set, with its value where that matters.
        key: &'static str,
        /// Where it came from.
        from: Origin,
        /// What was not.
        missing: &'static str,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| ": `taskwatch settings` lists them all".to_owned(), |name| format!(": did you mean {name}?"))
}

fn shown(given: Option<&str>) -> String {
    given.map(|given| format!("is {given} ")).unwrap_or_default()
}
