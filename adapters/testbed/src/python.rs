//! The virtual environment with the packages of `bins/xtask/requirements.txt`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Names the Python interpreter of the virtual environment; set by `cargo xtask test`.
pub const ENV_PYTHON: &str = "TASKWATCH_TEST_PYTHON";

/// Phrased to follow "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PythonError {
    /// The test was not started by `cargo xtask test`.
    #[error("find a Python with pymysql and boto3: {ENV_PYTHON} is not set; run `cargo xtask test`, which makes one")]
    Unset,
    /// The variable names something that is gone.
    #[error("find a Python: {ENV_PYTHON} names {0}, which does not exist; run `cargo xtask test` to make it anew")]
    Gone(PathBuf),
}

/// The interpreter that has `pymysql`, `boto3`, `ministack` and `moto`.
///
/// # Errors
/// [`PythonError`] when the environment names none that exists.
pub fn python() -> Result<PathBuf, PythonError> {
    named_by(env::var_os(ENV_PYTHON))
}

fn named_by(value: Option<OsString>) -> Result<PathBuf, PythonError> {
    let python = PathBuf::from(value.filter(|value| !value.is_empty()).ok_or(PythonError::Unset)?);
    if python.is_file() { Ok(python) } else { Err(PythonError::Gone(python)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interpreter_that_exists_will_do() {
        assert_eq!(named_by(None), Err(PythonError::Unset));
        assert_eq!(named_by(Some("".into())), Err(PythonError::Unset));
        assert_eq!(named_by(Some("/no/python".into())), Err(PythonError::Gone("/no/python".into())));
        assert_eq!(named_by(Some("/bin/sh".into())), Ok("/bin/sh".into()));
    }
}
