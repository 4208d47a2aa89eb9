//! Where the entries of a journal come from.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What a journal is of. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A queue, by its ARN.
    Queue(String),
    /// A file of captured messages, by its full path.
    File(PathBuf),
}

impl Source {
    /// From what [`Self::kind`] and [`Self::name`] gave.
    pub(crate) fn from_parts(kind: &str, name: &str) -> Option<Self> {
        match kind {
            "queue" => Some(Self::Queue(name.to_owned())),
            "file" => Some(Self::File(name.into())),
            _ => None,
        }
    }

    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::File(_) => "file",
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Queue(arn) => arn.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// A file in this folder that no other source has: its short name, so that people find it, and a digest of all of it.
    pub(crate) fn file_in(&self, folder: &Path) -> PathBuf {
        let name = self.name();
        let short = name.rsplit([':', '/', '\\']).next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let short: String = short.chars().take(80).map(plain).collect();
        let digest = Sha256::digest(format!("{} {name}", self.kind()));
        let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        folder.join(format!("{short}-{digest}.journal"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}
