//! The checkout, its caches, and how cargo is called in it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What `cargo run` tells xtask about itself. Build scripts that watch these would run again for nothing.
const OWN_VARIABLES: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];

/// Where things are.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder with the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
    /// For what may be kept from one checkout to the next; need not exist.
    pub(crate) cache: PathBuf,
    /// `CARGO_TARGET_DIR` for children, where xtask chooses it.
    target: Option<PathBuf>,
}

impl Workspace {
    /// Finds the checkout that xtask was started in.
    pub(crate) fn find() -> Result<Self> {
        // The one compiled in would be that of another checkout, if two share a target folder.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).ancestors().nth(2).map(Path::to_owned).context("bins/xtask has no parent")?;
        let cache = cache_folder(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
            .context("neither XDG_CACHE_HOME nor HOME is set to an absolute path: nowhere to keep a cache")?;
        let ours = cache.join("target");
        let in_ci = env::var("CI").is_ok_and(|ci| ci == "true");
        let target = (env::var_os("CARGO_TARGET_DIR").is_none() && (in_ci || ours.is_dir())).then_some(ours);
        if let Some(target) = &target {
            fs::create_dir_all(target).with_context(|| format!("failed to create {}", target.display()))?;
        }
        Ok(Self { root, cache, target })
    }

    /// A call of the cargo that called xtask.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root).envs(self.target.iter().map(|dir| ("CARGO_TARGET_DIR", dir)));
        for (name, _) in env::vars_os().filter(|(name, _)| is_own(name)) {
            command.env_remove(name);
        }
        command
    }

    /// The folder that cargo builds into.
    pub(crate) fn target_folder(&self) -> Result<PathBuf> {
        let metadata = output(&mut self.cargo(["metadata", "--no-deps", "--format-version=1"]))?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata).context("failed to read cargo metadata")?;
        metadata["target_directory"].as_str().map(PathBuf::from).context("cargo metadata names no target_directory")
    }
}

fn is_own(variable: &OsStr) -> bool {
    OWN_VARIABLES.iter().any(|prefix| variable.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

/// By the XDG rules, under which a relative path counts as none.
fn cache_folder(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(xdg).or_else(|| absolute(home).map(|home| home.join(".cache")))?;
    Some(base.join("taskwatch"))
}

/// `--quiet` where nobody watches: errors and warnings stay, hundreds of "Compiling" lines go.
pub(crate) fn quiet() -> Option<&'static str> {
    (!io::stderr().is_terminal()).then_some("--quiet")
}

/// Runs a command to its end, in sight of the user.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("failed to start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and answers what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let done =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("failed to start {}", shown(command)))?;
    if !done.status.success() {
        bail!("{} ended with {}", shown(command), done.status);
    }
    String::from_utf8(done.stdout).with_context(|| format!("{} wrote something that is not UTF-8", shown(command)))
}

/// The command as one would type it, without its environment: that may hold secrets.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    format!("`{}`", words.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_follows_the_xdg_rules() {
        let folder = |xdg: Option<&str>, home: Option<&str>| cache_folder(xdg.map(Into::into), home.map(Into::into));
        assert_eq!(folder(Some("/x"), Some("/h")), Some("/x/taskwatch".into()));
        assert_eq!(folder(Some("relative"), Some("/h")), Some("/h/.cache/taskwatch".into()));
        assert_eq!(folder(None, Some("")), None);
    }

    #[test]
    fn a_failed_command_is_named_without_its_environment() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"]).env("SECRET", "hunter2")).expect_err("it fails");
        assert_eq!(error.to_string(), "`sh -c exit 3` ended with exit status: 3");
        let missing = output(&mut Command::new("/no/such/program")).expect_err("there is none").to_string();
        assert_eq!(missing, "failed to start `program`");
    }

    #[test]
    fn children_do_not_inherit_what_cargo_says_about_xtask() {
        for (variable, own) in [("CARGO_PKG_NAME", true), ("CARGO_MANIFEST_DIR", true), ("CARGO_HOME", false)] {
            assert_eq!(is_own(OsStr::new(variable)), own, "{variable}");
        }
    }
}
