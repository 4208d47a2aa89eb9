//! The binary that is shipped.

use std::fs;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::workspace::{Workspace, run as run_command};

const BINARY: &str = "taskwatch";

/// Builds with the `dist` profile and copies the binary to `dist/`, beside a file that `sha256sum --check` reads.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    run_command(&mut workspace.cargo(["build", "--profile", "dist", "--package", BINARY, "--features", "aws"]))?;
    let built = workspace.target_folder()?.join("dist").join(BINARY);
    let folder = workspace.root.join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let packaged = folder.join(BINARY);
    fs::copy(&built, &packaged).with_context(|| format!("failed to copy {}", built.display()))?;
    let bytes = fs::read(&packaged).with_context(|| format!("failed to read {}", packaged.display()))?;
    let line = checksum_line(&bytes);
    let checksum = folder.join(format!("{BINARY}.sha256"));
    fs::write(&checksum, &line).with_context(|| format!("failed to write {}", checksum.display()))?;
    println!("dist/{BINARY}: {} KiB\n{}", bytes.len().div_ceil(1024), line.trim_end());
    Ok(())
}

fn checksum_line(bytes: &[u8]) -> String {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}  {BINARY}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_as_sha256sum_writes_it() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  taskwatch\n";
        assert_eq!(checksum_line(b"abc"), abc);
    }
}
