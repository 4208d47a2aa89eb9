//! An attempt to hand to the handlers under test.

use taskwatch_core::ports::AttemptInfo;
use taskwatch_core::task::{Task, TaskId};
use taskwatch_core::time::Timestamp;

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

pub(crate) fn attempt(id: i64, number: u32) -> (Task, AttemptInfo) {
    let id = TaskId::try_from(id).expect("ids in tests are positive");
    let task = Task { id, title: format!("task {id}"), description: Some("what to do".to_owned()) };
    let attempt = AttemptInfo {
        number,
        max: 5,
        deadline: Timestamp::from_micros(i64::MAX),
        idempotency_key: format!("key-{id}"),
        trace: Some(TRACE.to_owned()),
    };
    (task, attempt)
}
