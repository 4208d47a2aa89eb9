//! A handler of one's own: counts the words of the file that a task's description names.
//!
//! `cargo run -p taskwatch-handlers --example own_handler`
//!
//! The handler is tried by itself here, one attempt a task; in a worker the engine calls it in the same way, and sees to
//! leases, retries and the ledger.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use async_trait::async_trait;
use taskwatch_core::ports::{AttemptInfo, Clock as _, Failure, Handler};
use taskwatch_core::task::{Task, TaskId};
use taskwatch_handlers::{Spawned, TokioClock};

struct CountWords;

#[async_trait]
impl Handler for CountWords {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        // What cannot get better by itself is permanent: the task is then not tried again.
        let path = task.description.as_deref().ok_or_else(|| Failure::permanent("the description names no file"))?;
        // Blocks its thread, which `Spawned` allows. The file may turn up later: worth another attempt.
        let text = std::fs::read_to_string(path).map_err(|error| Failure::retry(format!("{path}: {error}")))?;
        let words = text.split_whitespace().count();
        println!("task {}, attempt {} of {}: {path} has {words} words", task.id, attempt.number, attempt.max);
        Ok(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let handler = Spawned::new(CountWords);
    let descriptions = [Some(file!()), Some("Cargo.toml"), Some("no/such/file"), None];
    for (id, description) in (1..).zip(descriptions) {
        let id = TaskId::try_from(id)?;
        let task = Task { id, title: "Count words".to_owned(), description: description.map(str::to_owned) };
        let attempt = AttemptInfo {
            number: 1,
            max: 5,
            deadline: TokioClock.now() + std::time::Duration::from_secs(60),
            idempotency_key: format!("count-{id}"),
            trace: None,
        };
        match handler.handle(&task, &attempt).await {
            Ok(()) => println!("task {id}: Completed"),
            Err(Failure { kind, reason }) => println!("task {id}: {kind:?}: {reason}"),
        }
    }
    Ok(())
}
