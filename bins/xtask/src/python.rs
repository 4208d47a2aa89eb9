//! The virtual environment with pinned Python packages.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use taskwatch_testbed::find_program;

use crate::debian;
use crate::workspace::{Workspace, output, run};

/// Written last, so that a half-made environment is not taken for a whole one.
const COMPLETE: &str = "complete";

/// The environment that tests need; answers its interpreter.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    ensure_for(workspace, &workspace.root.join("bins/xtask/requirements.txt"))
}

/// Makes the environment unless there is one for the same requirements and the same Python; answers its interpreter.
pub(crate) fn ensure_for(workspace: &Workspace, requirements: &Path) -> Result<PathBuf> {
    let text = fs::read(requirements).with_context(|| format!("failed to read {}", requirements.display()))?;
    let system = find_program("python3")?;
    let version = output(Command::new(&system).arg("--version"))?;
    let folder = workspace.cache.join(format!("python-{}", key(&text, &version)));
    let (python, complete) = (folder.join("bin/python"), folder.join(COMPLETE));

    // Two checkouts may be at it at once; the lock goes when the file is closed.
    fs::create_dir_all(&workspace.cache).with_context(|| format!("failed to create {}", workspace.cache.display()))?;
    let lock = File::create(folder.with_extension("lock")).context("failed to create a lock file")?;
    lock.lock().context("failed to lock the virtual environment")?;
    if complete.is_file() && python.is_file() {
        return Ok(python);
    }
    let has_pip = Command::new(&system).args(["-c", "import ensurepip"]).stderr(Stdio::null()).status();
    if !has_pip.is_ok_and(|status| status.success()) {
        debian::install(&["python3-venv"])?;
    }
    eprintln!("    making {}", folder.display());
    run(Command::new(&system).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
    run(Command::new(&python).args(pip).arg(requirements))?;
    run(Command::new(&python).args(["-m", "pip", "check", "--disable-pip-version-check"]).stdout(Stdio::null()))?;
    fs::write(&complete, []).context("failed to mark the virtual environment as complete")?;
    Ok(python)
}

/// Names an environment by all that decides what is in it.
fn key(requirements: &[u8], version: &str) -> String {
    let digest = Sha256::new().chain_update(requirements).chain_update(version).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_requirements_or_another_python_make_another_environment() {
        let one = key(b"boto3==1", "Python 3.11.7");
        assert_eq!(one, key(b"boto3==1", "Python 3.11.7"));
        assert_ne!(one, key(b"boto3==2", "Python 3.11.7"));
        assert_ne!(one, key(b"boto3==1", "Python 3.12.1"));
    }

    #[test]
    fn every_requirement_is_pinned_exactly() {
        let tests = include_str!("../requirements.txt");
        let benchmark = include_str!("../../lambda/peers/powertools/requirements.txt");
        for requirements in [tests, benchmark] {
            let packages = || requirements.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            assert!(packages().count() > 3);
            for line in packages() {
                let (name, version) = line.split_once("==").unwrap_or_else(|| panic!("{line} is not pinned"));
                assert!(!name.is_empty() && version.starts_with(|first: char| first.is_ascii_digit()), "{line}");
                assert!(!version.contains(['*', ',', ';', '>', '<']), "{line}");
            }
        }
    }
}
