//! Connections that a router has forgotten: what is sent over them is lost, and nobody is told.

use std::time::{Duration, Instant, SystemTime};

use deadpool::managed::{Manager as _, Metrics, Object};
use futures_util::FutureExt as _;
use taskwatch_testbed::Line;

use super::*;
use crate::mysql::session::Session;

/// Of a connection that was last used this many seconds ago.
fn idle(seconds: u64) -> Metrics {
    Metrics { created: Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap(), ..Metrics::default() }
}

/// A store with three open connections, taken out of its pool, by way of a line.
async fn sessions(line: &Line) -> (MySqlStore, tempfile::TempDir, [Session; 3]) {
    let (store, folder) = database_by(line.port(), 0).await;
    let taken = futures_util::future::join_all((0..3).map(|_| store.pool.get())).await;
    let sessions: Vec<_> = taken.into_iter().map(|taken| Object::take(taken.unwrap())).collect();
    (store, folder, sessions.try_into().unwrap())
}

#[tokio::test]
async fn a_silent_connection_speaks_for_all_that_are_as_old_and_for_no_other() {
    let line = Line::to(MariaDb::shared().unwrap().port()).unwrap();
    let (store, _folder, [mut first, mut second, mut third]) = sessions(&line).await;
    let manager = store.pool.manager();
    assert!(manager.recycle(&mut first, &idle(30)).await.is_ok(), "it lives");

    assert_eq!(line.drop_silently(), 3);
    assert!(manager.recycle(&mut first, &idle(30)).await.is_err());
    // Nothing is waited for.
    assert!(manager.recycle(&mut second, &idle(30)).now_or_never().expect("at once").is_err());
    // It was used just now, as far as the pool knows: nothing is asked.
    assert!(manager.recycle(&mut third, &idle(0)).now_or_never().expect("at once").is_ok());
    // One that was made after the silence is asked again, once it is old.
    let mut new = Object::take(store.pool.get().await.unwrap());
    new.used = SystemTime::now() - Duration::from_secs(30);
    assert!(manager.recycle(&mut new, &idle(0)).await.is_ok());
}

#[tokio::test]
async fn a_connection_is_asked_after_a_freeze_that_only_the_clock_on_the_wall_has_seen() {
    let line = Line::to(MariaDb::shared().unwrap().port()).unwrap();
    let (store, _folder, [mut session, ..]) = sessions(&line).await;
    line.drop_silently();
    session.used = SystemTime::now() - Duration::from_secs(3 * 60 * 60);
    assert!(store.pool.manager().recycle(&mut session, &idle(0)).await.is_err());
}

#[tokio::test]
async fn calls_go_on_over_new_connections() {
    let line = Line::to(MariaDb::shared().unwrap().port()).unwrap();
    let (store, _folder) = database_by(line.port(), 1).await;
    let ids = Select::Ids(vec![TaskId::try_from(1).unwrap()]);
    futures_util::future::join_all((0..3).map(|_| store.transact(&ids, &|_| None))).await;
    for mut taken in futures_util::future::join_all((0..3).map(|_| store.pool.get())).await.into_iter().flatten() {
        taken.used = SystemTime::now() - Duration::from_secs(60);
    }
    let opened = line.opened();
    assert!(line.drop_silently() >= 3);
    assert_eq!(store.transact(&ids, &|_| None).await.unwrap().len(), 1);
    assert_eq!(line.opened(), opened + 1);
}
