//! `taskwatch completions`

use clap::Args;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Failed};
use crate::out;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  taskwatch completions bash > ~/.local/share/bash-completion/completions/taskwatch")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Exit, Failed> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::tree(), "taskwatch", &mut script);
        out::raw(&script)?;
        Ok(Exit::Done)
    }
}
