//! What fits into the columns. Both databases keep to the narrower one's limits, so that a task never depends on where
//! it is stored.

use std::borrow::Cow;

use taskwatch_core::task::NewTask;

use crate::error::Fault;

/// Characters in `title` and in `idempotency_key`.
const TITLE: usize = 255;
/// Bytes in `description`.
const DESCRIPTION: usize = 65_535;
/// Characters in `reason`.
pub(crate) const REASON: usize = 1024;
/// Characters in the ledger's `worker`.
pub(crate) const WORKER: usize = 255;
/// Characters in the ledger's `trace_id`.
pub(crate) const TRACE: usize = 64;

/// Refuses a task that would not come back as it was given.
pub(crate) fn check(task: &NewTask) -> Result<(), Fault> {
    let title = &task.title;
    if title.chars().count() > TITLE {
        let start: String = title.chars().take(40).collect();
        return Err(Fault::Refused(format!("the title {start:?}... has more than {TITLE} characters: shorten it")));
    }
    if task.description.as_ref().is_some_and(|text| text.len() > DESCRIPTION) {
        return Err(Fault::Refused(format!(
            "the description of {title:?} has more than {DESCRIPTION} bytes: put the data elsewhere and its place here"
        )));
    }
    if task.idempotency_key.as_ref().is_some_and(|key| key.chars().count() > TITLE || key.is_empty()) {
        return Err(Fault::Refused(format!("the idempotency key of {title:?} must have 1 to {TITLE} characters")));
    }
    if task.max_attempts.is_some_and(|max| i32::try_from(max).is_err()) {
        return Err(Fault::Refused(format!("the attempts of {title:?} must be at most {}", i32::MAX)));
    }
    let texts = [Some(title), task.description.as_ref(), task.idempotency_key.as_ref()];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Fault::Refused(format!("a text of the task {title:?} holds a NUL character: remove it")));
    }
    Ok(())
}

/// At most `max` characters of `text`, without the NUL that one of the databases would stop at.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let kept = text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end]);
    if kept.contains('\0') { Cow::Owned(kept.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("äöü", 2), "äö");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("a\0b", 9), "a\u{fffd}b");
    }

    #[test]
    fn refuses_what_would_be_changed_on_the_way() {
        let ok = NewTask { idempotency_key: Some("k".into()), ..NewTask::titled("ü".repeat(255)) };
        assert!(check(&ok).is_ok());
        let bad = [
            NewTask::titled("x".repeat(256)),
            NewTask::titled("a\0b"),
            NewTask { description: Some("x".repeat(65_536)), ..NewTask::titled("t") },
            NewTask { idempotency_key: Some(String::new()), ..NewTask::titled("t") },
            NewTask { idempotency_key: Some("x".repeat(256)), ..NewTask::titled("t") },
            NewTask { max_attempts: Some(u32::MAX), ..NewTask::titled("t") },
        ];
        for task in bad {
            assert!(matches!(check(&task), Err(Fault::Refused(_))), "{task:?}");
        }
    }
}
