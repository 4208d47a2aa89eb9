//! The function links nothing that it does not use: every byte of it is loaded at every cold start.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

/// For no function at all.
const NEVER: [&str; 7] =
    ["libsqlite3-sys", "sqlx-sqlite", "clap", "openssl-sys", "aws-lc-sys", "aws-sdk-s3", "regex-automata"];

/// Which of these are among the dependencies of a build with these flags.
fn found(flags: &[&str], names: &[&'static str]) -> Vec<&'static str> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", env!("CARGO_PKG_NAME"), "--edges", "normal", "--prefix", "none"])
        .args(flags)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let linked = |name: &&str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    names.iter().copied().filter(linked).collect()
}

#[test]
fn neither_sqlite_nor_a_command_line_is_linked() {
    let used = ["lambda_runtime", "sqlx-mysql", "axum", "aws-config"];
    assert_eq!(found(&[], &used), used, "what is looked for would be found");
    assert_eq!(found(&[], &NEVER), [""; 0]);
}

#[test]
fn whoever_wants_less_gets_less() {
    let left_out = ["axum", "lambda_http", "taskwatch-http-intake", "aws-config", "aws-sdk-sns", "aws-sdk-sqs"];
    assert_eq!(found(&["--no-default-features"], &left_out), [""; 0]);
    assert_eq!(found(&["--no-default-features"], &NEVER), [""; 0]);
    assert_eq!(found(&["--no-default-features", "--features", "aws"], &left_out[..3]), [""; 0]);
}
