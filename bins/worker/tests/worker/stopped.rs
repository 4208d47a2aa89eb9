//! A worker that stands still for longer than its leases, while another takes over.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind::{Abandoned, Added, Completed, Started};
use taskwatch_testbed::MariaDb;

use crate::place::{Place, note, shell};
use crate::processes::{gone, is_alive};

/// The shortest that there are.
const SHORT: [(&str, &str); 2] = [("TASKWATCH_WORKER_LEASE", "5s"), ("TASKWATCH_QUEUE_HIDDEN", "10s")];

#[tokio::test]
async fn what_another_has_taken_over_is_not_completed_by_the_one_that_wakes_up() {
    let place = Place::on(MariaDb::shared().unwrap()).await;
    let tasks = place.add(&["hangs", "ends while it stands still"]).await;
    let ids = place.folder.path().join("ids");
    fs::create_dir(&ids).unwrap();
    // The first attempt of one goes on for ever; that of the other ends when it is told to.
    let script = format!(
        "[ $TASKWATCH_ATTEMPT = 1 ] || exit 0; echo $$ >{ids}/$TASKWATCH_TASK_ID.new; mv {ids}/$TASKWATCH_TASK_ID.new \
         {ids}/$TASKWATCH_TASK_ID; [ $TASKWATCH_TASK_ID = {hangs} ] && exec sleep 600; while [ -e {ids}/wait ]; do sleep \
         0.1; done",
        ids = ids.display(),
        hangs = tasks[0]
    );
    fs::write(ids.join("wait"), "").unwrap();
    let handler = shell(&script);
    let settings = [&SHORT[..], &[("TASKWATCH_HANDLER_COMMAND", &handler)]].concat();
    let mut first = place.worker(&settings);
    let id = async |task: usize| loop {
        let read = fs::read_to_string(ids.join(tasks[task].to_string())).unwrap_or_default();
        if let Ok(id) = read.trim().parse::<u32>() {
            return id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let handlers = [id(0).await, id(1).await];
    first.signal(Signal::STOP);
    fs::remove_file(ids.join("wait")).unwrap();
    gone(|| vec![handlers[1]]).await;

    let second = place.worker(&settings);
    let begun = Instant::now();
    place.until(Status::Completed, 2).await;
    note(format_args!("taken over {:?} after the first stood still", begun.elapsed()));
    assert!(is_alive(handlers[0]), "nobody can have ended it");
    let before = place.records().await;
    first.signal(Signal::CONT);
    first.says_again("a result was refused: the lease had been lost", 2).await;
    gone(|| handlers.to_vec()).await;

    let after = place.records().await;
    assert_eq!(before, after, "it has not touched what the other has done");
    for record in &after {
        let events: Vec<_> = record.entries.iter().map(|entry| (entry.event, entry.attempt)).collect();
        assert_eq!(events, [(Added, 0), (Started, 1), (Abandoned, 1), (Started, 2), (Completed, 2)]);
        let workers: Vec<_> = record.entries[1..].iter().map(|entry| entry.origin.worker.clone()).collect();
        assert!(workers[0] != workers[1] && workers[1..].iter().all(|worker| *worker == workers[1]), "{workers:?}");
    }
    place.emptied().await;
    // Both go on as if nothing had happened.
    place.add(&["a"; 20]).await;
    place.until(Status::Completed, 22).await;
    for worker in [first, second] {
        let (code, said) = worker.stop();
        assert_eq!(code, Some(0), "{said}");
    }
    place.each_completed_once().await;
    place.audit().await;
}

#[tokio::test]
async fn what_nobody_has_taken_over_goes_on_where_it_was() {
    let place = Place::on(MariaDb::shared().unwrap()).await;
    place.add(&["a"; 3]).await;
    let wait = place.folder.path().join("wait");
    fs::write(&wait, "").unwrap();
    let handler = shell(&format!("while [ -e {} ]; do sleep 0.1; done", wait.display()));
    // Hidden for longer than the pause: the leases alone run out.
    let settings = [("TASKWATCH_WORKER_LEASE", "2s"), ("TASKWATCH_HANDLER_COMMAND", &*handler)];
    let worker = place.worker(&settings);
    place.until(Status::InProgress, 3).await;
    worker.signal(Signal::STOP);
    tokio::time::sleep(Duration::from_secs(4)).await;
    worker.signal(Signal::CONT);
    tokio::time::sleep(Duration::from_secs(1)).await;
    fs::remove_file(&wait).unwrap();
    place.until(Status::Completed, 3).await;
    let events: Vec<_> = place.records().await[0].entries.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Added, Started, Completed], "{}", worker.log());
    place.emptied().await;
    let (code, said) = worker.stop();
    assert_eq!(code, Some(0), "{said}");
    place.audit().await;
}
