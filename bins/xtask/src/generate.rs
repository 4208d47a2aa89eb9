//! Files that are written from code, so that they cannot disagree with it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// A generated file: its path from the root, and what makes its text.
///
/// What a binary knows is had by calling it: `|workspace| output(&mut workspace.cargo(["run", "--quiet", ...]))`.
type Generated = (&'static str, fn(&Workspace) -> Result<String>);

const FILES: [Generated; 1] = [("core/states.md", |_| Ok(taskwatch_core::diagram::states_markdown()))];

/// Writes all of them; with `check`, writes nothing and fails if one differs.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, make) in FILES {
        let text = make(workspace).with_context(|| format!("failed to generate {path}"))?;
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
