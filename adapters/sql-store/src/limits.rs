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

/// A task does not fit into the columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

impl From<Misfit> for Fault {
    fn from(Misfit(why): Misfit) -> Self {
        Self::Refused(why)
    }
}

/// Refuses a task that would not come back as it was given, as every insert does.
///
/// # Errors
/// [`Misfit`] says what is too long, and how long it may be.
pub fn check_task(task: &NewTask) -> Result<(), Misfit> {
    let title = &task.title;
    if title.chars().count() > TITLE {
        let start: String = title.chars().take(40).collect();
        return Err(Misfit(format!("the title {start:?}... has more than {TITLE} characters: shorten it")));
    }
    if task.description.as_ref().is_some_and(|text| text.len() > DESCRIPTION) {
        return Err(Misfit(format!(
            "the description of {title:?} has more than {DESCRIPTION} bytes: put the data elsewhere and its place here"
        )));
    }
    if task.idempotency_key.as_ref().is_some_and(|key| key.chars().count() > TITLE || key.is_empty()) {
        return Err(Misfit(format!("the idempotency key of {title:?} must have 1 to {TITLE} characters")));
    }
    if task.max_attempts.is_some_and(|max| i32::try_from(max).is_err()) {
        return Err(Misfit(format!("the attempts of {title:?} must be at most {}", i32::MAX)));
    }
    let texts = [Some(title), task.description.as_ref(), task.idempotency_key.as_ref()];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Misfit(format!("a text of the task {title:?} holds a NUL character: remove it")));
    }
    Ok(())
}

/// At most `max` characters of `text`, without the NUL that one of the databases would stop at.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let kept = text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end]);
    if kept.contains('\0') { Cow::Owned(kept.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(kept) }
}

/// Splits items into runs of which each weighs at most `limit`, except where one item alone weighs more.
#[cfg(feature = "mysql")]
pub(crate) fn pieces<T>(items: impl IntoIterator<Item = T>, limit: usize, weight: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    // What the statements around the items take.
    let room = limit.saturating_sub(2048);
    let mut pieces: Vec<Vec<T>> = Vec::new();
    let mut filled = 0;
    for item in items {
        let weight = weight(&item);
        match pieces.last_mut() {
            Some(piece) if filled + weight <= room => {
                piece.push(item);
                filled += weight;
            }
            _ => {
                pieces.push(vec![item]);
                filled = weight;
            }
        }
    }
    pieces
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

    #[cfg(feature = "mysql")]
    #[test]
    fn pieces_are_no_heavier_than_asked_and_nothing_is_left_out() {
        let split = |items: &[usize]| pieces(items.iter().copied(), 2048 + 10, |item| *item);
        assert_eq!(split(&[5, 5, 1, 30, 2, 8]), [vec![5, 5], vec![1], vec![30], vec![2, 8]]);
        assert!(split(&[]).is_empty());
    }

    #[test]
    fn refuses_what_would_be_changed_on_the_way() {
        let ok = NewTask { idempotency_key: Some("k".into()), ..NewTask::titled("ü".repeat(255)) };
        assert_eq!(check_task(&ok), Ok(()));
        let bad = [
            NewTask::titled("x".repeat(256)),
            NewTask::titled("a\0b"),
            NewTask { description: Some("x".repeat(65_536)), ..NewTask::titled("t") },
            NewTask { idempotency_key: Some(String::new()), ..NewTask::titled("t") },
            NewTask { idempotency_key: Some("x".repeat(256)), ..NewTask::titled("t") },
            NewTask { max_attempts: Some(u32::MAX), ..NewTask::titled("t") },
        ];
        for task in bad {
            assert!(check_task(&task).is_err(), "{task:?}");
        }
    }
}
