//! The right journal, and alone.

use std::time::Duration;

use sqlx::sqlite::SqlitePoolOptions;
use taskwatch_replay::journal::{FORMAT_VERSION, Journal, OpenError, Source};

use crate::fake::{ARN, NOW, by, journal, of_queue, open};

#[tokio::test]
async fn only_one_has_it_and_the_other_is_told_who() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let held = journal(folder.path()).await;
    let error = Journal::open(&path, &of_queue(), &by(), NOW).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, OpenError::InUse { .. }), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    let looked = Journal::status(&path).await.unwrap();
    assert_eq!(looked.holder.unwrap().pid(), Some(std::process::id()));
    assert_eq!((looked.source, looked.id.as_str()), (of_queue(), held.id()));
    assert_eq!((looked.runs[0].who.as_str(), looked.runs[0].reason.as_deref()), ("tests", Some("because")));
    held.close().await;
    let held = journal(folder.path()).await;
    held.close().await;
    // A process that another test starts may have it for a moment.
    while Journal::status(&path).await.unwrap().holder.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn that_of_another_queue_is_refused_by_both_names() {
    let folder = tempfile::tempdir().unwrap();
    journal(folder.path()).await.close().await;
    let other = Source::Queue(format!("{ARN}-other"));
    let error = open(&folder.path().join("j"), &other, NOW).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("for queue {ARN}-other: it is that of queue {ARN}:")), "{text}");
    let error = open(&folder.path().join("j"), &Source::File(ARN.into()), NOW).await.unwrap_err();
    assert!(matches!(error, OpenError::OtherSource { .. }), "{error}");
    // Neither counts as a run.
    assert_eq!(Journal::status(&folder.path().join("j")).await.unwrap().runs.len(), 1);
}

#[tokio::test]
async fn other_formats_and_other_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    journal(folder.path()).await.close().await;
    let url = format!("sqlite:{}", path.display());
    let pool = SqlitePoolOptions::new().connect(&url).await.unwrap();
    sqlx::query("UPDATE meta SET value = '7' WHERE name = 'format'").execute(&pool).await.unwrap();
    pool.close().await;
    let error = open(&path, &of_queue(), NOW).await.unwrap_err();
    assert!(matches!(&error, OpenError::Version { found, known: FORMAT_VERSION, .. } if found == "7"), "{error}");

    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be asked whether it is one".repeat(20)).unwrap();
    let error = open(&text, &of_queue(), NOW).await.unwrap_err();
    assert!(matches!(&error, OpenError::NotAJournal { .. }), "{error}");

    let strange = folder.path().join("strange");
    let url = format!("sqlite:{}?mode=rwc", strange.display());
    let pool = SqlitePoolOptions::new().connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE tasks (id INTEGER)").execute(&pool).await.unwrap();
    pool.close().await;
    let error = open(&strange, &of_queue(), NOW).await.unwrap_err();
    assert!(matches!(&error, OpenError::NotAJournal { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_a_crash_left_empty_becomes_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("j"), "").unwrap();
    assert_eq!(journal(folder.path()).await.counts().await.unwrap().entries(), 0);
}

#[test]
fn each_source_has_a_file_of_its_own() {
    let folder = std::path::Path::new("/var/lib");
    let path = |name: &str| Journal::path_for(folder, &Source::Queue(name.to_owned()));
    let one = path(ARN);
    assert!(one.to_str().unwrap().starts_with("/var/lib/dead-") && one != path(&format!("x{ARN}")), "{one:?}");
    assert_eq!(Journal::path_for(folder, &Source::File("/a/b c.jsonl".into())).parent(), Some(folder));
}
