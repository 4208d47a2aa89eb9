//! Random commands on real databases, beside the pure model of `taskwatch_testkit::model`.
//!
//! `PROPTEST_CASES` makes it more of them.

#![expect(clippy::unwrap_used, reason = "tests")]

mod home;

use proptest::test_runner::Config;
use proptest_state_machine::prop_state_machine;
use taskwatch_testkit::model::Machine;

/// Without a file of seeds: the smallest commands that fail are printed.
fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() }
}

#[cfg(feature = "sqlite")]
type OnSqlite = home::Database<home::Sqlite>;
#[cfg(feature = "mysql")]
type OnMariaDb = home::Database<home::MariaDb>;

#[cfg(feature = "sqlite")]
prop_state_machine! {
    #![proptest_config(config(120))]

    #[test]
    fn sqlite_does_what_the_model_says(sequential 1..60 => Machine<OnSqlite>);
}

#[cfg(feature = "mysql")]
prop_state_machine! {
    #![proptest_config(config(50))]

    #[test]
    fn mariadb_does_what_the_model_says(sequential 1..60 => Machine<OnMariaDb>);
}
