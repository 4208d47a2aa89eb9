//! Work that only looks like work, and fails as often as told.

use std::panic::resume_unwind;
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::ports::{AttemptInfo, Failure, Handler};
use taskwatch_core::task::Task;

/// How [`Simulate`] behaves. Fractions are of all attempts, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// How long an attempt takes.
    pub duration: Duration,
    /// By which fraction of `duration` an attempt may be longer or shorter; evenly spread.
    pub spread: f64,
    /// Fails and may be tried again; also on the last attempt.
    pub retry_fraction: f64,
    /// Fails for good.
    pub permanent_fraction: f64,
    /// Panics.
    pub panic_fraction: f64,
    /// Another seed, another run.
    pub seed: u64,
}

impl Default for Simulation {
    /// Succeeds at once, always.
    fn default() -> Self {
        Self {
            duration: Duration::ZERO,
            spread: 0.0,
            retry_fraction: 0.0,
            permanent_fraction: 0.0,
            panic_fraction: 0.0,
            seed: 0,
        }
    }
}

/// Why a [`Simulation`] cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSimulation {
    /// A number is not between 0 and 1.
    #[error("{name} is {value}: give a number from 0 to 1")]
    NotAFraction {
        /// Of the field.
        name: &'static str,
        /// As given.
        value: f64,
    },
    /// The failures are more than all attempts.
    #[error("retry, permanent and panic fractions add up to {0}: together they can be 1 at most")]
    TooManyFailures(f64),
}

/// Sleeps for a while, then succeeds, fails or panics.
///
/// What happens depends on nothing but the seed, the task's id and the number of the attempt, so a run can be repeated
/// and does not change with the order of the tasks. A panic skips the panic hook: nothing is printed.
#[derive(Debug, Clone)]
pub struct Simulate(Simulation);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Retry,
    Permanent,
    Panic,
}

impl Simulate {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`InvalidSimulation`] says which of them cannot be.
    pub fn new(simulation: Simulation) -> Result<Self, InvalidSimulation> {
        let Simulation { spread, retry_fraction, permanent_fraction, panic_fraction, .. } = simulation;
        let fractions = [
            ("spread", spread),
            ("retry fraction", retry_fraction),
            ("permanent fraction", permanent_fraction),
            ("panic fraction", panic_fraction),
        ];
        if let Some((name, value)) = fractions.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(InvalidSimulation::NotAFraction { name, value });
        }
        let failures = retry_fraction + permanent_fraction + panic_fraction;
        // Tenths do not add up to exactly 1.
        if failures > 1.0 + f64::EPSILON * 4.0 {
            return Err(InvalidSimulation::TooManyFailures(failures));
        }
        Ok(Self(simulation))
    }

    fn plan(&self, task: &Task, attempt: &AttemptInfo) -> (Duration, Outcome) {
        let Simulation { duration, spread, retry_fraction, permanent_fraction, panic_fraction, seed } = self.0;
        // One generator feeds the next, so that neighbouring seeds, ids and attempts share nothing.
        let by_task = fastrand::Rng::with_seed(seed).u64(..) ^ task.id.get().cast_unsigned();
        let by_attempt = fastrand::Rng::with_seed(by_task).u64(..) ^ u64::from(attempt.number);
        let mut random = fastrand::Rng::with_seed(by_attempt);

        let factor = 1.0 + spread * (2.0 * random.f64() - 1.0);
        // Fails only for a duration of centuries.
        let duration = Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(duration);
        let draw = random.f64();
        let outcome = if draw < retry_fraction {
            Outcome::Retry
        } else if draw < retry_fraction + permanent_fraction {
            Outcome::Permanent
        } else if draw < retry_fraction + permanent_fraction + panic_fraction {
            Outcome::Panic
        } else {
            Outcome::Done
        };
        (duration, outcome)
    }
}

