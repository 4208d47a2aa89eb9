//! Letters as JSON.

use serde_json::{Value, json};
use taskwatch_replay::cause;

use super::walk::One;

/// What there is to say of a letter, but for what it says itself. Times are microseconds since 1970, UTC.
pub(super) fn outline(one: &One) -> Value {
    let One { entry, letter, record, class, .. } = one;
    let row = record.as_ref().and_then(|record| record.row.as_ref());
    json!({
        "letter": one.name(),
        "state": letter.state.words(),
        "message_id": letter.message_id,
        "task": letter.task.as_ref().ok(),
        "class": class.name(),
        "status": row.map(|row| row.standing()),
        "reason": cause(letter, record.as_ref()),
        "receives": letter.receives,
        "sent_at": letter.sent_at,
        "died_at": letter.died_at,
        "captured_at": letter.captured_at,
        "source_queue": letter.source_queue,
        "group": letter.group,
        "trace": letter.trace,
        "title": letter.title().or(row.map(|row| row.title.as_str())),
        "outcome": entry.outcome.map(|outcome| outcome.words()),
        "why": entry.why,
    })
}
