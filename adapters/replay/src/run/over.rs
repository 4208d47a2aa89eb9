//! Letters that need nothing more.

use super::decide::Decision;
use super::plan::Planned;
use super::told::Fate;
use crate::journal::{Outcome, Settlement};

/// A letter that needs nothing more.
pub(super) struct Over<'a> {
    pub(super) planned: &'a Planned,
    pub(super) outcome: Outcome,
    pub(super) why: String,
}

impl<'a> Over<'a> {
    /// `None` where the decision is to do something, or nothing.
    pub(super) fn of(planned: &'a Planned, decision: &Decision) -> Option<Self> {
        let (outcome, why) = match decision {
            Decision::Drop(why) => (Outcome::Dropped, why),
            Decision::Done(outcome, why) => (*outcome, why),
            Decision::Go { .. } | Decision::Leave(_) => return None,
        };
        Some(Self { planned, outcome, why: why.clone() })
    }

    pub(super) fn settlement(&self) -> Settlement {
        Settlement { entry: self.planned.entry.number, outcome: self.outcome, why: self.why.clone() }
    }

    pub(super) fn fate(&self) -> Fate {
        match self.outcome {
            Outcome::Completed => Fate::Completed,
            Outcome::Failed => Fate::Failed(self.why.clone()),
            Outcome::Dropped | Outcome::Purged => Fate::Dropped(self.why.clone()),
        }
    }
}
