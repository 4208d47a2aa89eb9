//! Where the programs are that tests need.

use std::env;
use std::path::PathBuf;

/// Servers live here, which is seldom on a user's `PATH`.
const SERVER_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"];

/// A program that is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("find `{0}` on PATH or in /usr/sbin: run `cargo xtask test`, which installs it")]
pub struct MissingProgram(pub String);

/// Looks for a program on `PATH` and where Debian keeps servers.
///
/// # Errors
/// [`MissingProgram`] if it is in none of these folders.
pub fn find_program(name: &str) -> Result<PathBuf, MissingProgram> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SERVER_FOLDERS.into_iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| MissingProgram(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_together_with_the_remedy() {
        assert!(find_program("sh").is_ok_and(|sh| sh.is_absolute()));
        let message = find_program("no-such-server").expect_err("there is none").to_string();
        assert!(message.contains("`no-such-server`") && message.contains("cargo xtask test"), "{message}");
    }
}