#[async_trait]
impl Handler for Simulate {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        let (duration, outcome) = self.plan(task, attempt);
        // The timer would make a millisecond of nothing.
        if !duration.is_zero() {
            tokio::time::sleep(duration).await;
        }
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Retry => Err(Failure::retry("simulated: something did not answer")),
            Outcome::Permanent => Err(Failure::permanent("simulated: the task makes no sense")),
            Outcome::Panic => resume_unwind(Box::new("simulated panic".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;
    use taskwatch_core::ports::FailureKind;

    use super::*;
    use crate::testing;

    fn mix(seed: u64) -> Simulate {
        let simulation = Simulation {
            duration: Duration::from_secs(10),
            spread: 0.5,
            retry_fraction: 0.2,
            permanent_fraction: 0.1,
            panic_fraction: 0.05,
            seed,
        };
        Simulate::new(simulation).expect("the numbers are good")
    }

    fn plans(simulate: &Simulate) -> Vec<(Duration, Outcome)> {
        let pairs = (1..=2000).flat_map(|id| [1, 2, 3, 4, 5].map(|number| testing::attempt(id, number)));
        pairs.map(|(task, attempt)| simulate.plan(&task, &attempt)).collect()
    }

    #[test]
    fn a_seed_repeats_itself_and_another_differs() {
        assert_eq!(plans(&mix(1)), plans(&mix(1)));
        let same = plans(&mix(1)).into_iter().zip(plans(&mix(2))).filter(|(one, other)| one.0 == other.0).count();
        assert_eq!(same, 0, "no two of 10,000 draws are likely to be equal to the nanosecond");
    }

    #[test]
    fn attempts_of_a_task_are_drawn_anew() {
        let simulate = mix(1);
        let outcomes: Vec<Outcome> = plans(&simulate).into_iter().map(|(_, outcome)| outcome).collect();
        let failed_first = outcomes.chunks(5).filter(|attempts| attempts[0] != Outcome::Done);
        let healed = failed_first.clone().filter(|attempts| attempts[1] == Outcome::Done).count();
        let share = healed as f64 / failed_first.count() as f64;
        assert!((0.55..0.75).contains(&share), "{share} of the failed succeed next time; 0.65 of all do");
    }

    #[test]
    fn outcomes_come_in_the_fractions_asked_for() {
        let plans = plans(&mix(1));
        let share = |wanted| plans.iter().filter(|(_, outcome)| *outcome == wanted).count() as f64 / plans.len() as f64;
        for (outcome, fraction) in
            [(Outcome::Done, 0.65), (Outcome::Retry, 0.2), (Outcome::Permanent, 0.1), (Outcome::Panic, 0.05)]
        {
            // The seed is fixed, so this cannot flicker; 0.02 is four standard deviations and more.
            assert!((share(outcome) - fraction).abs() < 0.02, "{outcome:?}: {}", share(outcome));
        }
        let seconds = plans.iter().map(|(duration, _)| duration.as_secs());
        let histogram = seconds.fold(BTreeMap::new(), |mut histogram: BTreeMap<u64, usize>, seconds| {
            *histogram.entry(seconds).or_default() += 1;
            histogram
        });
        assert_eq!(histogram.keys().copied().collect::<Vec<_>>(), (5..15).collect::<Vec<_>>());
        assert!(histogram.values().all(|count| (800..1200).contains(count)), "{histogram:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_plan_is_carried_out() {
        let simulate = mix(3);
        let mut met = Vec::new();
        for id in 1..=100 {
            let (task, attempt) = testing::attempt(id, 1);
            let (duration, planned) = simulate.plan(&task, &attempt);
            let start = tokio::time::Instant::now();
            let outcome = match AssertUnwindSafe(simulate.handle(&task, &attempt)).catch_unwind().await {
                Ok(Ok(())) => Outcome::Done,
                Ok(Err(Failure { kind: FailureKind::Retry { after: None }, .. })) => Outcome::Retry,
                Ok(Err(Failure { kind: FailureKind::Permanent, .. })) => Outcome::Permanent,
                Ok(Err(other)) => panic!("not planned: {other:?}"),
                Err(payload) => {
                    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("simulated panic"));
                    Outcome::Panic
                }
            };
            assert_eq!(outcome, planned, "task {id}");
            assert!(start.elapsed() >= duration, "task {id}");
            met.push(outcome);
        }
        for outcome in [Outcome::Done, Outcome::Retry, Outcome::Permanent, Outcome::Panic] {
            assert!(met.contains(&outcome), "{outcome:?} is not among the first hundred");
        }
    }

    #[test]
    fn impossible_numbers_are_refused_by_name() {
        let refused = |change: fn(&mut Simulation)| {
            let mut simulation = Simulation::default();
            change(&mut simulation);
            Simulate::new(simulation).expect_err("the number is bad").to_string()
        };
        assert_eq!(refused(|s| s.spread = 1.5), "spread is 1.5: give a number from 0 to 1");
        assert_eq!(refused(|s| s.panic_fraction = f64::NAN), "panic fraction is NaN: give a number from 0 to 1");
        assert_eq!(refused(|s| s.retry_fraction = -0.1), "retry fraction is -0.1: give a number from 0 to 1");
        assert!(refused(|s| (s.retry_fraction, s.permanent_fraction) = (0.6, 0.6)).contains("add up to 1.2"));
        let whole =
            Simulation { retry_fraction: 0.7, permanent_fraction: 0.2, panic_fraction: 0.1, ..Simulation::default() };
        assert!(Simulate::new(whole).is_ok());
    }
}
