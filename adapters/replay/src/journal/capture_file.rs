//! Capturing a file: streaming, and on from where it was.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;

use super::database::DatabaseError;
use super::entry::State;
use super::{Journal, Source, meta, reader, write};
use crate::{Position, ReadError};

const DOING: &str = "keep what a file says";

/// By so many first bytes a file is known again.
const HEAD: u64 = 4096;

/// How far the capture of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileProgress {
    /// New entries of this run.
    pub new: u64,
    /// Messages that were in the journal already.
    pub again: u64,
    /// Bytes that are in the journal.
    pub offset: u64,
    /// Bytes that the file had when it was opened.
    pub total: u64,
}

/// What the capture of a file has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCaptured {
    /// New entries.
    pub new: u64,
    /// Messages that were in the journal already.
    pub again: u64,
    /// Whether it came to the end, rather than being told to stop.
    pub is_complete: bool,
}

/// Why the capture of a file ended early. Phrased to follow «failed to»; what was captured stays, and the same again goes
/// on.
#[derive(Debug, thiserror::Error)]
pub enum FileCaptureError {
    /// The journal is that of a queue.
    #[error("capture a file into the journal {path}: it is that of {found}")]
    NotAFile {
        /// The journal.
        path: PathBuf,
        /// What it belongs to.
        found: Source,
    },
    /// The file.
    #[error("read {path}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The file cannot be read any further.
    #[error("read {path} on: {why}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: ReadError,
    },
    /// It is another file than the one that was begun.
    #[error(
        "read {path} on from byte {offset}: it is no longer the file that was begun, and not all of that is done: finish it \
         with the old file, or give the new one another name"
    )]
    Changed {
        /// Which file.
        path: PathBuf,
        /// How far it is in the journal.
        offset: u64,
    },
    /// The journal.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Journal {
    /// Captures the file that this journal is of, from where it was left. What has been added to it since is read as well;
    /// a last line that was not finished then has become an entry as it was.
    ///
    /// # Errors
    /// [`FileCaptureError`]
    pub async fn capture_file(
        &self,
        clock: &dyn Clock,
        stop: &Stop,
        progress: &(dyn Fn(FileProgress) + Send + Sync),
    ) -> Result<FileCaptured, FileCaptureError> {
        let Source::File(path) = &self.source else {
            return Err(FileCaptureError::NotAFile { path: self.path().to_owned(), found: self.source.clone() });
        };
        let io_failed = |why| FileCaptureError::File { path: path.clone(), why };
        let file = File::open(path).map_err(io_failed)?;
        let total = file.metadata().map_err(io_failed)?.len();
        let from = self.known(&file, path, total).await?;
        let mut chunks = reader::start(file, from).map_err(io_failed)?;
        let mut now = FileProgress { new: 0, again: 0, offset: from.offset, total };
        let done = |now: FileProgress, is_complete| FileCaptured { new: now.new, again: now.again, is_complete };
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk.map_err(|why| FileCaptureError::Read { path: path.clone(), why })?;
            let written = self.keep(&chunk, clock).await?;
            let new = written.iter().filter(|written| written.is_new).count() as u64;
            now.new += new;
            now.again += written.len() as u64 - new;
            now.offset = chunk.position.offset;
            progress(now);
            if stop.is_set() {
                return Ok(done(now, false));
            }
        }
        Ok(done(now, true))
    }

    /// From where to read on, if this is the file that was begun.
    async fn known(&self, file: &File, path: &Path, total: u64) -> Result<Position, FileCaptureError> {
        let failed = self.database.failed(DOING);
        let mut transaction = self.database.begin(DOING).await?;
        let mut numbers = [0; 3];
        for (number, name) in numbers.iter_mut().zip([meta::OFFSET, meta::LINES, meta::HEAD_BYTES]) {
            *number = meta::number(&mut transaction, name).await.map_err(failed)?.unwrap_or(0).unsigned_abs();
        }
        let [offset, lines, head_bytes] = numbers;
        let begun = meta::get(&mut transaction, meta::HEAD_DIGEST).await.map_err(failed)?;
        let length = if begun.is_some() { head_bytes } else { total.min(HEAD) };
        let digest = head(file, length).map_err(|why| FileCaptureError::File { path: path.to_owned(), why })?;
        match begun {
            Some(begun) if begun != digest || offset > total => {
                return Err(FileCaptureError::Changed { path: path.to_owned(), offset });
            }
            Some(_) => {}
            None => {
                meta::set(&mut transaction, meta::HEAD_BYTES, length).await.map_err(failed)?;
                meta::set(&mut transaction, meta::HEAD_DIGEST, digest).await.map_err(failed)?;
                transaction.commit().await.map_err(failed)?;
            }
        }
        Ok(Position { offset, lines })
    }

    /// A chunk, and how far it goes: both or neither.
    async fn keep(&self, chunk: &reader::Chunk, clock: &dyn Clock) -> Result<Vec<write::Written>, DatabaseError> {
        let failed = self.database.failed(DOING);
        let mut transaction = self.database.begin(DOING).await?;
        let written = write::insert(&mut transaction, &chunk.rows, State::Kept, clock.now()).await.map_err(failed)?;
        meta::set(&mut transaction, meta::OFFSET, chunk.position.offset).await.map_err(failed)?;
        meta::set(&mut transaction, meta::LINES, chunk.position.lines).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(written)
    }
}

/// Digest of the first bytes; of fewer, if there are no more.
fn head(file: &File, bytes: u64) -> io::Result<String> {
    let mut head = Vec::new();
    file.take(bytes).read_to_end(&mut head)?;
    Ok(Sha256::digest(&head).iter().map(|byte| format!("{byte:02x}")).collect())
}
