//! The function links nothing that it does not use: every byte of it is loaded at every cold start.

use std::process::Command;

#[test]
fn neither_sqlite_nor_a_command_line_nor_an_sdk_is_linked() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", env!("CARGO_PKG_NAME"), "--edges", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let linked = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(linked("lambda_runtime") && linked("sqlx-mysql"), "{tree}");
    let unused =
        ["libsqlite3-sys", "sqlx-sqlite", "clap", "axum", "aws-config", "openssl-sys", "aws-lc-sys", "regex-automata"];
    let found: Vec<_> = unused.into_iter().filter(|name| linked(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}
