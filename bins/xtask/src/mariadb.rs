//! A throwaway MariaDB by hand, for trying things out.

use std::io;

use anyhow::{Context, Result, anyhow};
use taskwatch_testbed::MariaDb;

use crate::debian;

/// A server of one's own, which ends with the value.
pub(crate) fn start() -> Result<MariaDb> {
    debian::ensure_programs()?;
    MariaDb::start().map_err(|error| anyhow!("failed to {error}"))
}

/// Starts a server, prints its address, and ends it when a line or the end of input comes.
pub(crate) fn run() -> Result<()> {
    let server = start()?;
    let database = server.create_database().map_err(|error| anyhow!("failed to {error}"))?;
    println!("url {}", server.url(&database));
    println!("ca  {}", server.ca_pem_path().display());
    eprintln!("Press Enter to end the server and remove its data.");
    io::stdin().read_line(&mut String::new()).context("failed to read standard input")?;
    Ok(())
}
