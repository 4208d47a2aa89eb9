//! Credentials expire and are renewed, are replaced, come late, do not allow everything.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use taskwatch_testbed::Fault;

use crate::keys::{Key, Keys};
use crate::outage::{ANSWERS, Outage, recoveries, said_once, troubles};
use crate::place::{PATIENCE, Place};

const EXPIRED: Fault = Fault::Refuse { status: 400, code: "ExpiredToken" };
const UNKNOWN: Fault = Fault::Refuse { status: 403, code: "InvalidClientTokenId" };
const DENIED: Fault = Fault::Refuse { status: 400, code: "AccessDenied" };

/// No keys in the environment: they are at this place.
fn keys_at<'a>(name: &'a str, place: &'a str) -> [(&'a str, &'a str); 3] {
    [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), (name, place)]
}

/// As `aws configure` does, at once.
fn write_key(file: &Path, id: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = secret\n")).unwrap();
    fs::rename(beside, file).unwrap();
}

/// Three keys, each good for some seconds, one after the other: nobody notices.
async fn renewed_before_they_expire() {
    let outage = Outage::at(Place::new().await);
    let (good_until, used) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(BTreeSet::new())));
    let handed_out = Arc::clone(&good_until);
    let keys = Keys::hand_out(move |before| {
        // 10 s before that, at the earliest, it is renewed.
        let expires = SystemTime::now() + Duration::from_secs(14);
        handed_out.lock().unwrap().push(expires);
        Some(Key { id: format!("key-{before}"), expires })
    });
    let (keys, seen) = (keys.await, Arc::clone(&used));
    outage.front.breaks(move |asked| {
        let number: Option<usize> = asked.key.strip_prefix("key-").and_then(|number| number.parse().ok());
        seen.lock().unwrap().insert(number);
        let expires = number.and_then(|number| good_until.lock().unwrap().get(number).copied());
        expires.is_none_or(|expires| expires <= SystemTime::now()).then_some(EXPIRED)
    });
    let worker = outage.worker(&keys_at("AWS_CONTAINER_CREDENTIALS_FULL_URI", &keys.url));
    let (begun, mut tasks) = (Instant::now(), Vec::new());
    while used.lock().unwrap().len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "{}", worker.log());
        tasks.extend(outage.place.add(&["x"; 20]).await);
        outage.all_done(&worker, tasks.len()).await;
    }
    outage.once(&tasks).await;
    assert_eq!((troubles(&worker), recoveries(&worker)), (vec![], vec![]));
    assert!(keys.asked() <= 4, "asked for {} times", keys.asked());
}

/// The endpoint of the container does not answer when it is time, and then it does.
async fn not_to_be_had_for_a_while() {
    let outage = Outage::at(Place::new().await);
    let is_up = Arc::new(AtomicBool::new(true));
    let up = Arc::clone(&is_up);
    let keys = Keys::hand_out(move |before| {
        let expires = SystemTime::now() + Duration::from_secs(13);
        up.load(Ordering::Relaxed).then(|| Key { id: format!("key-{before}"), expires })
    });
    let keys = keys.await;
    let mut tasks = outage.place.add(&["before"; 100]).await;
    let mut worker = outage.worker(&keys_at("AWS_CONTAINER_CREDENTIALS_FULL_URI", &keys.url));
    outage.all_done(&worker, 100).await;
    is_up.store(false, Ordering::Relaxed);
    worker.says("with the credentials there are").await;
    let before = keys.asked();
    outage.is_calm(&worker).await;
    tasks.extend(outage.place.add(&["meanwhile"; 200]).await);
    assert!(keys.asked() - before < 60, "asked for {} times", keys.asked() - before);
    is_up.store(true, Ordering::Relaxed);
    outage.recovers(&mut worker, 300).await;
    outage.once(&tasks).await;
    said_once(&worker, "with the credentials there are", ANSWERS);
}

async fn expired_before_their_time() {
    let outage = Outage::at(Place::new().await);
    let is_renewed = Arc::new(AtomicBool::new(false));
    let renewed = Arc::clone(&is_renewed);
    let keys = Keys::hand_out(move |_| {
        let id = if renewed.load(Ordering::Relaxed) { "new" } else { "old" };
        Some(Key { id: id.to_owned(), expires: SystemTime::now() + Duration::from_secs(3600) })
    });
    let keys = keys.await;
    let mut tasks = outage.place.add(&["before"; 100]).await;
    let mut worker = outage.worker(&keys_at("AWS_CONTAINER_CREDENTIALS_FULL_URI", &keys.url));
    outage.all_done(&worker, 100).await;
    outage.front.breaks(|asked| (asked.key == "old").then_some(EXPIRED));
    worker.says("ExpiredToken").await;
    outage.is_calm(&worker).await;
    tasks.extend(outage.place.add(&["meanwhile"; 200]).await);
    is_renewed.store(true, Ordering::Relaxed);
    outage.recovers(&mut worker, 300).await;
    outage.once(&tasks).await;
    said_once(&worker, "ExpiredToken", ANSWERS);
}

async fn written_after_the_start() {
    let outage = Outage::at(Place::new().await);
    let file = outage.place.folder.path().join("credentials");
    let tasks = outage.place.add(&["x"; 200]).await;
    let mut worker = outage.worker(&keys_at("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()));
    worker.says("no credentials found").await;
    outage.is_calm(&worker).await;
    assert_eq!(outage.front.all_calls().all, 0, "nothing goes out unsigned");
    write_key(&file, "late");
    outage.recovers(&mut worker, 200).await;
    outage.once(&tasks).await;
    said_once(&worker, "no credentials found", ANSWERS);
}

async fn replaced() {
    let outage = Outage::at(Place::new().await);
    let file = outage.place.folder.path().join("credentials");
    write_key(&file, "old");
    let mut tasks = outage.place.add(&["before"; 100]).await;
    let mut worker = outage.worker(&keys_at("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()));
    outage.all_done(&worker, 100).await;
    outage.front.breaks(|asked| (asked.key != "new").then_some(UNKNOWN));
    worker.says("InvalidClientTokenId").await;
    outage.is_calm(&worker).await;
    tasks.extend(outage.place.add(&["meanwhile"; 200]).await);
    write_key(&file, "new");
    outage.recovers(&mut worker, 300).await;
    outage.once(&tasks).await;
    said_once(&worker, "InvalidClientTokenId", ANSWERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_container_expire_and_are_renewed() {
    tokio::join!(renewed_before_they_expire(), not_to_be_had_for_a_while(), expired_before_their_time());
}

/// Tasks that fail once are tried again when the visibility of their messages ends; all else goes on.
async fn without_a_right() {
    let outage = Outage::at(Place::new().await);
    outage.front.breaks_all(&["ChangeMessageVisibilityBatch"], DENIED);
    outage.place.add(&["x"; 200]).await;
    let worker = outage.worker(&[("TASKWATCH_HANDLER_SIMULATE_FAILURES", "0.03")]);
    outage.all_done(&worker, 200).await;
    outage.place.audit().await;
    let said = troubles(&worker);
    assert!(said.len() == 1 && said[0].contains("do not allow sqs:ChangeMessageVisibility"), "{said:?}");
    assert_eq!(outage.front.calls("ChangeMessageVisibilityBatch").all, 1, "asked once, and not for each message");
}

#[tokio::test]
async fn keys_come_late_are_replaced_and_lack_a_right() {
    tokio::join!(written_after_the_start(), replaced(), without_a_right());
}
