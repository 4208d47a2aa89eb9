//! The end of the demo: states, counts, latencies, the books, and whether all that was promised has been seen.

use std::collections::BTreeMap;

use taskwatch_core::laws::Books;
use taskwatch_core::metric::{Metric, MetricKind, counts};
use taskwatch_core::ports::{Record, Records as _};
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind;

use super::Seen;
use super::stage::Stage;
use super::victim::NAME as VICTIM;
use super::watch::Told;
use crate::commands::verify;
use crate::exit::{Exit, Failed};
use crate::out::{self, BAD, GOOD, STRONG, styled};

/// What the ledger says beside the books.
#[derive(Debug, Default)]
struct Traces {
    /// Counts of the entries that the killed worker wrote: nobody was there to listen to them.
    victim: BTreeMap<Metric, u64>,
    /// Tasks that the killed worker had started and another worker finished.
    taken_over: usize,
    /// Replayed tasks that were completed after all.
    risen: usize,
}

impl Stage {
    /// Prints the end. Exit code 0 only if everything is as promised.
    pub(super) async fn conclude(&self, seen: &Seen) -> Result<Exit, Failed> {
        let books = verify::audit(&*self.store).await?;
        let traces = self.traces(seen).await?;
        let promises = {
            let told = self.watch.told();
            states(&books)?;
            metrics(&books, &told, &traces)?;
            latencies(&told)?;
            promises(&books, &told, &traces, seen)
        };
        heading("the books")?;
        verify::print(&books)?;
        heading("what was promised")?;
        let mut kept = books.balanced();
        for (promise, seen) in promises {
            kept &= seen;
            out::line(format_args!("  {} {promise}", if seen { styled(GOOD, "yes") } else { styled(BAD, "NO ") }))?;
        }
        Ok(if kept { Exit::Done } else { Exit::Refused })
    }

    async fn traces(&self, seen: &Seen) -> Result<Traces, Failed> {
        let mut traces = Traces::default();
        let mut after = None;
        loop {
            let page = self.store.records(after, 500).await?;
            let Some(last) = page.last() else { return Ok(traces) };
            after = Some(last.task);
            for record in &page {
                let by_victim = record.entries.iter().filter(|entry| &*entry.origin.worker == VICTIM);
                for metric in by_victim.flat_map(counts) {
                    *traces.victim.entry(metric).or_default() += 1;
                }
                traces.taken_over += usize::from(taken_over(record));
                traces.risen += usize::from(seen.replayed.contains(&record.task) && completed(record));
            }
        }
    }
}

fn completed(record: &Record) -> bool {
    record.entries.last().is_some_and(|entry| entry.event == EventKind::Completed)
}

/// Started by the killed worker, abandoned by the judgement of another, started again by another.
fn taken_over(record: &Record) -> bool {
    let by_victim = |at: usize| record.entries.get(at).is_some_and(|entry| &*entry.origin.worker == VICTIM);
    let place = |event, from: usize| {
        record.entries.iter().enumerate().skip(from).find(|(_, entry)| entry.event == event).map(|(at, _)| at)
    };
    let Some(started) = place(EventKind::Started, 0) else { return false };
    let Some(abandoned) = place(EventKind::Abandoned, started) else { return false };
    let again = place(EventKind::Started, abandoned);
    by_victim(started) && !by_victim(abandoned) && again.is_some_and(|at| !by_victim(at))
}

fn heading(text: &str) -> Result<(), Failed> {
    Ok(out::line(format_args!("\n{}", styled(STRONG, text)))?)
}

fn states(books: &Books) -> Result<(), Failed> {
    heading("states")?;
    let mut table = out::table_of_numbers(&["state", "tasks"]);
    for status in Status::ALL {
        table.add_row([status.to_string(), books.statuses.get(&status).copied().unwrap_or(0).to_string()]);
    }
    Ok(out::line(table)?)
}

