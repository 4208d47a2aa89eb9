//! Reading rows and ledger.

use taskwatch_core::ports::Filter;
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_core::transition::Then;

use super::Bench;
use super::moves::{at, claim, complete, fail};

pub(super) async fn records_come_in_pages_by_id(bench: Bench<'_>) {
    let tasks = bench.add(7).await;
    bench.write(&tasks, &claim(at(0), 1)).await;
    let mut read: Vec<TaskId> = Vec::new();
    for size in [3, 3, 1, 0] {
        let page = bench.records.records(read.last().copied(), 3).await.expect("the records can be read");
        assert_eq!(page.len(), size, "no more than the limit, and nothing left out");
        for record in &page {
            assert_eq!(record.entries.len(), 2, "a record has its whole ledger");
            assert_eq!(record.row.as_ref().map(|row| row.id), Some(record.task), "a record has its row");
            assert_eq!(
                bench.records.record(record.task).await.expect("the record can be read").as_ref(),
                Some(record),
                "a task reads the same by itself"
            );
        }
        read.extend(page.iter().map(|record| record.task));
    }
    assert_eq!(read, tasks, "pages run by id");
}

pub(super) async fn several_tasks_are_read_together(bench: Bench<'_>) {
    let tasks = bench.add(4).await;
    bench.write(&tasks[1..], &claim(at(0), 1)).await;
    let absent = TaskId::try_from(tasks[3].get() + 1000).expect("an id");
    let asked = [tasks[2], absent, tasks[0], tasks[2]];
    let found = bench.records.several(&asked).await.expect("the records can be read");
    assert!(
        found.iter().map(|record| record.task).eq([tasks[0], tasks[2]]),
        "those that exist, once, by id: {found:?}"
    );
    for record in &found {
        let alone = bench.records.record(record.task).await.expect("the record can be read");
        assert_eq!(alone.as_ref(), Some(record), "a task reads the same by itself");
    }
    assert_eq!(found[1].entries.len(), 2, "a record has its whole ledger");
    assert!(bench.records.several(&[]).await.expect("nothing can be read").is_empty(), "nothing asked, nothing read");
}

pub(super) async fn lists_come_newest_first_and_filtered(bench: Bench<'_>) {
    let titles = ["wash 100%", "dry 100_", "wash 'em", "iron", "wash \\"];
    let tasks = bench.insert(&titles.map(NewTask::titled)).await;
    let [one, two, three, four, five] = tasks[..] else { panic!("five tasks were inserted: {tasks:?}") };
    bench.write(&[one, two], &claim(at(0), 1)).await;
    bench.write(&[two], &complete(at(1))).await;
    let list = async |filter: Filter| -> Vec<TaskId> {
        let rows = bench.records.list(&filter).await.expect("the rows can be listed");
        rows.iter().map(|row| row.id).collect()
    };
    let all = || Filter { limit: 100, ..Filter::default() };
    assert_eq!(list(all()).await, [five, four, three, two, one], "newest first");
    assert_eq!(list(Filter { limit: 2, ..all() }).await, [five, four], "no more than the limit");
    assert_eq!(list(Filter { limit: 2, before: Some(four), ..all() }).await, [three, two], "the next page");
    let statuses = vec![Status::InProgress, Status::Completed];
    assert_eq!(list(Filter { statuses, ..all() }).await, [two, one], "by status");
    bench.foreign.write_status(two, "In Progress").await;
    let list_of = async |status| list(Filter { statuses: vec![status], ..all() }).await;
    assert_eq!(list_of(Status::InProgress).await, [one], "a finished task is not open again");
    assert_eq!(list_of(Status::Completed).await, [two], "whatever another program has written");
    for (text, found) in [("wash", vec![five, three, one]), ("%", vec![one]), ("_", vec![two]), ("\\", vec![five])] {
        let title = Some(text.to_owned());
        assert_eq!(list(Filter { title, ..all() }).await, found, "titles that hold {text:?}, letter by letter");
    }
    let both = Filter { statuses: vec![Status::Pending], title: Some("'".to_owned()), ..all() };
    assert_eq!(list(both).await, [three], "all conditions together");
}

pub(super) async fn open_tasks_are_told(bench: Bench<'_>) {
    let any = async || bench.records.any_open().await.expect("the store can say whether a task is open");
    assert!(!any().await, "no task, none open");
    let tasks = bench.add(2).await;
    assert!(any().await, "what is Pending is open");
    bench.write(&tasks, &claim(at(0), 1)).await;
    assert!(any().await, "what is In Progress is open");
    bench.write(&tasks[..1], &complete(at(1))).await;
    assert!(any().await, "one of two is open still");
    bench.write(&tasks[1..], &fail(at(1), Then::GiveUp { now: at(1) }, "for good")).await;
    assert!(!any().await, "what is Completed or Failed is not open");
    for status in ["Pending", "In Progress"] {
        bench.foreign.write_status(tasks[0], status).await;
        assert!(!any().await, "a finished task is not open again, whatever another program has written");
    }
    bench.foreign.insert_foreign("odd", "pending").await;
    assert!(!any().await, "an unknown status is not open");
    bench.foreign.write_status(tasks[1], "Pending").await;
    assert!(any().await, "what had failed can be put back by another program");
    bench.foreign.write_status(tasks[1], "Failed").await;
    bench.foreign.insert_foreign("theirs", "In Progress").await;
    assert!(any().await, "another program's row is open although nobody has adopted it");
}
