//! The metric catalogue: the one table from which instruments, dashboard, alarms and documentation are made.

use std::fmt;
use std::time::Duration;

use crate::ledger::{LedgerEntry, Source};
use crate::task::Status;
use crate::time::Timestamp;
use crate::transition::EventKind;

/// How the values of a metric add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Whole things that happened; the sum counts.
    Count,
    /// Sizes; percentiles count.
    Distribution,
}

/// A CloudWatch unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `Count`.
    Count,
    /// `Milliseconds`.
    Milliseconds,
}

impl Unit {
    /// The name that CloudWatch gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

macro_rules! catalogue {
    ($( $variant:ident, $kind:ident, $unit:ident, $meaning:literal; )*) => {
        /// Every metric that taskwatch knows. Its name in CloudWatch is the variant's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric { $( #[doc = $meaning] $variant, )* }

        impl Metric {
            /// The whole catalogue.
            pub const ALL: [Self; [$( stringify!($variant) ),*].len()] = [$( Self::$variant ),*];

            /// The name in CloudWatch.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => stringify!($variant), )* }
            }

            /// How its values add up.
            #[must_use]
            pub const fn kind(self) -> MetricKind {
                match self { $( Self::$variant => MetricKind::$kind, )* }
            }

            /// What its values are.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $( Self::$variant => Unit::$unit, )* }
            }

            /// What it says, in a line.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $meaning, )* }
            }
        }
    };
}

catalogue! {
    TasksAdded, Count, Count, "Tasks inserted by taskwatch.";
    TasksAdopted, Count, Count, "Tasks inserted by another program and touched for the first time.";
    TasksOverwritten, Count, Count, "Changes of status by another program after taskwatch had written the row.";
    TasksStarted, Count, Count, "Attempts begun.";
    TasksCompleted, Count, Count, "Tasks done.";
    TasksFailed, Count, Count, "Attempts failed, whether or not another follows.";
    TasksRetried, Count, Count, "Failed attempts that another will follow.";
    TasksDead, Count, Count, "Tasks given up: permanent error, attempts used up, or abandoned work that must not run twice.";
    TasksAbandoned, Count, Count, "Attempts whose lease ran out before anybody reported.";
    TasksReleased, Count, Count, "Attempts given back untried at shutdown or before a deadline.";
    TasksCancelled, Count, Count, "Tasks called off.";
    TasksReplayed, Count, Count, "Failed tasks put back by a person.";
    DuplicateDeliveries, Count, Count, "Deliveries of tasks that were already Completed or Cancelled; nothing ran.";
    StaleLeases, Count, Count, "Results refused because the lease had been lost.";
    MessagesRejected, Count, Count, "Deliveries that could not be understood, or that name no task that could be worked.";
    HandlerPanics, Count, Count, "Attempts that ended in a panic of the handler.";
    TaskDuration, Distribution, Milliseconds, "Start to end of an attempt that completed or failed.";
    TaskWait, Distribution, Milliseconds, "Due to started.";
    TaskLatency, Distribution, Milliseconds, "Added to completed.";
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One movement of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricEvent {
    /// Which.
    pub metric: Metric,
    /// 1 for a count; milliseconds for a distribution.
    pub value: f64,
    /// The one dimension.
    pub source: Source,
    /// When.
    pub at: Timestamp,
}

impl MetricEvent {
    /// Something happened once.
    #[must_use]
    pub const fn one(metric: Metric, source: Source, at: Timestamp) -> Self {
        Self { metric, value: 1.0, source, at }
    }

    /// Something took this long.
    #[must_use]
    pub fn took(metric: Metric, took: Duration, source: Source, at: Timestamp) -> Self {
        Self { metric, value: took.as_secs_f64() * 1000.0, source, at }
    }
}

/// The counts that a ledger entry feeds: the one place where entries become metrics, for live events and for
/// recomputing the books alike.
pub fn counts(entry: &LedgerEntry) -> impl Iterator<Item = Metric> + use<> {
    let own = match entry.event {
        EventKind::Added => Metric::TasksAdded,
        EventKind::Adopted => Metric::TasksAdopted,
        EventKind::Overwritten => Metric::TasksOverwritten,
        EventKind::Started => Metric::TasksStarted,
        EventKind::Completed => Metric::TasksCompleted,
        EventKind::Failed => Metric::TasksFailed,
        EventKind::Abandoned => Metric::TasksAbandoned,
        EventKind::Released => Metric::TasksReleased,
        EventKind::Cancelled => Metric::TasksCancelled,
        EventKind::Replayed => Metric::TasksReplayed,
    };
    let more = match (entry.event, entry.to) {
        (EventKind::Failed, Status::Pending) => Some(Metric::TasksRetried),
        (EventKind::Failed | EventKind::Abandoned, Status::Failed) => Some(Metric::TasksDead),
        _ => None,
    };
    std::iter::once(own).chain(more)
}
