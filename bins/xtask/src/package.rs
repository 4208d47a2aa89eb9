//! The binaries that are shipped.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::workspace::{Workspace, run as run_command};

/// What is shipped, and how it is built.
struct Product {
    /// The program's file.
    program: &'static str,
    package: &'static str,
    features: &'static [&'static str],
    profile: &'static str,
}

/// The command line, which reaches AWS where it is built to.
const COMMAND_LINE: Product =
    Product { program: "taskwatch", package: "taskwatch", features: &["aws"], profile: "dist" };

/// The daemon.
const WORKER: Product =
    Product { program: "taskwatch-worker", package: "taskwatch-worker", features: &[], profile: "worker" };

/// What Lambda starts in a custom runtime.
const FUNCTION: Product =
    Product { program: "bootstrap", package: "taskwatch-lambda", features: &["aws"], profile: "dist" };

/// Builds into `dist/`: the programs, and the Lambda function as the zip file that is deployed; beside each a file that
/// `sha256sum --check` reads.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    for product in [COMMAND_LINE, WORKER] {
        let (program, packaged) = (product.program, folder.join(product.program));
        fs::copy(product.build(workspace)?, &packaged).with_context(|| format!("failed to copy {program}"))?;
        finish(&folder, program, &read(&packaged)?)?;
    }
    let name = format!("{}.zip", FUNCTION.package);
    let bootstrap = read(&FUNCTION.build(workspace)?)?;
    let zip = zipped(FUNCTION.program, &bootstrap).context("failed to zip the Lambda function")?;
    fs::write(folder.join(&name), &zip).with_context(|| format!("failed to write dist/{name}"))?;
    finish(&folder, &name, &zip)
}

/// Builds the Lambda function as it is shipped, and answers where its program is.
pub(crate) fn build_function(workspace: &Workspace) -> Result<PathBuf> {
    FUNCTION.build(workspace)
}

/// Builds the worker as it is shipped, and answers where it is.
pub(crate) fn build_worker(workspace: &Workspace) -> Result<PathBuf> {
    WORKER.build(workspace)
}

/// Builds a program of this package as the worker is built, and answers where it is.
pub(crate) fn build_like_worker(
    workspace: &Workspace,
    package: &'static str,
    program: &'static str,
) -> Result<PathBuf> {
    Product { program, package, ..WORKER }.build(workspace)
}

impl Product {
    /// Answers where the program is.
    fn build(&self, workspace: &Workspace) -> Result<PathBuf> {
        let mut command = workspace.cargo(["build", "--profile", self.profile, "--package", self.package]);
        run_command(command.args(self.features.iter().flat_map(|feature| ["--features", feature])))?;
        Ok(workspace.target_folder()?.join(self.profile).join(self.program))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}

/// Writes the checksum and says what there is.
fn finish(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let line = checksum_line(name, bytes);
    let checksum = folder.join(format!("{name}.sha256"));
    fs::write(&checksum, &line).with_context(|| format!("failed to write {}", checksum.display()))?;
    println!("dist/{name}: {} KiB\n{}", bytes.len().div_ceil(1024), line.trim_end());
    Ok(())
}

/// One executable file, always the same bytes for the same bytes.
pub(crate) fn zipped(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .unix_permissions(0o755)
        .last_modified_time(DateTime::default());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, options)?;
    zip.write_all(bytes)?;
    Ok(zip.finish()?.into_inner())
}

fn checksum_line(name: &str, bytes: &[u8]) -> String {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}  {name}\n")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_checksum_is_as_sha256sum_writes_it() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  taskwatch\n";
        assert_eq!(checksum_line("taskwatch", b"abc"), abc);
    }

    #[test]
    fn the_function_is_zipped_as_lambda_wants_it_and_reproducibly() {
        let bytes = b"\x7fELF".repeat(1_000);
        let zip = zipped("bootstrap", &bytes).unwrap();
        assert_eq!(zip, zipped("bootstrap", &bytes).unwrap());
        assert!(zip.len() < bytes.len());
        let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        assert_eq!(archive.len(), 1);
        let mut file = archive.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        let mut back = Vec::new();
        file.read_to_end(&mut back).unwrap();
        assert_eq!(back, bytes);
    }
}
