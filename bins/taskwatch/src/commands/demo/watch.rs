//! Counts what the engines tell while they work, and shows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use taskwatch_core::metric::{Metric, MetricKind};
use taskwatch_core::ports::{Notice, Observer};

use crate::out;

/// How often a terminal is drawn, and how many times less often plain lines come.
const TICK: Duration = Duration::from_millis(100);
const TICKS_PER_LINE: u32 = 10;

/// An hour: longer than the demo, in microseconds.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// What has been told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Sums of the counts.
    pub(super) counts: BTreeMap<Metric, u64>,
    /// Distributions, in microseconds.
    pub(super) sizes: BTreeMap<Metric, Histogram<u64>>,
    settled: u64,
}

/// Takes note, for the bar and for the tables at the end.
#[derive(Debug)]
pub(super) struct Watch(Mutex<Told>);

impl Watch {
    /// Nothing told yet.
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// What has been told.
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        // A counter is right or left as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows how many of `expected` tasks are settled while the work goes on: a bar on a terminal, otherwise lines.
    pub(super) async fn show(&self, expected: usize, work: impl Future<Output = ()>) {
        let terminal = out::is_drawable();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let total = u64::try_from(expected).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template("  {bar:40} {pos}/{len} settled, {msg} ({elapsed})") {
            bar.set_style(style);
        }
        let before = self.told().settled;
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(TICK);
        let mut tick = 0;
        loop {
            let over = tokio::select! {
                () = &mut work => true,
                _ = ticks.tick() => false,
            };
            let (settled, rest) = self.progress(before);
            if terminal {
                bar.set_position(settled);
                bar.set_message(rest);
            } else if over || tick % TICKS_PER_LINE == TICKS_PER_LINE - 1 {
                out::remark(format_args!("  {settled}/{total} settled, {rest}"));
            }
            if over {
                bar.abandon();
                return;
            }
            tick += 1;
        }
    }

    fn progress(&self, before: u64) -> (u64, String) {
        let told = self.told();
        let count = |metric| told.counts.get(&metric).copied().unwrap_or(0);
        let rest = format!(
            "{} retries, {} dead, {} abandoned",
            count(Metric::TasksRetried),
            count(Metric::TasksDead),
            count(Metric::TasksAbandoned)
        );
        (told.settled - before, rest)
    }
}

impl Observer for Watch {
    fn notice(&self, notice: &Notice<'_>) {
        let Notice::Metric(event) = notice else { return };
        let mut told = self.told();
        match event.metric.kind() {
            MetricKind::Count => *told.counts.entry(event.metric).or_default() += 1,
            MetricKind::Distribution => {
                let micros = u64::try_from(Duration::from_secs_f64(event.value.max(0.0) / 1000.0).as_micros());
                // Refused only for bounds that make no sense.
                if let Ok(empty) = Histogram::new_with_bounds(1, LONGEST_MICROS, 3) {
                    told.sizes.entry(event.metric).or_insert(empty).saturating_record(micros.unwrap_or(u64::MAX));
                }
            }
        }
        if matches!(event.metric, Metric::TasksCompleted | Metric::TasksDead) {
            told.settled += 1;
        }
    }
}
