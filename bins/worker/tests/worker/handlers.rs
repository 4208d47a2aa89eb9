//! What the programs and services do to a worker that do the work.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind::{self, Added, Completed, Failed, Released, Started};

use crate::place::{Place, Worker, note, pretending, shell};
use crate::processes::{cpu, gone, is_alive, kill, peak};

/// Ends well the second time.
fn once(script: &str) -> String {
    shell(&format!("[ $TASKWATCH_ATTEMPT = 1 ] || exit 0; {script}"))
}

/// Numbers that programs have written down, one a line.
fn ids(file: &Path) -> Vec<u32> {
    fs::read_to_string(file).unwrap_or_default().lines().map(|line| line.parse().unwrap()).collect()
}

/// What happened to each task, and why something failed.
async fn stories(place: &Place) -> Vec<(Vec<EventKind>, String)> {
    let story = |record: taskwatch_core::ports::Record| {
        let reasons = record.entries.iter().filter_map(|entry| entry.reason.clone()).collect::<Vec<_>>();
        (record.entries.iter().map(|entry| entry.event).collect(), reasons.join("; "))
    };
    place.records().await.into_iter().map(story).collect()
}

/// Everything is done, the messages are gone, the worker ends as it should, the books balance.
async fn all_is_well(place: &Place, worker: Worker, tasks: usize) -> String {
    place.until(Status::Completed, tasks).await;
    place.ended_well(worker).await
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_its_children_and_counts_as_failed() {
    let place = Place::new().await;
    place.add(&["a"; 20]).await;
    let file = place.folder.path().join("ids");
    let hangs = once(&format!("echo $$ >>{0}; sleep 600 & echo $! >>{0}; wait", file.display()));
    let settings = [("TASKWATCH_HANDLER_COMMAND", &*hangs), ("TASKWATCH_HANDLER_TIME_LIMIT", "1s")];
    let worker = place.worker(&settings);
    all_is_well(&place, worker, 20).await;
    assert_eq!(ids(&file).len(), 40);
    gone(|| ids(&file)).await;
    for (events, reasons) in stories(&place).await {
        assert_eq!(events, [Added, Started, Failed, Started, Completed]);
        assert_eq!(reasons, "killed at the time limit of 1s");
    }
}

#[tokio::test]
async fn children_that_are_left_behind_hold_up_nothing() {
    let place = Place::new().await;
    place.add(&["a"; 3]).await;
    let (group, free) = (place.folder.path().join("group"), place.folder.path().join("free"));
    // All keep their outputs open. The one that has made itself independent nobody can find.
    let leaks = format!(
        "sleep 600 & echo $! >>{}; setsid sh -c 'echo $$ >>{}; exec sleep 600' & sleep 0.2; exit 0",
        group.display(),
        free.display()
    );
    let worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &*shell(&leaks))]);
    all_is_well(&place, worker, 3).await;
    assert_eq!((ids(&group).len(), ids(&free).len()), (3, 3));
    gone(|| ids(&group)).await;
    assert!(ids(&free).into_iter().all(is_alive));
    ids(&free).into_iter().for_each(kill);
    assert!(stories(&place).await.iter().all(|(events, _)| *events == [Added, Started, Completed]));
}

#[tokio::test]
async fn panics_cost_an_attempt_each_and_nothing_else() {
    let place = Place::new().await;
    place.add(&["a"; 100]).await;
    let panics = [("TASKWATCH_HANDLER_SIMULATE_PANICS", "0.5"), ("TASKWATCH_WORKER_MAX_ATTEMPTS", "1000")];
    let worker = place.worker(&[&pretending("1ms")[..], &panics].concat());
    let said = all_is_well(&place, worker, 100).await;
    let stories = stories(&place).await;
    let failed = stories.iter().flat_map(|(events, _)| events).filter(|event| **event == Failed).count();
    let told = said.lines().filter(|line| line.contains("ERROR the handler panicked")).count();
    assert!(failed > 20 && told == failed, "{failed} {said}");
}

#[tokio::test]
async fn gigabytes_of_output_go_nowhere() {
    const EACH: &str = "512M";
    let place = Place::new().await;
    place.add(&["out", "err"]).await;
    let prints = format!(
        "[ $TASKWATCH_TASK_ID = 1 ] && exec head -c {EACH} /dev/zero; head -c {EACH} /dev/zero | tr '\\0' x >&2; exit 0"
    );
    let worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &*shell(&prints))]);
    place.until(Status::Completed, 2).await;
    note(format_args!("{} MiB at most, {:?} of processor time", peak(worker.id()), cpu(worker.id())));
    assert!(peak(worker.id()) < 200, "{} MiB", peak(worker.id()));
    let said = all_is_well(&place, worker, 2).await;
    assert!(said.len() < 2_000, "{said}");
}

#[tokio::test]
async fn signals_and_a_refusal_to_read_are_ends_like_others() {
    let place = Place::new().await;
    place.add(&["a"; 10]).await;
    let ends = once("exec <&-; [ $((TASKWATCH_TASK_ID % 2)) = 0 ] && kill -SEGV $$; exit 3");
    let worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &*ends)]);
    all_is_well(&place, worker, 10).await;
    for (at, (events, reasons)) in stories(&place).await.iter().enumerate() {
        assert_eq!(events, &[Added, Started, Failed, Started, Completed]);
        assert_eq!(reasons, if at % 2 == 0 { "exit code 3" } else { "killed by signal 11" });
    }
}

