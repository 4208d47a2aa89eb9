//! Files that are written from code, so that they cannot disagree with it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// A generated file: its path from the root, and what makes its text.
///
/// From the libraries, not from a binary that prints the same: that would have to be built before any check could run.
type Generated = (&'static str, fn() -> String);

const FILES: [Generated; 2] =
    [("core/states.md", taskwatch_core::diagram::states_markdown), ("adapters/settings/SETTINGS.md", settings)];

/// Stands above the table that `taskwatch settings --markdown` prints.
const SETTINGS_HEAD: &str = "\
<!-- Written by `cargo xtask generate` from adapters/settings/src/definitions.rs. -->

# Settings

Each is given by a flag (`--set worker.lease=90s`), by a variable (`TASKWATCH_WORKER_LEASE=90s`) or in a TOML file
(`[worker]` and below it `lease = \"90s\"`); the first of these that has it counts. The file is `taskwatch.toml` in the
current folder, or the one that `--config` or `TASKWATCH_CONFIG` names. Unknown settings and those that contradict each
other are refused by name. `taskwatch settings` shows what counts now, and where it comes from.

";

fn settings() -> String {
    format!("{SETTINGS_HEAD}{}", taskwatch_settings::markdown_table())
}

/// Writes all of them; with `check`, writes nothing and fails if one differs.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, make) in FILES {
        let text = make();
        if is_current(&workspace.root.join(path), &text)? {
            continue;
        }
        if check {
            stale.push(path);
        } else {
            fs::write(workspace.root.join(path), text).with_context(|| format!("failed to write {path}"))?;
            println!("wrote {path}");
        }
    }
    if !stale.is_empty() {
        bail!("not as the code would write it: {}; run `cargo xtask generate` and commit", stale.join(", "));
    }
    Ok(())
}

fn is_current(path: &Path, text: &str) -> Result<bool> {
    match fs::read(path) {
        Ok(found) => Ok(found == text.as_bytes()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_current_only_if_it_is_the_same_to_the_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f.md");
        assert!(!is_current(&path, "").expect("readable"), "a missing file is not an empty one");
        fs::write(&path, "a\n").expect("writable");
        assert!(is_current(&path, "a\n").expect("readable"));
        assert!(!is_current(&path, "a").expect("readable"));
        assert!(is_current(folder.path(), "a").is_err());
    }
}
