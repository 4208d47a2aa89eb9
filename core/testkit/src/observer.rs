//! Takes down what is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::metric::{Metric, MetricEvent, counts};
use taskwatch_core::ports::{Notice, Observer};

/// Keeps everything it is told, in the order of the telling.
#[derive(Debug, Default)]
pub struct CountingObserver(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    entries: Vec<LedgerEntry>,
    metrics: Vec<MetricEvent>,
    troubles: Vec<String>,
    recoveries: Vec<String>,
}

impl CountingObserver {
    /// Has been told nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events of this metric were told.
    #[must_use]
    pub fn count(&self, metric: Metric) -> usize {
        self.told().metrics.iter().filter(|event| event.metric == metric).count()
    }

    /// How many events of each metric were told; those without any are left out.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Metric, usize> {
        tally(self.told().metrics.iter().map(|event| event.metric))
    }

    /// The counts that the entries told so far come to, by the catalogue: what the books say.
    #[must_use]
    pub fn entry_counts(&self) -> BTreeMap<Metric, usize> {
        tally(self.told().entries.iter().flat_map(counts))
    }

    /// The entries told.
    #[must_use]
    pub fn entries(&self) -> Vec<LedgerEntry> {
        self.told().entries.clone()
    }

    /// The metric events told.
    #[must_use]
    pub fn metrics(&self) -> Vec<MetricEvent> {
        self.told().metrics.clone()
    }

    /// The troubles told.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.told().troubles.clone()
    }

    /// The ends of troubles told.
    #[must_use]
    pub fn recoveries(&self) -> Vec<String> {
        self.told().recoveries.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tally(metrics: impl Iterator<Item = Metric>) -> BTreeMap<Metric, usize> {
    metrics.fold(BTreeMap::new(), |mut tally, metric| {
        *tally.entry(metric).or_default() += 1;
        tally
    })
}

impl Observer for CountingObserver {
    fn notice(&self, notice: &Notice<'_>) {
        let mut told = self.told();
        match *notice {
            Notice::Transition(entry) => told.entries.push(entry.clone()),
            Notice::Metric(event) => told.metrics.push(event),
            Notice::Trouble(text) => told.troubles.push(text.to_owned()),
            Notice::Recovered(text) => told.recoveries.push(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use taskwatch_core::ledger::Source;
    use taskwatch_core::time::Timestamp;

    use super::*;

    #[test]
    fn counts_by_metric_and_keeps_what_was_said() {
        let observer = CountingObserver::new();
        let event = MetricEvent::one(Metric::TasksStarted, Source::Local, Timestamp::EPOCH);
        observer.notice(&Notice::Metric(event));
        observer.notice(&Notice::Metric(event));
        observer.notice(&Notice::Trouble("no database"));
        observer.notice(&Notice::Recovered("database"));
        assert_eq!(observer.counts(), BTreeMap::from([(Metric::TasksStarted, 2)]));
        assert_eq!((observer.count(Metric::TasksStarted), observer.count(Metric::TasksAdded)), (2, 0));
        assert_eq!((observer.troubles(), observer.recoveries()), (vec!["no database".into()], vec!["database".into()]));
        assert!(observer.entries().is_empty() && observer.entry_counts().is_empty());
    }
}
