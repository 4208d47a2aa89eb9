//! The fixture itself, on a real server.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use taskwatch_testbed::{ENV_MARIADB, MariaDb, SqlError, find_program};

/// Connects over TCP as a program would, verifying the server against an authority.
fn over_tls(server: &MariaDb, ca: &Path, sql: &str) -> Result<String, String> {
    let done = Command::new(find_program("mariadb").expect("a client"))
        .args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names", "--ssl-verify-server-cert"])
        .arg(format!("--host={}", server.host()))
        .arg(format!("--port={}", server.port()))
        .arg(format!("--user={}", server.user()))
        .arg(format!("--ssl-ca={}", ca.display()))
        .arg(format!("--execute={sql}"))
        .env("MYSQL_PWD", server.password())
        .output()
        .expect("the client runs");
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

#[test]
fn what_was_committed_survives_a_kill() {
    let mut server = MariaDb::start().expect("a server");
    let port = server.port();
    let database = server.create_database().expect("a database");
    server.sql(&database, "CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'äé')").expect("a row");

    server.kill().expect("it dies");
    let refused = server.sql(&database, "SELECT 1").expect_err("it is down");
    assert!(matches!(&refused, SqlError::Refused { message } if message.contains("connect")), "{refused}");
    assert!(TcpStream::connect((server.host(), port)).is_err(), "the port is still open");

    server.restart().expect("it comes back");
    assert_eq!(server.port(), port);
    assert_eq!(server.sql(&database, "SELECT * FROM t").expect("the row"), "1\täé\n");

    server.restart().expect("also while it runs");
    assert_eq!(server.sql(&database, "SELECT count(*) FROM t").expect("the row"), "1\n");

    let folder = server.folder().expect("ours").to_owned();
    assert!(folder.join("data").is_dir());
    drop(server);
    assert!(!folder.exists(), "{} is left over", folder.display());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the server is left over");
}

#[test]
fn everything_goes_even_if_the_test_panics() {
    let (tell, told) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let server = MariaDb::start().expect("a server");
        tell.send((server.folder().expect("ours").to_owned(), server.port())).expect("somebody listens");
        panic!("as a failing test does");
    });
    let (folder, port) = told.recv().expect("the server started");
    assert!(test.join().is_err());
    assert!(!folder.exists(), "{} is left over", folder.display());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the server is left over");
}

#[test]
fn clients_can_tell_the_right_authority_from_the_wrong_one() {
    let server = MariaDb::shared().expect("a server");
    let cipher = over_tls(server, server.ca_pem_path(), "SHOW STATUS LIKE 'Ssl_cipher'").expect("connects");
    assert!(cipher.trim_end().len() > "Ssl_cipher".len(), "not encrypted: {cipher:?}");
    let refused = over_tls(server, server.other_ca_pem_path(), "SELECT 1").expect_err("the wrong authority");
    assert!(refused.to_lowercase().contains("certificate") || refused.contains("SSL"), "{refused}");
}

#[test]
fn databases_are_separate_and_the_server_is_durable() {
    let server = MariaDb::shared().expect("a server");
    let (one, other) = (server.create_database().expect("a database"), server.create_database().expect("another"));
    assert_ne!(one, other);
    server.sql(&one, "CREATE TABLE t (a INT)").expect("a table");
    assert!(server.sql(&other, "SELECT * FROM t").is_err());
    let settings = "SELECT @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite, @@log_bin, @@character_set_server";
    assert_eq!(server.sql(&one, settings).expect("settings"), "1\t1\t0\tutf8mb4\n");
}

#[test]
fn a_refused_statement_is_an_error_with_the_servers_words() {
    let server = MariaDb::shared().expect("a server");
    let error = server.sql("mysql", "SELEKT 1").expect_err("no such statement").to_string();
    assert!(error.starts_with("run SQL: ") && error.contains("SELEKT"), "{error}");
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let server = MariaDb::shared().expect("a server");
    assert!(server.url("d").contains(server.password()));
    assert!(!format!("{server:?}").contains(server.password()));
}

#[test]
fn a_server_can_be_handed_to_a_child_process() {
    let server = MariaDb::shared().expect("a server");
    // This very test file, one test, in a process that must not start a server of its own.
    let done = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "databases_are_separate_and_the_server_is_durable", "--nocapture"])
        .env(ENV_MARIADB, server.handover())
        .env("PATH", find_program("mariadb").expect("a client").parent().expect("a folder"))
        .env("TMPDIR", "/nonexistent/so/that/starting/one/fails")
        .output()
        .expect("runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));

    let broken = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "secrets_stay_out_of_debug_output"])
        .env(ENV_MARIADB, "{}")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&broken.stdout);
    assert!(!broken.status.success() && said.contains("missing field"), "{said}");
}