#[tokio::test]
async fn a_program_that_disappears_costs_no_attempts() {
    let place = Place::new().await;
    let program = place.folder.path().join("program");
    let install = || {
        // As an installer does, so that nobody finds half of it.
        let new = place.folder.path().join("new");
        fs::write(&new, "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, &program).unwrap();
    };
    let argv = serde_json::json!([program]).to_string();
    let settings = [("TASKWATCH_HANDLER_COMMAND", &*argv), ("TASKWATCH_WORKER_MAX_ATTEMPTS", "1")];
    for check in [true, false] {
        let mut command = place.command(&settings);
        let (code, said) = Worker::start(if check { command.arg("--check") } else { &mut command }).end();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(program.to_str().unwrap()) && said.contains("install it"), "{said}");
    }
    install();
    let mut worker = place.worker(&settings);
    place.add(&["a"; 5]).await;
    place.until(Status::Completed, 5).await;
    fs::remove_file(&program).unwrap();
    place.add(&["a"; 60]).await;
    worker.says("cannot be started").await;
    let used = cpu(worker.id());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let used = cpu(worker.id()) - used;
    assert!(used < Duration::from_secs(1), "{used:?}");
    let entries = place.records().await.into_iter().flat_map(|record| record.entries);
    let in_vain = |entry: &LedgerEntry| entry.reason.as_ref().is_some_and(|why| why.contains("cannot be started"));
    let tried = entries.filter(|entry| entry.event == Released && in_vain(entry)).count();
    // As many as run at once; then one after each pause. Those that were claimed behind them go back untried.
    assert!((1..40).contains(&tried), "{tried}");
    install();
    let back = Instant::now();
    worker.says("recovered: what does the work can be reached again").await;
    note(format_args!("{tried} were tried in vain; recovered {:?} after the program was there", back.elapsed()));
    let said = all_is_well(&place, worker, 65).await;
    assert_eq!(said.lines().filter(|line| line.contains("cannot be started")).count(), 1, "{said}");
    assert!(stories(&place).await.iter().all(|(events, _)| !events.contains(&Failed)));
}

/// A service that answers as it is told to.
fn service(port: u16, mut answer: impl FnMut(usize, &mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (call, mut client) in listener.incoming().flatten().enumerate() {
            // Its headers at least; what else there is does not matter.
            let _ = client.read(&mut [0; 16 * 1024]);
            answer(call, &mut client);
        }
    });
    address
}

fn calling(url: &str) -> [(&str, &str); 4] {
    [
        ("TASKWATCH_HANDLER_KIND", "http"),
        ("TASKWATCH_HANDLER_COMMAND", ""),
        ("TASKWATCH_HANDLER_HTTP_URL", url),
        ("TASKWATCH_HANDLER_TIME_LIMIT", "2s"),
    ]
}

const DONE: &[u8] = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_service_that_hangs_or_never_ends_its_answer_is_left() {
    let place = Place::new().await;
    place.add(&["a"; 2]).await;
    let mut silent = Vec::new();
    let address = service(0, move |call, client| match call {
        0 => silent.push(client.try_clone().unwrap()),
        1 => {
            let mut client = client.try_clone().unwrap();
            thread::spawn(move || {
                let _ = client.write_all(b"HTTP/1.1 500 Oh\r\n\r\n");
                while client.write_all(&[b'x'; 64 * 1024]).is_ok() {}
            });
        }
        _ => client.write_all(DONE).unwrap(),
    });
    let url = format!("http://{address}/");
    let worker = place.worker(&calling(&url));
    place.until(Status::Completed, 2).await;
    assert!(peak(worker.id()) < 200, "{} MiB", peak(worker.id()));
    all_is_well(&place, worker, 2).await;
    let stories = stories(&place).await;
    assert!(stories.iter().all(|(events, _)| *events == [Added, Started, Failed, Started, Completed]), "{stories:?}");
    let with = |words: &str| stories.iter().filter(|(_, reasons)| reasons.contains(words)).count();
    assert_eq!((with("did not answer within the time limit of 2s"), with("500")), (1, 1), "{stories:?}");
}

#[tokio::test]
async fn a_service_that_is_away_costs_no_attempts() {
    let place = Place::new().await;
    place.add(&["a"; 60]).await;
    // Nobody listens there now.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/");
    let settings = [&calling(&url)[..], &[("TASKWATCH_WORKER_MAX_ATTEMPTS", "1")]].concat();
    let mut worker = place.worker(&settings);
    worker.says("no connection to").await;
    service(port, |_, client| client.write_all(DONE).unwrap());
    let said = all_is_well(&place, worker, 60).await;
    assert_eq!(said.lines().filter(|line| line.contains("no connection to")).count(), 1, "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("recovered: what does the work")).count(), 1, "{said}");
    assert!(stories(&place).await.iter().all(|(events, _)| !events.contains(&Failed)));
}
