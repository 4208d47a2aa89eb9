//! Standard input, kept: the same once more is the same file, so that what was begun can be gone on with.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::create_private;
use crate::exit::Failed;

/// Reads it to its end, into a file of this folder that has the name of its content.
pub(super) fn keep(folder: &Path) -> Result<PathBuf, Failed> {
    let failed = || format!("failed to keep standard input in {}", folder.display());
    create_private(folder).with_context(failed)?;
    // Only its owner can read it.
    let mut kept = NamedTempFile::new_in(folder).with_context(failed)?;
    let mut digest = Sha256::new();
    let mut input = io::stdin().lock();
    let mut piece = vec![0; 256 * 1024];
    loop {
        let read = input.read(&mut piece).context("failed to read standard input")?;
        let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else { break };
        digest.update(piece);
        kept.write_all(piece).with_context(failed)?;
    }
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join(format!("stdin-{digest}.jsonl"));
    kept.as_file().sync_all().with_context(failed)?;
    match kept.persist_noclobber(&path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error).with_context(failed)?,
        _ => {}
    }
    fs::canonicalize(&path).with_context(failed).map_err(Failed::from)
}
