//! A process: it can be killed at any await point, or stand still for a while.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

/// What befalls a process, counted in polls.
pub(super) struct Fate {
    pub(super) dies_at: Option<u64>,
    pub(super) freezes_at: Option<u64>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    ByItself,
    Killed,
}

/// Drives a process to its end, which may come early.
pub(super) struct Life<'a, F> {
    process: Option<BoxFuture<'a, ()>>,
    fate: Fate,
    /// Makes the wait for a process that stands still; `None` where nothing goes wrong any more.
    freeze: F,
    thaw: Option<BoxFuture<'a, ()>>,
    polls: u64,
}

impl<'a, F: FnMut() -> Option<BoxFuture<'a, ()>>> Life<'a, F> {
    pub(super) fn new(process: BoxFuture<'a, ()>, fate: Fate, freeze: F) -> Self {
        Self { process: Some(process), fate, freeze, thaw: None, polls: 0 }
    }
}

impl<'a, F: FnMut() -> Option<BoxFuture<'a, ()>> + Unpin> Future for Life<'a, F> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let life = self.get_mut();
        life.polls += 1;
        if life.fate.dies_at.is_some_and(|poll| life.polls >= poll) {
            life.process = None;
            return Poll::Ready(End::Killed);
        }
        if life.fate.freezes_at.is_some_and(|poll| life.polls >= poll) {
            life.fate.freezes_at = None;
            life.thaw = (life.freeze)();
        }
        if let Some(thaw) = &mut life.thaw {
            if thaw.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            life.thaw = None;
        }
        match life.process.as_mut().map(|process| process.as_mut().poll(context)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(())) | None => Poll::Ready(End::ByItself),
        }
    }
}
