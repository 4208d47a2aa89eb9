//! Proof that core does no I/O: what it depends on, and that its ban on calls bites.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, output, quiet, run as run_command};

const CORE: &str = "taskwatch-core";

/// All that core may bring along. None of these does I/O, tells the time or runs anything.
const ALLOWED: [&str; 16] = [
    "async-trait",
    "futures-core",
    "futures-macro",
    "futures-task",
    "futures-util",
    "pin-project-lite",
    "proc-macro2",
    "quote",
    "serde",
    "serde_core",
    "serde_derive",
    "slab",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
];

/// Calls one banned function.
const OFFENDER: &str =
    "//! Breaks the rules.\npub fn now() -> std::time::SystemTime { std::time::SystemTime::now() }\n";
/// Calls none.
const INNOCENT: &str = "//! Keeps the rules.\npub fn one() -> u8 { 1 }\n";

/// Runs both checks.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    check_dependencies(&mut workspace.cargo(["tree"]))?;
    check_ban(workspace, &workspace.root.join("core/clippy.toml"))?;
    check_core(workspace)
}

/// Fails naming every normal dependency of core, direct or not and on whatever platform, that is not allowed.
fn check_dependencies(tree: &mut Command) -> Result<()> {
    tree.args(["--package", CORE, "--edges", "normal", "--target", "all", "--prefix", "none", "--format", "{p}"]);
    let tree = output(tree)?;
    let found: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).filter(|s| !s.is_empty()).collect();
    if !found.contains(CORE) {
        bail!("cargo tree does not show {CORE}; it says:\n{tree}");
    }
    let intruders: Vec<_> = found.into_iter().filter(|name| *name != CORE && !ALLOWED.contains(name)).collect();
    if !intruders.is_empty() {
        bail!(
            "{CORE} depends on {}; core does no I/O: put this behind a port, or allow it in bins/xtask/src/core_lint.rs",
            intruders.join(", ")
        );
    }
    Ok(())
}

/// Fails unless clippy, given core's configuration, refuses a crate that calls what is banned, and only that one.
fn check_ban(workspace: &Workspace, config: &Path) -> Result<()> {
    let config = fs::read_to_string(config).with_context(|| format!("failed to read {}", config.display()))?;
    let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).with_context(|| format!("failed to write {name}"))
    };
    let manifest = "[package]\nname = \"probe\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n";
    write("Cargo.toml", manifest)?;
    write("clippy.toml", &config)?;
    let clippy = |source: &str| {
        write("lib.rs", source)?;
        let mut command = workspace.cargo(["clippy", "--offline", "--", "-Dwarnings"]);
        let done = command
            .current_dir(folder.path())
            .env("CARGO_TARGET_DIR", folder.path().join("target"))
            .env_remove("RUSTFLAGS")
            .output()
            .context("failed to start cargo clippy")?;
        Ok::<_, anyhow::Error>((done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned()))
    };
    let (passes, said) = clippy(INNOCENT)?;
    // An entry that names no function bans nothing; clippy warns of it.
    if !passes || said.contains("warning:") {
        bail!("core/clippy.toml is not right, as clippy says of a crate that calls nothing:\n{said}");
    }
    let (passes, said) = clippy(OFFENDER)?;
    if passes || !said.contains("SystemTime::now") || !said.contains("clippy::disallowed_methods") {
        bail!("core/clippy.toml does not ban SystemTime::now; clippy says:\n{said}");
    }
    Ok(())
}

/// The ban itself, in a form that no attribute in core's source can lift.
fn check_core(workspace: &Workspace) -> Result<()> {
    let forbidden = ["--", "-Fclippy::disallowed-methods", "-Fclippy::disallowed-types"];
    let clippy = ["clippy", "--package", CORE, "--lib", "--no-deps"];
    run_command(&mut workspace.cargo(clippy.into_iter().chain(quiet()).chain(forbidden)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of path dependencies: `taskwatch-core` -> allowed-or-not -> deeper.
    fn fake_core(dependency: &str, deeper: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let package = |name: &str, needs: Option<&str>, tail: &str| {
            let at = folder.path().join(name);
            fs::create_dir_all(at.join("src")).expect("a folder");
            fs::write(at.join("src/lib.rs"), "").expect("a file");
            let needs = needs.map(|n| format!("[dependencies]\n{n} = {{ path = \"../{n}\" }}\n")).unwrap_or_default();
            let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{needs}{tail}");
            fs::write(at.join("Cargo.toml"), manifest).expect("a file");
        };
        package(CORE, Some(dependency), "[dev-dependencies]\ntester = { path = \"../tester\" }\n[workspace]\n");
        package(dependency, Some(deeper), "");
        package(deeper, None, "");
        package("tester", None, "");
        folder
    }

    fn check(dependency: &str, deeper: &str) -> Result<()> {
        let folder = fake_core(dependency, deeper);
        let workspace = Workspace::find()?;
        check_dependencies(workspace.cargo(["tree", "--offline"]).current_dir(folder.path().join(CORE)))
    }

    #[test]
    fn core_may_have_what_is_on_the_list_and_anything_for_its_tests() {
        check("serde", "serde_core").expect("all allowed");
    }

    #[test]
    fn an_intruder_is_named_even_at_one_remove() {
        let direct = check("mio", "slab").expect_err("mio does I/O").to_string();
        assert!(direct.starts_with("taskwatch-core depends on mio; "), "{direct}");
        let indirect = check("serde", "socket2").expect_err("socket2 does I/O").to_string();
        assert!(indirect.starts_with("taskwatch-core depends on socket2; "), "{indirect}");
    }

    #[test]
    fn a_ban_list_that_does_not_bite_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("clippy.toml");
        let check = |text: &str| {
            fs::write(&config, text).expect("a file");
            let workspace = Workspace::find().expect("a workspace");
            check_ban(&workspace, &config)
        };
        check("disallowed-methods = [\"std::time::SystemTime::now\"]").expect("this one bites");
        let empty = check("").expect_err("bans nothing").to_string();
        assert!(empty.contains("does not ban SystemTime::now"), "{empty}");
        let misspelt = check("disallowed-methods = [\"std::time::SystemTime::now\", \"std::env::vra\"]");
        let misspelt = misspelt.expect_err("bans what does not exist").to_string();
        assert!(misspelt.contains("is not right") && misspelt.contains("std::env::vra"), "{misspelt}");
    }
}
