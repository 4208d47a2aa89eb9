//! One process at a time.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Longest description of a holder that is read.
const MAX_HOLDER_BYTES: u64 = 1024;

/// Holds a lock of the operating system as long as it lives; the file stays, since removing it would let two in.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Who has the lock, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(pub(crate) Option<u32>);

impl Holder {
    /// Its process id; `None` where the system does not let it be read.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.0
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

/// Why there is no lock.
pub(crate) enum LockError {
    Held(Holder),
    Io(PathBuf, io::Error),
}

impl Lock {
    /// Takes the lock that stands for this journal, or says who has it.
    pub(crate) fn take(journal: &Path) -> Result<Self, LockError> {
        let path = beside(journal);
        let failed = |error| LockError::Io(path.clone(), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let named = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        named.map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Who has it now; `None` if nobody. Takes it for a moment, if nobody has it.
    pub(crate) fn holder(journal: &Path) -> Option<Holder> {
        let mut file = File::open(beside(journal)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder(&mut file)),
            _ => None,
        }
    }
}

fn beside(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(MAX_HOLDER_BYTES).read_to_string(&mut text));
    Holder(read.ok().and_then(|_| text.trim().parse().ok()))
}
