//! What a command or a service is told about the attempt.

use serde::Serialize;
use taskwatch_core::ports::{AttemptInfo, Failure};
use taskwatch_core::task::Task;

/// The announcement of the task, with the attempt's own fields beside it.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    task: &'a Task,
    attempt: u32,
    max_attempts: u32,
    idempotency_key: &'a str,
}

/// The payload as one line of JSON.
pub(crate) fn json(task: &Task, attempt: &AttemptInfo) -> Result<Vec<u8>, Failure> {
    let payload =
        Payload { task, attempt: attempt.number, max_attempts: attempt.max, idempotency_key: &attempt.idempotency_key };
    let mut json =
        serde_json::to_vec(&payload).map_err(|error| Failure::permanent(format!("the task has no JSON: {error}")))?;
    json.push(b'\n');
    Ok(json)
}

/// A W3C `traceparent` for the attempt, if the delivery came with a trace id that is one.
///
/// The attempt's span id is computed from task and attempt, so that a repeated call names the same span. The sampled
/// flag is set: somebody upstream asked for the trace.
pub(crate) fn traceparent(task: &Task, attempt: &AttemptInfo) -> Option<String> {
    let trace = attempt.trace.as_deref()?;
    let hexadecimal = trace.len() == 32 && trace.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !hexadecimal || trace.bytes().all(|b| b == b'0') {
        return None;
    }
    let seed = fastrand::Rng::with_seed(task.id.get().cast_unsigned()).u64(..) ^ u64::from(attempt.number);
    let span = fastrand::Rng::with_seed(seed).u64(1..);
    Some(format!("00-{trace}-{span:016x}-01"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_payload_is_the_announcement_with_the_attempt_beside_it() -> Result<(), Box<dyn std::error::Error>> {
        let (task, attempt) = testing::attempt(7, 2);
        let json = json(&task, &attempt).map_err(|failure| failure.reason)?;
        assert_eq!(json.last(), Some(&b'\n'));
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&json)?,
            serde_json::json!({
                "task_id": 7, "title": "task 7", "description": "what to do",
                "attempt": 2, "max_attempts": 5, "idempotency_key": "key-7",
            })
        );
        Ok(())
    }

    #[test]
    fn only_a_valid_trace_id_is_passed_on() {
        let (task, mut attempt) = testing::attempt(7, 2);
        let parent = traceparent(&task, &attempt).expect("the trace id is valid");
        let fields: Vec<&str> = parent.split('-').collect();
        assert_eq!((fields[0], fields[1], fields[3]), ("00", testing::TRACE, "01"));
        assert!(fields[2].len() == 16 && fields[2] != "0000000000000000", "{parent}");
        assert_eq!(traceparent(&task, &attempt), Some(parent.clone()));

        attempt.number = 3;
        assert_ne!(traceparent(&task, &attempt), Some(parent));
        for bad in ["", "4BF92F3577B34DA6A3CE929D0E0E4736", "00000000000000000000000000000000", "4bf9"] {
            attempt.trace = Some(bad.to_owned());
            assert_eq!(traceparent(&task, &attempt), None, "{bad:?}");
        }
    }
}
