//! Entries written to a file that every reader of captures takes, and Lambda as test events.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use taskwatch_sqs_message::{Attribute, AttributeValue, Received};
use tempfile::NamedTempFile;

use crate::journal::{Content, Entry};

const BUFFER: usize = 256 * 1024;

/// Writes entries as JSON lines: each an SQS record with body, system attributes and typed message attributes as they were
/// captured, edits left out. What was no message is written as it stood, on one line.
///
/// Nothing is under the file's name before [`Self::finish`]: it is written beside it, synchronised to disk, then renamed.
/// An archive that is dropped before that leaves nothing behind. Only its owner may read it.
///
/// Read back, the messages are the same. A broken piece may be counted together with another before it, and a line break in
/// it has become a carriage return, which is as wrong in a JSON string.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    overwrite: bool,
    out: BufWriter<NamedTempFile>,
    archived: Archived,
}

/// What an archive holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Archived {
    /// Messages.
    pub messages: u64,
    /// Broken pieces.
    pub broken: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why there is no archive. Phrased to follow «failed to»; a file of that name is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is something of that name.
    #[error("write the archive {path}: the file exists: name another one, or move it away")]
    Exists {
        /// The archive.
        path: PathBuf,
    },
    /// It cannot be begun.
    #[error("begin the archive {path}: {why}")]
    Create {
        /// The archive.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// It cannot be written to its end: a full disk, a lost share.
    #[error("write the archive {path}: {why}")]
    Write {
        /// The archive.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

impl Archive {
    /// Begins an archive. An existing file is replaced at the end if `overwrite` says so, and refused now if not.
    ///
    /// # Errors
    /// [`ArchiveError`]
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, ArchiveError> {
        let failed = |why| ArchiveError::Create { path: path.to_owned(), why };
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(_) if !overwrite => return Err(ArchiveError::Exists { path: path.to_owned() }),
            _ => {}
        }
        let file = tempfile::Builder::new().prefix(".taskwatch-archive-").tempfile_in(folder(path)).map_err(failed)?;
        let out = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { path: path.to_owned(), overwrite, out, archived: Archived::default() })
    }

    /// The file's name in the end.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an entry. `queue` is the ARN of the queue that it was captured from.
    ///
    /// # Errors
    /// [`ArchiveError::Write`]: the archive is of no more use.
    pub fn add(&mut self, entry: &Entry, queue: Option<&str>) -> Result<(), ArchiveError> {
        let line = match &entry.content {
            Content::Message(message) => {
                self.archived.messages += 1;
                let record = Record::new(entry.message_id.as_deref(), message, queue);
                serde_json::to_vec(&record).map(Cow::Owned).map_err(Into::into)
            }
            Content::Broken { raw, .. } => {
                self.archived.broken += 1;
                Ok(on_one_line(raw, self.archived.bytes == 0))
            }
        };
        let written = line.and_then(|line| {
            self.out.write_all(&line)?;
            self.out.write_all(b"\n")?;
            Ok(line.len() as u64 + 1)
        });
        self.archived.bytes += written.map_err(|why| ArchiveError::Write { path: self.path.clone(), why })?;
        Ok(())
    }

    /// Brings the archive to disk, and under its name.
    ///
    /// # Errors
    /// [`ArchiveError`]: there is none.
    pub fn finish(self) -> Result<Archived, ArchiveError> {
        let Self { path, overwrite, out, archived } = self;
        let failed = |why| ArchiveError::Write { path: path.clone(), why };
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        let placed = if overwrite { file.persist(&path) } else { file.persist_noclobber(&path) };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => ArchiveError::Exists { path: path.clone() },
            _ => failed(error.error),
        })?;
        // The name as well has to survive a power cut.
        #[cfg(unix)]
        std::fs::File::open(folder(&path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(archived)
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A piece that no reader takes for several, nor for the beginning of a file of another kind.
fn on_one_line(raw: &[u8], is_first: bool) -> Cow<'_, [u8]> {
    // UTF-16 and gzip: at the beginning, the whole file would be refused.
    let is_magic = is_first && [&[0xff, 0xfe][..], &[0xfe, 0xff], &[0x1f, 0x8b]].iter().any(|two| raw.starts_with(two));
    if !is_magic && !raw.contains(&b'\n') {
        return Cow::Borrowed(raw);
    }
    let line = raw.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte });
    Cow::Owned(is_magic.then_some(b'\n').into_iter().chain(line).collect())
}

/// As Lambda spells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    body: Option<&'a str>,
    attributes: &'a BTreeMap<String, String>,
    #[serde(serialize_with = "typed")]
    message_attributes: &'a BTreeMap<String, Attribute>,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN", skip_serializing_if = "Option::is_none")]
    source_arn: Option<&'a str>,
}

impl<'a> Record<'a> {
    fn new(message_id: Option<&'a str>, message: &'a Received, queue: Option<&'a str>) -> Self {
        let Received { record, attributes } = message;
        Self {
            message_id: message_id.or(record.message_id.as_deref()),
            body: record.body.as_deref(),
            attributes: &record.attributes,
            message_attributes: attributes,
            event_source: "aws:sqs",
            source_arn: queue.or(record.source_arn.as_deref()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typed<'a> {
    data_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<&'a str>,
}

fn typed<S: Serializer>(attributes: &&BTreeMap<String, Attribute>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(attributes.iter().map(|(name, Attribute { data_type, value })| {
        let (string_value, binary_value) = match value {
            AttributeValue::Text(text) => (Some(text.as_str()), None),
            AttributeValue::Base64(bytes) => (None, Some(bytes.as_str())),
        };
        (name, Typed { data_type, string_value, binary_value })
    }))
}
