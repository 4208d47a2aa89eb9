//! What it takes to open a database, and what is wrong when it cannot be.

use std::time::Duration;

use crate::support::mysql::MySql;
use crate::support::proxy::{Fault, Proxy};
use crate::support::{at, origin, titled};
use taskwatch_core::ports::Store as _;
use taskwatch_sql_store::{ConnectOptions, OpenError, SqlStore, TlsMode};

#[tokio::test]
async fn opening_and_checking_take_two_round_trips_after_the_handshake() {
    let fixture = MySql::new().await;
    let proxy = Proxy::to(fixture.server.port()).await;
    let store = SqlStore::open(&fixture.options(proxy.port)).await.unwrap();
    store.check().await.unwrap();
    let log = proxy.take_log();
    assert_eq!(log.len(), 2, "{log:#?}");
}

#[tokio::test]
async fn a_check_asks_again_on_a_new_connection_when_the_old_one_is_dead() {
    let fixture = MySql::new().await;
    let proxy = Proxy::to(fixture.server.port()).await;
    let store = SqlStore::open(&fixture.options(proxy.port)).await.unwrap();
    for fault in [Fault::BreakBefore, Fault::BreakAfter] {
        let sprung = proxy.sprung();
        proxy.set_trap("taskwatch_schema", fault);
        store.check().await.unwrap();
        assert_eq!(proxy.sprung(), sprung + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_named_and_not_shown() {
    let fixture = MySql::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (missing, odd) = (folder.path().join("missing.pem"), folder.path().join("odd.pem"));
    std::fs::write(&odd, "-----BEGIN CERTIFICATE-----\nunfit!\n-----END CERTIFICATE-----\n").unwrap();
    for file in [missing, odd] {
        let name = file.display().to_string();
        let options =
            ConnectOptions { tls: TlsMode::Verify, ca_file: Some(file), ..fixture.options(fixture.server.port()) };
        let refused = SqlStore::open(&options).await.unwrap_err();
        assert!(matches!(&refused, OpenError::Connect(why) if why.contains(&name)), "{refused}");
        assert!(!refused.to_string().contains("unfit"), "{refused}");
    }
}

#[tokio::test]
async fn a_replaced_file_of_authorities_is_used_for_the_next_connection() {
    let fixture = MySql::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::copy(fixture.server.ca_pem_path(), &file).unwrap();
    let options =
        ConnectOptions { tls: TlsMode::Verify, ca_file: Some(file.clone()), ..fixture.options(fixture.server.port()) };
    let store = SqlStore::open(&options).await.unwrap();
    std::fs::copy(fixture.server.other_ca_pem_path(), &file).unwrap();
    store.insert(&titled(1), &origin(), at(0)).await.unwrap();
    fixture.kill_connections();
    let refused = store.insert(&titled(1), &origin(), at(0)).await.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
}

#[tokio::test]
async fn a_batch_of_many_tls_records_arrives_whole_and_the_end_is_seen_by_the_server() {
    let fixture = MySql::new().await;
    let options = ConnectOptions {
        tls: TlsMode::Verify,
        ca_file: Some(fixture.server.ca_pem_path().to_owned()),
        ..fixture.options(fixture.server.port())
    };
    let store = SqlStore::open(&options).await.unwrap();
    assert_eq!(store.insert(&titled(2000), &origin(), at(0)).await.unwrap().len(), 2000);
    let mine = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND user <> 'root'",
        fixture.database
    );
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM tasks"), "2000");
    assert_eq!(fixture.ask(&mine), "1", "the fixture has closed its own");
    store.close().await;
    let gone = async {
        while fixture.ask(&mine) != "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}

#[tokio::test]
async fn an_ipv6_address_is_no_name_to_look_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for tls in [TlsMode::Disable, TlsMode::Prefer] {
        let options = ConnectOptions { tls, ..ConnectOptions::new(format!("mysql://u@[::1]:{port}/d")) };
        let refused = SqlStore::open(&options).await.unwrap_err().to_string();
        assert!(refused.contains("os error") && !refused.contains("lookup"), "{refused}");
    }
}
