//! The file in which unreadable pieces are kept aside.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::item::Place;

/// Keeps unreadable pieces in a file of JSON lines, `{"file", "line", "record", "reason", "raw"}`.
///
/// `raw` is the piece as it stood; bytes that are not UTF-8 come as `raw_base64` instead. After a repair,
/// `jq -r .raw FILE | taskwatch replay -` takes them up again.
///
/// The file is created when the first piece comes. One that exists is appended to, never replaced, so replaying the
/// same capture twice keeps the same pieces twice.
#[derive(Debug)]
pub struct KeptAside {
    path: PathBuf,
    file: Option<File>,
}

/// Why a piece could not be kept aside.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The file cannot be opened or created.
    #[error("open {path} for appending: {why}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The file cannot be written: a full disk, a lost share.
    #[error("append to {path}: {why}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
}

/// Where the pieces of a capture are kept unless the user says otherwise: `capture.json.rejected.jsonl`.
#[must_use]
pub fn default_rejected(capture: &Path) -> PathBuf {
    let mut name = OsString::from(capture);
    name.push(".rejected.jsonl");
    name.into()
}

impl KeptAside {
    /// Will keep pieces in this file. Does not touch it yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// The file, which may not exist yet.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends pieces of `file`, each with its place, its reason and its bytes, and hands them to the system before it
    /// returns.
    ///
    /// # Errors
    /// [`KeepError`]: some of the pieces may be in the file, and the last of them in part. The next call begins on a
    /// new line.
    pub fn keep(&mut self, file: &str, pieces: &[(Place, &str, &[u8])]) -> Result<(), KeepError> {
        if pieces.is_empty() {
            return Ok(());
        }
        let write_failed = |why| KeepError::Write { path: self.path.clone(), why };
        let mut lines = Vec::new();
        for (place, reason, raw) in pieces {
            add_line(&mut lines, file, *place, reason, raw).map_err(write_failed)?;
        }
        let mut out = match self.file.take() {
            Some(out) => out,
            None => open(&self.path).map_err(|why| KeepError::Open { path: self.path.clone(), why })?,
        };
        out.write_all(&lines).and_then(|()| out.flush()).map_err(write_failed)?;
        self.file = Some(out);
        Ok(())
    }
}

fn add_line(lines: &mut Vec<u8>, file: &str, place: Place, reason: &str, raw: &[u8]) -> io::Result<()> {
    let (raw, raw_base64) = match std::str::from_utf8(raw) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(STANDARD.encode(raw))),
    };
    let entry = Entry { file, line: place.line, record: place.record, reason, raw, raw_base64 };
    serde_json::to_writer(&mut *lines, &entry)?;
    lines.push(b'\n');
    Ok(())
}

/// Opens for appending; a line that a crash has left unfinished is ended first.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
