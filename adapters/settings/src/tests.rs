//! Settings from all sides, without this process's own environment or folder.

mod layers;
mod refusals;
mod values;

use std::path::Path;

use crate::{Settings, SettingsError, load_in};

/// What a test gives to each layer.
#[derive(Debug, Clone, Default)]
struct Given<'a> {
    file: &'a str,
    env: &'a [(&'a str, &'a str)],
    flags: &'a [(&'a str, &'a str)],
}

impl Given<'_> {
    /// Loads from a folder of its own, with the file, if any, as its `taskwatch.toml`.
    fn load(&self) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        if !self.file.is_empty() {
            std::fs::write(folder.path().join("taskwatch.toml"), self.file).unwrap();
        }
        load_from(folder.path(), None, self.env, self.flags)
    }

    /// What was refused, one problem a line, or nothing.
    fn refusal(&self) -> String {
        self.load().err().map(|error| error.to_string()).unwrap_or_default()
    }
}

fn load_from(
    folder: &Path,
    file: Option<&Path>,
    env: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings, SettingsError> {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>();
    load_in(folder, file, owned(env), &owned(flags))
}

fn flags(flags: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Given { flags, ..Given::default() }.load()
}
