//! Pinned npm packages.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use taskwatch_testbed::find_program;

use crate::workspace::{Workspace, output, run};

/// Written last, so that a half-made folder is not taken for a whole one.
const COMPLETE: &str = "complete";
/// What decides which packages there are.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The program, which is not installed from here: what the distribution has may be too old.
pub(crate) fn program() -> Result<PathBuf> {
    find_program("node").ok().context("there is no `node` here: install Node.js 20 or later, with npm")
}

/// Installs what the lock file in `source` names, unless it is there already for the same Node.js; answers the folder
/// `node_modules`. No package may run scripts of its own.
pub(crate) fn ensure_for(workspace: &Workspace, source: &Path) -> Result<PathBuf> {
    let version = output(Command::new(program()?).arg("--version"))?;
    let mut digest = Sha256::new().chain_update(version);
    let mut files = Vec::new();
    for name in FILES {
        let path = source.join(name);
        let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        digest.update(&text);
        files.push((name, text));
    }
    let key: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = workspace.cache.join(format!("node-{key}"));
    let (modules, complete) = (folder.join("node_modules"), folder.join(COMPLETE));

    // Two checkouts may be at it at once; the lock goes when the file is closed.
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let lock = File::create(folder.with_extension("lock")).context("failed to create a lock file")?;
    lock.lock().context("failed to lock the npm packages")?;
    if complete.is_file() && modules.is_dir() {
        return Ok(modules);
    }
    eprintln!("    making {}", folder.display());
    for (name, text) in files {
        fs::write(folder.join(name), text).with_context(|| format!("failed to write {name}"))?;
    }
    let quietly = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    let npm = find_program("npm").ok().context("there is no `npm` here: install it with Node.js")?;
    run(Command::new(npm).args(quietly).current_dir(&folder).stdout(Stdio::null()))?;
    fs::write(&complete, []).context("failed to mark the npm packages as complete")?;
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn every_package_is_pinned_exactly_and_by_its_hash_and_from_nowhere_in_particular() {
        let queue = include_str!("../../worker/peers/fauxqs/package-lock.json");
        let consumer = include_str!("../../worker/peers/sqs-consumer/package-lock.json");
        for lock in [queue, consumer] {
            let lock: Value = serde_json::from_str(lock).unwrap();
            let packages = lock["packages"].as_object().unwrap();
            assert!(packages.len() > 3);
            for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
                assert!(package["version"].is_string() && package["integrity"].is_string(), "{name}");
                assert!(package.get("resolved").is_none(), "{name}");
            }
            for (name, wanted) in packages[""]["dependencies"].as_object().unwrap() {
                assert!(wanted.as_str().unwrap().starts_with(|first: char| first.is_ascii_digit()), "{name}");
            }
        }
    }
}
