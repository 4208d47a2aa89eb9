//! Checkouts that share a target folder take turns.
//!
//! Cargo names what it builds by paths relative to the workspace and tells by file times whether it is fresh. In a
//! folder that two checkouts share, the one whose files are older would therefore be given, and would test, what was
//! built from the other. So whoever comes to such a folder after somebody else makes its files new.

use std::fs::{self, File, FileTimes, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};

/// In the target folder; holds the root of the checkout that built last.
const STAMP: &str = ".taskwatch-checkout";
/// Where the workspace's members are.
const MEMBERS: [&str; 3] = ["core", "adapters", "bins"];

/// Keeps other checkouts' xtask out of a target folder.
#[derive(Debug)]
#[must_use = "dropping it lets others in"]
pub(crate) struct Claim {
    _lock: File,
    /// Whether another checkout built here last: then this very program may come from there.
    pub(crate) taken_over: bool,
}

/// Waits for this checkout's turn at a target folder. `None` if the folder is within the checkout.
pub(crate) fn claim(root: &Path, target: &Path) -> Result<Option<Claim>> {
    if target.starts_with(root) {
        return Ok(None);
    }
    let path = target.join(STAMP);
    let failed = || format!("failed to claim {} for this checkout", target.display());
    fs::create_dir_all(target).with_context(failed)?;
    let mut lock =
        File::options().read(true).write(true).create(true).truncate(false).open(path).with_context(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another run of xtask in {}", target.display());
            lock.lock().with_context(failed)?;
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
    }
    let mut last = Vec::new();
    lock.read_to_end(&mut last).with_context(failed)?;
    let own = root.as_os_str().as_encoded_bytes();
    let taken_over = last != own;
    if taken_over {
        let times = FileTimes::new().set_modified(SystemTime::now());
        for member in MEMBERS {
            renew(&root.join(member), times).with_context(|| format!("failed to renew the times in {member}"))?;
        }
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(own)).with_context(failed)?;
    }
    Ok(Some(Claim { _lock: lock, taken_over }))
}

/// Sets the time of every file below a folder.
fn renew(folder: &Path, times: FileTimes) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            renew(&entry.path(), times)?;
        } else if kind.is_file() {
            File::open(entry.path())?.set_times(times)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::workspace::{Workspace, output};

    /// A checkout whose one program says `says`; its files are an hour old.
    fn checkout(folder: &Path, says: &str) -> PathBuf {
        let root = folder.join(says);
        for member in MEMBERS {
            fs::create_dir_all(root.join(member).join("src")).expect("a folder");
        }
        let member = "[package]\nname = \"probe\"\nedition = \"2024\"\n";
        let main = root.join("core/src/main.rs");
        fs::write(root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"core\"]\n").expect("a file");
        fs::write(root.join("core/Cargo.toml"), member).expect("a file");
        fs::write(&main, format!("fn main() {{ print!(\"{says}\") }}")).expect("a file");
        let old = SystemTime::now() - Duration::from_secs(3600);
        renew(&root, FileTimes::new().set_modified(old)).expect("old files");
        root
    }

    #[test]
    fn each_checkout_runs_its_own_code_from_a_shared_target_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("target");
        let workspace = Workspace::find().expect("a workspace");
        let said = |root: &Path| {
            let mut cargo = workspace.cargo(["run", "--quiet", "--offline"]);
            output(cargo.current_dir(root).env("CARGO_TARGET_DIR", &target)).expect("it runs")
        };
        let (one, other) = (checkout(folder.path(), "one"), checkout(folder.path(), "other"));
        for (root, says) in [(&one, "one"), (&other, "other"), (&one, "one")] {
            let claim = claim(root, &target).expect("free").expect("outside the checkout");
            assert!(claim.taken_over);
            assert_eq!(said(root), says);
        }
        assert!(!claim(&one, &target).expect("free").expect("outside the checkout").taken_over);
    }

    #[test]
    fn a_claim_keeps_others_out_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = checkout(folder.path(), "one");
        assert!(claim(&root, &root.join("target")).expect("nothing to do").is_none());
        let target = folder.path().join("target");
        let held = claim(&root, &target).expect("free");
        let stamp = File::open(target.join(STAMP)).expect("a stamp");
        assert!(matches!(stamp.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        stamp.try_lock().expect("free again");
    }
}