fn count(counts: &BTreeMap<Metric, u64>, metric: Metric) -> u64 {
    counts.get(&metric).copied().unwrap_or(0)
}

/// Whether entries of the ledger feed a metric.
fn from_ledger(metric: Metric) -> bool {
    use Metric as M;
    metric.kind() == MetricKind::Count
        && !matches!(metric, M::DuplicateDeliveries | M::StaleLeases | M::MessagesRejected | M::HandlerPanics)
}

fn metrics(books: &Books, told: &Told, traces: &Traces) -> Result<(), Failed> {
    heading("metrics: told while it happened, and recomputed from the ledger")?;
    let mut table = out::table_of_numbers(&["metric", "told", "by the killed worker", "ledger"]);
    for metric in Metric::ALL.into_iter().filter(|metric| metric.kind() == MetricKind::Count) {
        let (victim, ledger) = if from_ledger(metric) {
            (count(&traces.victim, metric).to_string(), count(&books.metrics, metric).to_string())
        } else {
            ("-".to_owned(), "-".to_owned())
        };
        table.add_row([metric.to_string(), count(&told.counts, metric).to_string(), victim, ledger]);
    }
    Ok(out::line(table)?)
}

fn latencies(told: &Told) -> Result<(), Failed> {
    heading("latencies in ms")?;
    let mut table = out::table_of_numbers(&["metric", "count", "p50", "p95", "p99", "max"]);
    let ms = |micros: u64| format!("{}.{}", micros / 1000, micros % 1000 / 100);
    for (metric, histogram) in &told.sizes {
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        let max = ms(histogram.max());
        table.add_row([metric.to_string(), histogram.len().to_string(), at(0.5), at(0.95), at(0.99), max]);
    }
    Ok(out::line(table)?)
}

fn promises(books: &Books, told: &Told, traces: &Traces, seen: &Seen) -> Vec<(String, bool)> {
    let ledger = |metric| count(&books.metrics, metric);
    let live = |metric| count(&told.counts, metric);
    let retries = ledger(Metric::TasksRetried);
    let dead = ledger(Metric::TasksDead);
    let panics = live(Metric::HandlerPanics);
    let duplicates = live(Metric::DuplicateDeliveries);
    let sent = u64::try_from(seen.duplicates_sent).unwrap_or(u64::MAX);
    let (over, risen, replayed) = (traces.taken_over, traces.risen, seen.replayed.len());
    let agree = Metric::ALL
        .into_iter()
        .filter(|metric| from_ledger(*metric))
        .all(|metric| ledger(metric) == live(metric) + count(&traces.victim, metric));
    // Started attempts of this process end as Completed or Failed, and every such end takes some time.
    let timed = told.sizes.get(&Metric::TaskDuration).map_or(0, |sizes| sizes.len() - sizes.count_at(0));
    let durations = live(Metric::TasksCompleted) + live(Metric::TasksFailed);
    let open =
        [Status::Pending, Status::InProgress].iter().filter_map(|status| books.statuses.get(status)).sum::<u64>();
    vec![
        (format!("retries: {retries} failed attempts were repeated"), retries > 0),
        (format!("failures for good: {dead} tasks were given up"), dead > 0),
        (format!("panics: {panics} attempts ended in one, no worker did"), panics > 0),
        (format!("a worker killed in mid-task: {over} of its leases were taken over"), seen.killed && over > 0),
        (
            format!("duplicates: {duplicates} deliveries of finished tasks, and nothing ran"),
            sent > 0 && duplicates >= sent && seen.duplicates_settled == seen.duplicates_sent,
        ),
        (format!("a replay of the dead: {replayed} put back, {risen} of them completed"), replayed > 0 && risen > 0),
        (format!("nothing left over: {open} tasks are still open"), open == 0),
        (format!("latencies: {timed} attempts were timed"), timed > 0 && timed == durations),
        ("every count told while it happened is in the ledger, and the other way round".to_owned(), agree),
    ]
}
