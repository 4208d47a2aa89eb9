//! Debian packages, installed when a program that tests need is missing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use taskwatch_testbed::find_program;

use crate::workspace::run;

/// Programs, and the packages that bring them. None of these starts a service.
const NEEDED: [(&str, &str); 10] = [
    ("mariadbd", "mariadb-server-core"),
    ("mariadb-install-db", "mariadb-server-core"),
    ("mariadb", "mariadb-client-core"),
    ("python3", "python3"),
    ("script", "bsdutils"),
    ("chromedriver", "chromium-driver"),
    // A name service for tests is C.
    ("cc", "gcc"),
    // libFuzzer is C++.
    ("c++", "g++"),
    ("strip", "binutils"),
    // The library, which tests preload; the program goes by it.
    ("faketime", "faketime"),
];

/// Installs what is missing; asks no network if nothing is.
pub(crate) fn ensure_programs() -> Result<()> {
    let missing = missing();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    install(&packages).with_context(|| format!("failed to install what brings {names}"))?;
    match self::missing().first() {
        Some((name, package)) => Err(anyhow!("apt-get installed {package}, and there is still no {name}")),
        None => Ok(()),
    }
}

/// What is not there, and the packages that bring it.
fn missing() -> Vec<(&'static str, &'static str)> {
    NEEDED.into_iter().filter(|(name, _)| find_program(name).is_err()).collect()
}

/// `apt-get update` and `apt-get install`, as root or with sudo.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    let Ok(apt) = find_program("apt-get") else {
        bail!("there is no apt-get here: install by hand what Debian calls {wanted}");
    };
    let sudo = if rustix::process::geteuid().is_root() {
        None
    } else {
        let by_hand = format!("neither root nor sudo: run `apt-get install --no-install-recommends {wanted}` as root");
        Some(find_program("sudo").ok().context(by_hand)?)
    };
    eprintln!("    installing {wanted}");
    run(privileged(sudo.as_ref(), &apt).args(["-qq", "update"]))?;
    run(privileged(sudo.as_ref(), &apt).args(["-qq", "install", "-y", "--no-install-recommends"]).args(packages))
}

fn privileged(sudo: Option<&PathBuf>, program: &PathBuf) -> Command {
    // sudo drops the environment, and without this debconf may ask questions.
    let mut command = Command::new("env");
    if let Some(sudo) = sudo {
        command = Command::new(sudo);
        command.arg("env");
    }
    command.arg("DEBIAN_FRONTEND=noninteractive").arg(program);
    command
}
