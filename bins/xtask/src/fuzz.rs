//! `cargo xtask fuzz`: libFuzzer over the message reader, on the stable compiler.
//!
//! What `cargo fuzz` adds to a build is a handful of flags of LLVM, which stable rustc takes as well; only its
//! sanitizers are for nightly, and code without `unsafe` can do without.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, quiet, run as run_command};

const PACKAGE: &str = "taskwatch-sqs-message-fuzz";
const FOLDER: &str = "adapters/sqs-message/fuzz";
const TARGET: &str = "messages";

/// Counters on all branches, and what is compared with what; asserts and overflow checks as in a debug build.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks -Cdebuginfo=line-tables-only";

/// An input that takes longer than this, in seconds, is a finding: a millisecond is usual.
const SLOW: u32 = 5;
/// An input that takes more memory than this, in MiB, is a finding.
const MEMORY: u32 = 1024;
/// Inputs have at most this many bytes: room for an event of several messages. Larger ones take longer, and the check
/// itself fills a message up to the size where reading ends.
const LONGEST: u32 = 4096;

/// Runs it for that many seconds, or on one file that a former run has kept.
///
/// Own target folder: the flags would otherwise make everything else be built anew, there and back.
pub(crate) fn run(workspace: &Workspace, seconds: u32, replay: Option<&Path>) -> Result<()> {
    // Relative to where the user is, not to the workspace.
    let replay = replay.map(|file| std::path::absolute(file).context("failed to find the file")).transpose()?;
    let target = workspace.target_folder()?.join("fuzz");
    let (corpus, crashes) = (target.join("corpus").join(TARGET), target.join("crashes").join(TARGET));
    for folder in [&corpus, &crashes] {
        fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    }
    let binary = build(workspace, &target)?;
    let mut fuzzer = Command::new(&binary);
    fuzzer
        .current_dir(workspace.root.join(FOLDER))
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .args([format!("-timeout={SLOW}"), format!("-rss_limit_mb={MEMORY}")]);
    match &replay {
        Some(file) => fuzzer.arg(file),
        // New finds go to the first folder, and are there for the next run.
        None => fuzzer
            .args([format!("-max_total_time={seconds}"), format!("-max_len={LONGEST}")])
            .args(["-dict=messages.dict", "-print_final_stats=1", "-verbosity=0"])
            .arg(&corpus)
            .arg("seeds"),
    };
    attend(&mut fuzzer)
}

/// Runs the fuzzer and passes on what it says, without the long dictionary that it recommends at the end of every run.
fn attend(fuzzer: &mut Command) -> Result<()> {
    let mut child = fuzzer.stderr(Stdio::piped()).spawn().context("failed to start the fuzzer")?;
    let (mut advice, mut found) = (false, None);
    for line in child.stderr.take().into_iter().flat_map(|said| BufReader::new(said).split(b'\n')) {
        let line = line.context("failed to read what the fuzzer says")?;
        let line = String::from_utf8_lossy(&line);
        let heading = line.starts_with("###### ");
        if !advice && !heading {
            eprintln!("{line}");
        }
        advice = if heading { !line.contains("End of") } else { advice };
        found = line.split_once("Test unit written to ").map(|(_, file)| file.to_owned()).or(found);
    }
    let status = child.wait().context("failed to wait for the fuzzer")?;
    match found {
        _ if status.success() => Ok(()),
        Some(file) => bail!(
            "the fuzzer found an input that is not treated as it must be; why stands above. To try it again: cargo xtask \
             fuzz --replay {file}; once that is well, keep the file in {FOLDER}/seeds"
        ),
        None => bail!("the fuzzer ended with {status}"),
    }
}

fn build(workspace: &Workspace, target: &Path) -> Result<PathBuf> {
    // With a named platform the flags are not for build scripts, which have no libFuzzer to report to.
    let words = ["build", "--release", "--target", "host-tuple", "--features", "libfuzzer", "--package", PACKAGE];
    let mut cargo = workspace.cargo(words.into_iter().chain(quiet()));
    cargo.env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    run_command(cargo.args(["--bin", TARGET]))?;
    // One folder for each platform; there is but one.
    let built = fs::read_dir(target).with_context(|| format!("failed to list {}", target.display()))?;
    let mut binaries = built.filter_map(|folder| Some(folder.ok()?.path().join("release").join(TARGET)));
    binaries.find(|path| path.is_file()).with_context(|| format!("cargo built no {TARGET} in {}", target.display()))
}
